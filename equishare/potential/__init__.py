"""The molecular potential: graph in, energy out; forces and stress by autodiff."""

from equishare.atoms.neighbours import GraphError
from equishare.potential.committee import Committee
from equishare.potential.config import PRESETS, ModelConfig
from equishare.potential.density_net import DensityNet
from equishare.potential.errors import ModelFileError, UnknownSpeciesError
from equishare.potential.graph import AtomGraph, collate, from_atoms
from equishare.potential.hessian import hessian
from equishare.potential.model_file import Header, load, read_header, save
from equishare.potential.potential import Potential
from equishare.potential.prediction import Prediction
from equishare.potential.repulsion import ZBL
from equishare.potential.statistics import Statistics

__all__ = [
    "PRESETS",
    "ZBL",
    "AtomGraph",
    "Committee",
    "DensityNet",
    "GraphError",
    "Header",
    "ModelConfig",
    "ModelFileError",
    "Potential",
    "Prediction",
    "Statistics",
    "UnknownSpeciesError",
    "collate",
    "from_atoms",
    "hessian",
    "load",
    "read_header",
    "save",
]
