"""A checkpoint on a disk that is full."""

from types import SimpleNamespace

import pytest
import torch

from equishare.training.checkpoint import Checkpoints, read_checkpoint


def test_a_full_disk_is_said_and_leaves_the_last_checkpoint(file_size, tmp_path):
    def state(size):
        return SimpleNamespace(seconds=0.0, state_dict=lambda: {"weights": torch.ones(size)})

    checkpoints = Checkpoints(tmp_path / "checkpoint.ckpt", "frames")
    checkpoints.write(state(10), state(1))
    file_size(20_000)
    with pytest.raises(OSError, match=r"File too large: .*checkpoint\.ckpt"):
        checkpoints.write(state(100_000), state(1))
    file_size()
    assert read_checkpoint(tmp_path / "checkpoint.ckpt")["training"]["weights"].shape == (10,)
    assert [file.name for file in tmp_path.iterdir()] == ["checkpoint.ckpt"]
