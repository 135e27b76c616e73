"""A symmetry: which elements are drawn, and how every input and output transforms."""

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from equishare.check.errors import CheckError
from equishare.check.models.symmetry.cartesian import Cartesian
from equishare.check.models.symmetry.element import Element
from equishare.check.models.symmetry.image import Image
from equishare.check.models.symmetry.index import Index
from equishare.check.models.symmetry.readings import Readings
from equishare.check.models.symmetry.transform import Transform
from equishare.check.models.tree import Leaves

Spec = Any  # a Transform, its spelling, or a tuple or mapping of them shaped like the inputs or outputs
InferInputs = Callable[[Sequence[str], Sequence[Tensor], list[Transform | None]], list[Transform]]
InferOutput = Callable[[str, Tensor, "Setting"], Readings]
Place = Callable[[Transform, Tensor, "Setting"], Transform]


@dataclass(frozen=True)
class Setting:
    """What drawing an element needs to know of the inputs.

    Attributes:
        sizes: size of every index set ("atoms": 9, ...).
        positions: the first leaf that translations move, components last, or None.
        batch: which structure each atom belongs to, or None; permutations stay within structures.
        image: rows and columns of the first image, or None.
        atoms_axis: the axis of the positions that runs over the atoms, or None.
    """

    sizes: Mapping[str, int] = field(default_factory=dict)
    positions: Tensor | None = None
    batch: Tensor | None = None
    image: tuple[int, int] | None = None
    atoms_axis: int | None = None


@dataclass(frozen=True)
class Factor:
    """One subgroup that is tested by itself, so that a report can say which one fails.

    Attributes:
        name: "rotation", "permutation", ...
        draw: makes an element from a generator, the inputs' setting, and its number in the series.
        samples: how many elements are drawn unless the caller says otherwise.
        size: the order of a small finite group whose elements `draw` enumerates by number; None where it
            draws at random.
        mixes_features: hidden features may be mixed by an action that is not known beforehand (rotations
            do, permutations and translations do not); where a model breaks is then found by fitting that
            action.
        needs: the index set, "positions" or "image" that inputs must have for the factor to mean anything.
    """

    name: str
    draw: Callable[[torch.Generator, Setting, int], Element]
    samples: int = 24
    size: int | None = None
    mixes_features: bool = True
    needs: str | None = None

    def applies(self, setting: "Setting") -> bool:
        """Whether the inputs have what this factor acts on."""
        if self.needs in ("positions", "image"):
            return getattr(setting, self.needs) is not None
        return self.needs is None or setting.sizes.get(self.needs, 0) > 1

    def element(self, seed: int, setting: Setting, number: int = 0) -> Element:
        """Draw element `number` of the series that `seed` starts; the same arguments, the same element."""
        mixed = zlib.crc32(f"{self.name}/{seed}/{number}".encode())
        return self.draw(torch.Generator().manual_seed(mixed), setting, number)


@dataclass(frozen=True)
class Symmetry:
    """A claim: f(g x) = g f(x) for every g of the factors, with these actions on inputs and outputs.

    Args:
        name: for reports.
        factors: the subgroups to test.
        inputs: types of the inputs, shaped like them; leaves that are left out are inferred from name and
            shape.
        outputs: types of the outputs; with a mapping, outputs that are left out are not tested.
        infer_inputs: types the leaves that are not in `inputs`, all together.
        infer_output: says what an output may be where `outputs` is None.
        parse: turns a spelling such as "forces" or "8x0e+4x1o" into a Transform.
        place: finds the axis of atoms or edges for a type that was spelled: a spelling says no axis.
    """

    name: str
    factors: tuple[Factor, ...]
    inputs: Spec = None
    outputs: Spec = None
    infer_inputs: InferInputs = lambda names, tensors, given: [t or Cartesian() for t in given]
    infer_output: InferOutput = lambda path, tensor, setting: Readings((Cartesian(),))
    parse: Callable[[str], Transform] = lambda text: _no_spelling(text)
    place: Place = lambda transform, tensor, setting: transform

    def bind_inputs(self, leaves: Leaves, names: Sequence[str]) -> list[Transform]:
        """Type every input leaf: as given, else as inferred from all names and shapes together.

        Types that were spelled find their axes once it is known which axis of the positions runs over the atoms.

        Raises:
            CheckError: two inputs disagree about the number of atoms, edges or members.
        """
        tensors = [tensor for _, tensor in leaves]
        specs = [self._lookup(self.inputs, path, name) for (path, _), name in zip(leaves, names, strict=True)]
        given = [self._read(spec, tensor, Setting()) for spec, tensor in zip(specs, tensors, strict=True)]
        if any(isinstance(spec, str) for spec in specs):
            sure = [
                t if not isinstance(spec, str) or getattr(t, "moves", False) else None
                for t, spec in zip(given, specs, strict=True)
            ]
            setting = setting_of(leaves, names, self.infer_inputs(names, tensors, sure))
            given = [self._read(spec, tensor, setting) for spec, tensor in zip(specs, tensors, strict=True)]
        types = self.infer_inputs(names, tensors, given)
        sizes: dict[str, int] = {}
        for tensor, name, transform in zip(tensors, names, types, strict=True):
            _learn_sizes(sizes, transform, tensor, name)
        return types

    def guessed(self, leaves: Leaves, names: Sequence[str]) -> list[bool]:
        """Which inputs have no type of their own, so that `bind_inputs` infers one."""
        return [self._lookup(self.inputs, path, name) is None for (path, _), name in zip(leaves, names, strict=True)]

    def bind_outputs(self, leaves: Leaves, setting: Setting) -> list[Readings]:
        """Say what every output leaf is or may be; one without options is not tested.

        Raises:
            CheckError: the claim names outputs, but none that the model returns.
        """
        if self.outputs is None:
            return [self.infer_output(path, tensor, setting) for path, tensor in leaves]
        types = [self._read(self._lookup(self.outputs, path, path), tensor, setting) for path, tensor in leaves]
        if not any(types):
            raise CheckError(
                f"the claim types outputs {self.outputs!r}, but the model returned {describe_leaves(leaves)}; "
                "shape `outputs` like what the model returns"
            )
        return [Readings((t,) if t else (), settled=True) for t in types]

    def _read(self, spec: "Transform | str | None", tensor: Tensor, setting: Setting) -> Transform | None:
        return self.place(self.parse(spec), tensor, setting) if isinstance(spec, str) else spec

    def _lookup(self, spec: Spec, path: str, name: str) -> "Transform | str | None":
        """Find a leaf's type, or its spelling, in a spec by walking down its path."""
        if spec is None or isinstance(spec, (Transform, str)):
            return spec
        if isinstance(spec, Mapping):
            for key in (name, path):
                if key in spec:
                    return self._lookup(spec[key], "", name)
            head, _, tail = path.partition(".")
            return self._lookup(spec.get(head), tail, name)
        if isinstance(spec, Sequence):
            head, _, tail = path.partition(".")
            number = int(head) if head.isdigit() else 0
            return self._lookup(spec[number], tail, name) if number < len(spec) else None
        raise CheckError(f"a type is a Transform, a string, a tuple or a mapping of them; got {type(spec).__name__}")


def _no_spelling(text: str) -> Transform:
    raise CheckError(f"this symmetry has no spelling {text!r}; give a Transform")


def describe_leaves(leaves: Leaves) -> str:
    """List tensors for a message: name, kind of number, shape.

    Example:
        >>> describe_leaves([("", torch.zeros(2, dtype=torch.long))])
        'int64 [2]'
    """
    return ", ".join(f"{p + ': ' if p else ''}{str(t.dtype)[6:]} {list(t.shape)}" for p, t in leaves) or "nothing"


def _learn_sizes(sizes: dict[str, int], transform: Transform | None, tensor: Tensor, name: str) -> None:
    """Note how long an index set is, and refuse two lengths."""
    along, axes = getattr(transform, "along", None), getattr(transform, "axis", 0)
    if along is None:
        return
    for axis in axes if isinstance(axes, tuple) else (axes,):
        if not -tensor.dim() <= axis < tensor.dim():
            raise CheckError(
                f"{name} should run along {along} on axis {axis}, but has shape {tuple(tensor.shape)}; "
                "give it another type"
            )
        size = tensor.shape[axis]
        if sizes.setdefault(along, size) != size:
            raise CheckError(
                f"{name} has {size} {along} (shape {tuple(tensor.shape)}), other inputs have {sizes[along]}; "
                "give its type, or inputs that fit together"
            )


def setting_of(leaves: Leaves, names: Sequence[str], types: Sequence[Transform]) -> Setting:
    """Read sizes, positions, batch and image size off the typed inputs."""
    sizes: dict[str, int] = {}
    positions = batch = image = atoms_axis = None
    for (_, tensor), name, transform in zip(leaves, names, types, strict=True):
        _learn_sizes(sizes, transform, tensor, name)
        if isinstance(transform, Cartesian) and transform.moves and positions is None:
            positions = tensor.detach().movedim((transform.components or (-1,))[0], -1)
            atoms_axis = transform.axis if isinstance(transform.axis, int) and transform.along == "atoms" else None
        if name.rpartition(".")[2] == "batch" and not tensor.is_floating_point():
            batch = tensor
        if isinstance(transform, Index) and transform.of not in sizes:
            sizes[transform.of] = int(tensor.max()) + 1 if tensor.numel() else 0
        if isinstance(transform, Image) and image is None:
            image = (tensor.shape[transform.axes[0]], tensor.shape[transform.axes[1]])
    return Setting(sizes, positions, batch, image, atoms_axis)
