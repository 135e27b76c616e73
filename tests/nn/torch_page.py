"""The page of the documentation that shows the table of layers and features of torch: `python tests/nn/torch_page.py` writes it."""

from pathlib import Path
from types import ModuleType


def page(table: ModuleType) -> str:
    """The page of the table in `torch_features`."""
    numbers = {reason: k for k, reason in enumerate(dict.fromkeys(table.EXCEPTIONS.values()), 1)}
    images = {name for name, case in table.CASES.items() if any(x.ndim == 4 for x in case.inputs(1))}

    def cell(name: str, feature: str) -> str:
        if feature == "channels_last" and name not in images:
            return ""
        reason = table.EXCEPTIONS.get((name, feature))
        return "yes" if reason is None else f"no ({numbers[reason]})"

    rows = [
        f"| `{name}` | {' | '.join(cell(name, feature) for feature in table.FEATURES)} |"
        for name in sorted(table.CASES)
    ]
    return "\n".join(
        [
            "# Layers and torch",
            "",
            "Every public layer is put to every feature of torch that people combine layers with. The table is made from the tests",
            "(`python tests/nn/torch_page.py` writes it, `tests/nn/test_torch_features.py` runs each cell).",
            "",
            f"| layer | {' | '.join(table.FEATURES)} |",
            f"| --- |{' --- |' * len(table.FEATURES)}",
            *rows,
            "",
            *(f"{k}. {reason[0].upper()}{reason[1:]}." for reason, k in numbers.items()),
            "",
            "compile is `torch.compile(fullgraph=True)`, forward and backward; export is `torch.export` with a dynamic batch (and dynamic atoms and",
            "edges); ONNX is run by onnxruntime at other batch sizes; meta is construction and a forward pass on shapes alone, then",
            "`to_empty` and a strict load; reset is the same with `reset_parameters` of each module in place of the load (so FSDP can); frozen is a",
            "gradient of the inputs alone; strides are transposed and cut-out inputs; ensemble is `torch.func.stack_module_state` and `vmap`;",
            "per-sample gradients are `torch.vmap(torch.func.grad(...))`; Hessian is `torch.func.hessian`; AMP is bfloat16 autocast; DDP is two",
            "processes, without `find_unused_parameters`;",
            "replicas are what `torch.nn.DataParallel` makes; wrong shapes: a number or an axis too many, or an index out of range, ends in an",
            "`EquishareError` that tells what was expected; wrong types: so do whole numbers where floating-point ones are needed; wrong precision:",
            "and numbers of another precision than the weights (under autocast float32 and half precision mix, and norms take half-precision inputs as",
            "they are); wrong device: and what is on another device than the weights. A layer of one input and no weights takes any.",
            "An empty cell is no question: the layer takes no images.",
            "",
            "The tests compile with `aot_eager`, which traces and differentiates as any backend does, but writes no machine code. That,",
            "`python tests/nn/test_torch_features.py compile report.json inductor` does (names of layers behind it choose some); it needs a C++ compiler and",
            "half an hour or more. It was run on every layer, each of which gave the same numbers and gradients except `Equilibrium` (see 2).",
            "[The measurements](../measurements/layers.md) say how fast compiled layers are.",
            "",
            "Two faults of torch 2.13 reach layers: inductor does not compile the gradient of a transposed convolution in space with one output channel",
            "and no padding for dynamic shapes, that of `torch.nn.ConvTranspose3d(24, 1, 2)` neither (`Invalid ranges [0:-1]`). `GroupConvTranspose3d` to a",
            'single number then wants `torch.compile(dynamic=False)`. And inductor gives the gradient of `padding_mode="replicate"` another memory order than',
            "its kernel where one convolution follows another, those of `torch.nn.Conv2d` too (`expected size 16==16, stride 1==25`): reflect, circular and zeros",
            "compile. `AntialiasedPool` and `UNet` repeat edges in another way where they are compiled.",
            "",
        ]
    )


if __name__ == "__main__":
    import torch_features

    Path(__file__).parents[2].joinpath("docs", "guides", "torch.md").write_text(page(torch_features))
