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
