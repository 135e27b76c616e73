"""Compiling beside: the same loops with the same types as a training step asks for, and none missing."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from equishare.ops import ahead

RECORDER = Path(ahead.__file__).parents[2] / "tools" / "record_signatures.py"


def test_the_file_holds_what_a_training_step_asks_for():
    done = subprocess.run([sys.executable, str(RECORDER), "--print"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == json.loads(ahead.SIGNATURES.read_text())


def test_types_that_were_recorded_are_those_of_a_step():
    """A step after compiling ahead compiles nothing."""
    code = (
        "import torch; from ase.build import molecule;"
        "from equishare.ops import ahead;"
        "[ahead.compile_part(part, real) for real in ('float32', 'float64') for part in ahead.PARTS];"
        "from equishare.potential import ModelConfig, Potential, collate, from_atoms;"
        "model = Potential(ModelConfig.preset('small'), {'H': -13.6, 'O': -430.0}).train();"
        "from equishare.ops.edge_sum import numba as loops; before = len(loops.second.signatures);"
        "graph = collate([from_atoms(molecule('H2O'), 5.0)]);"
        "[model.to(real)(graph).forces.square().sum().backward() for real in (torch.float32, torch.float64)];"
        "assert before == len(loops.second.signatures) == 2"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_nothing_is_started_where_loops_may_have_run():
    import numba  # noqa: F401

    ahead.start("float32")
    assert not ahead._running


@pytest.mark.parametrize(("cores", "processes"), [(1, 0), (2, 1), (8, 2)])
def test_a_compiler_that_fails_is_no_failure(monkeypatch, cores, processes):
    monkeypatch.delitem(sys.modules, "numba", raising=False)
    monkeypatch.setattr(sys, "executable", "false")
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    for _ in range(2):
        ahead.start("float32")
        assert len(ahead._running) == processes
    ahead.wait()
    ahead.wait()
    assert not ahead._running


@pytest.mark.slow
def test_a_step_finds_its_loops_in_the_cache(tmp_path):
    """What another process has compiled, a training step does not compile again."""
    code = (
        "from equishare.ops import ahead; ahead.start('float32'); ahead.wait();"
        "from ase.build import molecule; from equishare.potential import ModelConfig, Potential, collate, from_atoms;"
        "model = Potential(ModelConfig.preset('small'), {'H': -13.6, 'O': -430.0}).train();"
        "model(collate([from_atoms(molecule('H2O'), 5.0)])).forces.square().sum().backward(inputs=list(model.parameters()));"
        "from equishare.ops.channel_product import numba as product; from equishare.ops.edge_sum import numba as edge_sum;"
        "from equishare.ops.edge_functions import numba as functions;"
        "loops = [product.forward, product.backward, product.second, edge_sum.forward, edge_sum.backward, edge_sum.second];"
        "assert all(loop.stats.cache_hits and not loop.stats.cache_misses for loop in [*loops, functions.forward])"
    )
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
