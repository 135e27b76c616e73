"""Learning from a structure and a method that labels: draw, ask, label, train, and again until it can be trusted.

Names load on first use: the processes that label import this package, and must not pay for torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from equishare.learning.campaign import Campaign, Learnt, Record
    from equishare.learning.labelling.names import labeller
    from equishare.learning.learn import learn
    from equishare.learning.settings import LearnError, LearnSettings
    from equishare.learning.steps import Steps

_HOMES = {
    "Campaign": "campaign",
    "LearnError": "settings",
    "LearnSettings": "settings",
    "Learnt": "campaign",
    "Record": "campaign",
    "Steps": "steps",
    "labeller": "labelling.names",
    "learn": "learn",
}

__all__ = ["Campaign", "LearnError", "LearnSettings", "Learnt", "Record", "Steps", "labeller", "learn"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'equishare.learning' has no attribute {name!r}")
    value = getattr(import_module(f"equishare.learning.{_HOMES[name]}"), name)
    globals()[name] = value  # a submodule of the same name would hide it
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
