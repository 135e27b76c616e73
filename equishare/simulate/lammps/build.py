"""Compiles the plugin, once for each version of LAMMPS, Python and its own source."""

import hashlib
import os
import shutil
import site
import subprocess
import sys
import sysconfig
import tempfile
from importlib import metadata
from pathlib import Path

import equishare
from equishare.simulate.lammps.errors import LAMMPSError
from equishare.simulate.lammps.wheels import Wheels

SOURCE = Path(__file__).parent / "plugin"
# LAMMPS loads by itself what is called so from the folders of LAMMPS_PLUGIN_PATH
NAME = "equishareplugin.so"
FLAGS = ["-std=c++17", "-O3", "-fPIC", "-shared", "-DLAMMPS_SMALLBIG"]


def plugin(wheels: Wheels) -> Path:
    """The compiled plugin: from the cache, or compiled now (some ten seconds).

    Raises:
        LAMMPSError: if there is no C++ compiler, or it fails.
    """
    sources = {path.name: path.read_text() for path in sorted(SOURCE.glob("*.[ch]*"))} | {
        "python_paths.h": python_paths()
    }
    mpich = metadata.version("mpich")
    key = hashlib.sha256(repr((sources, wheels.version, mpich, FLAGS)).encode()).hexdigest()[:16]
    target = _cache() / f"lammps-{wheels.version}-{key}" / NAME
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent) as folder:
            _compile(Path(folder), sources, wheels)
            os.replace(Path(folder) / NAME, target)  # whoever compiles at the same time puts the same file there
    return target


def python_paths() -> str:
    """A C++ header that says where Python's library and this package are, for a LAMMPS that is started without Python."""
    name, folder = sysconfig.get_config_var("INSTSONAME") or "libpython3.so", sysconfig.get_config_var("LIBDIR") or ""
    library = Path(folder) / name
    root = str(Path(equishare.__file__).parent.parent)
    folders = [*site.getsitepackages(), *([] if root in site.getsitepackages() else [root])]
    start = f"import site, sys\nsys.path.insert(0, {root!r})\nfor each in {folders!r}: site.addsitedir(each)"
    return "\n".join(
        f"#define {name} {_quoted(value)}"
        for name, value in {
            "EQUISHARE_LIBPYTHON": str(library) if library.exists() else name,
            "EQUISHARE_PYTHON_HOME": sys.base_prefix,
            "EQUISHARE_PYTHON_START": start,
        }.items()
    )


def _quoted(text: str) -> str:
    """As a C string."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def _compile(folder: Path, sources: dict[str, str], wheels: Wheels) -> None:
    if not any(shutil.which(name) for name in (os.environ.get("MPICH_CXX") or "c++", "c++")):
        raise LAMMPSError(
            "the pair style is compiled on first use, and there is no C++ compiler: install one (Debian and Ubuntu: apt install "
            "g++; conda: gxx), or set MPICH_CXX to yours"
        )
    for name, text in sources.items():
        (folder / name).write_text(text)
    files = [name for name in sources if name.endswith(".cpp")]
    command = [str(wheels.mpicxx), *FLAGS, f'-DEQUISHARE_LAMMPS_VERSION="{wheels.version}"', f"-I{wheels.headers}"]
    done = subprocess.run([*command, *files, "-ldl", "-o", NAME], cwd=folder, capture_output=True, text=True)
    if done.returncode:
        said = "\n".join((done.stderr or done.stdout).splitlines()[:20])
        raise LAMMPSError(f"the pair style does not compile against LAMMPS {wheels.version}:\n{said}")


def _cache() -> Path:
    """The user's cache, or where that cannot be written a folder of this user's among the temporary files."""
    chosen = os.environ.get("XDG_CACHE_HOME")
    try:
        folder = Path(chosen) if chosen else Path.home() / ".cache"
        (folder / "equishare").mkdir(parents=True, exist_ok=True)
        if os.access(folder / "equishare", os.W_OK):
            return folder / "equishare"
    except (OSError, RuntimeError):
        pass
    private = Path(tempfile.gettempdir()) / f"equishare-{os.getuid()}"
    private.mkdir(mode=0o700, exist_ok=True)
    if private.stat().st_uid != os.getuid():
        raise LAMMPSError(f"{private} belongs to somebody else; set XDG_CACHE_HOME to a folder of your own")
    return private
