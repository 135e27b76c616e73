"""Everything that can be set about a training run, validated: one pydantic model, one section a matter."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar

from ase.data import atomic_numbers
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    field_validator,
    model_validator,
)

from equishare.atoms.properties import PROPERTIES
from equishare.devices import DEVICES, DtypeName, check_device_name
from equishare.potential.config import PRESETS, ModelConfig, PresetName
from equishare.training.config.durations import format_duration, parse_duration, parse_microseconds

Seconds = Annotated[
    float,
    BeforeValidator(parse_duration),
    PlainSerializer(format_duration, return_type=str),
]
Microseconds = Annotated[float, BeforeValidator(parse_microseconds)]
Fraction = Annotated[float, Field(ge=0, lt=1)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _as_text(value: Any) -> Any:
    return os.fspath(value) if isinstance(value, os.PathLike) else value


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, (str, os.PathLike)) else value


Named = TypeVar("Named")
LoggerName = Literal["csv", "tensorboard", "wandb", "mlflow"]


def _in_the_table(value: dict[str, Named]) -> dict[str, Named]:
    unknown = [name for name in value if name not in PROPERTIES]
    if unknown:
        raise ValueError(f"expected names of {', '.join(PROPERTIES)}, got {', '.join(unknown)}")
    return value


FileName = Annotated[str, BeforeValidator(_as_text)]
Files = Annotated[list[FileName], BeforeValidator(_as_list), Field(min_length=1)]


class DataConfig(_Section):
    """Where the frames come from and how they are divided."""

    train: Files = Field(
        default_factory=lambda: ["ethanol"],
        description="files of frames (anything ASE reads, 'frames.xyz@:100' takes a slice), or a bundled data set",
    )
    valid: Fraction | Files = Field(0.05, description="fraction of the frames, or files, to choose the best model by")
    test: Fraction | Files = Field(0.05, description="fraction of the frames, or files, to judge the model by; 0: none")
    keys: dict[str, str] = Field(
        default_factory=dict,
        description="names in the files of properties that are not found by themselves: {energy: REF_energy}",
    )
    frame_weights: dict[str, Annotated[float, Field(ge=0)]] = Field(
        default_factory=dict,
        description="in the loss, by their config_type: {surface: 5.0}; times the weight that a frame's file gives it",
    )
    reference_energies: dict[str, float] | None = Field(
        None, description="E0 in eV by element; else from isolated atoms in the files, else by least squares"
    )

    @field_validator("keys")
    @classmethod
    def _known_properties(cls, value: dict[str, str]) -> dict[str, str]:
        return _in_the_table(value)

    @field_validator("reference_energies")
    @classmethod
    def _known_elements(cls, value: dict[str, float] | None) -> dict[str, float] | None:
        unknown = [symbol for symbol in value or {} if symbol not in atomic_numbers or symbol == "X"]
        if unknown:
            raise ValueError(f"expected chemical symbols such as H or C, got {', '.join(unknown)}")
        return value


class ModelChoice(ModelConfig):
    """A preset, and what differs from it."""

    # under an alias, for ModelConfig.preset is a method
    preset_name: PresetName = Field("default", alias="preset", description="fast, small, default or accurate")
    speed: Microseconds | None = Field(
        None,
        description="most time an atom and step of dynamics on a core, such as 50us: the most accurate preset that keeps to it here",
    )

    @model_validator(mode="before")
    @classmethod
    def _start_from_preset(cls, values: Any) -> Any:
        if not isinstance(values, Mapping):
            return values
        if "preset" in values and values.get("speed") is not None:
            raise ValueError("give preset or speed, not both")
        preset = values.get("preset", "default")
        return {**PRESETS[preset], **values} if preset in PRESETS else values

    @property
    def architecture(self) -> ModelConfig:
        """The shape of the network, as it is stored in a model file."""
        return ModelConfig(**self.model_dump(exclude={"preset_name", "speed"}))


class OptimisationConfig(_Section):
    """The loss and how it is made small; every default of the fit lives here."""

    batch_size: int | None = Field(None, ge=1, description="frames a step; absent: as many as hold batch_atoms")
    batch_atoms: int = Field(75, ge=1, description="atoms a step on average, where batch_size is absent")
    learning_rate: float | None = Field(
        None, gt=0, description="highest learning rate of SOAP; absent: as suits the number of steps, 0.04 at most"
    )
    rate_limit: float | None = Field(
        None,
        gt=0,
        description="most that the rate is where it follows the number of steps; absent: 0.04, from weights 0.008, for more unlearns them",
    )
    final_learning_rate: float = Field(0.01, ge=0, le=1, description="where the cosine ends, relative to the highest")
    warmup: float = Field(0.01, ge=0, lt=1, description="fraction of the budget over which the rate rises linearly")
    patience: float = Field(
        0.2,
        ge=0,
        le=1,
        description="part of the steps so far without a better validation loss after which the rate is turned down and the run ends; 0: never",
    )
    gradient_clip: float = Field(10.0, gt=0, description="largest norm of the gradient")
    ema_decay: float = Field(0.99, ge=0, lt=1, description="decay a step of the averaged weights that are kept")
    weights: dict[str, Annotated[float, Field(ge=0)]] = Field(
        default_factory=dict,
        description="of squared errors in the loss, by property, in place of the table's: {energy: 1.0, forces: 1.0}; energy less for frames of more than 15 atoms",
    )
    size_exponent: float = Field(
        0.5, ge=0, le=1, description="x: an extensive error counts by atoms^-x: 1 an atom, 0 a structure"
    )

    @field_validator("weights")
    @classmethod
    def _known_properties(cls, value: dict[str, float]) -> dict[str, float]:
        return _in_the_table(value)

    def weight(self, name: str) -> float:
        """Weight of a property in the loss.

        >>> OptimisationConfig(weights={"energy": 3.0}).weight("energy"), OptimisationConfig().weight("stress")
        (3.0, 0.1)
        """
        return self.weights.get(name, PROPERTIES[name].weight)


class UncertaintyConfig(_Section):
    """Whether the potential tells how uncertain it is."""

    committee: int = Field(
        0, ge=0, description="members whose spread of forces tells their uncertainty: more, less noise; 0: none"
    )


NOISE = "none"
"""In place of a model file: start from noise."""


class PretrainingConfig(_Section):
    """What training starts from: the weights of a model file, noise, or a fit to many frames of a cheap method."""

    weights: FileName | None = Field(
        None,
        description="model file, or organic, whose weights training starts from; none: noise; absent: organic where it suits",
    )
    freeze: Annotated[tuple[str, ...], BeforeValidator(_as_list)] = Field(
        (), description="parts of weights to start from that stay as they are: embedding, layer1, layer2, readouts"
    )
    replay: Annotated[list[FileName], BeforeValidator(_as_list)] = Field(
        default_factory=list,
        description="files of structures that the weights know, to be trained on with what they say of them, so that it is not forgotten",
    )
    source: FileName | None = Field(
        None,
        description="xtb: draw frames and label them with GFN2-xTB; or a file of frames labelled by a cheap method",
    )
    frames: int = Field(3000, ge=25, description="frames to draw")
    temperatures: list[float] = Field(
        default_factory=lambda: [300.0, 600.0, 900.0, 1200.0],
        min_length=1,
        description="of the dynamics that draws them, in K",
    )
    share: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="part of the budget that pretraining takes, drawing included; absent: 0.8 for xtb and fewer than 200 frames, else 0.4",
    )

    def part(self, count: int) -> float:
        """The share, for so many frames to train on after pretraining."""
        return self.share or (0.8 if self.source == "xtb" and count < 200 else 0.4)

    @model_validator(mode="after")
    def _one_of_two(self) -> PretrainingConfig:
        if self.weights not in (None, NOISE) and self.source is not None:
            raise ValueError("give weights to start from, or frames to pretrain on, not both")
        return self

    @field_validator("temperatures")
    @classmethod
    def _positive(cls, value: list[float]) -> list[float]:
        if not all(temperature > 0 for temperature in value):
            raise ValueError(f"expected temperatures above 0 K, got {value}")
        return value


class BudgetConfig(_Section):
    """How long to train: by time or by epochs; if neither is given, a time that suits the size of the data."""

    max_time: Seconds | None = Field(None, description="everything from start to report, such as 30m")
    epochs: int | None = Field(None, ge=1, description="passes over the training frames; makes runs reproducible")

    @model_validator(mode="after")
    def _one_of_two(self) -> BudgetConfig:
        if self.max_time is not None and self.epochs is not None:
            raise ValueError("give max_time or epochs, not both")
        return self


class RunConfig(_Section):
    """Where and on what a run runs."""

    out: FileName | None = Field(None, description="folder to make; absent: runs/<data name>-<n>")
    seed: int = Field(0, ge=0, description="of the split, the first weights and the order of the frames")
    device: Annotated[str, AfterValidator(check_device_name)] = Field("auto", description=DEVICES)
    devices: int = Field(1, ge=1, description="processes that share every step: on GPUs one each, else on the CPU")
    dtype: DtypeName = Field("float32", description="type of the weights")
    logger: LoggerName | None = Field(
        None, description="csv, tensorboard, wandb or mlflow: validations go there too, besides metrics.csv"
    )


class TrainConfig(_Section):
    """A training run, complete.

    >>> config = TrainConfig.model_validate({"model": {"preset": "small"}, "budget": {"max_time": "30m"}})
    >>> config.model.channels, config.budget.max_time
    (32, 1800.0)
    """

    data: DataConfig = Field(default_factory=DataConfig)
    model: ModelChoice = Field(default_factory=ModelChoice)
    optimisation: OptimisationConfig = Field(default_factory=OptimisationConfig)
    uncertainty: UncertaintyConfig = Field(default_factory=UncertaintyConfig)
    pretraining: PretrainingConfig = Field(default_factory=PretrainingConfig)
    budget: BudgetConfig = Field(default_factory=BudgetConfig)
    run: RunConfig = Field(default_factory=RunConfig)

    @model_validator(mode="after")
    def _speed_chooses_among_presets(self) -> TrainConfig:
        if self.model.speed is not None and self.pretraining.weights not in (None, NOISE):
            raise ValueError(
                "model.speed chooses a preset, but weights to start from have their own shape; give one of them"
            )
        return self

    @model_validator(mode="after")
    def _cheap_method_once(self) -> TrainConfig:
        if self.model.base is not None and self.pretraining.source == self.model.base:
            raise ValueError(
                "model.base xtb adds the method whose frames pretraining.source xtb would learn from; give one of them"
            )
        return self
