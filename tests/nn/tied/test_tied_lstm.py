"""The LSTM with tied input weights: its equations, torch's LSTM with the same weights, packed sequences."""

import io

import pytest
import torch
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from equishare import nn, sharing


def test_equations():
    layer = nn.TiedInputLSTM(3, 4, dtype=torch.float64)
    x = torch.randn(6, 2, 3, dtype=torch.float64)
    h = c = torch.zeros(2, 4, dtype=torch.float64)
    outputs = []
    for row in x:
        read = row @ layer.weight_ih_l0.T
        a = h @ layer.weight_hh_l0.T + layer.bias_l0
        i, f, g, o = (read + a[:, 4 * k : 4 * k + 4] for k in range(4))
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        h = o.sigmoid() * c.tanh()
        outputs.append(h)
    out, (last_h, last_c) = layer(x)
    torch.testing.assert_close(out, torch.stack(outputs), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(last_h[0], h, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(last_c[0], c, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("bidirectional", [True, False])
def test_equals_torch_with_the_expanded_weights(bias, batch_first, bidirectional):
    layer = nn.TiedInputLSTM(3, 4, 2, bias, batch_first, bidirectional=bidirectional, dtype=torch.float64)
    plain = layer.to_torch()
    x = torch.randn(5, 6, 3, dtype=torch.float64)
    directions, batch = (2 if bidirectional else 1), (5 if batch_first else 6)
    state = tuple(torch.randn(2, 2 * directions, batch, 4, dtype=torch.float64))
    torch.testing.assert_close(layer(x, state), plain(x, state), rtol=1e-12, atol=1e-12)
    several = torch.vmap(lambda x: layer(x, state))(torch.stack([x, 2 * x]))  # where torch's kernel cannot go
    torch.testing.assert_close(
        [t[1] for t in (several[0], *several[1])], [(o := plain(2 * x, state))[0], *o[1]], rtol=1e-12, atol=1e-12
    )


@pytest.mark.parametrize("enforce_sorted", [True, False])
@pytest.mark.parametrize("with_state", [True, False])
def test_packed_sequences_are_read_to_their_lengths(enforce_sorted, with_state):
    layer = nn.TiedInputLSTM(3, 4, 2, bidirectional=True, batch_first=True, dtype=torch.float64)
    lengths = [6, 4, 1] if enforce_sorted else [4, 1, 6]
    x = torch.randn(3, 6, 3, dtype=torch.float64)
    state = tuple(torch.randn(2, 4, 3, 4, dtype=torch.float64)) if with_state else None
    out, (h, c) = layer(pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=enforce_sorted), state)
    assert isinstance(out, PackedSequence)
    padded, read = pad_packed_sequence(out, batch_first=True)
    assert read.tolist() == lengths
    for k, n in enumerate(lengths):
        own = None if state is None else (state[0][:, k : k + 1].contiguous(), state[1][:, k : k + 1].contiguous())
        alone, (own_h, own_c) = layer(x[k : k + 1, :n], own)
        torch.testing.assert_close(padded[k, :n], alone[0], rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(h[:, k], own_h[:, 0], rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(c[:, k], own_c[:, 0], rtol=1e-12, atol=1e-12)
        assert not padded[k, n:].any()


def test_input_matrix_may_follow_a_pattern_of_its_own():
    layer = nn.TiedInputLSTM(4, 6)
    sharing.share(layer, "weight_ih_l0", sharing.hashed((6, 4), 5))
    assert sum(p.numel() for p in layer.parameters()) == 5 + 24 * 6 + 24
    x = torch.randn(3, 2, 4)
    torch.testing.assert_close(nn.to_torch(layer)(x)[0], layer(x)[0])


def test_dropout_between_layers_in_training_only():
    layer = nn.TiedInputLSTM(3, 16, 2, dropout=0.5)
    x = torch.randn(4, 2, 3)
    assert not torch.equal(layer(x)[0], layer(x)[0])
    layer.eval()
    assert torch.equal(layer(x)[0], layer(x)[0])


def test_state_loads_and_gradients_are_right():
    layer = nn.TiedInputLSTM(2, 3, dtype=torch.float64)
    buffer = io.BytesIO()
    torch.save(layer.state_dict(), buffer)
    buffer.seek(0)
    other = nn.TiedInputLSTM(2, 3, dtype=torch.float64)
    other.load_state_dict(torch.load(buffer, weights_only=True))
    x = torch.randn(3, 2, 2, dtype=torch.float64, requires_grad=True)
    assert torch.equal(layer(x)[0], other(x)[0])
    names = [name for name, _ in layer.named_parameters()]

    def run(x, *weights):
        return torch.func.functional_call(layer, dict(zip(names, weights, strict=True)), (x,))[0]

    assert torch.autograd.gradcheck(run, (x, *layer.parameters()))


@pytest.mark.usefixtures("unchecked")
def test_wrong_inputs():
    layer = nn.TiedInputLSTM(3, 4)
    for x in (torch.zeros(2, 3), torch.zeros(2, 2, 4), pack_padded_sequence(torch.zeros(2, 1, 4), [2])):
        with pytest.raises(nn.LayerError, match="expected, got"):
            layer(x)
