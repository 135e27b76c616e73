"""Claims of models of images."""

from collections.abc import Sequence

from torch import Tensor

from equishare.check.errors import CheckError
from equishare.check.models.symmetry import factors
from equishare.check.models.symmetry.cartesian import Cartesian
from equishare.check.models.symmetry.image import Image
from equishare.check.models.symmetry.readings import Readings
from equishare.check.models.symmetry.symmetry import Setting, Spec, Symmetry
from equishare.check.models.symmetry.transform import Transform

_PLANAR = {
    "C1": (1, False),
    "C2": (2, False),
    "C4": (4, False),
    "D1": (1, True),
    "D2": (2, True),
    "D4": (4, True),
}


def image(group: str = "C4", inputs: Spec = None, outputs: Spec = None, *, translations: bool = False) -> Symmetry:
    """Quarter turns and mirrors of images (the last two axes), and circular shifts.

    Inputs with three or more axes are images; a square one with two axes is an image where no other is. Outputs with a square of pixels are feature maps with
    invariant channels, all others are invariant; give `Image(group_axis=...)` for regular feature maps.

    Args:
        group: "C2", "C4", "D1" (mirror alone), "D2", "D4", or "C1" (with `translations`).
        inputs: types, where they are not simply images.
        outputs: types, likewise.
        translations: test circular shifts by whole pixels too.

    Raises:
        CheckError: no such group.

    Example:
        >>> [f.name for f in image("C4", translations=True).factors]
        ['quarter turns', 'translation']
    """
    if group not in _PLANAR:
        raise CheckError(f"group {group!r} is none of {sorted(_PLANAR)}")
    turns, mirrors = _PLANAR[group]
    chosen = [factors.planar(turns, mirrors)] if group != "C1" else []
    chosen += [factors.shift()] * translations
    return Symmetry(f"image under {group}", tuple(chosen), inputs, outputs, _infer_images, _infer_output, _parse_image)


def _by_shape(tensor: Tensor, axes: int = 3) -> Transform:
    square = tensor.dim() > 2 or tensor.shape[-1:] == tensor.shape[-2:-1]
    return Image() if tensor.dim() >= axes and square and min(tensor.shape[-2:]) > 1 else Cartesian()


def _infer_images(names: Sequence[str], tensors: Sequence[Tensor], given: list[Transform | None]) -> list[Transform]:
    axes = 3 if any(isinstance(t or _by_shape(x), Image) for t, x in zip(given, tensors, strict=True)) else 2
    return [t or _by_shape(tensor, axes) for t, tensor in zip(given, tensors, strict=True)]


def _infer_output(path: str, tensor: Tensor, setting: Setting) -> Readings:
    alone = tensor.dim() == 2 and tuple(tensor.shape) == setting.image
    return Readings((_by_shape(tensor), Image()) if alone else (_by_shape(tensor), Cartesian()))


def _parse_image(text: str) -> Transform:
    if text not in ("image", "invariant"):
        raise CheckError(f"a type for images is 'image', 'invariant' or an Image(...); got {text!r}")
    return Image() if text == "image" else Cartesian()
