"""Slots that compete for the elements of a set."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional

from equishare.nn.feature_types import require_whole
from equishare.nn.layer import Layer, LayerError
from equishare.nn.sets.features import SetFeatures, points_of
from equishare.ops.backend import transformed
from equishare.sharing.shared_weights import Call, SharedWeight, used_again


class _Given(NamedTuple):
    """What all rounds of one call share."""

    keys: Tensor  # [batch, inputs, in_channels] where folded or with one head, else [batch * heads, inputs, size]
    values: Tensor
    folded: bool  # whether keys and values are the inputs themselves, and the maps are applied to the slots
    there: Tensor | None  # the mask as numbers
    present: Tensor | int  # inputs of each set
    total: Tensor  # epsilon times the sum of the values


class SlotAttention(Layer):
    r"""Slots that compete for the elements of a set, and are refined by what they win.

    With the layer norms written as bars, each of T iterations does, with the same weights for all slots,

    .. math:: A_{ij} = \mathrm{softmax}_i(q(\bar s_i) \cdot k(\bar x_j) / \sqrt d), \quad
              u_i = \sum_j \frac{A_{ij} + \epsilon}{\sum_l (A_{il} + \epsilon)}\, v(\bar x_j), \quad
              s_i \leftarrow g_i + \mathrm{MLP}(\bar g_i), \; g_i = \mathrm{GRU}(u_i, s_i)

    Law: for permutations P of the slots and Q of the inputs, f(Q x, P s) = P f(x, s), with masks P A Q^T; exact. The initial
    slots s are given, or made of noise z by s = mu + sigma z, so the law holds for permutations of the noise too.

    The softmax runs over the queries, and the weights are then normalised over the keys: not what
    ``scaled_dot_product_attention`` does, whose softmax runs over the keys. Since there are few slots and many inputs, keys and values
    are never formed: q . (K x) = (K^T q) . x, and sum_j w_j V x_j = V sum_j w_j x_j.

    Args:
        in_channels: size of an input.
        channels: size of a slot.
        slots: their number; with ``initial="sampled"`` any other number may be given to ``forward`` as noise.
        iterations: T.
        heads: attentions side by side; each has its own softmax, and a slot's updates are joined by a linear map.
        head_channels: size d of queries, keys and values of a head; ``channels // heads`` if not given.
        hidden: width of the MLP; twice ``channels`` if not given.
        bias: whether queries, keys and values have one.
        initial: ``"sampled"``: mu and sigma are learned, and shared by the slots; ``"learned"``: each slot has its own start.
        neumann_terms: iterations, the last ones, that are differentiated through; None: all. Where the slots have come to their fixed
            point, k terms are those of the Neumann series of the implicit derivative (1: Chang et al. 2022). The initial slots
            then get the gradient of the slots that take their place (Jia et al. 2023).
        epsilon: added to A before the weighted mean.
        device: where the weights live.
        dtype: their precision.

    Shapes:
        inputs ``[batch, n, in_channels]``, mask ``[batch, n]`` -> slots ``[batch, slots, channels]`` and attention ``[batch, slots, n]``.

    Raises:
        LayerError: a size that is not positive, or heads that do not divide the channels.

    Locatello et al., "Object-Centric Learning with Slot Attention" (2020); Chang, Griffiths and Levine, "Object Representations as
    Fixed Points" (2022); Jia, Liu and Huang, "Improving Object-centric Learning with Query Optimization" (2023).

    >>> layer = SlotAttention(16, 32, slots=4)
    >>> x, z = torch.randn(2, 100, 16), torch.randn(2, 4, 32)
    >>> slots, attention = layer(x, noise=z)
    >>> slots.shape, attention.shape                   # attention sums to one over the slots
    (torch.Size([2, 4, 32]), torch.Size([2, 4, 100]))
    >>> torch.allclose(layer(x.flip(1), noise=z[:, [2, 0, 3, 1]])[0], slots[:, [2, 0, 3, 1]], atol=1e-5)
    True
    """

    initial_log_scale: nn.Parameter | None

    def __init__(
        self,
        in_channels: int,
        channels: int,
        slots: int,
        *,
        iterations: int = 3,
        heads: int = 1,
        head_channels: int | None = None,
        hidden: int | None = None,
        bias: bool = False,
        initial: Literal["sampled", "learned"] = "sampled",
        neumann_terms: int | None = None,
        epsilon: float = 1e-8,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.rep_in, self.rep_out = SetFeatures(1, in_channels), (SetFeatures(1, channels), None)
        where: dict[str, Any] = {"device": device, "dtype": dtype}
        require_whole(slots=slots, iterations=iterations, heads=heads)
        given = {"head_channels": head_channels, "hidden": hidden, "neumann_terms": neumann_terms}
        require_whole(**{name: number for name, number in given.items() if number is not None})
        if head_channels is None and channels % heads:
            raise LayerError(f"heads that divide the {channels} channels expected, got {heads}: or give head_channels")
        if initial not in ("sampled", "learned"):
            raise LayerError(f"initial: sampled or learned expected, got {initial!r}")
        self.in_channels, self.channels, self.slots = in_channels, channels, slots
        self.iterations, self.neumann_terms, self.heads, self.epsilon = iterations, neumann_terms, heads, epsilon
        head_channels = head_channels or channels // heads
        inner = heads * head_channels
        self.scale = head_channels**-0.5
        self.initial_mean = nn.Parameter(torch.empty(slots if initial == "learned" else 1, channels, **where))
        sampled = nn.Parameter(torch.empty(1, channels, **where)) if initial == "sampled" else None
        self.register_parameter("initial_log_scale", sampled)
        self.reset_parameters()
        self.norm_inputs = nn.LayerNorm(in_channels, **where)
        self.norm_slots = nn.LayerNorm(channels, **where)
        self.norm_update = nn.LayerNorm(channels, **where)
        self.query = nn.Linear(channels, inner, bias=bias, **where)
        self.key = nn.Linear(in_channels, inner, bias=bias, **where)
        self.value = nn.Linear(in_channels, inner, bias=bias, **where)
        for layer in (self.query, self.key, self.value):
            nn.init.xavier_uniform_(layer.weight)
        joined = heads > 1 or inner != channels
        self.join: nn.Module = nn.Linear(inner, channels, **where) if joined else nn.Identity()
        self.gru = nn.GRUCell(channels, channels, **where)
        hidden = hidden or 2 * channels
        self.mlp = nn.Sequential(nn.Linear(channels, hidden, **where), nn.ReLU(), nn.Linear(hidden, channels, **where))

    def reset_parameters(self) -> None:
        """Start anew: slots of variance 2 / (slots + channels) (Glorot & Bengio 2010), sampled ones with sigma = 1."""
        nn.init.xavier_uniform_(self.initial_mean)
        if self.initial_log_scale is not None:
            nn.init.zeros_(self.initial_log_scale)

    def forward(
        self,
        inputs: Float[Tensor, "batch inputs in_channels"],
        mask: Bool[Tensor, "batch inputs"] | None = None,
        *,
        slots: Float[Tensor, "batch slots channels"] | None = None,
        noise: Float[Tensor, "batch slots channels"] | None = None,
    ) -> tuple[Float[Tensor, "batch slots channels"], Float[Tensor, "batch slots inputs"]]:
        """The slots, and for each input the share of each slot in it, averaged over the heads.

        Args:
            inputs: sets, padded to one size.
            mask: which inputs are there; the others may hold anything. PyG's ``to_dense_batch`` makes both from a batch vector.
            slots: initial slots, in place of the layer's own.
            noise: standard normal numbers z of the initial slots; drawn from torch's generator if not given.

        Raises:
            LayerError: an input of another size, both slots and noise, or noise where the initial slots are learned.
        """
        if inputs.ndim != 3 or inputs.shape[2] != self.in_channels:
            raise LayerError(f"inputs [batch, inputs, {self.in_channels}] expected, got {list(inputs.shape)}")
        given = [x for x in (slots, noise) if x is not None]
        self.require_numbers(inputs, *given, mask=mask)
        initial = current = self._initial(inputs, slots, noise)
        if mask is not None:
            if mask.dtype != torch.bool or mask.shape != inputs.shape[:2]:
                raise LayerError(
                    f"a boolean mask {list(inputs.shape[:2])} expected, got {mask.dtype} {list(mask.shape)}"
                )
            inputs = inputs.masked_fill(~mask.unsqueeze(2), 0.0)
        shared = self._given(self.norm_inputs(inputs), mask, current.shape[1])
        through = self.iterations if self.neumann_terms is None else min(self.neumann_terms, self.iterations)
        with torch.no_grad():
            for _ in range(self.iterations - through):
                current, attention = self._round(current, shared)
        if through < self.iterations:
            current = current + (initial - initial.detach())
        for _ in range(through):
            current, attention = self._round(current, shared)
        return current, attention

    def _initial(self, inputs: Tensor, slots: Tensor | None, noise: Tensor | None) -> Tensor:
        """The slots before the first iteration: given, learned, or mu + sigma z."""
        if slots is not None and noise is not None:
            raise LayerError("initial slots or the noise that they are made of expected, got both")
        for given in (slots, noise):
            if given is not None and (
                given.ndim != 3 or given.shape[0] != inputs.shape[0] or given.shape[2] != self.channels
            ):
                raise LayerError(
                    f"initial slots or noise [{inputs.shape[0]}, slots, {self.channels}] expected, got {list(given.shape)}"
                )
        if slots is not None:
            return slots
        if self.initial_log_scale is None:
            if noise is not None:
                raise LayerError("the initial slots are learned and take no noise: give them as slots, if need be")
            return self.initial_mean.expand(inputs.shape[0], -1, -1)
        if noise is None:
            noise = torch.randn(
                inputs.shape[0], self.slots, self.channels, dtype=self.initial_mean.dtype, device=inputs.device
            )
        return self.initial_mean + self.initial_log_scale.exp() * noise

    def _given(self, x: Tensor, mask: Tensor | None, slots: int) -> _Given:
        """What the rounds have in common."""
        heads, size = self.heads, self.key.out_features // self.heads
        # multiplications an input: rounds on the inputs themselves, or keys and values once and rounds on these
        rounds = self.iterations * slots
        folded = rounds * heads * self.in_channels <= heads * size * (self.in_channels + rounds)
        keys, values = (x, x) if folded else (self._split(self.key(x)), self._split(self.value(x)))
        if mask is None:
            return _Given(keys, values, folded, None, x.shape[1], self.epsilon * values.sum(1, keepdim=True))
        there = mask.to(x)[:, None, None]
        total = self.epsilon * (there[:, 0].repeat_interleave(1 if folded else heads, 0) @ values)
        return _Given(keys, values, folded, there, there.sum(3, keepdim=True), total)

    def _round(self, current: Tensor, given: _Given) -> tuple[Tensor, Tensor]:
        """One round of competition and update: the new slots, and the attention that made them."""
        keys, values, folded = given.keys, given.values, given.folded
        (batch, slots, _), inputs = current.shape, keys.shape[1]
        heads, size = self.heads, self.key.out_features // self.heads
        rows_each = heads * slots if folded else slots
        key_map = (self.key.weight * self.scale).unflatten(0, (heads, size))
        query = self.query(self.norm_slots(current)).reshape(batch, slots, heads, size).transpose(1, 2)
        rows = _map_heads(query, key_map) if folded else query * self.scale
        logits = rows.reshape(keys.shape[0], rows_each, keys.shape[2]) @ keys.mT
        logits = logits.reshape(batch, heads, slots, inputs)
        if folded and self.key.bias is not None:
            logits = logits + _map_heads(query, self.scale * self.key.bias.reshape(heads, size, 1))
        attention = logits.softmax(2)
        if given.there is not None:
            attention = attention * given.there
        mass = attention.sum(3, keepdim=True) + self.epsilon * given.present
        if given.there is not None or inputs == 0:
            mass = mass + (given.present == 0)  # an empty set updates with zeros
        mean = attention.reshape(keys.shape[0], rows_each, inputs) @ values + given.total
        mean = mean.reshape(batch, heads, slots, values.shape[2]) / mass
        update = _map_heads(mean, self.value.weight.unflatten(0, (heads, size)).mT) if folded else mean
        update = update.transpose(1, 2).reshape(batch * slots, heads * size)
        if folded and self.value.bias is not None:
            update = update + self.value.bias
        new = _step(self.gru, self.join(update), current.reshape(batch * slots, self.channels)).reshape(current.shape)
        return new + self.mlp(self.norm_update(new)), attention.mean(1)

    def _split(self, x: Tensor) -> Tensor:
        """[batch, n, heads * size] -> [batch * heads, n, size]."""
        return x if self.heads == 1 else x.unflatten(2, (self.heads, -1)).transpose(1, 2).flatten(0, 1)

    def shared_weights(self, call: Call | None = None) -> dict[str, SharedWeight]:
        """Keys, values and their norm serve each input; all else serves each slot at each iteration."""
        inputs, slots = points_of(call), self.slots if call is None else call.output[-2]
        found: dict[str, SharedWeight] = {}
        for name, part in self.named_children():
            of_inputs = name in ("norm_inputs", "key", "value")
            found |= used_again(
                part, name, inputs if of_inputs else slots * self.iterations, "points" if of_inputs else "slots"
            )
        return found

    def extra_repr(self) -> str:
        """Sizes and what is not the paper's own."""
        terms = "" if self.neumann_terms is None else f", neumann_terms={self.neumann_terms}"
        start = "sampled" if self.initial_log_scale is not None else "learned"
        return f"{self.in_channels}, {self.channels}, slots={self.slots}, iterations={self.iterations}, heads={self.heads}, initial={start!r}{terms}"


def _step(gru: nn.GRUCell, update: Tensor, state: Tensor) -> Tensor:
    """One step of a GRU; torch's own writes in place, which ``torch.func`` does not follow."""
    if not transformed():
        return gru(update, state)
    of_update, of_state = (
        linear.chunk(3, dim=-1)
        for linear in (
            functional.linear(update, gru.weight_ih, gru.bias_ih),
            functional.linear(state, gru.weight_hh, gru.bias_hh),
        )
    )
    reset, keep = (torch.sigmoid(a + b) for a, b in zip(of_update[:2], of_state[:2], strict=True))
    new = torch.tanh(of_update[2] + reset * of_state[2])
    return new + keep * (state - new)


def _map_heads(x: Tensor, weight: Tensor) -> Tensor:
    """A linear map of each head: [batch, heads, n, in] and [heads, in, out] -> [batch, heads, n, out]."""
    return x @ weight[0] if len(weight) == 1 else torch.einsum("bhni,hio->bhno", x, weight)
