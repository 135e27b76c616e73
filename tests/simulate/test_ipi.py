"""i-PI: path integrals by its direct class and by a driver at a socket, with ASE's numbers."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import ase.io
import numpy as np
import pytest
import torch
from ase.build import molecule
from ase.units import Bohr, Hartree

from equishare.potential import ModelConfig, Potential, Statistics, save
from equishare.simulate import EquishareCalculator

pytest.importorskip("ipi")

from equishare.simulate import ipi as module

SCRIPTS = Path(sys.executable).parent
INPUT = """<simulation verbosity="low">
  <output prefix="run">
    <properties stride="1" filename="out">
      [step, potential{{electronvolt}}, kinetic_cv{{electronvolt}}, conserved{{electronvolt}}]
    </properties>
    <trajectory stride="1" filename="pos"> positions{{angstrom}} </trajectory>
  </output>
  <total_steps> {steps} </total_steps>
  <prng><seed> 5 </seed></prng>
  {forces}
  <system>
    <initialize nbeads="{beads}">
      <file mode="ase"> {start} </file>
      <velocities mode="thermal" units="kelvin"> 300 </velocities>
    </initialize>
    <forces><force forcefield="equishare"/></forces>
    <ensemble><temperature units="kelvin"> 300 </temperature></ensemble>
    <motion mode="dynamics">
      <dynamics mode="nvt">
        <timestep units="femtosecond"> 0.1 </timestep>
        <thermostat mode="pile_g"><tau units="femtosecond"> 25 </tau></thermostat>
      </dynamics>
    </motion>
  </system>
</simulation>
"""


@pytest.fixture
def files(tmp_path):
    config = ModelConfig(channels=4, l_density=2, l_features=1, n_basis=4, n_hidden=4, cutoff=3.0, repulsion="zbl")
    statistics = Statistics(
        reference_energies={"H": -13.6, "O": -430.0}, scale=1.5, min_distance={"H-O": 1.1, "H-H": 1.6}
    )
    torch.manual_seed(5)
    save(Potential(config, statistics).double(), tmp_path / "model.safetensors")
    water = molecule("H2O", vacuum=6.0)
    water.pbc = False
    ase.io.write(tmp_path / "start.xyz", water)
    return tmp_path


def start(folder, *command):
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2]), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        list(map(str, command)),
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def check_energies(folder, beads):
    """The potential that i-PI notes is the mean over beads of ASE's energies at the beads' positions."""
    table = np.loadtxt(folder / "run.out")
    calculator = EquishareCalculator(folder / "model.safetensors")
    width = len(str(beads - 1))
    tracks = [ase.io.read(folder / f"run.pos_{k:0{width}d}.xyz", ":", format="xyz") for k in range(beads)]
    for step, row in enumerate(table):
        energies = [calculator.get_property("energy", track[step]) for track in tracks]
        assert row[1] == pytest.approx(np.mean(energies), abs=1e-4)
    assert np.isfinite(table).all()


@pytest.mark.slow
def test_32_beads_by_the_direct_class(files):
    forces = f"""<ffdirect name="equishare"><pes> custom </pes><pes_path> {module.__file__} </pes_path>
      <parameters> {{template: start.xyz, model: model.safetensors}} </parameters></ffdirect>"""
    (files / "input.xml").write_text(INPUT.format(forces=forces, steps=5, beads=32, start="start.xyz"))
    run = start(files, SCRIPTS / "i-pi", "input.xml")
    said, _ = run.communicate(timeout=200)
    assert run.returncode == 0, said
    check_energies(files, 32)


def test_a_driver_at_a_socket(files):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    forces = (
        f"""<ffsocket name="equishare" mode="inet"><address> 127.0.0.1 </address><port> {port} </port></ffsocket>"""
    )
    (files / "input.xml").write_text(INPUT.format(forces=forces, steps=3, beads=2, start="start.xyz"))
    engine = start(files, SCRIPTS / "i-pi", "input.xml")
    options = "-m", "custom", "-P", module.__file__, "-o", "template=start.xyz,model=model.safetensors"
    for _ in range(50):  # until it listens
        driver = start(files, SCRIPTS / "i-pi-py_driver", *options, "-a", "127.0.0.1", "-p", port)
        try:
            said, _ = engine.communicate(timeout=20)
            break
        except subprocess.TimeoutExpired:
            if driver.poll() is None:
                said, _ = engine.communicate(timeout=100)
                break
    driver.communicate(timeout=60)
    assert engine.returncode == 0, said
    check_energies(files, 2)


@pytest.mark.parametrize("periodic", [False, True])
def test_energy_forces_and_virial(files, periodic):
    water = ase.io.read(files / "start.xyz")
    water.pbc = periodic
    ase.io.write(files / "template.xyz", water)
    driver = module.EquishareDriver(str(files / "template.xyz"), str(files / "model.safetensors"), dtype="float64")
    energy, forces, virial, _ = driver.compute(water.cell.array.T / Bohr, water.positions / Bohr)
    water.calc = EquishareCalculator(files / "model.safetensors")
    assert energy * Hartree == pytest.approx(water.get_potential_energy(), rel=1e-7)
    np.testing.assert_allclose(forces * Hartree / Bohr, water.get_forces(), atol=1e-6)
    expected = -water.get_stress(voigt=False) * water.get_volume()
    np.testing.assert_allclose(np.reshape(virial, (3, 3)) * Hartree, expected, atol=1e-6)
