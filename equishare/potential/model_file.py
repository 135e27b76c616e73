"""Model files: weights in safetensors, everything else as JSON in its header. Loading runs no code."""

import json
import os
from collections.abc import Callable
from typing import Any

import safetensors
import safetensors.torch
import torch
from pydantic import BaseModel, ConfigDict

import equishare
from equishare.atoms.properties import PROPERTIES
from equishare.files import replacing
from equishare.potential.bundled import bundled, model_path
from equishare.potential.committee import Committee
from equishare.potential.config import ModelConfig
from equishare.potential.errors import ModelFileError
from equishare.potential.migrations import FORMAT, format_name, format_number, migrate
from equishare.potential.potential import Potential
from equishare.potential.statistics import Statistics


class CommitteeHeader(BaseModel):
    """The arguments of a `Committee`; its members are among the weights."""

    model_config = ConfigDict(extra="forbid")

    members: int
    energy_factor: float
    forces_factor: float


class Header(BaseModel):
    """What a model file says of itself."""

    model_config = ConfigDict(extra="forbid")

    format: str
    version: str
    units: dict[str, str]
    config: ModelConfig
    statistics: Statistics
    committee: CommitteeHeader | None = None
    metadata: dict[str, Any]


def save(potential: Potential, path: str | os.PathLike[str], metadata: dict[str, Any] | None = None) -> None:
    """Write a potential to one ``.safetensors`` file, beside it first, then renamed.

    Args:
        potential: What to save; its weights keep their precision.
        path: File to write.
        metadata: Anything JSON can hold: data, errors, how it was trained.

    Raises:
        OSError: if the file cannot be written; a file that was there stays as it was.
    """
    header = Header(
        format=format_name(FORMAT),
        version=equishare.__version__,
        units={"length": "Å"} | {row.name: row.unit for row in PROPERTIES.values() if row.unit},
        config=potential.config,
        statistics=potential.statistics,
        committee=None
        if (own := potential.committee) is None
        else CommitteeHeader(**{name: getattr(own, name) for name in CommitteeHeader.model_fields}),
        metadata=metadata or {},
    )
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in potential.state_dict().items()}
    with replacing(path) as beside:
        beside.write_bytes(safetensors.torch.save(weights, metadata={"equishare": header.model_dump_json()}))


def read_header(path: str | os.PathLike[str]) -> Header:
    """Read what a model file says of itself, without its weights.

    Raises:
        ModelFileError: if the file is not a model file of this package.
        FileNotFoundError: if there is no such file.
    """
    with _open(path) as file:
        return _header(file.metadata(), path)[0]


def load(
    path: str | os.PathLike[str], device: str | torch.device = "cpu", dtype: torch.dtype | None = None
) -> Potential:
    """Read a potential from a model file.

    Args:
        path: A ``.safetensors`` file that `save` wrote, or the name of a potential of the package: ``"organic"``.
        device: Where to put it.
        dtype: Precision to run it in; None for that of the file.

    Raises:
        ModelFileError: if the file is not a model file of this package, is damaged, or is of a newer format.
        FileNotFoundError: if there is no such file.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(Potential(ModelConfig.preset("small"), {"H": -13.6}), f"{folder}/h.safetensors")
    ...     load(f"{folder}/h.safetensors").species
    ('H',)
    """
    with _open(path) as file:
        header, rename = _header(file.metadata(), path)
        try:
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
        except safetensors.SafetensorError as error:
            raise ModelFileError(f"{path} is damaged: {error}; copy it again, or use last.safetensors") from error
    _check_size(header.config, weights, path)
    with torch.random.fork_rng(devices=[]):  # weights are drawn, then overwritten: the caller's numbers stay
        potential = Potential(header.config, header.statistics)
        if header.committee is not None:
            try:
                potential.committee = Committee(potential.energy.n_inputs, **header.committee.model_dump())
            except ValueError as error:
                raise ModelFileError(f"the header of {path} is damaged: {error}") from error
    saved = next((tensor.dtype for tensor in weights.values() if tensor.is_floating_point()), torch.float32)
    potential = potential.to(device=device, dtype=dtype or saved)
    try:
        potential.load_state_dict(rename(weights))
    except RuntimeError as error:
        raise ModelFileError(f"the weights in {path} do not fit its header: {error}") from error
    if not all(bool(torch.isfinite(tensor).all()) for tensor in potential.state_dict().values()):
        raise ModelFileError(f"{path} is damaged: it holds weights that are not finite numbers; copy it again")
    return potential.eval()


def _check_size(config: ModelConfig, weights: dict[str, torch.Tensor], path: str | os.PathLike[str]) -> None:
    """Refuse a header that asks for far more memory than the file has weights, before anything is allocated."""
    least = config.channels * (config.layers * (config.channels + config.n_basis) + config.n_hidden)
    given = sum(tensor.numel() for tensor in weights.values())
    if least > given:
        raise ModelFileError(
            f"the weights in {path} do not fit its header: {given:,} numbers, and a network of {config.layers} layers of "
            f"{config.channels} channels with {config.n_basis} radial functions has over {least:,}"
        )


def _open(path: str | os.PathLike[str]) -> Any:
    target = model_path(path)
    if not target.exists():
        names = "".join(f", and {name} comes with the package" for name in bundled())
        raise FileNotFoundError(f"no model file at {target}; training writes it as RUN/model.safetensors{names}")
    if target.is_dir():
        raise ModelFileError(
            f"expected a model file, got the folder {target}; did you mean {target}/model.safetensors?"
        )
    try:
        return safetensors.safe_open(str(target), framework="pt")
    except OSError as error:
        raise ModelFileError(f"cannot read the model file {target}: {error}") from error
    except safetensors.SafetensorError as error:
        raise ModelFileError(
            f"{target} is not a readable .safetensors model file ({error}); pickled checkpoints (.pt, .model, .pkl) are "
            "refused because loading them could run code"
        ) from error


def _header(
    metadata: dict[str, str] | None, path: str | os.PathLike[str]
) -> tuple[Header, Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]]]:
    """The header in the present format, and what renames the file's weights."""
    if not metadata or "equishare" not in metadata:
        raise ModelFileError(f"{path} is a .safetensors file, but holds no equishare potential")
    try:
        raw = json.loads(metadata["equishare"])
        number = format_number(raw)
        if number is not None and number > FORMAT:
            raise ModelFileError(
                f"{path} has format {number}, this version reads formats up to {FORMAT}; it was written by equishare "
                f"{raw.get('version')}, this is {equishare.__version__}: install a version as new as that"
            )
        if number == 1:
            raise ModelFileError(
                f"{path} has format 1, of before the first release; this version reads formats from 2 on: train again"
            )
        header, rename = migrate(raw)
        return Header.model_validate(header), rename
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        if isinstance(error, ModelFileError):
            raise
        raise ModelFileError(f"the header of {path} is damaged: {error}") from error
