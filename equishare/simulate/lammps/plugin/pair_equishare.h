// The pair style `equishare`: neighbour lists, ghosts and communication are LAMMPS's, the energy is Python's.

#ifndef PAIR_EQUISHARE_H
#define PAIR_EQUISHARE_H

#include "interface.h"
#include "pair.h"

#include <string>
#include <vector>

namespace LAMMPS_NS {

class PairEquishare : public Pair {
 public:
  explicit PairEquishare(class LAMMPS *);
  ~PairEquishare() override;

  void settings(int, char **) override;
  void coeff(int, char **) override;
  void init_style() override;
  double init_one(int, int) override;
  void compute(int, int) override;
  void *extract(const char *, int &) override;
  void *extract_peratom(const char *, int &) override;
  double memory_usage() override;

  int pack_forward_comm(int, int *, double *, int, int *) override;
  void unpack_forward_comm(int, int, double *) override;
  int pack_reverse_comm(int, int, double *) override;
  void unpack_reverse_comm(int, int *, double *) override;

  // What is exchanged now: rows of an array [components][all][width].
  struct Exchange {
    char *array;
    int64_t components, width, item_size;
  };
  void exchange(const Exchange &, bool forward);
  void sum(double *, int64_t);

 private:
  void list_edges();
  void tally(const double *gradient);
  void tally_atoms(const double *gradient, const double *moments);
  void close_model();

  std::string options;
  int handle = -1;
  EquishareModel model{};
  Exchange exchanged{};
  double unit = 1.0;              // of LAMMPS's energy in eV
  int wants_uncertainty = 0;      // set by `fix pair`
  std::vector<int64_t> species, sender, receiver;
  std::vector<double> vectors, energies, gradient, moments, forces_uncertainty;
};

}  // namespace LAMMPS_NS

#endif
