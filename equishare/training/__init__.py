"""Training, from frames to a potential that is judged on frames it has not seen.

Names load on first use, so that a command pays for what it needs alone.
"""

from typing import TYPE_CHECKING

from equishare.lazy import lazy

if TYPE_CHECKING:
    from equishare.training.config import TrainConfig
    from equishare.training.evaluation.evaluate import Evaluation, evaluate
    from equishare.training.from_python import train
    from equishare.training.report.page import write_report
    from equishare.training.run import Run

__all__ = ["Evaluation", "Run", "TrainConfig", "evaluate", "train", "write_report"]

__getattr__, __dir__ = lazy(
    __name__,
    {
        "evaluation.evaluate": ("Evaluation", "evaluate"),
        "run": ("Run",),
        "config": ("TrainConfig",),
        "from_python": ("train",),
        "report.page": ("write_report",),
    },
)
