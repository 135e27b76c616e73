"""A campaign whose process is killed at random moments, and goes on each time: ``killed.py FOLDER KILLS SEED``; prints the number of kills."""

import json
import multiprocessing
import os
import signal
import sys
from pathlib import Path

import numpy as np
from ase.build import bulk
from labellers import counted

import equishare.training.fit
from equishare.learning.learn import learn


def campaign(folder, settings):
    """Begin, or go on."""
    if (Path(folder) / "settings.json").exists():
        learn(out=folder, calculator=counted, resume=True, report=False)
    else:
        learn(bulk("Cu", "fcc", 3.6, cubic=True), counted, out=folder, report=False, **settings)


def main():
    folder, kills, rng = sys.argv[1], int(sys.argv[2]), np.random.default_rng(int(sys.argv[3]))
    settings = json.loads(sys.argv[4])
    assert equishare.training.fit  # imported once, here; each life is a fork
    context, done = multiprocessing.get_context("fork"), 0
    while True:
        life = context.Process(target=campaign, args=(folder, settings))
        life.start()
        life.join(rng.uniform(0.0, 5.0) if done < kills else None)
        if life.exitcode is None:
            os.kill(life.pid, signal.SIGKILL)
            life.join()
            done += 1
        elif life.exitcode == 0:
            break
        else:
            sys.exit(f"the campaign failed with exit code {life.exitcode}")
    sys.stdout.write(f"{done}\n")


if __name__ == "__main__":
    main()
