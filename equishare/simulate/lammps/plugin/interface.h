// What the pair style and Python say to each other: plain C, so that ctypes describes it as it is.

#ifndef EQUISHARE_INTERFACE_H
#define EQUISHARE_INTERFACE_H

#include <cstdint>

// How many bytes an error message may take.
constexpr int EQUISHARE_MESSAGE = 4096;

// The atoms and edges of one process at one step, and where the results go.
struct EquishareDomain {
  int64_t local, all, edges;         // atoms owned, atoms with ghosts, pairs within the cutoff
  const int64_t *species;            // [all] index into the elements given to open(); -1: not one of the potential's atoms
  const double *positions;           // [all][3]
  const int64_t *sender, *receiver;  // [edges], sorted by receiver; receivers are owned atoms
  const double *vectors;             // [edges][3] from receiver to sender
  double *energies;                  // [local]
  double *gradient;                  // [edges][3] derivative of the energy by the vectors
  double *moments;                   // [3][edges][3] derivatives of sum_j r_j E_j by the vectors, or null if not wanted
  double *energy_uncertainty;        // one number, or null
  double *forces_uncertainty;        // [local], or null
  void *pair;                        // to be handed back to the two functions below
  // Copies the owners' rows of an array [components][all][width] into the ghosts' rows, or adds the ghosts' rows to the owners'.
  void (*forward)(void *pair, void *array, int64_t components, int64_t width, int64_t item_size);
  void (*reverse)(void *pair, void *array, int64_t components, int64_t width, int64_t item_size);
  // Sums numbers over all processes, in place.
  void (*sum)(void *pair, double *numbers, int64_t count);
};

// What a model file is, for the pair style.
struct EquishareModel {
  double cutoff;
  int64_t exchange_bytes;  // at most, of one atom in one exchange
  int64_t committee;       // whether it knows its uncertainty
};

// Functions that Python fills in; each returns a negative number and a message where it failed.
struct EquisharePython {
  int (*open)(const char *path, const char *elements, const char *options, EquishareModel *model, char *message);
  int (*evaluate)(int handle, EquishareDomain *domain, char *message);
  void (*close)(int handle);
};

// The functions of Python, which is started if it does not run already; their `open` is null and there is a message if that failed.
const EquisharePython &equishare_python(char *message);

#endif
