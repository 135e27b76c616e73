#include "pair_equishare.h"

#include "atom.h"
#include "comm.h"
#include "error.h"
#include "force.h"
#include "memory.h"
#include "neigh_list.h"
#include "neighbor.h"
#include "update.h"
#include "utils.h"

#include <algorithm>
#include <cmath>
#include <cstring>

using namespace LAMMPS_NS;

// Å, as in equishare/atoms/neighbours.py
static constexpr double ONE_PLACE = 1e-3;

PairEquishare::PairEquishare(LAMMPS *lmp) : Pair(lmp) {
  manybody_flag = 1;
  one_coeff = 1;
  single_enable = 0;
  restartinfo = 0;               // the input names the model again, as for other potentials with a file
  no_virial_fdotr_compute = 1;   // tally() adds it edge by edge
  centroidstressflag = CENTROID_AVAIL;
  nextra = 1;
  pvector = new double[1];
  // a process without atoms takes part in the exchanges like the others: its arrays are empty, not absent
  for (auto *each : {&moments, &forces_uncertainty}) each->reserve(1);
}

PairEquishare::~PairEquishare() {
  close_model();
  delete[] pvector;
  if (allocated) {
    memory->destroy(setflag);
    memory->destroy(cutsq);
  }
}

void PairEquishare::close_model() {
  char message[EQUISHARE_MESSAGE];
  if (handle >= 0) equishare_python(message).close(handle);
  handle = -1;
}

void PairEquishare::settings(int narg, char **arg) {
  options.clear();
  for (int k = 0; k < narg; ++k) options += (k ? " " : "") + std::string(arg[k]);
}

// pair_coeff * * model.safetensors C H O
void PairEquishare::coeff(int narg, char **arg) {
  const int n = atom->ntypes;
  if (!allocated) {
    allocated = 1;
    memory->create(setflag, n + 1, n + 1, "pair:setflag");
    memory->create(cutsq, n + 1, n + 1, "pair:cutsq");
    map = new int[n + 1];
  }
  if (narg != 3 + n)
    error->all(FLERR, "expected pair_coeff * * MODEL.safetensors and the elements of the {} atom types, or NULL, got {} names", n,
               std::max(narg - 3, 0));
  map_element2type(narg - 3, arg + 3);
  std::string names;
  for (int k = 0; k < nelements; ++k) names += (k ? " " : "") + std::string(elements[k]);
  char message[EQUISHARE_MESSAGE] = "";
  close_model();
  const EquisharePython &python = equishare_python(message);
  if (!python.open) error->all(FLERR, "{}", message);
  handle = python.open(arg[2], names.c_str(), options.c_str(), &model, message);
  if (handle < 0) error->all(FLERR, "{}", message);
  comm_forward = comm_reverse = (model.exchange_bytes + sizeof(double) - 1) / sizeof(double);
  nextra = model.committee ? 1 : 0;  // `compute pair` has no number to give without one
}

void PairEquishare::init_style() {
  const std::string units = update->unit_style;
  if (units == "real") unit = utils::get_conversion_factor(utils::ENERGY, utils::METAL2REAL);
  else if (units != "metal") error->all(FLERR, "pair_style equishare needs units metal (eV, Å) or real (kcal/mol, Å), got {}", units);
  if (!force->newton_pair) error->all(FLERR, "pair_style equishare needs newton on: forces on ghosts go to their owners");
  const double *special = force->special_lj;
  if (atom->molecular != Atom::ATOMIC && (special[1] == 0.0 || special[2] == 0.0 || special[3] == 0.0))
    error->all(FLERR, "pair_style equishare needs the pairs of bonded atoms too: say special_bonds lj/coul 1.0 1.0 1.0");
  neighbor->add_request(this, NeighConst::REQ_FULL);
}

double PairEquishare::init_one(int i, int j) {
  if (setflag[i][j] == 0) error->all(FLERR, "pair_coeff * * of equishare is missing for types {} and {}", i, j);
  return model.cutoff;
}

// Pairs within the cutoff, sorted by receiver.
void PairEquishare::list_edges() {
  const int all = atom->nlocal + atom->nghost;
  const double cutoff2 = model.cutoff * model.cutoff;
  double **x = atom->x;
  species.resize(all);
  for (int i = 0; i < all; ++i) species[i] = map[atom->type[i]];
  sender.clear(), receiver.clear(), vectors.clear();
  std::vector<int> rows(list->ilist, list->ilist + list->inum);
  std::sort(rows.begin(), rows.end());
  // what is reserved and not written to takes no memory; growing by doubling would
  size_t listed = 0;
  for (const int i : rows) listed += list->numneigh[i];
  sender.reserve(listed), receiver.reserve(listed), vectors.reserve(3 * listed);
  for (const int i : rows) {
    if (species[i] < 0) continue;
    for (int k = 0; k < list->numneigh[i]; ++k) {
      const int j = list->firstneigh[i][k] & NEIGHMASK;
      if (species[j] < 0) continue;
      const double dx = x[j][0] - x[i][0], dy = x[j][1] - x[i][1], dz = x[j][2] - x[i][2];
      const double square = dx * dx + dy * dy + dz * dz;
      if (square >= cutoff2) continue;
      if (square < ONE_PLACE * ONE_PLACE)
        error->one(FLERR, "atoms {} and {} are in one place, {:.2g} Å apart, where no potential has a derivative; remove one of them", atom->tag[i], atom->tag[j], std::sqrt(square));
      sender.push_back(j), receiver.push_back(i);
      vectors.insert(vectors.end(), {dx, dy, dz});
    }
  }
}

void PairEquishare::compute(int eflag, int vflag) {
  ev_init(eflag, vflag);
  list_edges();
  const size_t local = atom->nlocal, edges = sender.size();
  const bool by_atom = vflag_atom || cvflag_atom;
  energies.assign(local, 0.0);
  gradient.resize(3 * edges);
  moments.resize(by_atom ? 9 * edges : 0);
  forces_uncertainty.assign(wants_uncertainty ? local : 0, 0.0);
  double energy_uncertainty = 0.0;

  EquishareDomain domain{};
  domain.local = local, domain.all = atom->nlocal + atom->nghost, domain.edges = edges;
  domain.species = species.data();
  domain.positions = domain.all ? atom->x[0] : nullptr;
  domain.sender = sender.data(), domain.receiver = receiver.data(), domain.vectors = vectors.data();
  domain.energies = energies.data(), domain.gradient = gradient.data();
  domain.moments = by_atom ? moments.data() : nullptr;
  domain.energy_uncertainty = model.committee && eflag_either ? &energy_uncertainty : nullptr;
  domain.forces_uncertainty = wants_uncertainty ? forces_uncertainty.data() : nullptr;
  domain.pair = this;
  domain.forward = [](void *pair, void *array, int64_t components, int64_t width, int64_t item_size) {
    static_cast<PairEquishare *>(pair)->exchange({static_cast<char *>(array), components, width, item_size}, true);
  };
  domain.reverse = [](void *pair, void *array, int64_t components, int64_t width, int64_t item_size) {
    static_cast<PairEquishare *>(pair)->exchange({static_cast<char *>(array), components, width, item_size}, false);
  };
  domain.sum = [](void *pair, double *numbers, int64_t count) { static_cast<PairEquishare *>(pair)->sum(numbers, count); };

  char message[EQUISHARE_MESSAGE] = "";
  if (equishare_python(message).evaluate(handle, &domain, message) < 0) error->one(FLERR, "{}", message);

  for (double &value : energies) value *= unit;
  for (double &value : gradient) value *= unit;
  for (double &value : moments) value *= unit;
  for (double &value : forces_uncertainty) value *= unit;
  // `compute pair` adds the processes' numbers up, and this one is of all of them; one from before a model without a committee gives none
  pvector[0] = !model.committee ? NAN : comm->me ? 0.0 : energy_uncertainty * unit;
  if (eflag_global)
    for (const double value : energies) eng_vdwl += value;
  if (eflag_atom)
    for (size_t i = 0; i < local; ++i) eatom[i] += energies[i];
  tally(gradient.data());
  if (by_atom) tally_atoms(gradient.data(), moments.data());
}

// Forces, and the virial of all atoms.
void PairEquishare::tally(const double *of_vectors) {
  double **f = atom->f;
  for (size_t e = 0; e < sender.size(); ++e) {
    const double *g = of_vectors + 3 * e, *r = vectors.data() + 3 * e;
    for (int k = 0; k < 3; ++k) f[receiver[e]][k] += g[k], f[sender[e]][k] -= g[k];
    if (!vflag_global) continue;
    virial[0] -= r[0] * g[0], virial[1] -= r[1] * g[1], virial[2] -= r[2] * g[2];
    virial[3] -= 0.5 * (r[0] * g[1] + r[1] * g[0]);
    virial[4] -= 0.5 * (r[0] * g[2] + r[2] * g[0]);
    virial[5] -= 0.5 * (r[1] * g[2] + r[2] * g[1]);
  }
}

// The virial of atom i is sum_j (r_i - r_j) (-dE_j/dr_i): what the heat flux takes of it, see docs/guides/lammps.md. `moments` holds the derivatives
// of sum_j r_j E_j by the edge vectors, in three parts.
void PairEquishare::tally_atoms(const double *of_vectors, const double *of_moments) {
  static const int rows[9] = {0, 1, 2, 0, 0, 1, 1, 2, 2}, columns[9] = {0, 1, 2, 1, 2, 2, 0, 0, 1};
  const size_t edges = sender.size();
  for (size_t e = 0; e < edges; ++e)
    for (int end = 0; end < 2; ++end) {
      const int64_t i = end ? sender[e] : receiver[e];
      const double sign = end ? 1.0 : -1.0;
      double w[9];
      for (int k = 0; k < 9; ++k) {
        const int a = rows[k], b = columns[k];
        w[k] = sign * (of_moments[3 * (a * edges + e) + b] - atom->x[i][a] * of_vectors[3 * e + b]);
      }
      if (cvflag_atom)
        for (int k = 0; k < 9; ++k) cvatom[i][k] += w[k];
      if (vflag_atom) {
        for (int k = 0; k < 3; ++k) vatom[i][k] += w[k];
        for (int k = 3; k < 6; ++k) vatom[i][k] += 0.5 * (w[k] + w[k + 3]);
      }
    }
}

void PairEquishare::sum(double *numbers, int64_t count) {
  MPI_Allreduce(MPI_IN_PLACE, numbers, static_cast<int>(count), MPI_DOUBLE, MPI_SUM, world);
}

void PairEquishare::exchange(const Exchange &what, bool forward) {
  exchanged = what;
  const int most = comm_forward;
  const int64_t bytes = what.components * what.width * what.item_size;
  comm_forward = comm_reverse = (bytes + sizeof(double) - 1) / sizeof(double);
  if (comm_forward > most) error->one(FLERR, "equishare exchanges {} bytes an atom, and said that it would be {} at most", bytes, most * sizeof(double));
  if (forward) comm->forward_comm(this);
  else comm->reverse_comm(this);
  comm_forward = comm_reverse = most;
}

// Rows travel as their bytes, whatever the precision: two float32 to a double.
int PairEquishare::pack_forward_comm(int n, int *owned, double *buffer, int, int *) {
  const int64_t run = exchanged.width * exchanged.item_size, stride = (atom->nlocal + atom->nghost) * run;
  for (int i = 0; i < n; ++i) {
    char *to = reinterpret_cast<char *>(buffer + static_cast<int64_t>(i) * comm_forward);
    for (int64_t c = 0; c < exchanged.components; ++c) memcpy(to + c * run, exchanged.array + c * stride + owned[i] * run, run);
  }
  return n * comm_forward;
}

void PairEquishare::unpack_forward_comm(int n, int first, double *buffer) {
  const int64_t run = exchanged.width * exchanged.item_size, stride = (atom->nlocal + atom->nghost) * run;
  for (int i = 0; i < n; ++i) {
    const char *from = reinterpret_cast<const char *>(buffer + static_cast<int64_t>(i) * comm_forward);
    for (int64_t c = 0; c < exchanged.components; ++c) memcpy(exchanged.array + c * stride + (first + i) * run, from + c * run, run);
  }
}

int PairEquishare::pack_reverse_comm(int n, int first, double *buffer) {
  const int64_t run = exchanged.width * exchanged.item_size, stride = (atom->nlocal + atom->nghost) * run;
  for (int i = 0; i < n; ++i) {
    char *to = reinterpret_cast<char *>(buffer + static_cast<int64_t>(i) * comm_reverse);
    for (int64_t c = 0; c < exchanged.components; ++c) memcpy(to + c * run, exchanged.array + c * stride + (first + i) * run, run);
  }
  return n * comm_reverse;
}

template <class Real> static void add_row(void *to, const void *from, int64_t width) {
  Real *sum = static_cast<Real *>(to);
  const Real *more = static_cast<const Real *>(from);
  for (int64_t k = 0; k < width; ++k) sum[k] += more[k];
}

void PairEquishare::unpack_reverse_comm(int n, int *owned, double *buffer) {
  const int64_t run = exchanged.width * exchanged.item_size, stride = (atom->nlocal + atom->nghost) * run;
  for (int i = 0; i < n; ++i) {
    const char *from = reinterpret_cast<const char *>(buffer + static_cast<int64_t>(i) * comm_reverse);
    for (int64_t c = 0; c < exchanged.components; ++c) {
      char *to = exchanged.array + c * stride + owned[i] * run;
      if (exchanged.item_size == sizeof(float)) add_row<float>(to, from + c * run, exchanged.width);
      else add_row<double>(to, from + c * run, exchanged.width);
    }
  }
}

// `fix pair` with `forces_uncertainty 1` sets this flag before the steps at which it wants the numbers.
void *PairEquishare::extract(const char *name, int &dim) {
  dim = 0;
  if (strcmp(name, "forces_uncertainty_flag") != 0) return nullptr;
  if (!model.committee) error->all(FLERR, "forces_uncertainty is that of a model with a committee: train with --committee 8");
  return &wants_uncertainty;
}

void *PairEquishare::extract_peratom(const char *name, int &columns) {
  columns = 0;
  return strcmp(name, "forces_uncertainty") == 0 && model.committee ? forces_uncertainty.data() : nullptr;
}

double PairEquishare::memory_usage() {
  double bytes = Pair::memory_usage() + (species.capacity() + sender.capacity() + receiver.capacity()) * sizeof(int64_t);
  for (const auto *each : {&vectors, &energies, &gradient, &moments, &forces_uncertainty}) bytes += each->capacity() * sizeof(double);
  return bytes;
}
