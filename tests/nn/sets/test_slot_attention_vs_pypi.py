"""The same numbers as the package slot-attention of PyPI, with its weights."""

import pytest
import torch

from equishare import nn

theirs = pytest.importorskip("slot_attention", reason="needs slot-attention of PyPI")


def copied(module, **arguments):
    """Our layer with the weights of theirs."""
    layer = nn.SlotAttention(
        module.dim,
        module.dim,
        module.num_slots,
        iterations=module.iters,
        hidden=module.mlp[0].out_features,
        bias=True,
        **arguments,
    )
    names = {"to_q": "query", "to_k": "key", "to_v": "value", "norm_input": "norm_inputs", "norm_pre_ff": "norm_update"}
    state = {}
    for name, value in module.state_dict().items():
        first, _, rest = name.partition(".")
        state[f"{names.get(first, first)}.{rest}"] = value
    state = {name.replace("combine_heads", "join"): value for name, value in state.items()}
    state["initial_mean"] = state.pop("slots_mu.")[0]
    state["initial_log_scale"] = state.pop("slots_logsigma.")[0]
    layer.load_state_dict(state)
    return layer


@pytest.mark.parametrize("heads", [1, 4])
def test_the_same_slots_and_gradients(heads):
    if heads == 1:
        module = theirs.SlotAttention(num_slots=5, dim=16, iters=3, hidden_dim=32).double()
        layer = copied(module).double()
    else:
        module = theirs.MultiHeadSlotAttention(
            num_slots=5, dim=16, heads=heads, dim_head=6, iters=3, hidden_dim=32
        ).double()
        layer = copied(module, heads=heads, head_channels=6).double()
    x = torch.randn(2, 30, 16, dtype=torch.float64)
    torch.manual_seed(1)
    expected = module(x)
    torch.manual_seed(1)
    got, _ = layer(x)
    assert torch.allclose(got, expected, rtol=0, atol=1e-12)
    got.square().sum().backward()
    expected.square().sum().backward()
    for ours, other in ((layer.key, module.to_k), (layer.value, module.to_v), (layer.query, module.to_q)):
        assert torch.allclose(ours.weight.grad, other.weight.grad, rtol=0, atol=1e-11)
        assert torch.allclose(ours.bias.grad, other.bias.grad, rtol=0, atol=1e-11)
    assert torch.allclose(layer.initial_mean.grad, module.slots_mu.grad[0], rtol=0, atol=1e-11)
