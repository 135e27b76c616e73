"""Layers compiled by torch's inductor against the same layers as they are.

    python benchmarks/compiled_layers.py [--repeats 15] [--layers GroupConv2d SetAttention] [--save]

Processor time of one thread, forward and all gradients, as a ratio to the uncompiled layer in the same round; the median over rounds, so that what
disturbs the machine disturbs both. Compilation is with ``fullgraph=True`` and told apart, in seconds of processor time; it needs a C++ compiler.
Stops where outputs or gradients differ. ``--save`` writes benchmarks/results/compiled_layers.json.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import measuring
import torch
from torch import Tensor

from equishare import groups, nn
from equishare.memory import keep_freed_memory

C4, C8, SO2, O3 = groups.cyclic(4), groups.cyclic(8), groups.so2(), groups.o3()
IRREPS, HARMONICS = "32x0e+32x1o+32x2e", "0e+1o+2e"
ROWS = 4096  # of which the small layers take milliseconds: a compiled call costs a third of one by itself
V = groups.o(5).defining()
Case = tuple[torch.nn.Module, tuple[Tensor, ...]]


class OnPoints(torch.nn.Module):
    """A layer of points that do not move."""

    def __init__(self, layer: torch.nn.Module, points: int, edges: int) -> None:
        super().__init__()
        self.layer, self.positions = layer, torch.randn(points, 3)
        self.edges = torch.randint(points, (2, edges))

    def forward(self, x: Tensor) -> Tensor:
        """The layer."""
        return self.layer(x, positions=self.positions, edge_index=self.edges)


class OnEdges(torch.nn.Module):
    """A layer of edges that do not change."""

    def __init__(self, layer: torch.nn.Module, points: int, edges: int) -> None:
        super().__init__()
        self.layer, self.edges = layer, torch.randint(points, (2, edges))

    def forward(self, *inputs: Tensor) -> Tensor:
        """The layer."""
        return self.layer(*inputs, self.edges)


def steerable() -> Case:
    """A convolution of SO(2)."""
    field = SO2.trivial() + SO2.irrep(1) + SO2.irrep(2)
    return nn.GroupConv2d(SO2, 8, 8, 5, field_in=field, field_out=field), (torch.randn(8, 40, 28, 28),)


CASES: dict[str, Callable[[], Case]] = {
    # what a compiled call costs by itself
    "torch.nn.Linear, 8 rows": lambda: (torch.nn.Linear(32, 32), (torch.randn(8, 32),)),
    "torch.nn.Linear": lambda: (torch.nn.Linear(32, 32), (torch.randn(ROWS, 9, 32),)),
    "GroupConv2d": lambda: (nn.GroupConv2d(C8, 8, 8, 5), (torch.randn(8, 64, 28, 28),)),
    "GroupConv2d, SO(2)": steerable,
    "FieldBatchNorm": lambda: (nn.FieldBatchNorm(16 * C4.regular()), (torch.randn(8, 64, 28, 28),)),
    "NormActivation": lambda: (nn.NormActivation(32 * SO2.irrep(1)), (torch.randn(8, 64, 28, 28),)),
    "FourierActivation": lambda: (nn.FourierActivation(SO2, 12, 2), (torch.randn(8, 60, 28, 28),)),
    "FieldTransformerBlock": lambda: (nn.FieldTransformerBlock(C4, 16, heads=4), (torch.randn(8, 64, 12, 12),)),
    "UNet": lambda: (nn.UNet(C4, C4.trivial(), C4.defining(), widths=(4, 8)), (torch.randn(8, 1, 29, 29),)),
    "SharedLinear": lambda: (nn.SharedLinear(O3.irreps(IRREPS), O3.irreps(IRREPS)), (torch.randn(ROWS, 288),)),
    "EMLP": lambda: (nn.emlp(2 * V, V, width=128), (torch.randn(512, 10),)),
    "SetAttention": lambda: (nn.SetAttention(128, 8), (torch.randn(8, 256, 128),)),
    "SlotAttention": lambda: (nn.SlotAttention(64, 64, 7, initial="learned"), (torch.randn(8, 256, 64),)),
    "PermutationLinear": lambda: (nn.PermutationLinear(2, 2, 16, 16), (torch.randn(8, 24, 24, 16),)),
    "IrrepsLinear": lambda: (nn.IrrepsLinear(IRREPS, IRREPS), (torch.randn(ROWS, 9, 32),)),
    "Gate": lambda: (nn.Gate(IRREPS), (torch.randn(ROWS, 9, 32),)),
    "ChannelProduct": lambda: (nn.ChannelProduct(IRREPS, None, IRREPS), (torch.randn(ROWS, 9, 32),)),
    "DensityConv": lambda: (
        OnEdges(nn.DensityConv("32x0e+32x1o", 2, 8), 300, ROWS),
        (torch.randn(300, 4, 32), torch.randn(ROWS, 8), torch.randn(ROWS, 9)),
    ),
    "ChannelTensorProduct": lambda: (
        nn.ChannelTensorProduct(IRREPS, HARMONICS, HARMONICS),
        (torch.randn(ROWS, 9, 32), torch.randn(ROWS, 9), torch.randn(ROWS, 11, 32)),
    ),
    "FullyConnectedTensorProduct": lambda: (
        nn.FullyConnectedTensorProduct("16x0e+16x1o", HARMONICS, "16x0e+16x1o"),
        (torch.randn(ROWS, 64), torch.randn(ROWS, 9)),
    ),
    "PointTransformerBlock": lambda: (
        OnPoints(nn.PointTransformerBlock(O3, 8, O3.irreps("0e+1o"), heads=2, radii=(0.0, 1.0, 2.0)), 128, 1024),
        (torch.randn(128, 32),),
    ),
}


def step(
    layer: Callable[..., Tensor], weights: list[Tensor], inputs: tuple[Tensor, ...], probe: Tensor
) -> Callable[[], list[Tensor]]:
    """One training step's work: output, and gradients of weights and inputs along a probe (a norm leaves no gradient of squares)."""

    def run() -> list[Tensor]:
        given = [x.clone().requires_grad_() for x in inputs]
        out = first(layer(*given))
        return [out.detach(), *torch.autograd.grad((out * probe).sum(), [*given, *weights], allow_unused=True)]

    return run


def first(output: Tensor | tuple[Tensor, ...]) -> Tensor:
    """The output, or the first of several."""
    return output if isinstance(output, Tensor) else output[0]


def measure(name: str, repeats: int) -> dict[str, object]:
    """A row of the table; stops where compiled numbers differ."""
    torch.manual_seed(0)
    layer, inputs = CASES[name]()
    torch._dynamo.reset()
    weights = [p for p in layer.parameters() if p.requires_grad]
    probe = torch.randn_like(first(layer(*inputs)))
    forms = {"eager": layer, "compiled": torch.compile(layer, fullgraph=True)}
    calls = {form: step(function, weights, inputs, probe) for form, function in forms.items()}
    start = time.process_time()
    found = calls["compiled"]()
    seconds = time.process_time() - start
    expected = calls["eager"]()
    for part in (
        slice(1),
        slice(1, None),
    ):  # the output, then all gradients: a bias before a norm has none but rounding
        a, b = (torch.cat([x.flatten() for x in some[part] if x is not None]) for some in (found, expected))
        if not float((a - b).norm()) <= 1e-3 * float(b.norm()):
            raise SystemExit(f"{name}: compiled numbers differ")
    times = measuring.rounds(calls, repeats, warm_up=2)
    return {
        "layer": name,
        "eager_ms": round(float(statistics.median(times["eager"])), 3),
        "compiled_ms": round(float(statistics.median(times["compiled"])), 3),
        "ratio": round(float(statistics.median(times["compiled"] / times["eager"])), 3),
        "compilation_s": round(seconds, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--layers", nargs="+", choices=sorted(CASES), default=list(CASES), metavar="LAYER")
    parser.add_argument("--save", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed_memory()  # for both: page faults of fresh arrays would weigh most on what computes least
    rows = []
    print("| layer | eager, ms | compiled, ms | compiled / eager | compilation, s |\n| --- | --- | --- | --- | --- |")
    for name in arguments.layers:
        row = measure(name, arguments.repeats)
        rows.append(row)
        print(f"| {' | '.join(str(value) for value in row.values())} |", flush=True)
    if arguments.save:
        measuring.write("compiled_layers", {"machine": measuring.machine("torch", "equishare"), "rows": rows})


if __name__ == "__main__":
    main()
