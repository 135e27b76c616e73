"""The pair hidden Markov model of two aligned sequences, with tied or untied gaps."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from equishare.errors import EquishareError
from equishare.gallery.pair_patterns import gap_pattern, symmetric_pattern
from equishare.sharing.shared_weights import Call, SharedWeight, SharedWeights

IMPOSSIBLE = -1e30  # finite, so that no gradient is 0 * inf; exp of it is 0 in every precision
MATCH, INSERT_X, INSERT_Y = range(3)


class PairHMMError(EquishareError):
    """Sequences or probabilities that a pair HMM cannot take."""


class SequencePairs(NamedTuple):
    """A batch of pairs of sequences, padded on the right with -1.

    Attributes:
        x: symbols of the first sequences ``[pairs, n]``, in 0..n_symbols - 1.
        y: symbols of the second sequences ``[pairs, m]``.
        x_lengths: ``[pairs]``.
        y_lengths: ``[pairs]``.
    """

    x: Int[Tensor, "pairs n"]
    y: Int[Tensor, "pairs m"]
    x_lengths: Int[Tensor, "pairs"]
    y_lengths: Int[Tensor, "pairs"]


class PairHMM(SharedWeights):
    r"""The probability that two sequences arose together, summed over all their alignments.

    States M (emits a pair a, b with p_ab), X and Y (emit one symbol of x or of y with q_a). A gap opens with probability
    :math:`\delta`, is extended with :math:`\epsilon`, and every state ends with :math:`\tau`:

    .. math::
        f^M_{ij} &= p_{x_i y_j} [(1 - \delta_X - \delta_Y - \tau) f^M_{i-1,j-1} + (1 - \epsilon_X - \tau) f^X_{i-1,j-1}
                    + (1 - \epsilon_Y - \tau) f^Y_{i-1,j-1}] \\
        f^X_{ij} &= q_{x_i} [\delta_X f^M_{i-1,j} + \epsilon_X f^X_{i-1,j}], \qquad
        f^Y_{ij} = q_{y_j} [\delta_Y f^M_{i,j-1} + \epsilon_Y f^Y_{i,j-1}] \\
        P(x, y) &= \tau (f^M_{nm} + f^X_{nm} + f^Y_{nm})

    In logarithms, for a batch at once, one step for each anti-diagonal i + j; differentiable. p is symmetric. With tied gaps
    (:math:`\delta_X = \delta_Y, \epsilon_X = \epsilon_Y`) the law is P(x, y) = P(y, x), exact; untied, it does not hold.

    Durbin, Eddy, Krogh & Mitchison, Biological Sequence Analysis, chapter 4 (1998).

    Args:
        n_symbols: size of the alphabet.
        tied_gaps: whether insertions and deletions share their probabilities.
        dtype: of the parameters.
        device: of the parameters.

    Shapes:
        ``gap_weight`` [3 tied, 5 untied], ``match_weight`` [n_symbols (n_symbols + 1) / 2], ``background_weight`` [n_symbols],
        all logits.

    Raises:
        PairHMMError: the alphabet is empty, a symbol or a length is out of range, or probabilities leave none for the rest.

    >>> hmm = PairHMM(4)
    >>> x, y = torch.tensor([[0, 1, 2, 3], [3, 3, 0, -1]]), torch.tensor([[0, 1, 3], [3, 0, 0]])
    >>> lengths = torch.tensor([4, 3]), torch.tensor([3, 3])
    >>> forward, backward = hmm(x, y, *lengths), hmm(y, x, *lengths[::-1])
    >>> forward.shape, torch.allclose(forward, backward)
    (torch.Size([2]), True)
    """

    def __init__(
        self,
        n_symbols: int,
        *,
        tied_gaps: bool = True,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__()
        if n_symbols < 1:
            raise PairHMMError(f"an alphabet of at least one symbol expected, got {n_symbols}")
        self.n_symbols = n_symbols
        self.gaps, self.matches = gap_pattern(tied_gaps), symmetric_pattern(n_symbols)
        logits = torch.tensor([-3.0, -3.0, -3.0, -0.5, -0.5], dtype=dtype, device=device)
        same = torch.eye(n_symbols, dtype=dtype, device=device)
        self.gap_weight = nn.Parameter(self.gaps.project(logits))
        self.match_weight = nn.Parameter(self.matches.project(2 * same))
        self.background_weight = nn.Parameter(same.new_zeros(n_symbols))

    @classmethod
    def from_probabilities(
        cls,
        match: Float[Tensor, "symbols symbols"],
        background: Float[Tensor, "symbols"],
        *,
        gap_open: float | Sequence[float],
        gap_extend: float | Sequence[float],
        end: float,
    ) -> "PairHMM":
        """The model of given probabilities; one number for a gap ties x and y, two (for x, for y) do not.

        >>> hmm = PairHMM.from_probabilities(torch.eye(2) / 2, torch.ones(2) / 2, gap_open=0.1, gap_extend=0.4, end=0.02)
        >>> hmm.transitions().exp()[0]
        tensor([0.7800, 0.1000, 0.1000, 0.0200], grad_fn=<SelectBackward0>)
        """
        tied = isinstance(gap_open, int | float) and isinstance(gap_extend, int | float)
        opening = torch.as_tensor(gap_open, dtype=match.dtype).expand(2)
        extension = torch.as_tensor(gap_extend, dtype=match.dtype).expand(2)
        stay, shorter = 1 - end - opening.sum(), 1 - end - extension
        if end <= 0 or min(float(v) for v in (stay, *shorter, *opening, *extension)) <= 0:
            raise PairHMMError(
                f"positive gap_open, gap_extend and end that leave some probability to matches expected, got gap_open={gap_open}, "
                f"gap_extend={gap_extend}, end={end}"
            )
        model = cls(len(background), tied_gaps=tied, dtype=match.dtype, device=match.device)
        tau = torch.as_tensor(end, dtype=match.dtype)
        logits = torch.cat([torch.logit(tau)[None], torch.log(opening / stay), torch.log(extension / shorter)])
        tiny = torch.finfo(match.dtype).tiny
        with torch.no_grad():
            model.gap_weight.copy_(model.gaps.project(logits.to(match.device)))
            model.match_weight.copy_(model.matches.project((0.5 * (match + match.mT)).clamp(min=tiny).log()))
            model.background_weight.copy_(background.clamp(min=tiny).log())
        return model

    def shared_weights(self, call: Call | None = None) -> dict[str, SharedWeight]:
        """The patterns of the gaps and of the symmetric match probabilities."""
        return {
            "gap_weight": SharedWeight.of(self.gaps),
            "match_weight": SharedWeight.of(self.matches),
        }

    def transitions(self) -> Float[Tensor, "3 4"]:
        """Log probabilities of going from M, X, Y to M, X, Y, end."""
        end, *opening, extend_x, extend_y = self.gaps.expand(self.gap_weight).unbind()
        go, stop = functional.logsigmoid(-end), functional.logsigmoid(end)
        never = torch.full_like(end, IMPOSSIBLE)
        from_match = torch.log_softmax(torch.stack([torch.zeros_like(end), *opening]), dim=0) + go
        rows = [
            torch.cat([from_match, stop[None]]),
            torch.stack([functional.logsigmoid(-extend_x) + go, functional.logsigmoid(extend_x) + go, never, stop]),
            torch.stack([functional.logsigmoid(-extend_y) + go, never, functional.logsigmoid(extend_y) + go, stop]),
        ]
        return torch.stack(rows)

    def emissions(self) -> tuple[Float[Tensor, "symbols symbols"], Float[Tensor, "symbols"]]:
        """Log probabilities of a matched pair, and of a symbol in a gap."""
        match = self.matches.expand(self.match_weight)
        return match - torch.logsumexp(match, dim=(0, 1)), torch.log_softmax(self.background_weight, dim=0)

    def forward(
        self,
        x: Int[Tensor, "pairs n"],
        y: Int[Tensor, "pairs m"],
        x_lengths: Int[Tensor, "pairs"] | None = None,
        y_lengths: Int[Tensor, "pairs"] | None = None,
    ) -> Float[Tensor, "pairs"]:
        """The logarithm of P(x, y) for each pair; without lengths, no sequence is padded."""
        pairs = self._checked(x, y, x_lengths, y_lengths)
        return self._log_probability(pairs, self._match_scores(pairs))

    def match_posterior(
        self,
        x: Int[Tensor, "pairs n"],
        y: Int[Tensor, "pairs m"],
        x_lengths: Int[Tensor, "pairs"] | None = None,
        y_lengths: Int[Tensor, "pairs"] | None = None,
    ) -> Float[Tensor, "pairs n m"]:
        r"""The probability that x_i and y_j are aligned, :math:`\partial \log P / \partial \log p_{x_i y_j}` at that cell.

        >>> letters = torch.tensor([[0, 1, 2, 3]])
        >>> bool((PairHMM(4).match_posterior(letters, letters)[0].diagonal() > 0.5).all())
        True
        """
        pairs = self._checked(x, y, x_lengths, y_lengths)
        with torch.enable_grad():
            scores = self._match_scores(pairs).detach().requires_grad_()
            (posterior,) = torch.autograd.grad(self._log_probability(pairs, scores).sum(), scores)
        return posterior[:, 1:, 1:]

    def _checked(self, x: Tensor, y: Tensor, x_lengths: Tensor | None, y_lengths: Tensor | None) -> SequencePairs:
        """The pairs with a symbol 0 before each sequence and in the padding."""
        out = []
        for name, symbols, lengths in (("x", x, x_lengths), ("y", y, y_lengths)):
            if lengths is None:
                lengths = symbols.new_full((len(symbols),), symbols.shape[1])
            if len(lengths) != len(symbols) or bool(((lengths < 0) | (lengths > symbols.shape[1])).any()):
                raise PairHMMError(
                    f"{name}_lengths: {len(symbols)} lengths from 0 to {symbols.shape[1]} expected, got {lengths.tolist()}"
                )
            inside = torch.arange(symbols.shape[1], device=symbols.device) < lengths[:, None]
            wrong = inside & ((symbols < 0) | (symbols >= self.n_symbols))
            if bool(wrong.any()):
                raise PairHMMError(
                    f"{name}: symbols from 0 to {self.n_symbols - 1} expected, got {int(symbols[wrong][0])}"
                )
            out += [functional.pad(torch.where(inside, symbols, 0), (1, 0)), lengths]
        if len(out[0]) != len(out[2]):
            raise PairHMMError(f"as many sequences x as y expected, got {len(out[0])} and {len(out[2])}")
        return SequencePairs(out[0], out[2], out[1], out[3])

    def _match_scores(self, pairs: SequencePairs) -> Float[Tensor, "pairs n_plus_1 m_plus_1"]:
        match = self.emissions()[0].reshape(-1)
        cells = pairs.x[:, :, None] * self.n_symbols + pairs.y[:, None, :]
        return match.index_select(0, cells.reshape(-1)).reshape(cells.shape)

    def _log_probability(self, pairs: SequencePairs, match_scores: Tensor) -> Tensor:
        """The forward recursion over anti-diagonals; cell i of diagonal d is (i, d - i).

        Cells outside the table need no mask: nothing leads into j < 0, and nothing leads back from j > m.
        """
        count, n, m = len(pairs.x), pairs.x.shape[1] - 1, pairs.y.shape[1] - 1
        background = self.emissions()[1]
        i = torch.arange(n + 1, device=pairs.x.device)
        j = (torch.arange(n + m + 1, device=pairs.x.device)[:, None] - i).clamp(0, m)
        cell = (i * (m + 1) + j).reshape(-1)
        pair = match_scores.flatten(1).index_select(1, cell).reshape(count, n + m + 1, n + 1)
        gap_x = background[pairs.x]
        gap_y = background[pairs.y].index_select(1, j.reshape(-1)).reshape(pair.shape)

        # f^X and f^Y times what leads back to M over what leads from M to M: constants leave the loop, into what is emitted
        (mm, mx, my, end), (xm, xx, _, _), (ym, _, yy, _) = (row.unbind() for row in self.transitions())
        offset_x, offset_y = xm - mm, ym - mm
        longer_x, longer_y = xx - mx - offset_x, yy - my - offset_y
        pair, gap_x, gap_y = pair + mm, gap_x + (mx + offset_x), gap_y + (my + offset_y)
        match = pair.new_full((count, n + 1), IMPOSSIBLE)
        match[:, 0] = 0.0
        into_match = x = y = pair.new_full((count, n + 1), IMPOSSIBLE)
        matches, xs, ys = [match], [x], [y]
        for pair_d, gap_y_d in zip(pair.unbind(1)[1:], gap_y.unbind(1)[1:], strict=True):
            before, into_match = into_match, torch.logaddexp(torch.logaddexp(match, x), y)
            x = _next_row(torch.logaddexp(match, x + longer_x)) + gap_x
            y = torch.logaddexp(match, y + longer_y) + gap_y_d
            match = _next_row(before) + pair_d
            for diagonals, last in ((matches, match), (xs, x), (ys, y)):
                diagonals.append(last)
        where = pairs.x_lengths + pairs.y_lengths, torch.arange(count, device=pair.device), pairs.x_lengths
        final_match, final_x, final_y = (torch.stack(f)[where] for f in (matches, xs, ys))
        return torch.logaddexp(torch.logaddexp(final_match, final_x - offset_x), final_y - offset_y) + end

    @torch.no_grad()
    def sample(self, count: int, *, generator: torch.Generator | None = None) -> SequencePairs:
        """Draw pairs of sequences from the model.

        >>> pairs = PairHMM(4).sample(5, generator=torch.Generator().manual_seed(0))
        >>> pairs.x.shape[0], bool((pairs.x_lengths == (pairs.x >= 0).sum(1)).all())
        (5, True)
        """
        transitions = self.transitions().exp()
        match, background = (table.exp() for table in self.emissions())
        state = torch.full((count,), MATCH, device=match.device)
        running = torch.ones(count, dtype=torch.bool, device=match.device)
        steps_x, steps_y = [state.new_empty(count, 0)], [state.new_empty(count, 0)]
        while bool(running.any()):
            following = _draw(transitions[state], generator)
            running &= following < 3
            state = torch.where(running, following, MATCH)
            pair = _draw(match.reshape(1, -1).expand(count, -1), generator)
            single = _draw(background.expand(count, -1), generator)
            x = torch.where(state == MATCH, pair // self.n_symbols, single)
            y = torch.where(state == MATCH, pair % self.n_symbols, single)
            steps_x.append(torch.where(running & (state != INSERT_Y), x, -1)[:, None])
            steps_y.append(torch.where(running & (state != INSERT_X), y, -1)[:, None])
        x, x_lengths = _packed(torch.cat(steps_x, dim=1))
        y, y_lengths = _packed(torch.cat(steps_y, dim=1))
        return SequencePairs(x, y, x_lengths, y_lengths)


def _next_row(diagonal: Float[Tensor, "pairs rows"]) -> Float[Tensor, "pairs rows"]:
    """Row i holds what row i - 1 held."""
    return functional.pad(diagonal[:, :-1], (1, 0), value=IMPOSSIBLE)


def _draw(probabilities: Float[Tensor, "draws outcomes"], generator: torch.Generator | None) -> Int[Tensor, "draws"]:
    """One outcome of each row."""
    height = torch.rand(len(probabilities), 1, generator=generator, dtype=torch.float64, device=probabilities.device)
    return (height > probabilities.double().cumsum(1)).sum(1).clamp(max=probabilities.shape[1] - 1)


def _packed(symbols: Int[Tensor, "pairs steps"]) -> tuple[Int[Tensor, "pairs n"], Int[Tensor, "pairs"]]:
    """Symbols moved to the left over the -1 between them, and their numbers."""
    order = torch.argsort((symbols < 0).byte(), dim=1, stable=True)
    lengths = (symbols >= 0).sum(1)
    longest = int(lengths.max()) if len(lengths) else 0
    return symbols.gather(1, order)[:, :longest], lengths
