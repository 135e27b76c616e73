"""What starting costs: only what is used is imported."""

import subprocess
import sys

import pytest

HEAVY = {"torch", "e3nn", "lightning", "matplotlib", "ase", "numba", "torch_geometric", "scipy", "pydantic", "vesin"}


def loaded_by(code: str) -> set[str]:
    """Top-level modules loaded after running some code in a fresh interpreter."""
    script = f"{code}\nimport sys\nprint(' '.join({{name.split('.')[0] for name in sys.modules}}))"
    return set(
        subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout.split()
    )


@pytest.mark.parametrize("code", ["import equishare", "import equishare.commands.md"])
def test_starting_is_light(code):
    assert not loaded_by(code) & HEAVY


def test_large_imports_are_not_collected():
    """The collector rests while libraries are imported, does not look at them later, and knows of them at the end."""
    code = (
        "import gc\nfrom equishare.commands.imports import large_imports\n"
        "seen = lambda: any(item is torch.nn.Linear for item in gc.get_objects())\n"
        "with large_imports():\n    import torch\n    assert not gc.isenabled() and seen()\n"
        "assert gc.isenabled() and not seen()\n"
        "with large_imports():\n    assert gc.isenabled()\n"
        "import atexit\natexit._run_exitfuncs()\nassert seen()"
    )
    loaded_by(code)


def test_a_failed_import_leaves_the_collector_on():
    code = (
        "import gc\nfrom equishare.commands.imports import large_imports\n"
        "try:\n    with large_imports():\n        import no_such_module\nexcept ImportError:\n    assert gc.isenabled()"
    )
    loaded_by(code)


@pytest.mark.parametrize("given", [None, "ACTIVE"])
def test_threads_sleep_while_they_wait(given):
    """At the prompt, unless the user has said otherwise."""
    code = (
        f"import os\ngiven = {given!r}\nos.environ.pop('OMP_WAIT_POLICY', None)\n"
        "if given: os.environ['OMP_WAIT_POLICY'] = given\n"
        "from equishare.cli import main\ntry:\n    main(['--version'])\nexcept SystemExit:\n    pass\n"
        "assert os.environ['OMP_WAIT_POLICY'] == (given or 'PASSIVE')"
    )
    loaded_by(code)


def test_a_potential_needs_no_framework():
    """Graphs, sets and single-process training are plain torch."""
    frameworks = {"torch_geometric", "lightning", "lightning_fabric", "torchmetrics"}
    assert not loaded_by("import equishare.training.fit, equishare.gallery, equishare.simulate") & frameworks
