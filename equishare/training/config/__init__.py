"""What can be set about a training run: its sections, their YAML, and lengths of time."""

from equishare.training.config.sections import (
    BudgetConfig,
    DataConfig,
    ModelChoice,
    OptimisationConfig,
    PretrainingConfig,
    RunConfig,
    TrainConfig,
    UncertaintyConfig,
)

__all__ = [
    "BudgetConfig",
    "DataConfig",
    "ModelChoice",
    "OptimisationConfig",
    "PretrainingConfig",
    "RunConfig",
    "TrainConfig",
    "UncertaintyConfig",
]
