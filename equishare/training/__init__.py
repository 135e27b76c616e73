"""Training, from frames to a potential that is judged on frames it has not seen.

Names load on first use, so that a command pays for what it needs alone.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from equishare.training.config import TrainConfig
    from equishare.training.evaluation.evaluate import Evaluation, evaluate
    from equishare.training.from_python import train
    from equishare.training.report.page import write_report
    from equishare.training.run import Run

_HOMES = {
    "Evaluation": "evaluation.evaluate",
    "Run": "run",
    "TrainConfig": "config",
    "evaluate": "evaluation.evaluate",
    "train": "from_python",
    "write_report": "report.page",
}

__all__ = ["Evaluation", "Run", "TrainConfig", "evaluate", "train", "write_report"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'equishare.training' has no attribute {name!r}")
    return getattr(import_module(f"equishare.training.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
