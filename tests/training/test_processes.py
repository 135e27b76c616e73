"""Several processes: the gradients of one, one end for all, and nothing lost where one is killed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import yaml

from equishare.potential import collate
from equishare.training.checkpoint import read_checkpoint
from equishare.training.config import OptimisationConfig
from equishare.training.data.labelled_graphs import labelled_graphs
from equishare.training.loss import batch_loss

COMMAND = [sys.executable, "-m", "equishare.cli"]

# the weights and gradients of the first step that a training makes, as the first process has them
FIRST_STEP = """
import sys, torch
from equishare.cli import main
from equishare.training.state import TrainingState

take_step = TrainingState.take_step

def recorded(self, objective, batch):
    take_step(self, objective, batch)
    if self.step == 1 and objective.processes.first:
        torch.save([weight.grad for weight in self._weights], sys.argv[1])

TrainingState.take_step = recorded
main(sys.argv[2:])
"""


def test_losses_of_parts_sum_to_that_of_the_whole(mixed_frames, small_potential):
    """Each part divides by the labels of all: what is labelled in one part only counts as in the whole."""
    potential, options = small_potential.double(), OptimisationConfig()
    graphs = labelled_graphs(mixed_frames, potential.config, torch.float64)

    def loss(part, total=None):
        batch = collate(part)
        return batch_loss(potential(batch, stress=True), batch, options, 0.7, total)

    parts, counts = (graphs[:2], graphs[2:]), []
    for part in parts:
        counts.append([])
        loss(part, lambda count, seen=counts[-1]: seen.append(count) or count)
    whole = [sum(column) for column in zip(*counts, strict=True)]
    turns = [iter(whole) for _ in parts]
    summed = sum(loss(part, lambda _, left=turn: next(left)) for part, turn in zip(parts, turns, strict=True))
    assert summed.item() == pytest.approx(loss(graphs).item(), rel=1e-12)


@pytest.fixture
def config(tmp_path, tiny_config):
    """A file of settings, and a folder for the run."""

    def write(epochs):
        path = tmp_path / "tiny.yaml"
        run = {"device": "cpu", "dtype": "float64"}
        path.write_text(yaml.safe_dump({**tiny_config, "budget": {"epochs": epochs}, "run": run}))
        return path

    return write


def start(config, out, *options, **environment):
    run = [*COMMAND, "train", "--config", str(config), "--out", str(out), "--devices", "2", *options]
    running = subprocess.Popen(
        run, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={**os.environ, **environment}
    )
    while not (out / "checkpoint.ckpt").exists():
        assert running.poll() is None, running.stdout.read()
        time.sleep(0.1)
    return running


def children(process):
    return [int(pid) for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]


@pytest.mark.slow
def test_gradients_are_those_of_one_process(tmp_path, config):
    script = tmp_path / "first_step.py"
    script.write_text(FIRST_STEP)
    found = []
    for devices in ("1", "2"):
        run = ["train", "--config", str(config(1)), "--out", str(tmp_path / devices), "--devices", devices]
        file = tmp_path / f"{devices}.pt"
        subprocess.run([sys.executable, str(script), str(file), *run], check=True, capture_output=True, timeout=300)
        found.append(torch.load(file))
    largest = max(float(gradient.abs().max()) for gradient in found[0])
    assert largest > 0
    for one, two in zip(*found, strict=True):
        torch.testing.assert_close(one, two, rtol=0, atol=1e-10 * largest)


@pytest.mark.slow
def test_a_killed_process_costs_nothing(tmp_path, config):
    out = tmp_path / "run"
    running = start(config(100_000), out)
    (helper,) = (pid for pid in children(running) if b"train" in Path(f"/proc/{pid}/cmdline").read_bytes())
    os.kill(helper, signal.SIGKILL)
    output, _ = running.communicate(timeout=60)
    assert running.returncode == 1
    assert "another process of this training is gone" in output
    step = read_checkpoint(out / "checkpoint.ckpt")["training"]["step"]
    assert f"the checkpoint is that of step {step}" in output
    resumed = [*COMMAND, "train", "--resume", str(out), "--epochs", str(step // 4 + 2)]
    done = subprocess.run([*resumed, "--devices", "1"], capture_output=True, text=True, timeout=300)
    assert "Trained in" in done.stdout, done.stderr


@pytest.mark.slow
def test_a_signal_to_one_ends_all_in_order(tmp_path, config):
    running = start(config(100_000), tmp_path / "run")
    running.send_signal(signal.SIGTERM)
    output, _ = running.communicate(timeout=120)
    assert running.returncode == 128 + signal.SIGTERM
    assert output.count("Stopping after this step") == 1
    assert output.count("validation") == 1  # only the first process speaks
    assert (tmp_path / "run" / "report.html").exists()


@pytest.mark.slow
def test_slurm_gets_its_job_back(tmp_path, config):
    queue = tmp_path / "scontrol"
    queue.write_text(f"#!/bin/sh\necho $* > {tmp_path}/asked\n")
    queue.chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    running = start(config(100_000), tmp_path / "run", PATH=path, SLURM_JOB_ID="77")
    running.send_signal(signal.SIGUSR1)
    output, _ = running.communicate(timeout=60)
    assert running.returncode == 128 + signal.SIGUSR1
    assert (tmp_path / "asked").read_text() == "requeue 77\n"
    assert f"equishare train --resume {tmp_path / 'run'}" in output
    assert not (tmp_path / "run" / "report.html").exists()
    assert read_checkpoint(tmp_path / "run" / "checkpoint.ckpt")["training"]["step"] > 0
