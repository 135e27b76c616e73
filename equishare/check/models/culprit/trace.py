"""Recording what every module of a model received and returned."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from equishare.check.models.precision import is_number, module_of
from equishare.check.models.probe import Probe
from equishare.check.models.symmetry.element import Element
from equishare.check.models.tree import tensors


@dataclass
class Call:
    """One call of one module, with the calls that it made.

    Attributes:
        path: where the module is in the model, "" for the model itself.
        module: the module called.
        inputs: the floating tensors that it received.
        outputs: the floating tensors that it returned.
        children: calls made inside, in order of execution.
    """

    path: str
    module: nn.Module
    inputs: list[Tensor]
    outputs: list[Tensor] = field(default_factory=list)
    children: list["Call"] = field(default_factory=list)


def _keep(tree: Any) -> list[Tensor]:
    """Clone at once: residual streams are often added to in place. Complex numbers become pairs of real ones."""
    numbers = [t.detach() for t in tensors(tree) if is_number(t)]
    return [torch.stack([t.real, t.imag]) if t.is_complex() else t.clone() for t in numbers]


def _is_generated(path: str, module: nn.Module) -> bool:
    """Code that a layer wrote for itself, as e3nn's layers do: the layer is what a person knows by name."""
    written = isinstance(module, (torch.fx.GraphModule, torch.jit.ScriptModule))
    return written and path.rpartition(".")[2].startswith("_")


class Tracer:
    """Hooks on every module of a model, inside a `with`; `root` is the call of the model itself."""

    def __init__(self, module: nn.Module) -> None:
        self.module = module
        self.root: Call | None = None
        self.stack: list[Call] = []
        self.handles: list[Any] = []

    def __enter__(self) -> "Tracer":
        for path, module in self.module.named_modules():
            if _is_generated(path, module):
                continue
            self.handles.append(module.register_forward_pre_hook(self._enter(path), with_kwargs=True))
            self.handles.append(module.register_forward_hook(self._leave, with_kwargs=True))
        return self

    def __exit__(self, *_: Any) -> None:
        for handle in self.handles:
            handle.remove()

    def _enter(self, path: str) -> Any:
        def hook(module: nn.Module, args: Any, kwargs: Any) -> None:
            call = Call(path, module, _keep((args, kwargs)))
            if self.stack:
                self.stack[-1].children.append(call)
            elif self.root is None:
                self.root = call
            self.stack.append(call)

        return hook

    def _leave(self, module: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
        while self.stack:
            call = self.stack.pop()
            if call.module is module:
                call.outputs = _keep(output)
                return


def trace(
    probe: Probe,
    g: Element | None = None,
    leaves: Sequence[Tensor] | None = None,
    stochastic: int | None = None,
) -> Call | None:
    """Run the model at g x and return what its modules saw; None for a callable without modules."""
    module = module_of(probe.model)
    if module is None:
        return None
    with Tracer(module) as tracer, torch.enable_grad():
        probe.observe(g, leaves=leaves, stochastic=stochastic, gradients=False)
    return tracer.root
