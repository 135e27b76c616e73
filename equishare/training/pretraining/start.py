"""What training starts from where nothing is said: the organic weights of the package, if they suit the frames."""

from __future__ import annotations

from collections.abc import Iterable

import torch

from equishare.atoms.files.formats import checked_format
from equishare.atoms.source import Source
from equishare.potential import Potential
from equishare.potential.bundled import bundled, model_path
from equishare.potential.model_file import read_header
from equishare.training.config import TrainConfig
from equishare.training.config.sections import NOISE
from equishare.training.weights import WeightsError, architecture_of, freeze

DEFAULT = "organic"
"""The potential of the package that training starts from by itself."""


def settled(config: TrainConfig, elements: Iterable[str]) -> tuple[TrainConfig, str]:
    """The configuration with what it starts from, and that in words.

    What was given stays. Else training starts from the organic weights where they know all elements and nothing about the network is asked for that
    differs from theirs, and from noise where not.
    """
    options = config.pretraining
    if options.source is not None:
        return config, f"frames of a cheap method: {options.source}"
    if options.weights is not None:
        return config, _of_file(options.weights) if options.weights != NOISE else "noise"
    reason = _why_not(config, set(elements))
    weights = DEFAULT if reason is None else NOISE
    config = config.model_copy(update={"pretraining": options.model_copy(update={"weights": weights})})
    if reason is not None:
        return config, f"noise, for {reason}"
    config = config.model_copy(update={"model": architecture_of(DEFAULT, config.model, keep=False)})
    return config, f"{_of_file(DEFAULT)} (--from none for noise)"


def check_start(config: TrainConfig) -> None:
    """See that what is asked of weights to start from has such weights, and such parts, and that frames to pretrain on can be there.

    Raises:
        WeightsError: if training starts from noise, or parts to freeze are none of the network, or all of it.
        FrameReadError: if there is no file of frames to pretrain on.
    """
    options = config.pretraining
    if options.source not in (None, "xtb"):
        checked_format(Source.of(str(options.source)).file)
    from_noise = options.weights in (None, NOISE)
    if from_noise and options.replay:
        raise WeightsError("there are no weights to start from that could forget: leave out --replay, or give --from")
    if from_noise and options.source is None and options.freeze:
        raise WeightsError(
            f"training starts from noise, and {', '.join(options.freeze)} would stay noise: leave out --freeze, or give --from"
        )
    with torch.random.fork_rng(devices=[]):  # of any network of that shape: before hours of pretraining
        freeze(Potential(config.model.architecture, {"H": 0.0}), options.freeze)


def _of_file(weights: str) -> str:
    about = read_header(weights).metadata.get("method") if weights in bundled() else None
    return f"weights of {weights}" + (f", trained on {about}" if about else "")


def _why_not(config: TrainConfig, elements: set[str]) -> str | None:
    """Why the weights do not suit; None if they do."""
    if not model_path(DEFAULT).is_file():
        return "the package has no weights"
    unknown = elements - set(read_header(DEFAULT).statistics.species)
    if unknown:
        return f"the {DEFAULT} weights do not know {', '.join(sorted(unknown))}"
    if config.model.preset_name != "default":
        return f"the {DEFAULT} weights are no {config.model.preset_name} network"
    try:
        architecture_of(DEFAULT, config.model)
    except WeightsError as error:
        return str(error).partition(";")[0]
    return None
