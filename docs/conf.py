"""Configuration of the documentation: ``sphinx-build -W docs docs/_build``."""

import importlib
import inspect
from pathlib import Path

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
    "atoms",
    "datasets",
    "potential",
    "training",
    "learning",
    "simulate",
    "check",
    "nn",
    "gallery",
    "sharing",
    "groups",
)
HERE = Path(__file__).parent


def copy_notebooks() -> None:
    """Pages must lie below this folder."""
    for notebook in (HERE.parent / "notebooks").glob("*.ipynb"):
        page = HERE / "notebooks" / notebook.name
        page.parent.mkdir(exist_ok=True)
        if not page.exists() or page.read_bytes() != notebook.read_bytes():
            page.write_bytes(notebook.read_bytes())


def _lives_elsewhere(value: object, name: str) -> bool:
    """Whether another package documents it: a name that is passed on has one entry."""
    home = getattr(value, "__module__", "").split(".")[1:2]
    return bool(home) and home != [name] and home[0] in PACKAGES


def write_reference() -> None:
    """One page a package, one entry a public name: `__all__` is the table of contents."""
    for name in PACKAGES:
        module = importlib.import_module(f"equishare.{name}")
        title = f"equishare.{name}"
        lines = [title, "=" * len(title), "", f".. automodule:: {title}", "   :no-members:", ""]
        for member in sorted(module.__all__, key=str.lower):
            value = getattr(module, member)
            if _lives_elsewhere(value, name):
                continue
            kind = "autoclass" if inspect.isclass(value) else "autofunction" if callable(value) else "py:data"
            lines += [f".. {kind}:: equishare.{name}.{member}"]
            if kind == "autoclass":
                lines += ["   :members:", "   :exclude-members: forward, model_config"]
            lines += [""]
        text = "\n".join(lines)
        page = HERE / "reference" / f"{name}.rst"
        page.parent.mkdir(exist_ok=True)
        if not page.exists() or page.read_text() != text:
            page.write_text(text)


copy_notebooks()
write_reference()
