"""What the accuracy harness does by itself: runs that are there are not made again, the score, the front, the page."""

import importlib.util
import json
import math
import signal
import sys
import time
from pathlib import Path

import pytest

from equishare.clock import Clock

FOLDER = Path(__file__).parent.parent / "benchmarks"


@pytest.fixture
def harness(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(FOLDER))
    spec = importlib.util.spec_from_file_location("accuracy", FOLDER / "accuracy.py")
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    monkeypatch.setattr(loaded.measuring, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(loaded, "PAGE", tmp_path / "accuracy.md")
    yield loaded
    for name in [
        name for name in sys.modules if name.split(".")[0] in ("measuring", "reference_sets", "choices", "ablation")
    ]:
        sys.modules.pop(name)


def row(name, preset="default", minutes=10.0, seed=0, factor=2.0, us=50.0):
    """A run whose errors are so many times the references."""
    from reference_sets.sets import SETS

    each = SETS[name]
    errors = {r.metric: factor * (r.value if each.scored else 1.0) / 1000 for r in (each.energy, each.forces)}
    kind = {"slab: energy_bias_per_atom": 0.007, "slab: energy_mae_per_atom": 0.008, "slab: forces_mae": 0.1}
    task = {"set": name, "preset": preset, "minutes": minutes, "seed": seed}
    return {**task, "us_per_atom": us, "train": {**errors, **kind}, "valid": errors, "test": errors}


def test_score_is_the_geometric_mean_over_sets_of_the_mean_over_seeds(harness):
    from reference_sets.score import score

    rows = [row("lithium", factor=1.0), row("lithium", seed=1, factor=3.0), row("acac", factor=8.0), row("dry_ice")]
    assert score(rows, "energy", "test") == (4.0, ["acac", "lithium"])
    assert math.isnan(score([row("dry_ice")], "forces", "valid")[0])


def test_front_holds_what_nothing_beats_in_both(harness):
    from reference_sets.score import front

    points = {"cheap": (1.0, 9.0), "good": (5.0, 2.0), "worse": (6.0, 2.0), "best": (9.0, 1.0), "same": (1.0, 9.0)}
    assert front(points) == {"cheap", "same", "good", "best"}


def test_runs_that_are_there_are_not_made_again(harness, monkeypatch, tmp_path, capsys):
    made = []

    def run(task):
        made.append((task["set"], task["minutes"], task["seed"]))
        if len(made) == 3:
            raise SystemExit(143)
        return row(task["set"], task["preset"], task["minutes"], task["seed"])

    monkeypatch.setattr(harness, "run", run)
    command = ["accuracy.py", "--data", str(tmp_path), "--sets", "acac", "dry_ice", "--minutes", "10", "--seeds", "2"]
    monkeypatch.setattr(sys, "argv", command)
    with pytest.raises(SystemExit):
        harness.main()
    harness.main()
    assert made == [("acac", 10.0, 0), ("dry_ice", 10.0, 0), ("acac", 10.0, 1), ("acac", 10.0, 1), ("dry_ice", 10.0, 1)]
    results = json.loads((tmp_path / "results" / "accuracy.json").read_text())
    assert list(results) == [f"{name}/default/10min/{seed}" for seed in (0, 1) for name in ("acac", "dry_ice")]
    assert results["acac/default/10min/1"]["machine"]["versions"]["torch"]
    assert "| default, 10 min | 1.8, 10.2 (2 seeds) |" in capsys.readouterr().out


def test_page_says_what_is_missing_who_is_on_the_front_and_which_kinds_have_a_bias(harness):
    from reference_sets.page import page

    rows = [
        row("lithium"),
        row("lithium", "fast", factor=3.0, us=20.0),
        row("lithium", "accurate", factor=2.5, us=90.0),
    ]
    text = page({str(number): each for number, each in enumerate(rows)}, {})
    assert "| default, 10 min |  | 0.98, 20 |" in text
    assert "2 (1 of 7 sets)" in text
    assert "72 runs of the default preset, of 10, 45 and 120 minutes and three seeds; 1 of them were made" in text
    assert "There is no run of any length of acac, molybdenum, ethanol" in text
    assert "There is no run of the preset small." in text
    assert "| lithium, 10 min | fast | 20 | 1.47 meV/atom | 30 meV/Å | yes |" in text
    assert "| lithium, 10 min | accurate | 90 | 1.23 meV/atom | 25 meV/Å | no |" in text
    assert "| lithium, 10 min, 0 | slab | +7.00, 8; 100 |" in text


def test_learning_curves_stand_apart_with_their_slopes(harness):
    from reference_sets.page import page

    whole, part = row("uracil", factor=1.0), {**row("uracil", factor=10.0), "frames": 10}
    text = page({"whole": whole, "part": part}, {})
    assert "| default, 10 min |  |  |  |  |  | 0.5, 2.8 |" in text
    assert "| uracil, default, 10 min | 10 | 5 meV | 28 meV/Å |\n| uracil, default, 10 min | 1000 | 0.5 meV |" in text
    assert "energy and forces: uracil, default, 10 min: -0.50, -0.50." in text
    assert "over the number of frames" not in page({"whole": whole}, {})


def test_learning_curves_need_frames_in_random_order(harness, monkeypatch, tmp_path, capsys):
    made = []
    monkeypatch.setattr(harness, "run", lambda task: made.append(task) or row(task["set"], minutes=task["minutes"]))
    command = ["accuracy.py", "--data", str(tmp_path), "--minutes", "10", "--seeds", "1", "--frames", "25", "--sets"]
    monkeypatch.setattr(sys, "argv", [*command, "acac"])
    with pytest.raises(SystemExit):
        harness.main()
    assert "these are not: acac" in capsys.readouterr().err
    monkeypatch.setattr(sys, "argv", [*command, "uracil"])
    harness.main()
    assert list(json.loads((tmp_path / "results" / "accuracy.json").read_text())) == [
        "uracil/default/10min/0/25 frames"
    ]
    assert made[0]["frames"] == 25


def test_changes_stand_beside_what_they_differ_from(harness):
    from reference_sets.page import page

    def change(name, against, energy):
        errors = {"valid": {"Emae": energy, "Frmse": 20.0}, "train": {"Emae": 1.0, "Ebias slab": energy}}
        return {"set": "acac", "change": name, "against": against, "seed": 0, **errors}

    choices = {
        "acac/default/0": change("default", None, 2.0),
        "acac/wider/0": change("wider", "default", 1.5),
        "acac/alone/0": change("alone", "nothing", 1.0),
    }
    text = page({}, choices)
    assert "| wider | acac | 2 -> 1.5 (-25%) | 20 -> 20 (+0%) |" in text
    assert "| wider | acac | slab +1.50 |" in text
    assert text.count("alone") == 1  # its biases, but nothing to compare with


def test_every_change_names_what_it_is_compared_with(harness):
    import choices
    from reference_sets.sets import SETS

    against = {name: first for name, (first, _, _) in choices.VARIANTS.items()}
    assert against.pop("default") is None
    assert all(first in choices.VARIANTS for first in against.values())
    for name, (files, _, _) in choices.SETS.items():
        assert [file.partition("@")[0] for file in files] == list(SETS[name].train)


def test_patches_of_choices_hold_inside_alone(harness):
    import choices

    from equishare.training import budget, state

    with choices.rate_of_five():
        assert state.default_learning_rate(100, 1) == pytest.approx(0.04)
    assert state.default_learning_rate is budget.default_learning_rate


@pytest.mark.slow
def test_a_run_that_is_stopped_goes_on_where_it_was(harness, tmp_path):
    import subprocess

    task = {
        "set": "dry_ice",
        "data": str(tmp_path),
        "preset": "fast",
        "minutes": 0.7,
        "seed": 0,
        "out": str(tmp_path / "run"),
    }
    command = [sys.executable, "-m", "reference_sets.run", json.dumps(task)]
    environment = {"PYTHONPATH": f"{FOLDER.parent}:{FOLDER}", "OMP_NUM_THREADS": "1", "PATH": ""}
    with subprocess.Popen(command, env=environment) as process:
        while not (tmp_path / "run" / "checkpoint.ckpt").exists():
            time.sleep(0.5)
        process.send_signal(signal.SIGTERM)
    assert process.returncode == 128 + signal.SIGTERM
    before = (tmp_path / "run" / "metrics.csv").read_text().splitlines()
    found = harness.run(task)
    after = (tmp_path / "run" / "metrics.csv").read_text().splitlines()
    assert after[:2] == before[:2]
    assert found["cpu_minutes"] < 1.0
    assert found["steps"] > int(before[-1].split(",")[1])
    assert 0 < found["test"]["forces_rmse"] < 0.5
    assert found["us_per_atom"] > 0


def test_a_run_counts_the_time_of_the_processor(harness, monkeypatch, tmp_path):
    """A whole run of the set that is bundled, however busy the machine is."""
    monkeypatch.setattr(time, "perf_counter", time.perf_counter)  # comes back after the test
    from reference_sets import run

    assert Clock(0.0).seconds == pytest.approx(time.process_time(), abs=1.0)
    task = {"set": "dry_ice", "preset": "fast", "minutes": 0.02, "seed": 0, "data": "", "out": str(tmp_path / "run")}
    done = run.train(task)
    assert done.config.budget.max_time == pytest.approx(1.2)
    assert run.errors(done.evaluations["test"])["forces_rmse"] > 0
