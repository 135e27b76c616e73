"""Running a model at another precision, or with rounding errors made visible, to measure its noise floor."""

import copy
import inspect
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

Model = Callable[..., Any]

COUNTERPART = {
    torch.float64: torch.float32,
    torch.float32: torch.float64,
    torch.float16: torch.float32,
    torch.bfloat16: torch.float32,
}
"""The other precision that a model is compared with."""

# results of these are exact, or are constants: rounding does not touch them
# fmt: off
_EXACT = {
    "clone", "copy", "_to_copy", "index", "index_select", "gather", "cat", "stack", "where", "neg", "abs",
    "max", "min", "amax", "amin", "relu", "zeros", "ones", "full", "arange", "sign", "zeros_like",
    "ones_like", "full_like", "scalar_tensor", "sort", "topk", "round", "floor", "ceil",
    "threshold_backward", "embedding", "maximum", "minimum", "max_pool2d_with_indices", "constant_pad_nd",
    "flip", "roll", "new_zeros", "new_ones", "empty", "empty_like", "masked_fill", "clamp", "scatter",
    "repeat",
}
# fmt: on


class StochasticArithmetic(TorchDispatchMode):
    """Monte Carlo arithmetic: every rounded result is multiplied by 1 + u, |u| up to two units of rounding.

    The scatter of a model's outputs over a few runs is the size of its rounding errors (Parker 1997). It
    works on any torch code without casting it, at the price of a few times the work.

    Args:
        dtype: the precision whose rounding is imitated; tensors of a lower one are left alone, so that a
            truncation hidden in a model does not pass as noise.
        seed: of the perturbations.

    Example:
        >>> with StochasticArithmetic(torch.float32, seed=0):
        ...     y = torch.ones(3) / 3
        >>> 0 < (y - 1 / 3).abs().max().item() < 1e-7
        True
    """

    def __init__(self, dtype: torch.dtype, seed: int) -> None:
        super().__init__()
        self.epsilon = torch.finfo(dtype).eps
        self.seed = seed
        self.generators: dict[torch.device, torch.Generator] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        name = func._schema.name.rpartition("::")[2]
        if name in _EXACT or any(r.alias_info is not None for r in func._schema.returns):
            return result
        for tensor in result if isinstance(result, (tuple, list)) else (result,):
            if isinstance(tensor, Tensor) and tensor.is_floating_point() and tensor.numel():
                self._perturb(tensor)
        return result

    def _perturb(self, tensor: Tensor) -> None:
        if tensor.device not in self.generators:
            self.generators[tensor.device] = torch.Generator(tensor.device).manual_seed(self.seed)
        noise = torch.rand(
            tensor.shape, generator=self.generators[tensor.device], dtype=torch.float32, device=tensor.device
        )
        tensor.copy_(tensor + tensor * ((2 * noise - 1) * self.epsilon).to(tensor.dtype))


def module_of(model: Model) -> nn.Module | None:
    """Return the module behind a callable: itself, or the owner of a bound method."""
    owner = model if isinstance(model, nn.Module) else getattr(model, "__self__", None)
    return owner if isinstance(owner, nn.Module) else None


def private_copy(model: Model, dtype: torch.dtype | None = None, device: torch.device | None = None) -> Model:
    """Copy a model, so that the caller's stays as it is, and cast the copy.

    Callables without a module of their own are returned as they are.

    Raises:
        RuntimeError, TypeError, ...: whatever `copy.deepcopy` raises where the module cannot be copied.
    """
    module = module_of(model)
    if module is None:
        return model
    copied = copy.deepcopy(module)
    copied = copied.to(device=device) if device is not None else copied
    copied = copied.to(dtype) if dtype is not None else copied
    return copied if module is model else getattr(copied, model.__name__)


def dtype_of(tensors: Iterable[Tensor], model: Model) -> torch.dtype:
    """The floating dtype that a model works in: its parameters' first, else the inputs'."""
    module = module_of(model)
    candidates = [*(module.parameters() if module is not None else ()), *tensors]
    return next((t.dtype for t in candidates if t.is_floating_point()), torch.get_default_dtype())


def cast(tensors: Iterable[Tensor], dtype: torch.dtype) -> list[Tensor]:
    """Cast the floating tensors of a list; integers stay."""
    return [t.to(dtype) if t.is_floating_point() else t for t in tensors]


def isolated_rng() -> AbstractContextManager:
    """Keep the caller's random number generators as they are, whatever the model draws."""
    return torch.random.fork_rng(devices=range(torch.cuda.device_count()))


def argument_names(model: Model, count: int) -> list[str]:
    """Names of a model's first positional arguments, as far as it tells them."""
    module = model.forward if isinstance(model, nn.Module) else model
    try:
        parameters = inspect.signature(module).parameters.values()
    except (TypeError, ValueError):
        return [str(i) for i in range(count)]
    names = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) and p.name != "self"]
    return [names[i] if i < len(names) else str(i) for i in range(count)]
