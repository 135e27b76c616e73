"""Tables of the results, and the page of the documentation that is made of them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from equishare.potential import PRESETS
from reference_sets.curves import learning_curves
from reference_sets.score import error, front, score
from reference_sets.sets import SETS, Reference

Results = Mapping[str, Mapping[str, Any]]
HEAD = """# Accuracy

Made by `python benchmarks/accuracy.py --data DATA` from `benchmarks/results/accuracy.json`, which holds machine, date
and versions of every run; do not edit it by hand. Every run starts from noise on one thread and has a budget of CPU
time: start, training, validation, test and all. Test frames choose nothing.
"""

NOT_HERE = "Errors over time beside MACE's own training are on the page of [measurements](benchmarks.md). Not measured: runs on a GPU."


def table(results: Results, part: str) -> str:
    """Errors beside those published, and the score, by preset and budget, of runs on all frames."""
    lines = [f"| preset, CPU time | {' | '.join(SETS)} | score, energies | score, forces |"]
    lines.append("| --- |" + " --- |" * (len(SETS) + 2))
    references = [f"{_number(each.energy.value)}, {_number(each.forces.value)}" for each in SETS.values()]
    if part == "test":
        lines.append(f"| published | {' | '.join(references)} | 1 | 1 |")
    for (preset, minutes), rows in groups(results).items():
        cells = [_cell(rows, name, part) for name in SETS]
        lines.append(f"| {preset}, {minutes:g} min | {' | '.join(cells)} | {_scores(rows, part)} |")
    return "\n".join([f"Errors on the {part} frames: energy, forces; mean of the seeds that there are.", "", *lines])


def groups(results: Results) -> dict[tuple[str, float], list[Mapping[str, Any]]]:
    """Rows of runs on all frames by preset and budget."""
    found: dict[tuple[str, float], list[Mapping[str, Any]]] = {}
    for row in sorted(of_all_frames(results).values(), key=lambda row: (row["minutes"], row["preset"])):
        found.setdefault((row["preset"], row["minutes"]), []).append(row)
    return found


def of_all_frames(results: Results) -> Results:
    """The runs that are no part of a learning curve."""
    return {key: row for key, row in results.items() if "frames" not in row}


def page(results: Results, choices: Results) -> str:
    """The page."""
    whole, curves = of_all_frames(results), learning_curves(results)
    sections = [HEAD, _sets(), "## Errors", table(results, "test"), table(results, "valid"), _missing(whole)]
    sections += ["## Errors over the number of frames", curves] if curves else []
    sections += ["## Error against speed", _pareto(whole), "## By kind of frame", _kinds(whole)]
    if choices:
        sections += ["## What was tried", _choices(choices), _biases(choices)]
    return "\n\n".join(section.strip() for section in sections if section) + "\n"


def _number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3g}"


def _cell(rows: Iterable[Mapping[str, Any]], name: str, part: str) -> str:
    own = [row for row in rows if row["set"] == name]
    if not own:
        return ""
    pair = SETS[name].energy, SETS[name].forces
    text = ", ".join(_number(error(own, reference, part)) for reference in pair)
    return text if len(own) == 1 else f"{text} ({len(own)} seeds)"


def _scores(rows: list[Mapping[str, Any]], part: str) -> str:
    parts = []
    whole = sum(each.scored for each in SETS.values())
    for quantity in ("energy", "forces"):
        value, names = score(rows, quantity, part)
        parts.append(_number(value) + (f" ({len(names)} of {whole} sets)" if 0 < len(names) < whole else ""))
    return " | ".join(parts)


def _sets() -> str:
    lines = ["| set | what | energy to compare with | forces |", "| --- | --- | --- | --- |"]
    for name, each in SETS.items():
        lines.append(f"| {name} | {each.title} | {_reference(each.energy)} | {_reference(each.forces)} |")
    return "\n".join(lines)


def _reference(reference: Reference) -> str:
    known = not math.isnan(reference.value)
    return f"{reference.value:g} {reference.unit} ({reference.source})" if known else f"none, in {reference.unit}"


def _missing(results: Results) -> str:
    """Which runs of the default preset there are, of those that the command makes."""
    wanted = [(name, minutes, seed) for name in SETS for minutes in (10, 45, 120) for seed in range(3)]
    have = {(row["set"], row["minutes"], row["seed"]) for row in results.values() if row["preset"] == "default"}
    made = [each for each in wanted if each in have]
    if len(made) == len(wanted):
        return NOT_HERE
    longest = max((minutes for _, minutes, _ in made), default=0)
    said = (
        f"The command makes {len(wanted)} runs of the default preset, of 10, 45 and 120 minutes and three seeds; {len(made)} of them were "
        f"made, none longer than {longest:g} minutes."
    )
    unseen = [name for name in SETS if not any(row["set"] == name for row in results.values())]
    none = [f"There is no run of any length of {', '.join(unseen)}."] if unseen else []
    presets = [preset for preset in PRESETS if not any(row["preset"] == preset for row in results.values())]
    none += [f"There is no run of the preset {', '.join(presets)}."] if presets else []
    return "\n".join([said, *none, NOT_HERE])


def _pareto(results: Results) -> str:
    """Each set and budget that several presets have."""
    lines = [
        "| set, CPU time | preset | µs an atom | energy | forces | on the front |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    places = sorted({(row["set"], row["minutes"]) for row in results.values()}, key=lambda place: (place[1], place[0]))
    for name, minutes in places:
        own = [row for row in results.values() if (row["set"], row["minutes"]) == (name, minutes)]
        presets = {row["preset"]: [r for r in own if r["preset"] == row["preset"]] for row in own}
        if len(presets) < 2:
            continue
        cost = {preset: sum(row["us_per_atom"] for row in rows) / len(rows) for preset, rows in presets.items()}
        forces = {preset: error(rows, SETS[name].forces, "test") for preset, rows in presets.items()}
        best = front({preset: (cost[preset], forces[preset]) for preset in presets})
        for preset in sorted(presets, key=lambda preset: cost[preset]):
            energy = error(presets[preset], SETS[name].energy, "test")
            said = "yes" if preset in best else "no"
            lines.append(
                f"| {name}, {minutes:g} min | {preset} | {cost[preset]:.0f} | {_number(energy)} {SETS[name].energy.unit} | "
                f"{_number(forces[preset])} {SETS[name].forces.unit} | {said} |"
            )
    return "\n".join(lines) if len(lines) > 2 else "No set has runs of two presets yet."


def _kinds(results: Results) -> str:
    lines = [
        "| set, CPU time, seed | kind | training: bias, MAE in meV/atom; force MAE in meV/Å | test |",
        "| --- | --- | --- | --- |",
    ]
    for row in results.values():
        names = sorted({key.rsplit(": ", 1)[0] for key in row["train"] if ": " in key})
        for kind in names if row["preset"] == "default" else []:
            where = f"{row['set']}, {row['minutes']:g} min, {row['seed']}"
            lines.append(f"| {where} | {kind} | {_kind(row['train'], kind)} | {_kind(row['test'], kind)} |")
    return "\n".join(lines)


def _kind(errors: Mapping[str, float], kind: str) -> str:
    metrics = ("energy_bias_per_atom", "energy_mae_per_atom", "forces_mae")
    values = [1000 * errors.get(f"{kind}: {metric}", math.nan) for metric in metrics]
    return f"{values[0]:+.2f}, {_number(values[1])}; {_number(values[2])}" if not math.isnan(values[0]) else ""


def _choices(choices: Results) -> str:
    """Changes beside the runs that differ in them alone."""
    lines = [
        "`python benchmarks/choices.py --data DATA`: the same epochs on the same frames, validation frames of one seed;",
        "energies in meV/atom (MAE), forces in meV/Å (RMSE).",
        "",
        "| change | set | energy, without -> with it | forces, without -> with it |",
        "| --- | --- | --- | --- |",
    ]
    for row in choices.values():
        other = choices.get(f"{row['set']}/{row['against']}/{row['seed']}")
        if other is not None:
            energy, forces = (
                f"{_number(other['valid'][metric])} -> {_number(row['valid'][metric])} ({row['valid'][metric] / other['valid'][metric] - 1:+.0%})"
                for metric in ("Emae", "Frmse")
            )
            lines.append(f"| {row['change']} | {row['set']} | {energy} | {forces} |")
    return "\n".join(lines)


def _biases(choices: Results) -> str:
    """What is left on average of the energies of each kind of training frames, change by change."""
    lines = []
    for row in choices.values():
        kinds = {name.removeprefix("Ebias "): value for name, value in row.get("train", {}).items() if "Ebias" in name}
        if kinds:
            values = ", ".join(f"{kind} {value:+.2f}" for kind, value in sorted(kinds.items()))
            lines.append(f"| {row['change']} | {row['set']} | {values} |")
    head = ["Bias of the energies of training frames by kind, in meV/atom:", ""]
    head += ["| change | set | bias |", "| --- | --- | --- |"]
    return "\n".join([*head, *lines]) if lines else ""
