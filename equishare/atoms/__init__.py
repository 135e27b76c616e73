"""Labelled frames: reading them from files, what is in them and what is wrong with them, and their division into parts.

`read_frames` reads any file that ASE reads; a `Frame` holds one geometry with its labels and conditions, by their names in the table of
`PROPERTIES`; `inspect` says what is wrong with frames before a potential is fitted to them; `split_frames` divides them;
`reference_energies` finds E0; `neighbour_list` is the one list of neighbours. Names load on first use.
"""

from typing import TYPE_CHECKING

from equishare.lazy import lazy

if TYPE_CHECKING:
    from equishare.atoms.checks.findings import DataFinding
    from equishare.atoms.e0 import ReferenceEnergies, ReferenceEnergyError, reference_energies
    from equishare.atoms.frame import Frame, split_isolated
    from equishare.atoms.inspection import Inspection, InspectionError, inspect
    from equishare.atoms.neighbours import GraphError, Neighbours, neighbour_list
    from equishare.atoms.properties import PROPERTIES, LabelError, Property
    from equishare.atoms.reading import read_frames, read_structures, read_unlabelled
    from equishare.atoms.source import FrameReadError, Source
    from equishare.atoms.splits import Split, SplitError, split_frames

__all__ = [
    "PROPERTIES",
    "DataFinding",
    "Frame",
    "FrameReadError",
    "GraphError",
    "Inspection",
    "InspectionError",
    "LabelError",
    "Neighbours",
    "Property",
    "ReferenceEnergies",
    "ReferenceEnergyError",
    "Source",
    "Split",
    "SplitError",
    "inspect",
    "neighbour_list",
    "read_frames",
    "read_structures",
    "read_unlabelled",
    "reference_energies",
    "split_frames",
    "split_isolated",
]

__getattr__, __dir__ = lazy(
    __name__,
    {
        "checks.findings": ("DataFinding",),
        "frame": ("Frame", "split_isolated"),
        "inspection": ("Inspection", "InspectionError", "inspect"),
        "neighbours": ("GraphError", "Neighbours", "neighbour_list"),
        "properties": ("PROPERTIES", "LabelError", "Property"),
        "reading": ("read_frames", "read_structures", "read_unlabelled"),
        "e0": ("ReferenceEnergies", "ReferenceEnergyError", "reference_energies"),
        "source": ("FrameReadError", "Source"),
        "splits": ("Split", "SplitError", "split_frames"),
    },
)
