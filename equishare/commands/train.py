"""``equishare train``: from frames to a fitted potential and its report."""

import os
import signal
import subprocess
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated, Any

import typer

from equishare.clock import Clock
from equishare.commands.choices import Base, DtypeName, LoggerName, LongRange, PresetName, Repulsion
from equishare.commands.imports import large_imports

if TYPE_CHECKING:
    from equishare.training.config import TrainConfig
    from equishare.training.run_folder import RunFolder

_CLOCK = Clock()
BUNDLED_DATA = {"train": ["ethanol"], "test": ["ethanol_test"]}
BUNDLED_TIME = "2m30s"


def train(
    files: Annotated[
        list[str] | None,
        typer.Argument(
            help="Frames to train on, any file ASE reads; FILE@:100 takes a slice.", show_default="bundled ethanol"
        ),
    ] = None,
    valid: Annotated[
        str | None, typer.Option(help="Fraction of the frames, or files (a.xyz,b.xyz), to choose the best model by.")
    ] = None,
    test: Annotated[
        str | None, typer.Option(help="Fraction of the frames, or files (a.xyz,b.xyz), to judge the model by.")
    ] = None,
    preset: Annotated[
        PresetName | None,
        typer.Option(help="Size of the model; replaces the model section of --config.", show_default="default"),
    ] = None,
    speed: Annotated[
        str | None,
        typer.Option(
            help="Most time an atom and step of dynamics on a core, such as 50us: chooses the preset, in place of --preset."
        ),
    ] = None,
    max_time: Annotated[str | None, typer.Option(help="Time from start to report, such as 30m or 1h30m.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the frames, instead of a time.")] = None,
    pretrain: Annotated[
        str | None,
        typer.Option(
            help="Fit cheap labels first: xtb draws frames around yours by GFN2-xTB; or a FILE of frames that have them."
        ),
    ] = None,
    start: Annotated[
        str | None,
        typer.Option(
            "--from",
            help="Model file whose weights to start from; none: noise.",
            show_default="organic, weights of the package, where they suit",
        ),
    ] = None,
    replay: Annotated[
        str | None,
        typer.Option(
            help="Structures that those weights know (a.xyz,b.xyz), to be trained on too, so that they are not forgotten."
        ),
    ] = None,
    freeze: Annotated[
        str | None, typer.Option(help="Parts of those weights that stay: embedding, layer1, layer2, readouts.")
    ] = None,
    config: Annotated[Path | None, typer.Option(help="YAML file with any of the settings in RUN/config.yaml.")] = None,
    resume: Annotated[Path | None, typer.Option(help="Run folder to continue.")] = None,
    out: Annotated[str | None, typer.Option(help="Run folder to make.", show_default="runs/NAME-N")] = None,
    seed: Annotated[
        int | None, typer.Option(help="Of the split, the first weights and the order.", show_default="0")
    ] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda or cuda:N.", show_default="auto")] = None,
    devices: Annotated[
        int | None,
        typer.Option(min=1, help="Processes that share every step, on the CPU or on a GPU each.", show_default="1"),
    ] = None,
    dtype: Annotated[DtypeName | None, typer.Option(help="Precision of the weights.", show_default="float32")] = None,
    cutoff: Annotated[float | None, typer.Option(help="Radius in Å within which atoms are neighbours.")] = None,
    learn: Annotated[str | None, typer.Option(help="Properties to learn besides the energy, such as dipole.")] = None,
    condition: Annotated[
        str | None, typer.Option(help="What goes into the model with each structure: charge, spin, method.")
    ] = None,
    repulsion: Annotated[
        Repulsion | None, typer.Option(help="Let nuclei repel each other where the data have no distances.")
    ] = None,
    long_range: Annotated[
        LongRange | None,
        typer.Option(help="Let charges that the network predicts interact beyond the cutoff; needs torch-pme."),
    ] = None,
    base: Annotated[
        Base | None,
        typer.Option(help="Learn what GFN2-xTB misses, and add to it: more accurate with few frames; needs tblite."),
    ] = None,
    committee: Annotated[
        int | None, typer.Option(help="Members of a committee that tells how uncertain predictions are; 0: none.")
    ] = None,
    weights: Annotated[
        str | None,
        typer.Option(help="Weights in the loss, of properties and of frames by their config_type: energy=3,surface=5."),
    ] = None,
    e0: Annotated[str | None, typer.Option(help="Energies of the isolated atoms in eV: H=-13.6,O=-430.1.")] = None,
    key: Annotated[
        list[str] | None, typer.Option(help="Name of a property in the files, such as energy=REF_energy; repeatable.")
    ] = None,
    logger: Annotated[
        LoggerName | None, typer.Option(help="Log validations there too, besides metrics.csv in the run folder.")
    ] = None,
) -> None:
    """Train a potential, and report how good it is.

    Without a file, trains on bundled frames of ethanol in under three minutes. Ctrl-C saves and reports;
    --resume continues.
    """
    from equishare.ops import ahead

    if max_time is not None and epochs is not None:
        raise typer.BadParameter("give --max-time or --epochs, not both")
    if device is None or not device.startswith("cuda"):
        ahead.start(dtype.value if dtype else "float32")
    with large_imports():
        from equishare.commands.keys import parse_keys
        from equishare.terminal import new_console
        from equishare.training.fit import fit
        from equishare.training.report.page import write_report
        from equishare.training.report.tables import print_errors, print_next

    options: dict[str, Any] = {
        "data": {
            "train": files or None,
            "valid": _part(valid),
            "test": _part(test),
            "reference_energies": _numbers(e0, "H=-13.6,O=-430.1"),
            "frame_weights": _weights(weights)[1],
            "keys": parse_keys(key) or None,
        },
        "model": {
            "preset": preset and preset.value,
            "speed": speed,
            "cutoff": cutoff,
            "heads": _names(learn),
            "conditions": _names(condition),
            "repulsion": repulsion and repulsion.value,
            "long_range": long_range and long_range.value,
            "base": base and base.value,
        },
        "optimisation": {"weights": _weights(weights)[0]},
        "uncertainty": {"committee": committee},
        "pretraining": {
            "source": pretrain,
            "weights": start,
            "freeze": _names(freeze),
            "replay": _files(replay),
        },
        "budget": {"max_time": max_time, "epochs": epochs},
        "run": {
            "out": out,
            "seed": seed,
            "device": device,
            "devices": devices,
            "dtype": dtype and dtype.value,
            "logger": logger and logger.value,
        },
    }
    given = {
        section: {key: value for key, value in values.items() if value is not None}
        for section, values in options.items()
    }
    console = new_console()
    settings, folder = _resumed(resume, config, given) if resume else (_settings(config, given), None)
    run = fit(settings, resume=folder, console=console, clock=_CLOCK, report=True)
    if _requeued(run.interrupted):
        console.print(
            f"Put back into Slurm's queue; to continue:\n  equishare train --resume {quote(str(run.folder.path))}",
            soft_wrap=True,
        )
        raise typer.Exit(128 + signal.SIGUSR1)
    print_errors(run, console)
    console.print("Checking the potential and writing the report ...")
    print_next(run, write_report(run), console)
    if run.interrupted is not None:
        raise typer.Exit(128 + run.interrupted)


def _requeued(interrupted: int | None) -> bool:
    """Whether SIGUSR1 ended the run, by which Slurm says that the time is nearly over, and the job is back in the queue."""
    job = os.environ.get("SLURM_JOB_ID")
    if interrupted is None or interrupted != getattr(signal, "SIGUSR1", None) or job is None:
        return False
    try:
        return subprocess.run(["scontrol", "requeue", job], check=False).returncode == 0
    except OSError:
        return False


def _settings(file: Path | None, given: dict[str, Any]) -> "TrainConfig":
    """Options over the file over the defaults."""
    from equishare.training.config.config_file import merge, read_yaml, validate

    values = read_yaml(file) if file else {}
    # a budget or a preset at the prompt replaces what the file says of it
    for section in [
        key for key, new in (("budget", given["budget"]), ("model", {"preset", "speed"} & {*given["model"]})) if new
    ]:
        values.pop(section, None)
    values = merge(values, given)
    if not (values.get("data") or {}).get("train"):
        values = merge({"data": BUNDLED_DATA}, values)
        values["budget"] = values.get("budget") or {"max_time": BUNDLED_TIME}
    return validate(values, str(file) if file else "options")


def _resumed(run: Path, file: Path | None, given: dict[str, Any]) -> tuple["TrainConfig", "RunFolder"]:
    """The configuration of a run, with another budget or device if they are given."""
    from equishare.training.config.settings import resumed

    if file:
        raise typer.BadParameter("a run goes on with its own settings; leave out --config")
    return resumed(run, given)


def _part(text: str | None) -> float | list[str] | None:
    """A fraction, or files apart by commas."""
    if text is None:
        return None
    try:
        return float(text)
    except ValueError:
        return _files(text)


def _files(text: str | None) -> list[str] | None:
    """Files apart by commas; a comma in the name of a file that exists is part of the name."""
    return [text] if text and Path(text).exists() else _names(text)


def _names(text: str | None) -> list[str] | None:
    """Names apart by commas.

    >>> _names("embedding, layer1"), _names(None)
    (['embedding', 'layer1'], None)
    """
    return None if text is None else [part.strip() for part in text.split(",")]


def _weights(text: str | None) -> tuple[dict[str, float] | None, dict[str, float] | None]:
    """Weights of properties, and those of kinds of frames; a name in the table of properties is a property."""
    from equishare.atoms.properties import PROPERTIES

    given = _numbers(text, "energy=3,surface=5") or {}
    properties = {name: weight for name, weight in given.items() if name in PROPERTIES}
    kinds = {name: weight for name, weight in given.items() if name not in PROPERTIES}
    return properties or None, kinds or None


def _numbers(text: str | None, example: str) -> dict[str, float] | None:
    """Numbers by name, as in the example."""
    if text is None:
        return None
    try:
        pairs = [part.rpartition("=") for part in text.split(",") if part.strip()]
        numbers = {name.strip(): float(value) for name, _, value in pairs}
    except ValueError:
        numbers = {}
    if not numbers or "" in numbers:
        raise typer.BadParameter(f"expected values such as {example}, got {text!r}")
    return numbers
