"""ace-jax under test: a model file that its own command has fitted, through its ASE calculator."""

from typing import Any

import worker


class AceJax(worker.Program):
    """A linear ACE, in double precision as it comes."""

    packages = ("ace-jax", "jax")

    def calculator(self, energies: dict[str, float]) -> Any:
        """The model file of the request."""
        import jax

        jax.config.update("jax_enable_x64", True)
        from ace_jax.calc.point import ACECalculator

        return ACECalculator(self.request["model"])


if __name__ == "__main__":
    worker.main(AceJax)
