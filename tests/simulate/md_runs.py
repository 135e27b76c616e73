"""Runs of potentials whose training data are known to be wide."""

from pathlib import Path

from equishare import simulate
from equishare.potential import save


def run_md(potential, atoms, steps, out, *settings, domain=None, **more):
    """`equishare.simulate.run_md`; with a domain, of a model file that holds it."""
    if domain is not None:
        path = Path(out).parent / f"{Path(out).name}.safetensors"
        path.parent.mkdir(parents=True, exist_ok=True)
        save(potential, path, {"domain": domain.model_dump()})
        potential = path
    return simulate.run_md(potential, atoms, steps, out, *settings, **more)
