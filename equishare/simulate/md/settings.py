"""What a run of molecular dynamics holds constant, and how it is computed."""

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import torch

from equishare.devices import choose_dtype
from equishare.errors import EquishareError

Ensemble: TypeAlias = Literal["langevin", "nve", "npt"]
TrajectoryFormat: TypeAlias = Literal["xyz", "traj"]


FREE = ("device", "interval", "new_velocities")
"""Settings that may be new when a run goes on: where it runs, and how often frames are written."""


class MDError(EquishareError):
    """A run cannot start as asked."""


@dataclass(frozen=True)
class MDSettings:
    """Settings of a run; `run_md` says what they mean for it.

    Attributes:
        temperature: In K.
        ensemble: "langevin" (constant temperature), "nve" (constant energy) or "npt" (constant temperature and pressure: the cell
            keeps its shape).
        timestep: In fs; None for 0.5 with hydrogen, else 1.
        friction: Of the thermostat, in 1/fs; the barostat's time is 20 times the thermostat's 1 / friction.
        pressure: Of "npt", in bar.
        seed: Of the velocities and the thermostat.
        interval: Steps between two frames written.
        new_velocities: Draw velocities even where the structure has momenta.
        trajectory: "xyz" (extended XYZ) or "traj" (ASE's).
        device: Where to run; None for the potential's own.
        dtype: Precision of the potential, as "float64"; None for its own.
        dispersion: Functional whose D3(BJ) dispersion is added, for a potential whose data were computed without it.

    Raises:
        MDError: for a number that makes no sense.
        DeviceError: for a dtype that is none.

    >>> MDSettings(temperature=-5)
    Traceback (most recent call last):
    ...
    equishare.simulate.md.settings.MDError: temperature must be finite and not negative, got -5
    """

    temperature: float = 300.0
    ensemble: Ensemble = "langevin"
    timestep: float | None = None
    friction: float = 0.01
    pressure: float = 1.0
    seed: int = 0
    interval: int = 10
    new_velocities: bool = False
    trajectory: TrajectoryFormat = "xyz"
    device: str | None = None
    dtype: str | None = None
    dispersion: str | None = None

    def __post_init__(self) -> None:
        for name, kind in (("ensemble", Ensemble), ("trajectory", TrajectoryFormat)):
            if (value := getattr(self, name)) not in get_args(kind):
                raise MDError(f"{name} must be one of {', '.join(get_args(kind))}, got {value!r}")
        if self.dtype is not None:
            choose_dtype(self.dtype)
        limits = {
            "temperature": (0 <= self.temperature < math.inf, "finite and not negative"),
            "timestep": (self.timestep is None or 0 < self.timestep < math.inf, "finite and positive"),
            "friction": (0 < self.friction < math.inf, "finite and positive"),
            "pressure": (-math.inf < self.pressure < math.inf, "finite"),
            "interval": (self.interval >= 1, "positive"),
            "seed": (self.seed >= 0, "not negative"),
        }
        for name, (good, wanted) in limits.items():
            if not good:
                raise MDError(f"{name} must be {wanted}, got {getattr(self, name)}")

    @property
    def precision(self) -> torch.dtype | None:
        """The dtype itself."""
        return None if self.dtype is None else choose_dtype(self.dtype)
