"""Pictures of a campaign."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from ase import Atoms

from equishare.learning.campaign import Record
from equishare.training.report.figures import BLUE, GREEN, GREY, VERMILLION, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def errors_over_labels(records: Sequence[Record], accuracy: float, final: float | None) -> Figure:
    """Errors of the forces and their uncertainty, over the number of labels."""
    with new_figure(size=(5.6, 3.4)) as (figure, (axis,)):
        for name, values, colour in (
            ("fresh frames, before they were labelled", [r.fresh.get("forces") for r in records], VERMILLION),
            ("all frames kept to judge by", [r.held_out.get("forces") for r in records], BLUE),
            ("uncertainty along trajectories", [r.uncertainty for r in records], GREEN),
        ):
            # what a round draws was drawn by the potential of the labels before it
            earlier = [0, *(r.labels for r in records[:-1])]
            counts = [r.labels for r in records] if colour == BLUE else earlier
            pairs = [(n, 1000 * v) for n, v in zip(counts, values, strict=True) if v is not None]
            if pairs:
                axis.plot(*zip(*pairs, strict=True), color=colour, marker="o", markersize=4, label=name)
        if final is not None:
            axis.plot(
                [records[-1].labels], [1000 * final], color=BLUE, marker="*", markersize=11, linestyle="", label="final"
            )
        axis.axhline(1000 * accuracy, color=GREY, linestyle="--", linewidth=1.0, label="wanted")
        axis.set_ylim(bottom=0)
        axis.set_xlabel("labels")
        axis.locator_params(axis="x", integer=True)
        axis.set_ylabel("forces, meV/Å")
        axis.set_title("Errors over labels")
        axis.legend(fontsize=8)
    return figure


def asked_in_round(record: Record, asked: Sequence[Atoms]) -> Figure:
    """The uncertainty of what was drawn in a round, and of what was asked for."""
    with new_figure(size=(3.4, 2.4)) as (figure, (axis,)):
        pool = 1000 * np.array(record.spread)
        edges = np.linspace(0, pool.max() * 1.02 + 1e-9, 25).tolist()
        axis.hist(pool, bins=edges, color=GREY, alpha=0.6, label="drawn")
        chosen = [1000 * atoms.info["spread"] for atoms in asked if "spread" in atoms.info]
        axis.hist(chosen, bins=edges, color=VERMILLION, label="asked for")
        axis.set_xlabel("uncertainty of the forces, meV/Å")
        axis.set_ylabel("frames")
        axis.set_title(f"Round {record.number}")
        axis.legend(fontsize=8)
    return figure
