"""Monte Carlo arithmetic: rounding errors made visible in any torch code, without casting it."""

import sys
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from equishare.check.models.precision import is_number

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


def random_state() -> tuple[Any, ...]:
    """Where the random number generators of torch and NumPy stand; Python's moves where types are checked by samples."""
    on_gpu = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []
    numpy_state: Any = np.random.get_state()  # the old one, which draws for np.random.rand
    torch_states = [state.tolist() for state in (torch.get_rng_state(), *on_gpu)]
    return torch_states, numpy_state[1].tolist(), numpy_state[2]


class StochasticArithmetic(TorchDispatchMode):
    """Monte Carlo arithmetic: every rounded result is multiplied by 1 + u, |u| up to two units of rounding.

    The scatter of a model's outputs over a few runs is the size of its rounding errors (Parker 1997). It
    works on any torch code without casting it, at the price of a few times the work.

    Args:
        dtype: the precision whose rounding is imitated; tensors of a lower one are left alone, so that a
            truncation hidden in a model does not pass as noise.
        seed: of the perturbations.

    Attributes:
        draws: an operation drew random numbers.

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
        self.draws = False

    def __new__(cls, *_: Any, **__: Any) -> "StochasticArithmetic":
        """Where torch's compiler is loaded, return one that it leaves alone."""
        return super().__new__(_BesideCompiler if "torch._dynamo" in sys.modules else cls)

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """False: else torch would load its compiler, some three seconds, before the first operation."""
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        may_draw = torch.Tag.nondeterministic_seeded in func.tags
        before = random_state() if may_draw else None
        result = func(*args, **kwargs)
        # attention may draw too, but does not without dropout
        self.draws |= may_draw and (kwargs.get("generator") is not None or random_state() != before)
        name = func._schema.name.rpartition("::")[2]
        if name in _EXACT or any(r.alias_info is not None for r in func._schema.returns):
            return result
        for tensor in result if isinstance(result, (tuple, list)) else (result,):
            if isinstance(tensor, Tensor) and is_number(tensor) and tensor.numel():
                self._perturb(torch.view_as_real(tensor) if tensor.is_complex() else tensor)
        return result

    def _perturb(self, tensor: Tensor) -> None:
        if tensor.device not in self.generators:
            self.generators[tensor.device] = torch.Generator(tensor.device).manual_seed(self.seed)
        noise = torch.rand(
            tensor.shape, generator=self.generators[tensor.device], dtype=torch.float32, device=tensor.device
        )
        tensor.copy_(tensor + tensor * ((2 * noise - 1) * self.epsilon).to(tensor.dtype))


class _BesideCompiler(StochasticArithmetic):
    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return True

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return super().__torch_dispatch__(func, types, args, kwargs)
