"""Learning from a structure and a method that labels: draw, ask, label, train, and again until it can be trusted.

Names load on first use: the processes that label import this package, and must not pay for torch.
"""

from typing import TYPE_CHECKING

from equishare.lazy import lazy

if TYPE_CHECKING:
    from equishare.learning.campaign import Campaign, Learnt, Record
    from equishare.learning.labelling.names import labeller
    from equishare.learning.learn import learn
    from equishare.learning.settings import LearnError, LearnSettings
    from equishare.learning.steps import Steps

__all__ = ["Campaign", "LearnError", "LearnSettings", "Learnt", "Record", "Steps", "labeller", "learn"]

__getattr__, __dir__ = lazy(
    __name__,
    {
        "campaign": ("Campaign", "Learnt", "Record"),
        "settings": ("LearnError", "LearnSettings"),
        "steps": ("Steps",),
        "labelling.names": ("labeller",),
        "learn": ("learn",),
    },
)
