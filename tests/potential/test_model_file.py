"""Model files: round trips, and every way in which a file is not one."""

import json
import os
import pickle
from pathlib import Path

import pytest
import safetensors.torch
import torch

from equishare.potential import ModelFileError, load, read_header, save


@pytest.fixture
def path(tmp_path, potential):
    save(potential, tmp_path / "model.safetensors", metadata={"domain": {"max_force": 3.0}, "note": "é"})
    return tmp_path / "model.safetensors"


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_round_trip(make_potential, ethanol, tmp_path, dtype):
    potential = make_potential(dtype, heads=("dipole",))
    save(potential, tmp_path / "m.safetensors")
    again = load(tmp_path / "m.safetensors")
    assert again.dtype == dtype
    assert not again.training
    for name in ("config", "statistics"):
        assert getattr(again, name) == getattr(potential, name), name
    (before,), (after,) = potential.predict([ethanol], stress=True), again.predict([ethanol], stress=True)
    assert all(
        (before[name] == after[name]).all() if name != "energy" else before[name] == after[name] for name in before
    )


def test_other_precision_on_request(path):
    assert load(path, dtype=torch.float32).dtype == torch.float32


def test_header(path, potential):
    header = read_header(str(path))
    units = {"energy": "eV", "length": "Å", "forces": "eV/Å", "stress": "eV/Å^3", "dipole": "e·Å"}
    assert units.items() <= header.units.items()
    assert header.metadata == {"domain": {"max_force": 3.0}, "note": "é"}
    assert header.config == potential.config


def test_a_failed_save_leaves_the_old_file(path, potential, monkeypatch):
    before = path.read_bytes()

    def half(beside, content):
        with open(beside, "wb") as file:
            file.write(content[:100])
        raise OSError("disk full")

    monkeypatch.setattr(Path, "write_bytes", half)
    with pytest.raises(OSError, match="disk full"):
        save(potential, path)
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_others_may_read_what_the_umask_lets_them(tmp_path, potential):
    before = os.umask(0o022)
    try:
        save(potential, tmp_path / "m.safetensors")
    finally:
        os.umask(before)
    assert (tmp_path / "m.safetensors").stat().st_mode & 0o777 == 0o644


def test_no_folder_to_save_to(tmp_path, potential):
    with pytest.raises(OSError, match="absent"):
        save(potential, tmp_path / "absent" / "model.safetensors")


def test_no_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="no model file at"):
        load(tmp_path / "absent.safetensors")


def test_a_folder(tmp_path):
    with pytest.raises(ModelFileError, match="did you mean"):
        load(tmp_path)


@pytest.mark.parametrize("keep", [0, 4, 100, 0.5, -1])
def test_truncated(path, keep):
    content = path.read_bytes()
    path.write_bytes(content[: int(keep * len(content)) if isinstance(keep, float) else keep])
    with pytest.raises(ModelFileError, match=r"not a readable \.safetensors"):
        load(path)


def test_a_pickle_is_refused_and_not_run(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (open, (str(tmp_path / "ran"), "w"))

    for name, write in (("m.safetensors", lambda f: pickle.dump(Bomb(), f)), ("m.pt", lambda f: torch.save(Bomb(), f))):
        with open(tmp_path / name, "wb") as file:
            write(file)
        with pytest.raises(ModelFileError, match="refused because loading them could run code"):
            load(tmp_path / name)
    assert not (tmp_path / "ran").exists()


def test_another_safetensors_file(tmp_path):
    safetensors.torch.save_file({"weight": torch.zeros(3)}, tmp_path / "other.safetensors")
    with pytest.raises(ModelFileError, match="holds no equishare potential"):
        load(tmp_path / "other.safetensors")


def rewrite(path, change_header=lambda header: header, change_weights=lambda weights: weights):
    with safetensors.safe_open(str(path), framework="pt") as file:
        header, weights = json.loads(file.metadata()["equishare"]), {k: file.get_tensor(k) for k in file.keys()}  # noqa: SIM118
    safetensors.torch.save_file(change_weights(weights), path, metadata={"equishare": change_header(header)})


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers(path, value):
    """Of a damaged file, or of a run that diverged: said when it is read, not by a force or a loss later."""
    rewrite(
        path,
        json.dumps,
        lambda weights: {
            name: tensor.index_fill(0, torch.tensor(0), value) if tensor.is_floating_point() else tensor
            for name, tensor in weights.items()
        },
    )
    with pytest.raises(ModelFileError, match=r"model.safetensors is damaged: it holds weights that are not finite"):
        load(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda h: json.dumps(h | {"format": "equishare-potential-9"}), "reads formats up to 3"),
        (lambda h: json.dumps(h | {"format": "equishare-potential-1"}), "has format 1, .* train again"),
        (lambda h: json.dumps(h | {"format": None}), "header of .* is damaged"),
        (lambda h: json.dumps(h | {"statistics": h["statistics"] | {"scale": "large"}}), "header of .* is damaged"),
        (lambda h: json.dumps(h | {"config": h["config"] | {"channels": -1}}), "header of .* is damaged"),
        (lambda h: json.dumps({k: v for k, v in h.items() if k != "statistics"}), "header of .* is damaged"),
        (lambda h: json.dumps(h)[:-5], "header of .* is damaged"),
        (lambda h: "[]", "header of .* is damaged"),
        (lambda h: json.dumps(h | {"config": h["config"] | {"channels": 7}}), "do not fit its header"),
        *(
            (
                lambda h, name=name: json.dumps(h | {"config": h["config"] | {name: 10**9}}),
                "do not fit its header: .* has over",
            )
            for name in ("channels", "layers", "n_basis", "n_hidden")
        ),
        (lambda h: json.dumps(h)[:-1] + ', "metadata": ' + 5000 * "[" + 5000 * "]" + "}", "header of .* is damaged"),
        (lambda h: json.dumps(h | {"statistics": {"reference_energies": {"H": 0.0}}}), "do not fit its header"),
    ],
)
def test_damaged_header(path, change, message):
    rewrite(path, change_header=change)
    with pytest.raises(ModelFileError, match=message):
        load(path)


def test_missing_weights(path):
    rewrite(path, json.dumps, lambda weights: dict(list(weights.items())[1:]))
    with pytest.raises(ModelFileError, match="do not fit its header"):
        load(path)


def test_loading_touches_no_global_state(path):
    random, threads, dtype = torch.random.get_rng_state(), torch.get_num_threads(), torch.get_default_dtype()
    load(path)
    assert torch.equal(torch.random.get_rng_state(), random)
    assert (torch.get_num_threads(), torch.get_default_dtype()) == (threads, dtype)
