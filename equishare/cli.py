"""The prompt: ``equishare train | learn | eval | md | relax | vibrations | spectrum | lammps | select | check | inspect | card | export``."""

import inspect as inspect_module
import os
import re
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from equishare import __version__
from equishare.commands.card import card
from equishare.commands.evaluate import evaluate
from equishare.commands.export import export
from equishare.commands.inspect import inspect
from equishare.commands.keys import advice_on_key
from equishare.commands.lammps import lammps
from equishare.commands.learn import learn
from equishare.commands.md import md
from equishare.commands.relax import relax
from equishare.commands.select import select
from equishare.commands.spectrum import spectrum
from equishare.commands.train import train
from equishare.commands.vibrations import vibrations
from equishare.errors import EquishareError
from equishare.terminal import outliving_reader, write_plainly

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Train molecular potentials on your own frames, run them, and check any model for its symmetry.",
)


def _add(name: str, function: Callable[..., None], **settings: Any) -> None:
    """A command whose help is its docstring, with lines as long as the terminal has them."""
    text = re.sub(r"(?<!\n)\n(?!\n)", " ", inspect_module.cleandoc(function.__doc__ or ""))
    app.command(name, help=text, **settings)(function)


_PASSES_ON = {"ignore_unknown_options": True, "allow_extra_args": True}
_add("train", train)
_add("learn", learn)
_add("eval", evaluate)
_add("md", md)
_add("relax", relax)
_add("vibrations", vibrations)
_add("spectrum", spectrum)
_add("select", select)
_add("lammps", lammps, context_settings=_PASSES_ON)
_add("inspect", inspect)
_add("card", card)
_add("export", export)


@app.callback()
def options(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Options of every command."""


@app.command("check", context_settings=_PASSES_ON, add_help_option=False)
def check(context: typer.Context) -> None:
    """Check any model for equivariance, or a potential for the laws of physics."""
    from equishare.check.command import app as checker

    checker(context.args, prog_name="equishare check")


def main(arguments: list[str] | None = None) -> None:
    """Run a command; an error that the user can mend is one message on standard error, exit code 1."""
    # torch's threads wait for each other after every operation; spinning, as they do by default, they take ten times as long as one
    # thread where another program keeps a core busy. Read when torch is loaded
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    write_plainly()
    given = sys.argv[1:] if arguments is None else arguments
    if given[:1] == ["--version"]:
        sys.stdout.write(f"equishare {__version__}\n")
        sys.exit(0)
    if (advice := advice_on_key(given)) is not None:
        sys.stderr.write(f"Error: {advice}\n")
        sys.exit(2)
    with outliving_reader(), _terminated_like_interrupted():
        _run(given)


@contextmanager
def _terminated_like_interrupted() -> Iterator[None]:
    """Batch systems end a job by SIGTERM: a command stops as with Ctrl-C."""

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _run(given: list[str]) -> None:
    debug = "--debug" in given
    try:
        app([argument for argument in given if argument != "--debug"], prog_name="equishare")
    except SystemExit as end:
        # typer makes an exit of a KeyboardInterrupt, without a word
        if isinstance(getattr(end.__context__, "__cause__", None), KeyboardInterrupt):
            sys.stderr.write("Interrupted.\n")
        raise
    except (EquishareError, OSError) as error:
        if debug:
            traceback.print_exc()
        sys.stderr.write(f"Error: {error}\n")
        sys.exit(1)


if __name__ == "__main__":
    main()
