"""The channel-wise tensor product of features with spherical harmonics, against e3nn's 'uvu'.

    python benchmarks/tensor_product.py [--edges 914] [--atoms 75] [--channels 64] [--repeats 30] [--inductor]

Features 0e + 1o, harmonics up to l = 3, paths of natural parity up to l = 3 (the message of MACE), weights for each edge, path
and channel; float32, one thread. "product" is the product alone, row by row; "message" gathers the senders' features and sums to
the receivers. The implementations take turns, so that other load on the machine meets all of them; times are the CPU time of
the process. Prints a table and writes it to `benchmarks/results/tensor_product.json`; stops where the numbers differ.
"""

import argparse
import warnings
from collections.abc import Callable

import torch
from measuring import machine, rounds, write
from torch import Tensor

from equishare._e3nn import o3
from equishare.memory import keep_freed_memory
from equishare.nn import ChannelTensorProduct, Edges, clebsch_gordan, to_e3nn

Function = Callable[..., Tensor]
PASSES = {
    "forward": "energies",
    "forward + backward": "training on energies, or forces of a trained model",
    "forward + backward twice": "training on forces",
}


def uvu(layer: ChannelTensorProduct) -> tuple[torch.nn.Module, Tensor]:
    """e3nn's product with one instruction a path, and the sign between its coefficients and ours for each path."""
    signs, instructions = [], []
    for k, ((first, second), degree) in enumerate(zip(layer.paths.factors, layer.layout_out.degrees, strict=True)):
        degrees = layer.layout_in.degrees[first], layer.layout_harmonics.degrees[second], degree
        signs.append((o3.wigner_3j(*degrees) * clebsch_gordan(*degrees)).sum().sign().float())
        instructions.append((first, second, k, "uvu", True))
    irreps = layer.layout_in.irreps, layer.layout_harmonics.irreps, layer.layout_out.irreps
    product = o3.TensorProduct(*irreps, instructions, shared_weights=False, internal_weights=False)
    return product, torch.stack(signs)


def once(function: Function, inputs: list[Tensor], cotangents: list[Tensor], passes: str) -> list[Tensor]:
    """Value, or derivatives of the inputs along given cotangents (of the value, then of the derivatives)."""
    if passes == "forward":
        with torch.no_grad():
            return [function(*inputs)]
    twice = passes.endswith("twice")
    first = torch.autograd.grad(function(*inputs), inputs, cotangents[:1], create_graph=twice)
    return [*torch.autograd.grad(first, inputs, cotangents[1:])] if twice else [*first]


def functions(layer: ChannelTensorProduct, edges: Edges | None, inductor: bool) -> tuple[dict[str, Function], Tensor]:
    """The implementations; e3nn's take and give e3nn's flat layout."""
    from e3nn import set_optimization_defaults
    from e3nn.util.jit import compile as script

    set_optimization_defaults(jit_script_fx=False)
    eager, signs = uvu(layer)
    products = {"e3nn, eager": eager, "e3nn, TorchScript": script(uvu(layer)[0])}
    if inductor:
        products["e3nn, torch.compile"] = torch.compile(uvu(layer)[0])

    def message(product: torch.nn.Module) -> Function:
        if edges is None:
            return product
        return lambda x, y, w: _sum(product(x[edges.sender], y, w), edges)

    return {"equishare": lambda x, y, w: layer(x, y, w, edges), **{k: message(p) for k, p in products.items()}}, signs


def _sum(messages: Tensor, edges: Edges) -> Tensor:
    return messages.new_zeros(edges.n_atoms, messages.shape[1]).index_add(0, edges.receiver, messages)


def measure(n_edges: int, n_atoms: int, channels: int, repeats: int, inductor: bool = False) -> list[dict[str, object]]:
    """One row for each form of the product, pass and implementation."""
    irreps = f"{channels}x0e+{channels}x1o"
    layer = ChannelTensorProduct(irreps, "0e+1o+2e+3o", "0e+1o+2e+3o")
    generator = torch.Generator().manual_seed(0)
    index = torch.randint(n_atoms, (2, n_edges), generator=generator)
    index = index[:, index[1].argsort()]
    rows: list[dict[str, object]] = []
    for form, edges in {"product": None, "message": Edges(index, n_atoms)}.items():
        calls, signs = functions(layer, edges, inductor)
        n = n_edges if edges is None else n_atoms
        shapes = (n, 4, channels), (n_edges, 16), (n_edges, layer.n_paths, channels)
        ours = [torch.randn(shape, generator=generator) for shape in shapes]
        along = [torch.randn(shape, generator=generator) for shape in ((n, layer.layout_out.dim, channels), *shapes)]
        arguments = dict.fromkeys(
            calls,
            (flat(layer, signs, ours), [to_e3nn(along[0], layer.layout_out.irreps), *flat(layer, signs, along[1:])]),
        )
        arguments["equishare"] = ours, along
        for inputs, _ in arguments.values():
            for tensor in inputs:
                tensor.requires_grad_()
        for passes in PASSES:
            found = once(calls["equishare"], *arguments["equishare"], passes)
            reference = once(calls["e3nn, eager"], *arguments["e3nn, eager"], passes)
            compare(
                [to_e3nn(found[0], layer.layout_out.irreps)] if passes == "forward" else flat(layer, signs, found),
                reference,
            )
            times = rounds(
                {name: lambda f=f, a=arguments[name], p=passes: once(f, *a, p) for name, f in calls.items()}, repeats
            )
            for name, values in times.items():
                rows.append(
                    {
                        "form": form,
                        "passes": passes,
                        "implementation": name,
                        "least_ms": round(float(values.min()), 3),
                        "median_ms": round(float(sorted(values)[len(values) // 2]), 3),
                        "times_equishare": round(float(sorted(values / times["equishare"])[len(values) // 2]), 2),
                    }
                )
    return rows


def flat(layer: ChannelTensorProduct, signs: Tensor, inputs: list[Tensor]) -> list[Tensor]:
    """Features, harmonics and weights, or their derivatives, in e3nn's layout and with its signs."""
    x, y, w = inputs
    return [to_e3nn(x, layer.layout_in.irreps), y.clone(), (w * signs[:, None]).flatten(1)]


def compare(ours: list[Tensor], theirs: list[Tensor]) -> None:
    """Stop unless both say the same, to the rounding of float32."""
    for a, b in zip(ours, theirs, strict=True):
        error = float((a - b).norm() / b.norm())
        if not error < 1e-5:
            raise SystemExit(f"the numbers differ: {error:.1e} of the norm")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--edges", type=int, default=914)
    parser.add_argument("--atoms", type=int, default=75)
    parser.add_argument("--channels", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=30)
    parser.add_argument("--inductor", action="store_true", help="torch.compile too (needs a C++ compiler, and minutes)")
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    keep_freed_memory()  # for both: page faults would cost a fifth
    rows = measure(arguments.edges, arguments.atoms, arguments.channels, arguments.repeats, arguments.inductor)
    versions = machine("equishare", "e3nn", "torch", "numba", "numpy")
    write("tensor_product", {"machine": versions, "settings": vars(arguments), "rows": rows})
    print(
        f"{arguments.edges} edges, {arguments.channels} channels of 0e + 1o, harmonics up to l = 3, {versions['cpu']}"
    )
    print(f"{'':34s} {'':20s} {'least ms':>9s} {'median ms':>9s} {'times ours':>10s}")
    for r in rows:
        what = f"{r['form']}, {r['passes']}"
        print(
            f"{what:34s} {r['implementation']:20s} {r['least_ms']:9.2f} {r['median_ms']:9.2f} {r['times_equishare']:10.1f}"
        )


if __name__ == "__main__":
    main()
