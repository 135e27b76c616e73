"""An LSTM whose four gates read the input through one matrix."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from equishare.nn.feature_types import Invariants, require_whole
from equishare.nn.layer import Layer, LayerError
from equishare.ops.backend import transformed
from equishare.sharing.index_pattern import IndexPattern
from equishare.sharing.shared_weights import Call, SharedWeight

GATES = 4  # input, forget, cell, output: torch's order


class TiedInputLSTM(Layer):
    """An LSTM with one input matrix for all four gates, and a recurrent matrix and bias for each.

    a_k = W x_t + U_k h_{t-1} + b_k for the gates k = i, f, g, o, then c_t = s(a_f) c_{t-1} + s(a_i) tanh(a_g) and
    h_t = s(a_o) tanh(c_t). It runs torch's own LSTM kernel on the expanded weight, so it takes and gives what
    ``torch.nn.LSTM`` does, packed sequences included. A layer has hidden (inputs + 4 hidden + 4) weights;
    ``torch.nn.LSTM``'s has 4 hidden (inputs + hidden + 2). Law: none; the gates alone share.

    Args:
        input_size: features of the input.
        hidden_size: features of the state.
        num_layers: layers on top of each other.
        bias: whether the gates have biases.
        batch_first: whether inputs and outputs are [batch, time, features] instead of [time, batch, features].
        dropout: probability of dropping a feature between layers, in training.
        bidirectional: whether a second set of weights reads backwards; outputs are then twice as many.
        device: where the weights live.
        dtype: their precision.

    Raises:
        LayerError: the input has no three dimensions, or not ``input_size`` features.

    Hochreiter & Schmidhuber (1997), "Long short-term memory".

    >>> layer = TiedInputLSTM(8, 16, batch_first=True)
    >>> out, (h, c) = layer(torch.zeros(3, 5, 8))
    >>> out.shape, h.shape, sum(p.numel() for p in layer.parameters())
    (torch.Size([3, 5, 16]), torch.Size([1, 3, 16]), 1216)
    >>> sum(p.numel() for p in torch.nn.LSTM(8, 16).parameters())
    1664
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        require_whole(input_size=input_size, hidden_size=hidden_size, num_layers=num_layers)
        if not 0 <= dropout <= 1:
            raise LayerError(f"dropout: a probability expected, got {dropout}")
        self.rep_in = Invariants(input_size)
        self.rep_out = (Invariants(hidden_size * (2 if bidirectional else 1)), None)
        self.input_size, self.hidden_size, self.num_layers, self.bias = input_size, hidden_size, num_layers, bias
        self.batch_first, self.dropout, self.bidirectional = batch_first, dropout, bidirectional
        self.directions = 2 if bidirectional else 1
        for k, suffix in self._suffixes():
            inputs = input_size if k == 0 else hidden_size * self.directions
            shapes: dict[str, tuple[int, ...]] = {
                "weight_ih": (hidden_size, inputs),
                "weight_hh": (GATES * hidden_size, hidden_size),
            }
            if bias:
                shapes["bias"] = (GATES * hidden_size,)
            for name, shape in shapes.items():
                self.register_parameter(name + suffix, nn.Parameter(torch.empty(shape, device=device, dtype=dtype)))
        self.reset_parameters()

    def _suffixes(self) -> list[tuple[int, str]]:
        """Number of the layer and torch's name for it, in torch's order."""
        ends = ("", "_reverse")[: self.directions]
        return [(k, f"_l{k}{end}") for k in range(self.num_layers) for end in ends]

    def reset_parameters(self) -> None:
        """Draw uniformly within 1 / sqrt(hidden_size), as ``torch.nn.LSTM`` does."""
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -1 / math.sqrt(self.hidden_size), 1 / math.sqrt(self.hidden_size))

    def full_weights(self) -> list[Tensor]:
        """The weights of the ``torch.nn.LSTM`` that this layer equals, in its order; its second bias is zero."""
        full = []
        for _, suffix in self._suffixes():
            full += [
                getattr(self, "weight_ih" + suffix).repeat(GATES, 1),
                getattr(self, "weight_hh" + suffix),
            ]
            if self.bias:
                bias = getattr(self, "bias" + suffix)
                full += [bias, torch.zeros_like(bias)]
        return full

    def forward(
        self, x: Tensor | PackedSequence, state: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor | PackedSequence, tuple[Tensor, Tensor]]:
        """Outputs of the last layer at every time, and (h, c) of every layer after the last.

        Args:
            x: [time, batch, input_size], [batch, time, input_size] with ``batch_first``, or a packed sequence.
            state: h and c to start from, each [layers * directions, batch, hidden_size]; zeros by default.
        """
        data = x.data if isinstance(x, PackedSequence) else x
        expected = 2 if isinstance(x, PackedSequence) else 3
        if data.ndim != expected or data.shape[-1] != self.input_size:
            raise LayerError(
                f"TiedInputLSTM: [time, batch, {self.input_size}], or a packed sequence of {self.input_size} features, "
                f"expected, got {list(data.shape)}"
            )
        self.require_numbers(data, *(state or ()))
        if isinstance(x, PackedSequence):
            batch = int(x.batch_sizes[0])
        else:
            batch = x.shape[0 if self.batch_first else 1]
        if state is None:
            zeros = data.new_zeros(self.num_layers * self.directions, batch, self.hidden_size)
            state = (zeros, zeros)
        elif isinstance(x, PackedSequence) and x.sorted_indices is not None:
            state = (state[0].index_select(1, x.sorted_indices), state[1].index_select(1, x.sorted_indices))
        settings = (self.full_weights(), self.bias, self.num_layers, self.dropout, self.training, self.bidirectional)
        if not isinstance(x, PackedSequence):
            if transformed() or (torch.compiler.is_dynamo_compiling() and not torch.compiler.is_exporting()):
                return self._step_by_step(x, state)
            out, h, c = torch.lstm(x, state, *settings, self.batch_first)
            return out, (h, c)
        packed, h, c = torch.lstm(data, x.batch_sizes, state, *settings)
        if x.unsorted_indices is not None:
            h, c = h.index_select(1, x.unsorted_indices), c.index_select(1, x.unsorted_indices)
        return PackedSequence(packed, x.batch_sizes, x.sorted_indices, x.unsorted_indices), (h, c)

    def _step_by_step(self, x: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """The same in plain operations: torch's kernel has no batching rule, and its compiler does not differentiate it."""
        x = x.transpose(0, 1) if self.batch_first else x
        names, ends, outputs = self._suffixes(), [], []
        for number, (k, suffix) in enumerate(names):
            read = torch.nn.functional.linear(x, getattr(self, "weight_ih" + suffix)).repeat(1, 1, GATES)
            recurrent = getattr(self, "weight_hh" + suffix)
            if self.bias:
                read = read + getattr(self, "bias" + suffix)
            h, c = state[0][number], state[1][number]
            backwards, line = suffix.endswith("_reverse"), []
            for at in reversed(read.unbind(0)) if backwards else read.unbind(0):
                keep, forget, new, give = (at + h @ recurrent.mT).chunk(GATES, dim=-1)
                c = torch.sigmoid(forget) * c + torch.sigmoid(keep) * torch.tanh(new)
                h = torch.sigmoid(give) * torch.tanh(c)
                line.append(h)
            ends.append((h, c))
            outputs.append(torch.stack(line[::-1] if backwards else line))
            if len(outputs) == self.directions:
                x, outputs = torch.cat(outputs, dim=2), []
                if k < self.num_layers - 1:
                    x = torch.nn.functional.dropout(x, self.dropout, self.training)
        h, c = (torch.stack(each) for each in zip(*ends, strict=True))
        return x.transpose(0, 1) if self.batch_first else x, (h, c)

    def shared_weights(self, call: Call | None = None) -> dict[str, SharedWeight]:
        """The patterns of the input matrices: each row stands in every gate."""
        found = {}
        for _, suffix in self._suffixes():
            weight = getattr(self, "weight_ih" + suffix)
            index = torch.arange(weight.numel()).reshape(weight.shape).repeat(GATES, 1)
            found["weight_ih" + suffix] = SharedWeight.of(IndexPattern(index))
        return found

    def to_torch(self) -> nn.LSTM:
        """The ``torch.nn.LSTM`` with the input matrix written out four times."""
        weight = self.weight_ih_l0
        plain = nn.LSTM(
            self.input_size,
            self.hidden_size,
            self.num_layers,
            bias=self.bias,
            batch_first=self.batch_first,
            dropout=self.dropout,
            bidirectional=self.bidirectional,
            device=weight.device,
            dtype=weight.dtype,
        )
        with torch.no_grad():
            for parameter, value in zip(plain.parameters(), self.full_weights(), strict=True):
                parameter.copy_(value)
        return plain.train(self.training)

    def extra_repr(self) -> str:
        """The sizes."""
        return (
            f"{self.input_size}, {self.hidden_size}, num_layers={self.num_layers}, bidirectional={self.bidirectional}"
        )
