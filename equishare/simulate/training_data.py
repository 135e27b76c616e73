"""Whether a structure that was found is one that the training data of a model speak for."""

import os

from ase import Atoms

from equishare.potential import Potential, read_header
from equishare.potential.domain import Domain


def stored_domain(potential: Potential | str | os.PathLike[str]) -> Domain:
    """Ranges of the training data, as the model file has them; none are known of a potential in memory.

    Raises:
        ModelFileError: if the path does not hold a model.
    """
    if isinstance(potential, Potential):
        return Domain()
    return Domain.model_validate(read_header(potential).metadata.get("domain", {}))


def outside(model: str | os.PathLike[str], atoms: Atoms) -> str | None:
    """How the distances of a structure leave those of the training data, in words; None if they do not.

    Energies are not looked at: minima lie below what was drawn at a temperature.
    """
    reason = stored_domain(model).check(atoms, cutoff=read_header(model).config.cutoff)
    return None if reason is None else f"outside the training data: {reason}"
