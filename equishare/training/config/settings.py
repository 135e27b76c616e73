"""Settings from Python and from the prompt, put into their sections; what a run may be resumed with."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from typing import Any

from equishare.continuing import check_new_settings
from equishare.training.config.config_file import ConfigError, merge, read_yaml, validate
from equishare.training.config.sections import TrainConfig
from equishare.training.run_folder import RunFolder

_FREE = ("budget.max_time", "budget.epochs", "run.device", "run.devices", "run.logger")
"""What may change in a run that goes on."""


def sections_of(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings by their own names, or by whole sections, as nested values.

    Raises:
        ConfigError: for a name that is none; the nearest one is named.

    >>> sections_of({"epochs": 3, "preset": "small", "optimisation": {"batch_size": 4}})
    {'budget': {'epochs': 3}, 'model': {'preset': 'small'}, 'optimisation': {'batch_size': 4}}
    """
    homes: dict[str, str] = {}
    for section, field in TrainConfig.model_fields.items():
        for key, info in _fields(field.annotation).items():
            homes.setdefault(info.alias or key, section)  # weights are those of the loss
    nested: dict[str, Any] = {}
    for name, value in settings.items():
        if name in TrainConfig.model_fields:
            if not isinstance(value, Mapping):
                raise ConfigError(f"{name}: expected a dictionary of its settings, got {value!r:.60}")
            nested = merge(nested, {name: value})
        elif name in homes:
            nested = merge(nested, {homes[name]: {name: value}})
        else:
            near = difflib.get_close_matches(name, [*homes, *TrainConfig.model_fields], n=1, cutoff=0.6)
            known = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(homes)}"
            raise ConfigError(f"unknown setting {name!r}; {known}")
    return nested


def resumed(run: str | os.PathLike[str], given: Mapping[str, Any]) -> tuple[TrainConfig, RunFolder]:
    """The configuration of a run that is to go on, with another budget or device if they are given; and its folder.

    Raises:
        ConfigError: for any other setting, or if that of the run cannot be read.
        RunFolderError: if there is no run to go on with.
    """
    named = [f"{section}.{key}" for section, values in given.items() for key in values]
    check_new_settings("a run", named, _FREE, ConfigError)
    folder = RunFolder.existing(run)
    values = read_yaml(folder.config)
    if given.get("budget"):
        values["budget"] = {}
    return validate(merge(values, given), str(folder.config)), folder


def _fields(section: Any) -> Mapping[str, Any]:
    fields: Mapping[str, Any] = section.model_fields
    return fields
