from collections import namedtuple
from dataclasses import dataclass

import numpy as np
import torch
from torch_geometric.data import Data

from equishare.check.models.tree import flatten, tensors

Pair = namedtuple("Pair", "left right")


@dataclass
class Output:
    energy: torch.Tensor
    name: str = "x"


def test_every_container_comes_back():
    tree = {
        "pair": Pair(torch.ones(1), [torch.ones(2), None]),
        "array": np.ones(3),
        "number": 1.5,
        "out": Output(torch.ones(4)),
        "text": "t",
    }
    leaves, rebuild = flatten(tree)
    assert [path for path, _ in leaves] == ["pair.left", "pair.right.0", "array", "number", "out.energy"]
    new = rebuild([2 * t for _, t in leaves])
    assert isinstance(new["pair"], Pair)
    assert new["pair"].right[1] is None
    assert isinstance(new["array"], np.ndarray)
    assert new["number"] == 3.0
    assert new["out"].energy.tolist() == [2, 2, 2, 2]
    assert new["text"] == "t"
    assert tree["out"].energy.tolist() == [1, 1, 1, 1]


def test_pyg_data_is_cloned():
    data = Data(z=torch.tensor([1, 6]), pos=torch.zeros(2, 3))
    leaves, rebuild = flatten(data)
    new = rebuild([t + 1 for _, t in leaves])
    assert new.pos.sum() == 6
    assert data.pos.sum() == 0
    assert len(tensors(new)) == 2
