"""Every public layer with every feature of torch that people combine layers with."""

import copy
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import feature_checks as checks
import pytest
import refusal_checks as refusals
import torch
import torch_features as table
import transform_checks as transforms
from test_completeness import public_layers
from torch import nn as torch_nn
from torch_page import page

from equishare import nn

pytestmark = pytest.mark.usefixtures("unchecked")


def build(name, batch=3):
    case = table.CASES[name]
    torch.manual_seed(1)
    layer, inputs = case.make().eval(), case.inputs(batch)
    for parameter in layer.parameters():  # biases that start at zero would hide what is done to them
        torch_nn.init.normal_(parameter, std=0.2)
    return case, layer, inputs


def two_processes(rank, store, report):
    """Gradients of every layer, averaged by DistributedDataParallel over two processes, against those of both samples at once."""
    torch.distributed.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
    found = {}
    for name in table.CASES:
        try:
            case, layer, _ = build(name)
            samples = [case.inputs(2) for _ in range(2)]
            if list(layer.parameters()):
                unused = name == "TiedEmbedding"  # its bias is for `scores`
                wrapped = torch_nn.parallel.DistributedDataParallel(copy.deepcopy(layer), find_unused_parameters=unused)
                checks.first(wrapped(*samples[rank])).square().sum().backward()
                sum(0.5 * checks.first(layer(*s)).square().sum() for s in samples).backward()
                for a, b in zip(wrapped.module.parameters(), layer.parameters(), strict=True):
                    if b.grad is not None:
                        checks.close(a.grad, b.grad, 1e-4)
            found[name] = None
        except Exception as error:  # one layer's failure is not the others'
            found[name] = f"{type(error).__name__}: {error}"
    torch.distributed.destroy_process_group()
    if rank == 0:
        Path(report).write_text(json.dumps(found))


def compiled(report, backend="aot_eager", *names):
    """Every layer, or those named, compiled where no check of signatures stands in the compiler's way."""
    found = {}
    for name in names or table.CASES:
        try:
            checks.check_compile(*build(name), backend)
            found[name] = None
        except Exception as error:
            found[name] = f"{type(error).__name__}: {error}"
        Path(report).write_text(json.dumps(found, indent=1))  # a long run that is stopped has told of what it saw


def elsewhere(folder, *arguments):
    """What other processes that run this file found of each layer."""
    report, environment = folder / "report.json", os.environ | {"OMP_NUM_THREADS": "1"}
    processes = [subprocess.Popen([sys.executable, __file__, *a, str(report)], env=environment) for a in arguments]
    assert [process.wait(timeout=600) for process in processes] == [0] * len(processes)
    return json.loads(report.read_text())


@pytest.fixture(scope="module")
def ddp(tmp_path_factory):
    """What became of each layer in two processes."""
    folder = tmp_path_factory.mktemp("ddp")
    return elsewhere(folder, *(("ddp", str(rank), str(folder / "store")) for rank in range(2)))


@pytest.fixture(scope="module")
def compile_report(tmp_path_factory):
    """What became of each layer in the compiler."""
    return elsewhere(tmp_path_factory.mktemp("compile"), ("compile",))


CELLS = [
    pytest.param(name, feature, marks=[pytest.mark.slow] if feature in table.SLOW else [], id=f"{name}-{feature}")
    for name in table.CASES
    for feature in table.FEATURES
    if feature != "channels_last" or any(x.ndim == 4 for x in table.CASES[name].inputs(1))
]


def test_the_table_names_every_layer():
    assert {table.layer_of(name) for name in table.CASES} == public_layers()
    assert {name for name, _ in table.EXCEPTIONS} <= set(table.CASES)


def test_the_page_of_the_documentation_is_this_table():
    path = Path(__file__).parents[2] / "docs" / "guides" / "torch.md"
    assert path.read_text() == page(table), "run python tests/nn/torch_page.py"


@pytest.mark.parametrize(("name", "feature"), CELLS)
def test_cell(name, feature, tmp_path, request):
    reason = table.EXCEPTIONS.get((name, feature))
    if feature in ("DDP", "compile"):
        found = request.getfixturevalue("ddp" if feature == "DDP" else "compile_report")[name]
        assert (found is None) == (reason is None), found
        return
    case, layer, inputs = build(name)
    extra = (tmp_path,) if feature == "ONNX" else ()
    wanted = "check_" + re.sub(r"\W", "_", feature.lower())
    check = next(getattr(module, wanted) for module in (checks, refusals, transforms) if hasattr(module, wanted))
    if reason is None:
        check(case, layer, inputs, *extra)
    else:
        with pytest.raises(Exception):  # noqa: B017, PT011 - whatever torch says; the day it works, the exception goes
            check(case, layer, inputs, *extra)


@pytest.mark.parametrize(
    "name", sorted(name for name in table.CASES if issubclass(getattr(nn, table.layer_of(name)), nn.Layer))
)
def test_every_layer_says_what_it_takes_and_shares(name):
    layer = build(name)[1]
    layer = layer.conv if isinstance(layer, table.Placed) else layer
    ends = [*(layer.rep_in if isinstance(layer.rep_in, tuple) else (layer.rep_in,)), layer.rep_out]
    assert all(end is None or isinstance(end, nn.FeatureType | tuple) for end in ends)
    assert repr(layer) != f"{type(layer).__name__}()"
    names = {path for path, _ in layer.named_parameters()}
    assert set(layer.shared_weights()) <= names


if __name__ == "__main__":
    if sys.argv[1] == "ddp":
        two_processes(int(sys.argv[2]), sys.argv[3], sys.argv[4])
    else:
        compiled(*sys.argv[2:])
