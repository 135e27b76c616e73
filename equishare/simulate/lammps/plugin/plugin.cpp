// Registers the pair style; LAMMPS calls this by `plugin load`.

#include "pair_equishare.h"

using namespace LAMMPS_NS;

// As LAMMPS's lammpsplugin.h has them, which its packages do not carry.
extern "C" {
typedef void *(lammpsplugin_factory1)(void *);
typedef struct {
  const char *version, *style, *name, *info, *author;
  union {
    lammpsplugin_factory1 *v1;
    void *v2;
  } creator;
  void *handle;
} lammpsplugin_t;
typedef void (*lammpsplugin_regfunc)(lammpsplugin_t *, void *);

static void *create(void *lmp) { return new PairEquishare(static_cast<LAMMPS *>(lmp)); }

void lammpsplugin_init(void *lmp, void *handle, void *register_function) {
  lammpsplugin_t plugin{};
  plugin.version = EQUISHARE_LAMMPS_VERSION;
  plugin.style = "pair";
  plugin.name = "equishare";
  plugin.info = "potentials of equishare";
  plugin.author = "the equishare developers";
  plugin.creator.v1 = create;
  plugin.handle = handle;
  reinterpret_cast<lammpsplugin_regfunc>(register_function)(&plugin, lmp);
}
}
