// Finds Python in this process, or starts it, and asks the package for its functions. It is reached by name at run time: the plugin links
// against no Python, so that it loads into LAMMPS with or without one.

#include "interface.h"
#include "python_paths.h"  // generated: EQUISHARE_LIBPYTHON, EQUISHARE_PYTHON_HOME, EQUISHARE_PYTHON_START

#include <cstdio>
#include <cstdlib>
#include <dlfcn.h>

namespace {

template <class F> F *named(const char *name) { return reinterpret_cast<F *>(dlsym(RTLD_DEFAULT, name)); }

bool start_python(char *message) {
  if (!dlsym(RTLD_DEFAULT, "Py_IsInitialized") && !dlopen(EQUISHARE_LIBPYTHON, RTLD_NOW | RTLD_GLOBAL)) {
    snprintf(message, EQUISHARE_MESSAGE, "equishare needs Python's library %s: %s; run the input by `equishare lammps` instead, which needs none",
             EQUISHARE_LIBPYTHON, dlerror());
    return false;
  }
  if (named<int()>("Py_IsInitialized")()) return true;
  const char *home = getenv("PYTHONHOME");
  setenv("PYTHONHOME", EQUISHARE_PYTHON_HOME, 1);
  named<void(int)>("Py_InitializeEx")(0);
  if (home) setenv("PYTHONHOME", home, 1);
  else unsetenv("PYTHONHOME");
  named<void *()>("PyEval_SaveThread")();  // whoever calls Python takes the lock for that call
  return true;
}

}  // namespace

const EquisharePython &equishare_python(char *message) {
  static EquisharePython functions = {nullptr, nullptr, nullptr};
  if (functions.open || !start_python(message)) return functions;
  char code[EQUISHARE_MESSAGE];
  snprintf(code, sizeof(code), "%s\nfrom equishare.simulate.lammps.bridge import connect\nconnect(%llu)\n", EQUISHARE_PYTHON_START,
           static_cast<unsigned long long>(reinterpret_cast<uintptr_t>(&functions)));
  const int lock = named<int()>("PyGILState_Ensure")();
  named<int(const char *)>("PyRun_SimpleString")(code);
  named<void(int)>("PyGILState_Release")(lock);
  if (!functions.open)
    snprintf(message, EQUISHARE_MESSAGE, "Python could not import equishare; its own message stands above");
  return functions;
}
