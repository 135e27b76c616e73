"""``equishare spectrum``: infrared and Raman spectra from a trajectory."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from equishare.commands.imports import large_imports
from equishare.errors import EquishareError

if TYPE_CHECKING:
    from ase import Atoms


def spectrum(
    model: Annotated[Path, typer.Argument(help="Model file of a potential that was trained with --learn dipole.")],
    trajectory: Annotated[
        str,
        typer.Argument(
            help="Frames at equal times, such as `equishare md --interval 2` writes; FILE@1000: leaves out the start."
        ),
    ],
    temperature: Annotated[float, typer.Option(help="Temperature of the run in K.")] = 300.0,
    timestep: Annotated[
        float | None, typer.Option(help="Time between two frames in fs.", show_default="what the frames say")
    ] = None,
    width: Annotated[float, typer.Option(help="Width of a line in 1/cm.")] = 10.0,
    out: Annotated[Path, typer.Option(help="Folder for spectrum.csv and spectrum.png.")] = Path("spectrum"),
) -> None:
    """Compute the infrared spectrum, and Raman's where the model has learnt the polarizability, from dynamics."""
    with large_imports():
        import numpy as np
        from rich.console import Console
        from scipy.signal import find_peaks

        from equishare.atoms.reading import read_unlabelled
        from equishare.commands.starts import check_model
        from equishare.files import new_folder, write_text
        from equishare.simulate import EquishareCalculator
        from equishare.simulate.pictures import plot_spectrum
        from equishare.simulate.spectrum import along
        from equishare.simulate.spectrum import spectrum as compute

    if not (temperature > 0 and width > 0 and (timestep is None or timestep > 0)):
        raise EquishareError(
            f"temperature, width and timestep must be positive, got {temperature}, {width}, {timestep}"
        )
    check_model(model)
    frames = [frame.atoms for frame in read_unlabelled([trajectory])]
    interval = timestep or _interval(frames)
    with new_folder(out):
        found = compute(along(frames, EquishareCalculator(model)), interval, temperature, width)
        columns = {"wave_number_invcm": found.wave_numbers, "infrared_km_mol_cm": found.infrared, "raman": found.raman}
        there = {name: values for name, values in columns.items() if values is not None}
        rows = [",".join(f"{value:.6g}" for value in row) for row in np.stack(list(there.values()), axis=1)]
        write_text(out / "spectrum.csv", "\n".join([",".join(there), *rows]) + "\n")
        plot_spectrum(found, out / "spectrum.png")
    console = Console(highlight=False, soft_wrap=True)
    for name, values in list(there.items())[1:]:
        peaks, _ = find_peaks(values, height=0.02 * values.max(), prominence=0.02 * values.max())
        console.print(
            f"{name.split('_')[0]}: bands at {', '.join(f'{found.wave_numbers[k]:.0f}' for k in peaks)} 1/cm",
        )
    console.print(
        f"{len(frames)} frames, one every {interval:g} fs. Written to {out}: spectrum.csv, spectrum.png",
        markup=False,
    )


def _interval(frames: "list[Atoms]") -> float:
    """Time between frames, from what `equishare md` wrote in them."""
    import numpy as np

    times = [frame.info.get("time_fs") for frame in frames]
    if len(times) < 2 or any(time is None for time in times):
        raise EquishareError(
            "the frames do not say their time (time_fs); give the time between two of them: --timestep 1.0"
        )
    steps = np.diff(np.array(times, dtype=float))
    if not np.allclose(steps, steps[0], rtol=1e-3) or steps[0] <= 0:
        raise EquishareError(
            "the frames are not at equal times; choose some that are, such as FILE@:-1, or give --timestep"
        )
    return float(steps[0])
