"""A batch run in parts gives the outputs and gradients of the plain modules on the whole batch."""

import pytest
import torch

from equishare import groups, nn
from equishare.nn.fields.convolution import Convolution


@pytest.mark.parametrize("batch", [0, 1, 5, 12])
def test_parts_of_a_batch(batch):
    torch.manual_seed(0)
    conv = nn.SeparableGroupConv2d(groups.cyclic(4), 2, 16, 3, dtype=torch.float64)
    plain = conv.to_torch()
    x = torch.randn(batch, 8, 32, 32, dtype=torch.float64, requires_grad=True)  # 512 KiB a sample once mixed
    ours, theirs = conv(x), plain(x)
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)
    weight = torch.randn_like(ours)
    (a,) = torch.autograd.grad((ours * weight).sum(), x, create_graph=True)
    (b,) = torch.autograd.grad((theirs * weight).sum(), x)
    torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


def test_a_step_runs_in_parts_and_evaluation_does_not(monkeypatch):
    calls, run = [], Convolution.__call__
    monkeypatch.setattr(Convolution, "__call__", lambda self, x, *rest: calls.append(len(x)) or run(self, x, *rest))
    conv = nn.SeparableGroupConv2d(groups.cyclic(4), 2, 16, 3, dtype=torch.float64)
    x = torch.randn(10, 8, 32, 32, dtype=torch.float64)
    conv(x)
    assert calls == [4, 4, 4, 4, 2, 2]
    calls.clear()
    with torch.no_grad():
        conv(x)
    assert calls == [10, 10]
