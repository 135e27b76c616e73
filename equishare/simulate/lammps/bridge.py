"""What the pair style calls: opens model files and evaluates a process's atoms. The twin of ``plugin/interface.h``."""

import ctypes
import threading
import traceback
from collections.abc import Callable
from ctypes import CFUNCTYPE, POINTER, Structure, c_char_p, c_double, c_int, c_int64, c_void_p
from typing import Any

import numpy as np

from equishare.errors import EquishareError
from equishare.simulate.lammps.domain import Domain
from equishare.simulate.lammps.errors import LAMMPSError
from equishare.simulate.lammps.potential import DomainPotential

MESSAGE = 4096
_EXCHANGE = CFUNCTYPE(None, c_void_p, c_void_p, c_int64, c_int64, c_int64)


class _Domain(Structure):
    """`EquishareDomain`."""

    _fields_ = [
        *((name, c_int64) for name in ("local", "all", "edges")),
        *((name, c_void_p) for name in ("species", "positions", "sender", "receiver", "vectors")),
        *((name, c_void_p) for name in ("energies", "gradient", "moments", "energy_uncertainty", "forces_uncertainty")),
        ("pair", c_void_p),
        ("forward", _EXCHANGE),
        ("reverse", _EXCHANGE),
        ("sum", CFUNCTYPE(None, c_void_p, c_void_p, c_int64)),
    ]


class _Model(Structure):
    """`EquishareModel`."""

    _fields_ = [("cutoff", c_double), ("exchange_bytes", c_int64), ("committee", c_int64)]


_OPEN = CFUNCTYPE(c_int, c_char_p, c_char_p, c_char_p, POINTER(_Model), c_void_p)
_EVALUATE = CFUNCTYPE(c_int, c_int, POINTER(_Domain), c_void_p)
_CLOSE = CFUNCTYPE(None, c_int)


class _Python(Structure):
    """`EquisharePython`."""

    _fields_ = [("open", _OPEN), ("evaluate", _EVALUATE), ("close", _CLOSE)]


_models: dict[int, DomainPotential] = {}
# an exception at the door of a function that C calls would be lost there: who handles a signal sets this, and the next step fails with it
interrupted = threading.Event()
INTERRUPTED = "interrupted"


def connect(address: int) -> None:
    """Fill in the pair style's table of functions; they live as long as this module."""
    table = _Python.from_address(address)
    table.open, table.evaluate, table.close = _FUNCTIONS


def _said(run: Callable[[], int], message: int) -> int:
    """Run; an error becomes its message and -1."""
    try:
        return run()
    except (EquishareError, OSError) as error:
        text = str(error)
    except KeyboardInterrupt:
        text = INTERRUPTED
    except BaseException:
        text = traceback.format_exc()
    ctypes.memmove(message, (encoded := text.encode()[: MESSAGE - 1] + b"\0"), len(encoded))
    return -1


def _open(path: bytes, elements: bytes, options: bytes, model: Any, message: int) -> int:
    def run() -> int:
        potential = DomainPotential(path.decode(), elements.decode().split(), options.decode().split())
        handle = max(_models, default=-1) + 1
        _models[handle] = potential
        found = model.contents
        found.cutoff, found.exchange_bytes = potential.cutoff, potential.exchange_bytes
        found.committee = potential.committee is not None
        return handle

    return _said(run, message)


def _evaluate(handle: int, domain: Any, message: int) -> int:
    def run() -> int:
        if interrupted.is_set():
            raise LAMMPSError(INTERRUPTED)
        _models[handle](_domain(domain.contents))
        return 0

    return _said(run, message)


def _close(handle: int) -> None:
    _models.pop(handle, None)


_FUNCTIONS = _OPEN(_open), _EVALUATE(_evaluate), _CLOSE(_close)


def _domain(raw: _Domain) -> Domain:
    """The same as arrays that share its memory."""

    def array(address: int | None, kind: type, *shape: int) -> np.ndarray | None:
        return None if address is None else _array(address, kind, *shape)

    def exchange(run: Callable[..., None]) -> Callable[[np.ndarray], None]:
        def rows(values: np.ndarray) -> None:
            if not (values.flags.c_contiguous and values.ndim == 3 and values.shape[1] == raw.all):
                raise ValueError(f"expected a contiguous array [components, {raw.all}, width], got {values.shape}")
            run(raw.pair, values.ctypes.data, values.shape[0], values.shape[2], values.itemsize)

        return rows

    def total(numbers: np.ndarray) -> np.ndarray:
        own = np.ascontiguousarray(numbers, np.float64).copy()
        raw.sum(raw.pair, own.ctypes.data, own.size)
        return own

    return Domain(
        n_own=raw.local,
        species=_array(raw.species, c_int64, raw.all),
        positions=_array(raw.positions, c_double, raw.all, 3),
        sender=_array(raw.sender, c_int64, raw.edges),
        receiver=_array(raw.receiver, c_int64, raw.edges),
        vectors=_array(raw.vectors, c_double, raw.edges, 3),
        energies=_array(raw.energies, c_double, raw.local),
        gradient=_array(raw.gradient, c_double, raw.edges, 3),
        moments=array(raw.moments, c_double, 3, raw.edges, 3),
        energy_uncertainty=array(raw.energy_uncertainty, c_double, 1),
        forces_uncertainty=array(raw.forces_uncertainty, c_double, raw.local),
        forward=exchange(raw.forward),
        reverse=exchange(raw.reverse),
        total=total,
    )


def _array(address: int | None, kind: Any, *shape: int) -> np.ndarray:
    size = int(np.prod(shape))
    if not size or address is None:
        return np.zeros(shape, kind)
    return np.frombuffer((kind * size).from_address(address), kind).reshape(shape)
