"""Sets of unlike sizes: padded tensors with a mask, and PyG's one list of points with a batch vector."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from equishare.nn.layer import Layer, LayerError


def to_padded(
    x: Float[Tensor, "points channels"], batch: Int[Tensor, " points"], batch_size: int | None = None
) -> tuple[Float[Tensor, "sets size channels"], Bool[Tensor, "sets size"]]:
    """Padded sets and their mask from PyG's list of points and the number of each one's set.

    What ``torch_geometric.utils.to_dense_batch`` gives, with its conditions checked. Edge features of a PyG graph become the order-2 features of
    the same points by ``torch_geometric.utils.to_dense_adj(edge_index, batch, edge_attr)``.

    Args:
        x: features of all points.
        batch: the set of each point, in rising order.
        batch_size: number of sets; needed where the last ones are empty.

    Returns:
        Features ``[sets, size of the largest, channels]``, zero at padding, and the mask, true at points.

    Raises:
        LayerError: ``batch`` does not fit, is not sorted, or names sets outside of ``batch_size``.

    >>> x, mask = to_padded(torch.ones(3, 2), torch.tensor([0, 0, 2]))
    >>> x.shape, mask
    (torch.Size([3, 2, 2]), tensor([[ True,  True],
            [False, False],
            [ True, False]]))
    """
    size = check_batch(x, batch, batch_size)
    if len(x) == 0:
        return x.new_zeros(size, 0, x.shape[-1]), torch.zeros(size, 0, dtype=torch.bool, device=x.device)
    if bool((batch[1:] < batch[:-1]).any()):
        raise LayerError("batch must rise: sort the points by their set first, as PyG's Batch does")
    counts = torch.bincount(batch, minlength=size)
    place = torch.arange(len(x), device=x.device) - (counts.cumsum(0) - counts)[batch]
    mask = torch.arange(int(counts.max()), device=x.device) < counts[:, None]
    return x.new_zeros(*mask.shape, x.shape[-1]).index_put((batch, place), x), mask


def from_padded(
    x: Float[Tensor, "sets size channels"], mask: Bool[Tensor, "sets size"]
) -> tuple[Float[Tensor, "points channels"], Int[Tensor, " points"]]:
    """PyG's list of points and batch vector from padded sets: the inverse of ``to_padded``.

    Raises:
        LayerError: the mask does not fit.

    >>> points, batch = from_padded(torch.ones(2, 2, 5), torch.tensor([[True, False], [True, True]]))
    >>> points.shape, batch
    (torch.Size([3, 5]), tensor([0, 1, 1]))
    """
    check_mask(mask, x.shape[:-1])
    return x[mask], mask.nonzero()[:, 0]


def check_mask(mask: Tensor | None, shape: torch.Size | tuple[int, ...], name: str = "mask") -> None:
    """Raise unless a mask is boolean and has this shape, [..., points]."""
    if mask is None:
        return
    if mask.dtype != torch.bool:
        raise LayerError(f"{name}: a boolean tensor, true at points and false at padding, expected, got {mask.dtype}")
    if tuple(mask.shape) != tuple(shape):
        raise LayerError(
            f"{name}: shape {list(shape)} expected, that of the features without channels, got {list(mask.shape)}"
        )


def check_batch(x: Tensor, batch: Tensor, batch_size: int | None) -> int:
    """The number of sets; raise unless ``batch`` gives each point of [points, channels] one of them."""
    if batch.dtype != torch.long or x.ndim != 2 or batch.shape != x.shape[:1]:
        raise LayerError(
            "with a batch vector, features [points, channels] and int64 numbers of sets [points] expected, "
            f"got {list(x.shape)} and {batch.dtype} {list(batch.shape)}"
        )
    least, most = (int(batch.min()), int(batch.max())) if len(batch) else (0, -1)
    size = most + 1 if batch_size is None else batch_size
    if least < 0 or most >= size:
        raise LayerError(f"batch: numbers of sets from 0 to {size - 1} expected, got {least} to {most}")
    return size


def check_channels(x: Tensor, channels: int, order: int, layer: Layer, name: str = "x") -> None:
    """Raise unless the features are [..., n (order times), channels]."""
    fits = x.ndim > order and x.shape[-1] == channels and all(n == x.shape[-2] for n in x.shape[-1 - order : -1])
    if not fits:
        points = "".join(["n, "] * order)
        raise LayerError(
            f"{type(layer).__name__}: {name} of shape [..., {points}{channels}] expected, got {list(x.shape)}"
        )
    layer.require_numbers(x)


def sets_of(
    x: Tensor, mask: Tensor | None, size: int | None, orders: tuple[int, int], channels: int, layer: Layer
) -> tuple[torch.Size, int]:
    """(batch, points a set) of the input of a layer from one order to another; raise where they do not fit or are not known."""
    order_in, order_out = orders
    check_channels(x, channels, order_in, layer)
    layer.require_numbers(mask=mask)
    batch = x.shape[: x.ndim - 1 - order_in]
    if order_in > 0:
        size = x.shape[-2]
    elif mask is not None:
        size = mask.shape[-1]
    elif size is None and order_out > 0:
        raise LayerError("from order 0 the number of points is needed: give a mask or a size")
    check_mask(mask, (*batch, size or 0))
    return batch, size or 0
