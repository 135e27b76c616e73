"""Configurations as YAML: read with an error that names the nearest key, written with every field explained."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from equishare.errors import EquishareError
from equishare.training.config import TrainConfig

__all__ = ["ConfigError", "merge", "read_yaml", "to_yaml", "validate"]


class ConfigError(EquishareError):
    """A configuration cannot be used; the message names the field and what it expects."""


def read_yaml(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Nested values of a YAML file, not yet validated.

    Raises:
        ConfigError: if the file is not YAML or not a mapping.
        OSError: if it cannot be read.
    """
    try:
        values = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from error
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: expected sections such as 'data:' and 'model:', got {type(values).__name__}")
    return values


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Nested values with those of `over` in place of those of `base`.

    >>> merge({"data": {"train": "a.xyz", "test": 0.1}}, {"data": {"test": 0.2}})
    {'data': {'train': 'a.xyz', 'test': 0.2}}
    """
    merged = dict(base)
    for key, value in over.items():
        old = merged.get(key)
        merged[key] = merge(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return merged


def validate(values: Mapping[str, Any], source: str = "the configuration") -> TrainConfig:
    """A configuration from nested values.

    Raises:
        ConfigError: for an unknown key (with the nearest one) or a value out of range.

    >>> validate({"optimisation": {"learningrate": 1e-3}})
    Traceback (most recent call last):
    ...
    equishare.training.config.config_file.ConfigError: the configuration: unknown key 'optimisation.learningrate'; did you mean 'optimisation.learning_rate'?
    """
    try:
        return TrainConfig.model_validate({key: {} if value is None else value for key, value in values.items()})
    except ValidationError as error:
        raise ConfigError(f"{source}: " + "; ".join(_explain(item) for item in _first_of_each(error))) from error


def to_yaml(config: TrainConfig) -> str:
    """The complete configuration as YAML, each field with its meaning; `validate` reads it back."""
    lines: list[str] = []
    for name in TrainConfig.model_fields:
        section: BaseModel = getattr(config, name)
        lines += ["", f"{name}:  # {(type(section).__doc__ or '').strip().splitlines()[0]}"]
        values = section.model_dump(mode="json", by_alias=True)
        fields = {info.alias or key: info for key, info in type(section).model_fields.items()}
        for key in sorted(fields, key=lambda key: key != "preset"):
            text = yaml.safe_dump(values[key], default_flow_style=True, allow_unicode=True, width=10_000)
            # PyYAML ends a bare scalar with a line of three dots
            lines.append(f"  {key}: {text.splitlines()[0]}  # {fields[key].description}")
    return "\n".join(lines[1:]) + "\n"


def _first_of_each(error: ValidationError) -> list[Any]:
    """One complaint a field: a union reports one for each of its members."""
    first: dict[tuple[Any, ...], Any] = {}
    for item in error.errors():
        first.setdefault(item["loc"][:2], item)
    return list(first.values())


def _explain(item: Any) -> str:
    path = ".".join(str(part) for part in item["loc"][:2])
    if item["type"] != "extra_forbidden":
        message = item["msg"].removeprefix("Value error, ")
        said = f"{message[0].lower()}{message[1:]}"
        if isinstance(item["input"], Mapping) and item["type"] == "value_error":  # of several settings, which it names
            return f"{path}: {said}" if path else said
        return f"{path}: {said}, got {item['input']!r:.60}"
    known = list(TrainConfig.model_fields)
    for name, info in TrainConfig.model_fields.items():
        section: Any = info.annotation
        known += [f"{name}.{field.alias or key}" for key, field in section.model_fields.items()]
    wanted = str(item["loc"][-1])
    inside = [name for name in known if name.rpartition(".")[0] == path.rpartition(".")[0]]
    # the right key may stand in another section: compare the last words, those of this section first
    for candidates in (inside, known):
        words = {name.rpartition(".")[2]: name for name in candidates}
        near = difflib.get_close_matches(wanted, words, n=1, cutoff=0.6)
        if near:
            return f"unknown key {path!r}; did you mean {words[near[0]]!r}?"
    return f"unknown key {path!r}; known here: {', '.join(name.rpartition('.')[2] for name in inside)}"
