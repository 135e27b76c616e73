"""A hundred molecules relaxed at once by TorchSim.

    python examples/engines/torchsim_relax.py MODEL.safetensors [STRUCTURES] [--quick]

``--quick`` needs no model: it takes one of random weights and a few steps.
"""

import argparse

import ase.io
import torch
import torch_sim
from ase.build import molecule

from equishare.potential import ModelConfig, Potential
from equishare.simulate.torchsim import EquishareModel


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", nargs="?")
    parser.add_argument("structures", nargs="?", help="any file ASE reads")
    parser.add_argument("--quick", action="store_true")
    arguments = parser.parse_args(argv)
    random = Potential(ModelConfig.preset("small"), {"H": -13.6, "C": -1000.0, "O": -2000.0})
    model = EquishareModel(arguments.model or random, dtype=torch.float64)
    count = 3 if arguments.quick else 100
    given = arguments.structures
    frames = ase.io.read(given, ":") if given else [molecule("CH3CH2OH", vacuum=5.0) for _ in range(count)]
    for seed, frame in enumerate([] if given else frames):
        frame.rattle(0.05, seed=seed)
    done = torch_sim.optimize(
        system=torch_sim.io.atoms_to_state(frames, model.device, model.dtype),
        model=model,
        optimizer=getattr(
            torch_sim, "Optimizer", torch_sim.optimizers
        ).fire,  # TorchSim 0.3 knows it by the second name
        max_steps=2 if arguments.quick else 500,
    )
    print(f"{len(frames)} structures, energies in eV: {done.energy.tolist()}")


if __name__ == "__main__":
    main()
