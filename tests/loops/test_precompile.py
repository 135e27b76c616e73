"""Compiling beside: the same loops with the same types as a training step asks for, and none missing."""

import os
import subprocess
import sys

import pytest

from equishare.loops import precompile

STEP = """
import torch
from ase.build import molecule
from equishare.loops import density, edge_functions, precompile, product

loops = [density.forward, density.backward, density.second, edge_functions.forward, product.forward, product.backward, product.second]
types = lambda: [loop.signatures for loop in loops]
precompile.compile_values("REAL")
precompile.compile_seconds("REAL")
compiled = types()
assert all(len(found) == 1 for found in compiled), compiled

from equishare.potential import ModelConfig, Potential
from equishare.potential.graph import collate, from_atoms

potential = Potential(ModelConfig.preset("small"), {"H": -13.6, "O": -430.0}).to(torch.REAL)
graph = from_atoms(molecule("H2O"), potential.cutoff, dtype=torch.REAL)
predicted = potential.train()(collate([graph]))
predicted.forces.square().sum().backward()
assert types() == compiled, (types(), compiled)
"""


@pytest.mark.parametrize("real", ["float32", "float64"])
def test_a_training_step_asks_for_what_is_compiled(real):
    done = subprocess.run([sys.executable, "-c", STEP.replace("REAL", real)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_nothing_is_started_where_loops_may_have_run():
    import numba  # noqa: F401

    precompile.start("float32")
    assert not precompile._running


@pytest.mark.parametrize(("cores", "processes"), [(1, 0), (2, 1), (8, 2)])
def test_a_compiler_that_fails_is_no_failure(monkeypatch, cores, processes):
    monkeypatch.delitem(sys.modules, "numba", raising=False)
    monkeypatch.setattr(sys, "executable", "false")
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    for _ in range(2):
        precompile.start("float32")
        assert len(precompile._running) == processes
    precompile.wait()
    precompile.wait()
    assert not precompile._running


@pytest.mark.slow
def test_loops_are_found_in_the_cache(tmp_path):
    code = (
        "from equishare.loops import precompile; precompile.start('float32'); precompile.wait();"
        "from equishare.loops import density, product; precompile.compile_values('float32'); precompile.compile_seconds('float32');"
        "assert not density.second.stats.cache_misses and density.second.stats.cache_hits;"
        "assert not product.second.stats.cache_misses and product.second.stats.cache_hits"
    )
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
