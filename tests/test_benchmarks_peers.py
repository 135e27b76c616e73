"""What the benchmark against the peers does by itself: boxes, timing, reading a log, the table."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).parent.parent / "benchmarks"


def module(name, *parts):
    spec = importlib.util.spec_from_file_location(name, FOLDER.joinpath(*parts))
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


@pytest.fixture
def benchmark(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    yield module("potential_vs_peers", "potential_vs_peers.py")
    for name in ("measuring", "peers", "peers.training"):
        sys.modules.pop(name, None)


def test_water_has_its_density_and_its_molecules():
    atoms = module("worker", "peers", "worker.py").water_box(27)
    grams_per_cm3 = atoms.get_masses().sum() / atoms.get_volume() / 0.602214
    assert grams_per_cm3 == pytest.approx(1, abs=1e-3)
    assert atoms.get_chemical_formula() == "H54O27"
    distances = atoms.get_all_distances(mic=True) + 9 * np.eye(81)
    assert np.allclose(np.sort(distances[::3])[:, :2], 0.9572)  # two hydrogens at each oxygen
    assert distances.min() > 0.9
    with pytest.raises(SystemExit, match="cubic"):
        module("worker", "peers", "worker.py").water_box(10)


def test_errors_are_read_from_a_log(tmp_path):
    training = module("training", "peers", "training.py")
    log = tmp_path / "mace_run-0.log"
    assert training.epochs(log) == []
    log.write_text(
        "INFO: Initial: head: Default, loss=1, RMSE_E_per_atom= 4.0 meV, RMSE_F= 1044.62 meV / A\n"
        "INFO: Epoch 0: head: Default, loss=1.0, RMSE_E_per_atom= 1098.19 meV, RMSE_F=  306.99 meV / A\n"
        "INFO: Epoch 1: head: Default, loss=0.3, RMSE_E_per_atom=  334.42 meV, RMSE_F=  24.5 meV / A\n"
    )
    assert training.epochs(log) == [(1, 306.99), (2, 24.5)]


def test_time_to_the_target_is_that_of_the_first_point_below_it():
    training = module("training", "peers", "training.py")
    curve = [{"cpu_s": 10.0, "forces": 40.0}, {"cpu_s": 30.0, "forces": 24.0}, {"cpu_s": 20.0, "forces": 25.0}]
    assert training._row(curve, "")["seconds_to_target"] == 20
    assert training._row(curve[:1], "")["seconds_to_target"] is None


def test_table_divides_the_peers_by_ours(benchmark):
    measured = {"milliseconds": [4.0, 2.0, 3.0], "atoms": 10, "parameters": 7, "first_step_wall_s": 6.0}
    answer = benchmark.per_atom(measured)
    assert answer["ms"] == 3
    assert answer["least_ms_per_atom"] == 0.2
    slow = {**answer, "ms_per_atom": 3.0}
    lines = benchmark.table({"step": {"rows": {"equishare": answer, "mace": slow}}})
    (found,) = [line for line in lines if line.startswith("training step")]
    assert found.split()[-3:] == ["0.3", "3", "10.0"]


def test_results_are_whole_after_every_write(tmp_path, monkeypatch):
    measuring = module("measuring", "measuring.py")
    monkeypatch.setattr(measuring, "RESULTS", tmp_path)
    measuring.write("some", {"a": 1})
    assert measuring.read("some") == {"a": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["some.json"]
    assert measuring.read("other") == {}
