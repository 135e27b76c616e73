"""Words that options take."""

from enum import StrEnum


class PresetName(StrEnum):
    """Sizes of a model."""

    fast = "fast"
    small = "small"
    default = "default"
    accurate = "accurate"


class DtypeName(StrEnum):
    """Floating-point precision."""

    float32 = "float32"
    float64 = "float64"


class LoggerName(StrEnum):
    """Where validations are logged besides metrics.csv."""

    csv = "csv"
    tensorboard = "tensorboard"
    wandb = "wandb"
    mlflow = "mlflow"


class Repulsion(StrEnum):
    """Repulsion of nuclei that are closer than any of the data."""

    zbl = "zbl"


class Base(StrEnum):
    """A cheap method that the potential adds to."""

    xtb = "xtb"


class LongRange(StrEnum):
    """What acts beyond the cutoff."""

    coulomb = "coulomb"


class EnsembleName(StrEnum):
    """What is held constant."""

    langevin = "langevin"
    nve = "nve"
    npt = "npt"


class TrajectoryName(StrEnum):
    """Format of the trajectory."""

    xyz = "xyz"
    traj = "traj"
