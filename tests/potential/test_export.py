"""A potential as a graph of torch's operations: the same numbers for other sizes, and in C++."""

import subprocess
from pathlib import Path

import jaxtyping
import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk, molecule
from typer.testing import CliRunner

from equishare.cli import app
from equishare.potential import ModelConfig, Potential, from_atoms, save
from equishare.potential.export import ExportedPotential, ExportError, exported_program, write_package

SOURCE = Path(__file__).parents[2] / "examples/engines/cpp/energy.cpp"
SMALL = ModelConfig(
    channels=4,
    l_density=1,
    l_features=1,
    body_order=3,
    n_basis=4,
    n_hidden=4,
    cutoff=4.0,
    repulsion="zbl",
    heads=("dipole", "polarizability"),
    conditions=("charge", "spin"),
)
E0 = {"H": -13.0, "C": -50.0, "O": -100.0}


@pytest.fixture(scope="module")
def potential():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Potential(SMALL, E0).double().eval()


@pytest.fixture(scope="module", autouse=True)
def symbolic_sizes():
    """The checks of types that the tests turn on take no size for a number that is none yet."""
    before = jaxtyping.config.jaxtyping_disable
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", before)


@pytest.fixture(scope="module")
def program(potential, symbolic_sizes):
    return exported_program(potential).module()


def arguments(atoms, conditions=()):
    graph = from_atoms(atoms, 4.0)
    given = [torch.tensor([value]) for value in conditions]
    return graph, (graph.numbers, graph.positions, graph.cell[0], graph.edge_index, graph.edge_shift, *given)


def structures():
    crystal = bulk("C", "diamond", 3.57, cubic=True)
    crystal.rattle(0.1, seed=1)
    pressed = molecule("H2O")
    pressed.positions *= 0.6  # nuclei that repel each other
    return {
        "molecule": molecule("CH3CH2OH"),
        "crystal": crystal,
        "pressed": pressed,
        "pair": Atoms("CO", [(0, 0, 0), (0, 0, 1.2)]),
    }


@pytest.mark.parametrize("name", structures())
@pytest.mark.parametrize("conditions", [(0, 1), (-1, 2)])
def test_the_graph_gives_what_the_potential_gives(potential, program, name, conditions):
    graph, given = arguments(structures()[name], conditions)
    graph["charge"], graph["spin"] = given[5:]
    found = dict(zip(ExportedPotential(potential).outputs, program(*given), strict=True))
    expected = potential(graph, stress=True)
    for key, value in (("energy", expected.energy), ("energies", expected.node_energy), ("forces", expected.forces)):
        torch.testing.assert_close(found[key], value.detach(), rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(found["stress"], expected.stress[0].detach(), rtol=1e-9, atol=1e-9)
    for key in ("dipole", "charges", "polarizability"):
        torch.testing.assert_close(found[key], expected.outputs[key].detach(), rtol=1e-9, atol=1e-9)


def test_pairs_beyond_the_cutoff_change_nothing(program):
    _, given = arguments(molecule("CH3CH2OH"), (0, 1))
    wide = from_atoms(molecule("CH3CH2OH"), 9.0)
    assert wide.edge_index.shape[1] > given[3].shape[1]
    padded = (*given[:3], wide.edge_index, wide.edge_shift, *given[5:])
    for first, second in zip(program(*given), program(*padded), strict=True):
        torch.testing.assert_close(first, second, rtol=1e-9, atol=1e-9)


def test_an_unknown_element_is_no_number(program):
    _, given = arguments(Atoms("HNO", [(0, 0, 0), (0, 0, 1.2), (0, 1, 2)]), (0, 1))
    energy, energies, *_ = program(*given)
    assert energy.isnan().all()
    assert energies.isnan().tolist() == [False, True, False]


def test_what_cannot_be_exported_says_so(potential, tmp_path, monkeypatch):
    with pytest.raises(ExportError, match=r"ends with \.pt2, got .*model\.so"):
        write_package(potential, tmp_path / "model.so")
    monkeypatch.setattr(potential, "config", potential.config.model_copy(update={"long_range": "coulomb"}))
    with pytest.raises(ExportError, match="beyond the cutoff"):
        exported_program(potential)


@pytest.mark.slow
def test_without_a_compiler_the_message_says_what_to_install(potential, tmp_path):
    from torch._inductor import config

    missing = config.patch({"cpp.cxx": ("no-such-compiler",)})
    with missing, pytest.raises(ExportError, match=r"install g\+\+"):
        write_package(potential, tmp_path / "model.pt2")
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_cpp_gives_what_python_gives(tmp_path):
    """The package in Python, and the example compiled against the libtorch of the wheel."""
    from torch.utils.cpp_extension import include_paths, library_paths

    with torch.random.fork_rng():
        torch.manual_seed(0)
        potential = Potential(SMALL.model_copy(update={"conditions": ()}), E0).float().eval()
    save(potential, tmp_path / "model.safetensors")
    package = tmp_path / "model.pt2"
    result = CliRunner().invoke(
        app, ["export", str(tmp_path / "model.safetensors"), str(package), "--dtype", "float64"]
    )
    assert result.exit_code == 0, result.output
    assert "energy, energies, forces, stress, charges, dipole" in result.output
    water = Atoms("OHH", [(0.0, 0.0, 0.119), (0.0, 0.763, -0.477), (0.0, -0.763, -0.477)])
    expected = potential.double().predict([water])[0]
    loaded = torch._inductor.aoti_load_package(str(package))
    energy, _, forces, *_ = loaded(*arguments(water)[1])
    assert energy.item() == pytest.approx(expected["energy"], abs=1e-9)
    np.testing.assert_allclose(forces.numpy(), expected["forces"], atol=1e-9)
    assert loaded.get_metadata()["elements"] == "H C O"
    flags = [f"-I{path}" for path in include_paths()] + [f"-L{p}" for p in library_paths()]
    flags += [f"-Wl,-rpath,{p}" for p in library_paths()]
    binary = tmp_path / "energy"
    command = ["g++", "-std=c++20", str(SOURCE), "-o", str(binary), *flags, "-ltorch", "-ltorch_cpu", "-lc10"]
    subprocess.run(command, check=True)
    said = subprocess.run([str(binary), str(package)], check=True, capture_output=True, text=True).stdout.split()
    assert float(said[0]) == pytest.approx(expected["energy"], abs=1e-8)
    np.testing.assert_allclose(np.reshape(said[1:], (3, 3)).astype(float), expected["forces"], atol=1e-8)
