"""i-PI: a driver for its direct class and for its sockets.

    i-pi-py_driver -m custom -P FILE -o template=start.xyz,model=model.safetensors -u -a NAME

with the path of this file as FILE (``python -m equishare.simulate.ipi`` prints it); in i-PI's input ``<pes_path>`` takes it too.
"""

import sys
from typing import Any

from ipi.pes._ase import ASEDriver

from equishare.simulate.ase_calculator import EquishareCalculator

__DRIVER_NAME__ = "equishare"
__DRIVER_CLASS__ = "EquishareDriver"


class EquishareDriver(ASEDriver):
    """i-PI's driver of a potential: energy, forces and virial of each bead.

    Args:
        template: Structure file with the elements, in i-PI's order, and with the boundary conditions.
        model: Model file.
        dtype: "float32" or "float64"; None for that of the file.

    Raises:
        ModelFileError: if the path does not hold a model.
        DeviceError: for another dtype.
    """

    def __init__(self, template: str, model: str, dtype: str | None = None, **options: Any) -> None:
        self.model, self.dtype = model, dtype
        super().__init__(template, **options)

    def check_parameters(self) -> None:
        """Read structure and model."""
        super().check_parameters()
        self.ase_calculator = EquishareCalculator(self.model, dtype=self.dtype)


if __name__ == "__main__":
    sys.stdout.write(f"{__file__}\n")
