"""Bad input at the prompt: each row is one mistake, the command it is made with, and what the message must say.

Every row ends with one message on standard error, an exit code that is not 0, no traceback, and nothing half written.
"""

import pickle
from pathlib import Path

import pytest
import torch
from ase import Atoms
from ase.build import bulk
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write
from safetensors import safe_open
from safetensors.torch import save_file

from equishare import datasets
from equishare.cli import main
from equishare.potential import Committee, ModelConfig, Potential, load, save


def frames(n: int = 12) -> list[Atoms]:
    return datasets.load("ethanol")[3 : 3 + n]


def relabelled(n: int = 12, drop: tuple[str, ...] = (), **changes: object) -> list[Atoms]:
    """Frames of ethanol with labels changed or left out."""
    result = []
    for atoms in frames(n):
        labels = {"energy": atoms.get_potential_energy(), "forces": atoms.get_forces(), **changes}
        plain = Atoms(atoms.numbers, atoms.positions)
        plain.calc = SinglePointCalculator(plain, **{key: v for key, v in labels.items() if key not in drop})
        result.append(plain)
    return result


def nan_position(folder: Path) -> Path:
    file = xyz(folder, relabelled())
    lines = file.read_text().splitlines()
    fields = lines[3].split()
    lines[3] = " ".join([fields[0], "nan", *fields[2:]])
    file.write_text("\n".join(lines) + "\n")
    return file


def xyz(folder: Path, images: list[Atoms], name: str = "frames.xyz") -> Path:
    write(folder / name, images, format="extxyz")
    return folder / name


def truncated(folder: Path) -> Path:
    file = xyz(folder, relabelled())
    file.write_text(file.read_text()[: -len(file.read_text()) // 3 - 100])
    return file


def text(folder: Path, content: str, name: str = "frames.xyz") -> Path:
    (folder / name).write_text(content)
    return folder / name


def pickled(folder: Path, name: str) -> Path:
    class Trap:
        def __reduce__(self):
            return Path.touch, (folder / "code-was-run",)

    with (folder / name).open("wb") as file:
        pickle.dump(Trap(), file)
    return folder / name


def flat_cell(folder: Path) -> Path:
    images = relabelled()
    for atoms in images:
        atoms.set_cell([[5.0, 0, 0], [0, 5.0, 0], [5.0, 5.0, 0]])
        atoms.pbc = True
    return xyz(folder, images)


def overlapping(folder: Path) -> Path:
    images = relabelled()
    images[5].positions[3] = images[5].positions[2]
    return xyz(folder, images)


def model(folder: Path) -> Path:
    file = folder / "model.safetensors"
    config = ModelConfig(channels=4, n_basis=4, n_hidden=4, l_density=1, l_features=1, body_order=3, cutoff=3.0)
    save(Potential(config, {"H": -13.0, "C": -1000.0, "O": -2000.0}), file)
    return file


def committee(folder: Path) -> Path:
    potential = load(model(folder))
    potential.committee = Committee(potential.energy.n_inputs, 2)
    save(potential, folder / "model.safetensors")
    return folder / "model.safetensors"


def beheaded(folder: Path) -> Path:
    """A header that tells of a committee, whose members are not there."""
    file = committee(folder)
    with safe_open(file, "pt") as content:
        weights = {name: content.get_tensor(name) for name in content.keys() if "committee" not in name}  # noqa: SIM118
        save_file(weights, folder / "beheaded.safetensors", content.metadata())
    return folder / "beheaded.safetensors"


def damaged(folder: Path) -> Path:
    file = model(folder)
    file.write_bytes(file.read_bytes()[:-100])
    return file


def foreign(folder: Path) -> Path:
    save_file({"weight": torch.zeros(3)}, folder / "other.safetensors")
    return folder / "other.safetensors"


def newer(folder: Path) -> Path:
    file = model(folder)
    file.write_bytes(file.read_bytes().replace(b"equishare-potential-3", b"equishare-potential-9"))
    return file


def two_energies(folder: Path) -> Path:
    images = relabelled(drop=("energy",))
    for k, atoms in enumerate(images):
        atoms.info.update(dft_energy=-10.0 - k, REF_energy=-11.0 - k)
    return xyz(folder, images)


def unknown_element(folder: Path) -> Path:
    return text(folder, "".join(f"2\nenergy={k}\nX 0 0 0\nH 0 0 {1 + 0.1 * k}\n" for k in range(9)))


def start(folder: Path, atoms: Atoms | None = None) -> Path:
    return xyz(folder, [frames(1)[0] if atoms is None else atoms], "start.xyz")


def occupied(folder: Path) -> Path:
    (folder / "run").mkdir()
    (folder / "run" / "precious.txt").write_text("mine")
    return folder / "run"


def good(folder: Path) -> Path:
    return xyz(folder, relabelled())


# name: (arguments, given the folder of the test; words that the message must hold)
CASES = {
    "no such file": (lambda f: ["train", f / "none.xyz"], ["none.xyz", "no such file"]),
    "folder for a file": (lambda f: ["train", f], ["folder"]),
    "empty file": (lambda f: ["train", text(f, "")], ["frames.xyz", "empty"]),
    "truncated file": (lambda f: ["train", truncated(f)], ["frames.xyz", "frame 7"]),
    "text that is no structure": (lambda f: ["train", text(f, "to be or not to be\n" * 9)], ["frames.xyz"]),
    "unknown format": (lambda f: ["train", text(f, "1 2 3\n", "frames.unknown")], ["frames.unknown"]),
    "slice that is none": (lambda f: ["train", f"{good(f)}@first"], ["first"]),
    "slice without frames": (lambda f: ["train", f"{good(f)}@50:60"], ["frames.xyz"]),
    "pickle posing as frames": (lambda f: ["train", pickled(f, "frames.pckl")], ["frames.pckl"]),
    "another program's option of a key": (
        lambda f: ["train", good(f), "--energy-key", "REF_energy"],
        ["No such option: --energy-key", "--key energy=REF_energy"],
    ),
    "another program's option of a key, with an equals sign": (
        lambda f: ["inspect", good(f), "--forces_key=REF_forces"],
        ["--key forces=REF_forces"],
    ),
    "wrong energy key": (lambda f: ["train", good(f), "--key", "energy=enrgy"], ["enrgy", "energy"]),
    "wrong forces key": (lambda f: ["train", good(f), "--key", "forces=grad"], ["grad"]),
    "ambiguous energies": (
        lambda f: ["train", two_energies(f)],
        ["dft_energy", "REF_energy", "--key energy=dft_energy"],
    ),
    "no labels": (lambda f: ["train", xyz(f, [Atoms(a.numbers, a.positions) for a in frames()])], ["energy"]),
    "NaN position": (lambda f: ["train", nan_position(f)], ["frames.xyz"]),
    "cell without volume": (lambda f: ["train", flat_cell(f)], ["volume"]),
    "two atoms in one place": (lambda f: ["train", overlapping(f)], ["frames.xyz@5"]),
    "unknown element X": (lambda f: ["train", unknown_element(f)], ["X"]),
    "empty split": (lambda f: ["train", xyz(f, relabelled(1)), "--valid", "0.5"], ["frame"]),
    "fraction out of range": (lambda f: ["train", good(f), "--valid", "1.5"], ["valid"]),
    "test frames among the training frames": (lambda f: ["train", good(f), "--test", good(f)], ["test"]),
    "bad duration": (lambda f: ["train", good(f), "--max-time", "soon"], ["soon"]),
    "time and epochs": (lambda f: ["train", good(f), "--max-time", "1m", "--epochs", "3"], ["not both"]),
    "folder in use": (lambda f: ["train", good(f), "--out", occupied(f)], ["run"]),
    "folder under a file": (lambda f: ["train", good(f), "--out", good(f) / "run"], ["frames.xyz"]),
    "misspelt setting": (
        lambda f: ["train", good(f), "--config", text(f, "optimisation:\n  learning_rat: 1\n", "c.yaml")],
        ["learning_rat", "learning_rate"],
    ),
    "configuration that is no YAML": (lambda f: ["train", "--config", text(f, "a: [1", "c.yaml")], ["c.yaml"]),
    "resuming nothing": (lambda f: ["train", "--resume", f / "absent"], ["absent"]),
    "bad E0s": (lambda f: ["train", good(f), "--e0", "H:1"], ["H:1"]),
    "E0 of an element that is none": (lambda f: ["train", good(f), "--e0", "Qq=1"], ["Qq"]),
    "unknown device": (lambda f: ["train", good(f), "--device", "tpu"], ["device"]),
    "no such model": (lambda f: ["eval", f / "m.safetensors", good(f)], ["m.safetensors"]),
    "damaged model": (lambda f: ["eval", damaged(f), good(f)], ["model.safetensors"]),
    "another project's model": (lambda f: ["eval", foreign(f), good(f)], ["no equishare potential"]),
    "model of a newer format": (lambda f: ["eval", newer(f), good(f)], ["format 9", "up to 3"]),
    "pickle posing as a model": (lambda f: ["eval", pickled(f, "model.safetensors"), good(f)], ["refused"]),
    "folder for a model": (lambda f: ["eval", f, good(f)], ["folder"]),
    "unknown element at prediction": (lambda f: ["eval", model(f), xyz(f, [bulk("Si")])], ["Si"]),
    "unknown element in dynamics": (lambda f: ["md", model(f), start(f, bulk("Si"))], ["Si"]),
    "negative temperature": (lambda f: ["md", model(f), start(f), "--temperature", "-5"], ["temperature"]),
    "dispersion of no functional": (lambda f: ["md", model(f), start(f), "--dispersion", "nonesuch"], ["D3"]),
    "unknown repulsion": (lambda f: ["train", good(f), "--repulsion", "springs"], ["zbl"]),
    "negative committee": (lambda f: ["train", good(f), "--committee", "-2"], ["uncertainty.committee"]),
    "committee larger than the model": (lambda f: ["train", good(f), "--committee", "1000"], ["committee", "96"]),
    "resuming with another committee": (
        lambda f: ["train", "--resume", f, "--committee", "8"],
        ["uncertainty.committee"],
    ),
    "selecting without a committee": (lambda f: ["select", model(f), good(f), "--out", f / "s.xyz"], ["--committee"]),
    "selecting more than there is": (
        lambda f: ["select", committee(f), good(f), "--count", "50", "--out", f / "s.xyz"],
        ["12", "50"],
    ),
    "selecting an unknown element": (
        lambda f: ["select", committee(f), xyz(f, [bulk("Si")]), "--count", "1", "--out", f / "s.xyz"],
        ["Si"],
    ),
    "committee without its members": (lambda f: ["eval", beheaded(f), good(f)], ["committee"]),
    "no labels to compare with": (
        lambda f: ["eval", model(f), xyz(f, [Atoms(a.numbers, a.positions) for a in frames()])],
        ["no frame has a label", "--out"],
    ),
    "no LAMMPS input": (lambda f: ["lammps", f / "in.none"], ["there is no LAMMPS input", "in.none"]),
    "a folder for a LAMMPS input": (lambda f: ["lammps", f], ["it is a folder"]),
    "no processes": (lambda f: ["lammps", text(f, "run 0", "in.lammps"), "-np", "0"], ["-np must be 1 or more, got 0"]),
    "a device for a model": (lambda f: ["card", "/dev/null"], ["/dev/null"]),
    "no such start": (lambda f: ["md", model(f), f / "none.xyz"], ["none.xyz"]),
}


@pytest.mark.parametrize("name", CASES)
def test_bad_input(name, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    command, words = CASES[name]
    arguments = [str(argument) for argument in command(tmp_path)]
    if arguments[0] == "train" and not {"--max-time", "--epochs", "--resume", "--config"} & set(arguments):
        arguments += ["--epochs", "1"]  # were the mistake not noticed, the test would fail soon
    before = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
    with pytest.raises(SystemExit) as end:
        main(arguments)
    output = capsys.readouterr()
    message = " ".join((output.err + output.out).replace("│", " ").split())
    assert end.value.code not in (0, None)
    assert "Traceback" not in message
    for word in words:
        assert word in message, message
    after = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
    assert after == before, "something was left on disk, or lost"
