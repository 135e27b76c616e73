"""Methods that label, by name: a function that makes the ASE calculator in another process."""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ase import Atoms

from equishare.atoms.reading import frames_of
from equishare.learning.labelling.pool import LabellerError
from equishare.learning.labelling.process import Make
from equishare.learning.labelling.pyscf import PySCF


@dataclass(frozen=True)
class State:
    """Total charge in e and spin multiplicity of what is labelled."""

    charge: int = 0
    multiplicity: int = 1


def labeller(name: str, start: Atoms | None = None) -> Make:
    """What makes the calculator that a name stands for.

    =========================== =========================================================================
    ``xtb``                     GFN2-xTB of tblite
    ``pyscf:FUNCTIONAL/BASIS``  molecules; density fitting; starts from the previous density
    ``gpaw:XC[/ECUT]``          plane waves up to ECUT eV (400)
    ``orca:KEYWORDS``           as in ``orca:PBE def2-SVP``
    ``vasp:FILE.json``          keywords of ASE's calculator in a JSON file; so ``cp2k:`` and ``espresso:``
    ``chgnet``, ``7net``        pretrained models, weights in their wheels
    ``mace-mp``                 pretrained; mace downloads its weights
    ``MODULE:FACTORY``          any function that returns an ASE calculator
    =========================== =========================================================================

    Args:
        name: One of these.
        start: Its charge and spin (``info``) go to ``xtb``, ``pyscf`` and ``orca``.

    Raises:
        LabellerError: if there is no such method, or its package or program is not installed.

    >>> labeller("xbt")
    Traceback (most recent call last):
    ...
    equishare.learning.labelling.pool.LabellerError: there is no labelling method 'xbt'; known are xtb, pyscf:FUNCTIONAL/BASIS, gpaw:XC, orca:KEYWORDS, vasp:FILE.json, cp2k:FILE.json, espresso:FILE.json, chgnet, 7net, mace-mp and MODULE:FACTORY
    """
    method, _, rest = name.partition(":")
    if method in _METHODS:
        return _METHODS[method](rest, _state(start))
    if rest and method:
        return _factory(method, rest)
    known = "xtb, pyscf:FUNCTIONAL/BASIS, gpaw:XC, orca:KEYWORDS, vasp:FILE.json, cp2k:FILE.json, espresso:FILE.json, "
    raise LabellerError(
        f"there is no labelling method {name!r}; known are {known}chgnet, 7net, mace-mp and MODULE:FACTORY"
    )


def _state(start: Atoms | None) -> State:
    said = frames_of([start])[0].conditions if start is not None else {}
    return State(int(said.get("charge", 0)), int(said.get("spin", 1)))


def _need(module: str, method: str, install: str) -> None:
    if importlib.util.find_spec(module) is None:
        raise LabellerError(f"the method {method} needs {module}, which is not installed: pip install {install}")


def _of_xtb(rest: str, state: State) -> Make:
    _need("tblite", "xtb", "'equishare[xtb]'")
    return partial(_xtb, state)


def _xtb(state: State) -> Any:
    from tblite.ase import TBLite

    return TBLite(method="GFN2-xTB", charge=state.charge, multiplicity=state.multiplicity, verbosity=0)


def _of_pyscf(rest: str, state: State) -> Make:
    functional, slash, basis = rest.partition("/")
    if not (functional and slash and basis):
        raise LabellerError(f"expected pyscf:FUNCTIONAL/BASIS, such as pyscf:pbe/def2-svp, got 'pyscf:{rest}'")
    _need("pyscf", "pyscf", "pyscf")
    return partial(PySCF, functional, basis, charge=state.charge, multiplicity=state.multiplicity)


def _of_gpaw(rest: str, state: State) -> Make:
    xc, _, cutoff = rest.partition("/")
    try:
        energy = float(cutoff or 400.0)
    except ValueError:
        raise LabellerError(f"expected gpaw:XC or gpaw:XC/ECUT with a cutoff in eV, got 'gpaw:{rest}'") from None
    _need("gpaw", "gpaw", "gpaw, and its setups: gpaw install-data")
    return partial(_gpaw, xc or "PBE", energy)


def _gpaw(xc: str, cutoff: float) -> Any:
    from gpaw import GPAW, PW

    return GPAW(mode=PW(cutoff), xc=xc.upper(), kpts={"density": 3.5, "gamma": True}, txt=None)


def _of_orca(rest: str, state: State) -> Make:
    program = shutil.which("orca")
    if program is None:
        raise LabellerError("the method orca needs the program orca on PATH, which is not there")
    if not rest:
        raise LabellerError("expected orca:KEYWORDS, such as 'orca:PBE def2-SVP', got 'orca'")
    return partial(_orca, program, rest, state)


def _orca(program: str, keywords: str, state: State) -> Any:
    from ase.calculators.orca import ORCA, OrcaProfile

    return ORCA(
        profile=OrcaProfile(command=program),
        orcasimpleinput=f"{keywords} EnGrad TightSCF",
        orcablocks="%pal nprocs 1 end",
        charge=state.charge,
        mult=state.multiplicity,
    )


def _of_file(method: str, rest: str, state: State) -> Make:
    """A program whose keywords stand in a file."""
    from ase.config import cfg

    variable = {"vasp": "ASE_VASP_COMMAND", "cp2k": "ASE_CP2K_COMMAND", "espresso": "ASE_ESPRESSO_COMMAND"}[method]
    if variable not in os.environ and method not in cfg.parser:
        raise LabellerError(
            f"ASE does not know how to start {method}: set {variable}, or write a section [{method}] into ASE's configuration "
            "(https://ase-lib.org/ase/calculators/calculators.html)"
        )
    if not rest:
        raise LabellerError(f"expected {method}:FILE.json with the keywords of ASE's calculator, got {method!r}")
    try:
        keywords = json.loads(Path(rest).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise LabellerError(f"{rest}: expected keywords of ASE's {method} calculator in JSON: {error}") from error
    if not isinstance(keywords, dict):
        raise LabellerError(f'{rest}: expected an object of keywords, such as {{"xc": "pbe"}}, got {keywords!r:.60}')
    return partial(_program, method, keywords)


def _program(method: str, keywords: Mapping[str, Any]) -> Any:
    from ase.calculators.calculator import get_calculator_class

    return get_calculator_class(method)(**keywords)


def _of_chgnet(rest: str, state: State) -> Make:
    _need("chgnet", "chgnet", "chgnet")
    return _chgnet


def _chgnet() -> Any:
    from chgnet.model.dynamics import CHGNetCalculator

    return CHGNetCalculator(use_device="cpu")


def _of_7net(rest: str, state: State) -> Make:
    _need("sevenn", "7net", "sevenn")
    return partial(_7net, rest or "7net-0")


def _7net(model: str) -> Any:
    from sevenn.calculator import SevenNetCalculator

    return SevenNetCalculator(model, device="cpu")


def _of_mace(rest: str, state: State) -> Make:
    _need("mace", "mace-mp", "mace-torch")
    return partial(_mace, rest or "small")


def _mace(model: str) -> Any:
    from mace.calculators import mace_mp

    return mace_mp(model=model, device="cpu", default_dtype="float64")


def _factory(module: str, name: str) -> Make:
    """A function of a module of the user's; the current folder is looked at first, as Python does."""
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise LabellerError(f"cannot import {name} of the module {module}: {error}") from error
    if not callable(found):
        raise LabellerError(
            f"expected {module}:{name} to be a function that returns an ASE calculator, got {found!r:.60}"
        )
    return partial(_imported, module, name)


def _imported(module: str, name: str) -> Any:
    """Looked up in the process that calls it: a lambda cannot be sent there."""
    return getattr(importlib.import_module(module), name)()


_METHODS: dict[str, Callable[[str, State], Make]] = {
    "xtb": _of_xtb,
    "pyscf": _of_pyscf,
    "gpaw": _of_gpaw,
    "orca": _of_orca,
    "vasp": partial(_of_file, "vasp"),
    "cp2k": partial(_of_file, "cp2k"),
    "espresso": partial(_of_file, "espresso"),
    "chgnet": _of_chgnet,
    "7net": _of_7net,
    "mace-mp": _of_mace,
}
