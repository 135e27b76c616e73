"""Words that options take are those that the settings behind them take."""

from typing import get_args

import pytest

from equishare import devices
from equishare.commands import choices
from equishare.potential import PRESETS, ModelConfig
from equishare.simulate.md import settings
from equishare.training.config import sections


def of_field(name):
    """The words of a field of the network that may be None."""
    (words, _) = get_args(ModelConfig.model_fields[name].annotation)
    return get_args(words)


@pytest.mark.parametrize(
    ("option", "words"),
    [
        (choices.PresetName, tuple(PRESETS)),
        (choices.DtypeName, get_args(devices.DtypeName)),
        (choices.LoggerName, get_args(sections.LoggerName)),
        (choices.Repulsion, of_field("repulsion")),
        (choices.Base, of_field("base")),
        (choices.LongRange, of_field("long_range")),
        (choices.EnsembleName, get_args(settings.Ensemble)),
        (choices.TrajectoryName, get_args(settings.TrajectoryFormat)),
    ],
    ids=lambda each: getattr(each, "__name__", ""),
)
def test_options_take_what_settings_take(option, words):
    assert {each.value for each in option} == set(words)
