"""The subgroups that the checker draws elements of."""

import torch

from equishare.check.errors import CheckError
from equishare.check.models.symmetry.element import Element
from equishare.check.models.symmetry.represented import Representation
from equishare.check.models.symmetry.symmetry import Factor, Setting
from equishare.groups import FiniteGroup, so3

SMALL_GROUP = 48
"""Groups of up to so many elements are tried as a whole."""


def _rotation(generator: torch.Generator, setting: Setting, number: int) -> Element:
    R = so3().random(generator)
    positions = setting.positions
    if number == 0 and positions is not None and positions.dim() == 2 and len(positions) > 1:
        # put one interatomic vector on the z axis: spherical angles are singular there, and NaNs live at
        # poles
        v = (positions[1] - positions[0]).to(dtype=torch.float64, device="cpu")
        if v.norm() > 0:
            axis = v / v.norm()
            other = torch.linalg.cross(axis, R[:, 0])
            other = other / other.norm()
            R = torch.stack([other, torch.linalg.cross(axis, other), axis])
    return Element(orthogonal=R)


def _reflection(generator: torch.Generator, setting: Setting, number: int) -> Element:
    return Element(orthogonal=-torch.eye(3, dtype=torch.float64) if number == 0 else -so3().random(generator))


def _translation(generator: torch.Generator, setting: Setting, number: int) -> Element:
    # a few times the size of the cloud: far enough to see a leak, near enough to keep float32's digits
    spread = 1.0 if setting.positions is None else max(float(setting.positions.double().std()), 1e-3)
    return Element(translation=2 * spread * torch.randn(3, generator=generator, dtype=torch.float64))


def _permute(along: str, generator: torch.Generator, setting: Setting) -> Element:
    size = setting.sizes[along]
    if along == "atoms" and setting.batch is not None:
        batch = setting.batch.cpu()
        order = torch.arange(size)
        for graph in batch.unique():
            members = torch.nonzero(batch == graph).flatten()
            order[members] = members[torch.randperm(len(members), generator=generator)]
        return Element(permutations={along: order})
    return Element(permutations={along: torch.randperm(size, generator=generator)})


def rotation() -> Factor:
    """SO(3), drawn uniformly."""
    return Factor("rotation", _rotation)


def reflection() -> Factor:
    """The improper half of O(3): the inversion first, then inversion times random rotations."""
    return Factor("reflection", _reflection)


def translation() -> Factor:
    """Translations of a few times the size of the structure."""
    return Factor("translation", _translation, mixes_features=False, needs="positions")


def permutation(along: str = "atoms", samples: int = 48) -> Factor:
    """Reorderings of an index set; many are drawn, because index bugs may hit few of them."""
    name = {"atoms": "permutation", "edges": "edge order"}.get(along, f"permutation of {along}")

    def draw(generator: torch.Generator, setting: Setting, number: int) -> Element:
        return _permute(along, generator, setting)

    return Factor(name, draw, samples, mixes_features=False, needs=along)


def planar(turns: int = 4, mirrors: bool = False) -> Factor:
    """Every element but the identity of C4 (`turns=4`), C2 (2), D4, D2 or, with 1 turn, the mirror."""
    elements = [(k * (4 // turns), m) for m in range(1 + mirrors) for k in range(turns)][1:]

    def draw(generator: torch.Generator, setting: Setting, number: int) -> Element:
        k, mirror = elements[number % len(elements)]
        return Element(turns=k, flip=bool(mirror))

    name = (
        "mirror" if turns == 1 else "turns and mirrors" if mirrors else "quarter turns" if turns == 4 else "half turn"
    )
    return Factor(name, draw, len(elements), len(elements))


def shift() -> Factor:
    """Circular shifts of an image by whole pixels: by one row, by one column, then random."""

    def draw(generator: torch.Generator, setting: Setting, number: int) -> Element:
        if setting.image is None:
            raise CheckError("a shift needs an image among the inputs; type one of them as an Image")
        if number < 2:
            return Element(shift=(1 - number, number))
        rows, columns = (int(torch.randint(1, n, (), generator=generator)) for n in setting.image)
        return Element(shift=(rows, columns))

    return Factor("translation", draw, mixes_features=False, needs="image")


def abstract(representation: Representation, samples: int = 16) -> Factor:
    """Elements of the group of a representation: all but the identity of a small one, else drawn by its `random`."""
    group = representation.group
    small = isinstance(group, FiniteGroup) and group.order <= SMALL_GROUP
    elements = [g for g in group.elements if g != group.identity] if small else []

    def draw(generator: torch.Generator, setting: Setting, number: int) -> Element:
        return Element(abstract=elements[number % len(elements)] if elements else group.random(generator))

    return Factor(str(group), draw, len(elements) or samples, len(elements) or None)
