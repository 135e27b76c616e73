"""Frames as graphs with labels: what has no graph, or no energy, is named."""

import pytest
from ase import Atoms

from equishare.atoms import Frame
from equishare.potential import ModelConfig
from equishare.potential.long_range import LongRangeError
from equishare.training.data.labelled_graphs import labelled_graphs


def test_a_slab_has_no_coulomb_energy():
    slab = Atoms("CO", [[0, 0, 0], [0, 0, 1.2]], cell=[4, 4, 20], pbc=[True, True, False])
    frames = [Frame(Atoms("CO", slab.positions), energy=-1.0), Frame(slab, energy=-1.0, file="slabs.xyz", index=3)]
    with pytest.raises(LongRangeError, match=r"slabs.xyz@3: the Coulomb energy is that of molecules and of crystals"):
        labelled_graphs(frames, ModelConfig(long_range="coulomb"))
