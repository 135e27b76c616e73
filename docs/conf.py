"""Configuration of the documentation: ``sphinx-build -W docs docs/_build``."""

import importlib
import inspect
from pathlib import Path
from types import ModuleType

import equishare

project = "equishare"
author = "The equishare developers"
copyright = "2026, the equishare developers"
version = release = equishare.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.mathjax",
    "sphinx.ext.intersphinx",
    "sphinx.ext.viewcode",
    "myst_nb",
]
exclude_patterns = ["_build", "jupyter_execute"]
suppress_warnings = ["misc.highlighting_failure"]  # shell lines of notebooks
html_theme = "furo"
html_title = f"equishare {release}"
html_theme_options = {"source_repository": "", "top_of_page_buttons": []}

# notebooks are stored with their outputs; tests run them
nb_execution_mode = "off"
myst_enable_extensions = ["dollarmath", "colon_fence"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "none"  # shapes and types stand in the signature
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
napoleon_use_rtype = False
napoleon_use_ivar = True  # a named tuple's fields are described once
default_role = "code"
intersphinx_mapping: dict = {}  # the build needs no network

PACKAGES = (
    "atoms", "datasets", "potential", "training", "learning", "simulate", "check", "nn", "gallery", "sharing", "groups"
)  # fmt: skip
# what guides import from modules, which packages do not load by themselves: engines bring programs of their own
MODULES = (
    "potential.heads", "potential.operations", "potential.export", "simulate.relax", "simulate.vibrations", "simulate.spectrum", "simulate.torchsim",
    "simulate.openmm", "simulate.ipi", "gallery.scenes", "datasets.qm9", "training.soap", "errors", "memory",
)  # fmt: skip
HERE = Path(__file__).parent


def copy_notebooks() -> None:
    """Pages must lie below this folder; those of notebooks that are gone go too."""
    notebooks = list((HERE.parent / "notebooks").glob("*.ipynb"))
    for page in (HERE / "notebooks").glob("*.ipynb"):
        if page.name not in {notebook.name for notebook in notebooks}:
            page.unlink()
    for notebook in notebooks:
        page = HERE / "notebooks" / notebook.name
        page.parent.mkdir(exist_ok=True)
        if not page.exists() or page.read_bytes() != notebook.read_bytes():
            page.write_bytes(notebook.read_bytes())


def public_names(module: ModuleType) -> list[str]:
    """`__all__`, or the classes and functions that the module defines without an underscore."""
    found = getattr(module, "__all__", None)
    if found is None:
        defined = (
            n for n, v in vars(module).items() if getattr(v, "__module__", "") == module.__name__ and callable(v)
        )
        found = [name for name in defined if not name.startswith("_")]
    return sorted(found, key=str.lower)


def _lives_elsewhere(value: object, name: str) -> bool:
    """Whether another page documents it: a name that is passed on has one entry."""
    home = getattr(value, "__module__", "").removeprefix("equishare.")
    package = name.split(".")[0]
    return home.split(".")[0] != package and (home.split(".")[0] in PACKAGES or home in MODULES)


def entries(name: str) -> list[str]:
    """The lines that document a package or a module, one entry a public name."""
    module = importlib.import_module(f"equishare.{name}")
    lines = []
    for member in public_names(module):
        value = getattr(module, member)
        if _lives_elsewhere(value, name):
            continue
        kind = "autoclass" if inspect.isclass(value) else "autofunction" if callable(value) else "py:data"
        lines += [f".. {kind}:: equishare.{name}.{member}"]
        if kind == "autoclass":
            lines += ["   :members:", "   :exclude-members: forward, model_config"]
        lines += [""]
    return lines


def pages() -> dict[str, str]:
    """The pages of the reference: one of the package itself, one a subpackage, its modules below it."""
    loose = [module for module in MODULES if module.split(".")[0] not in PACKAGES]
    functions = [
        line for name in ("train", "learn") for line in (f".. autofunction:: equishare.{name}", "   :no-index:", "")
    ]
    texts = {
        "equishare": ["equishare", "=========", "", ".. automodule:: equishare", "   :no-members:", "", *functions]
    }
    for name in PACKAGES:
        title = f"equishare.{name}"
        texts[name] = [title, "=" * len(title), "", f".. automodule:: {title}", "   :no-members:", "", *entries(name)]
    for name in MODULES:
        title = f"equishare.{name}"
        section = [title, "-" * len(title), "", f".. automodule:: {title}", "   :no-members:", "", *entries(name)]
        texts["equishare" if name in loose else name.split(".")[0]] += section
    return {name: "\n".join(lines) for name, lines in texts.items()}


def write_reference() -> None:
    """Write the pages that have changed."""
    for name, text in pages().items():
        page = HERE / "reference" / f"{name}.rst"
        page.parent.mkdir(exist_ok=True)
        if not page.exists() or page.read_text() != text:
            page.write_text(text)


copy_notebooks()
write_reference()
