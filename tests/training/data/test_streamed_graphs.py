"""Training on frames of a store: what training on frames in memory gives, to the bit."""

import pytest
import torch
from ase.io import write

from equishare.atoms import GraphError, read_frames
from equishare.atoms.store import FrameStore, convert
from equishare.potential import ModelConfig, collate
from equishare.training.data.batches import BatchLoader, ahead, atoms_in, batches_by_size
from equishare.training.data.labelled_graphs import labelled_graphs
from equishare.training.data.prepare import fingerprint
from equishare.training.data.statistics import statistics
from equishare.training.data.streamed_graphs import StreamedGraphs, graphs_of


@pytest.fixture(params=["ethanol@:30", "dry_ice@:20", "ions@:40"])
def both(request, tmp_path):
    """The same frames in memory and of a store."""
    convert([request.param], {}, tmp_path / "frames")
    return read_frames(request.param), FrameStore(tmp_path / "frames").frames()


def same(first, second):
    assert set(first.keys()) == set(second.keys())
    for name in first.keys():  # noqa: SIM118 (PyG's keys() is no mapping's)
        if isinstance(first[name], torch.Tensor):
            assert first[name].dtype == second[name].dtype, name
            assert torch.equal(first[name].nan_to_num(9e9), second[name].nan_to_num(9e9)), name
    assert first.num_nodes == second.num_nodes


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_batches_are_those_of_memory_to_the_bit(both, dtype):
    config = ModelConfig(conditions=("charge", "spin"), cutoff=4.0)
    memory, disk = (graphs_of(frames, config, dtype) for frames in both)
    assert isinstance(disk, StreamedGraphs)
    for index in (0, 5, len(disk) - 1):
        same(memory[index], disk[index])
    same(collate([memory[index] for index in (3, 1, 7)]), disk.batch([3, 1, 7]))
    same(collate(memory[4:9]), collate(disk[4:9]))
    for first, second in zip(
        BatchLoader(memory, 4, seed=3).epoch(2, start=1), BatchLoader(disk, 4, seed=3).epoch(2, start=1), strict=True
    ):
        same(first, second)
    assert atoms_in(memory) == atoms_in(disk)
    assert list(batches_by_size(memory, 50)) == list(batches_by_size(disk, 50))
    species = {symbol: -1.0 for frame in both[0] for symbol in frame.atoms.symbols}
    assert statistics(both[0], memory, species) == statistics(both[1], disk, species)


def test_a_checkpoint_fits_the_same_frames_in_memory_and_on_disk(both):
    """A run goes on where there is more memory, or less."""
    memory, disk = both
    assert fingerprint(memory) == fingerprint(disk)
    assert fingerprint(memory[:5]) != fingerprint(disk[:6])
    assert fingerprint([disk[0].weighing(0.5)]) == fingerprint([memory[0].weighing(0.5)]) != fingerprint(disk[:1])


def test_weights_of_frames_are_kept_or_replaced(both):
    frames = [frame.weighing(0.5) if index % 2 else frame for index, frame in enumerate(both[1])]
    batch = graphs_of(frames, ModelConfig(), torch.float32).batch([0, 1, 2])
    assert batch.weight.tolist() == [1.0, 0.5, 1.0]


def test_atoms_in_one_place_are_named(tmp_path):
    frames = [frame.atoms for frame in read_frames("ethanol@3:6")]
    frames[1].positions[4] = frames[1].positions[2]
    for atoms in frames:
        atoms.info["energy"] = -1.0
    write(tmp_path / "some.xyz", frames)
    convert([str(tmp_path / "some.xyz")], {}, tmp_path / "frames")
    stored = FrameStore(tmp_path / "frames").frames()
    with pytest.raises(GraphError, match=r"^some.xyz@1: atoms 2 .* in one place"):
        graphs_of(stored, ModelConfig(), torch.float32).batch([0, 1])
    with pytest.raises(GraphError, match=r"^some.xyz@1: atoms 2 .* in one place"):
        labelled_graphs(read_frames(tmp_path / "some.xyz"), ModelConfig())


def test_what_fails_ahead_is_raised_in_its_place():
    def made(item):
        if item == 3:
            raise ValueError("three")
        return item

    found = ahead(made, range(10))
    assert [next(found) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="three"):
        next(found)
    stopped = ahead(made, iter(range(3)))
    assert next(stopped) == 0
    stopped.close()
