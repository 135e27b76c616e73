"""A claim made of what was typed at the prompt."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from equishare.check.errors import TargetError

KINDS = ("molecule", "point-cloud", "graph", "image", "set")


@dataclass(frozen=True)
class TypedClaim:
    """What the options say of a claim.

    Attributes:
        kind: one of `KINDS`.
        types: of inputs, such as "species,positions" or "z=species,pos=positions".
        output: of outputs, likewise.
        group: of an image.
        translations: test circular shifts of an image.
        improper: test reflections.
        axis: of a set: the axis that runs over its members.
    """

    kind: str
    types: str | None = None
    output: str | None = None
    group: str = "C4"
    translations: bool = False
    improper: bool = True
    axis: int | None = None

    def symmetry(self) -> Any:
        """Make the claim.

        Raises:
            TargetError: there is no such kind, or an option belongs to another one.
        """
        from equishare.check.models.claims.images import image
        from equishare.check.models.claims.molecules import graph, molecule, point_cloud
        from equishare.check.models.claims.sets import set_

        if self.kind not in KINDS:
            raise TargetError(f"--as {self.kind} is none of {', '.join(KINDS)}")
        if self.axis is not None and self.kind != "set":
            raise TargetError("--axis says which axis runs over the members of a set; type --as set too")
        types, outputs = spelled(self.types), spelled(self.output)
        if self.kind == "image":
            return image(self.group, types, outputs, translations=self.translations)
        if self.kind == "set":
            return set_(types, outputs, axis=self.axis or 0)
        if self.kind == "graph":
            return graph(types, outputs)
        if self.kind == "point-cloud":
            return point_cloud(types or "positions", outputs, improper=self.improper)
        return molecule(types, outputs, improper=self.improper)


def spelled(text: str | None) -> Any:
    """Read types as they are typed: one for all, one for each with commas, or by name.

    Example:
        >>> spelled("energy"), spelled("species, positions"), spelled("h=atoms: 8x0e,pos=positions")
        ('energy', ('species', 'positions'), {'h': 'atoms: 8x0e', 'pos': 'positions'})
    """
    if text is None:
        return None
    parts = [part.strip() for part in text.split(",")]
    if all("=" in part for part in parts):
        return {name.strip(): kind.strip() for name, _, kind in (part.partition("=") for part in parts)}
    if any("=" in part for part in parts):
        raise TargetError(f"{text!r} gives some types by name and some by place; do one or the other")
    return parts[0] if len(parts) == 1 else tuple(parts)


def load_claim(text: str, build: Callable[[Any], Any], load: Callable[[str], Any]) -> Any:
    """Return the claim that `file.py:name` names: a Symmetry, or a function that makes one.

    Raises:
        TargetError: it is no claim.
    """
    from equishare.check.models.symmetry.symmetry import Symmetry

    made = build(load(text))
    if not isinstance(made, Symmetry):
        raise TargetError(
            f"--claim {text} gives a {type(made).__name__}; it should give a claim, such as equishare.check.molecule(...)"
        )
    return made
