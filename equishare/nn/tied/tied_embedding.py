"""One matrix that reads tokens and scores them."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from equishare.nn.feature_types import Invariants, require_whole
from equishare.nn.layer import Layer
from equishare.nn.tied.tokens import check_tokens
from equishare.sharing.index_pattern import IndexPattern
from equishare.sharing.shared_weights import Call, SharedWeight


class TiedEmbedding(Layer):
    """Vectors E[token] on the way in, scores h E^T + b of every token on the way out, from one matrix E.

    Law: the orthogonal family of equal solutions. E -> E Q and h -> h Q leave all scores as they are for every orthogonal Q,
    exact: from scores of embedded tokens only E E^T can be learned. (With two matrices, E -> E A and E' -> E' A^-T for every
    invertible A.)

    Args:
        num_embeddings: number of tokens.
        embedding_dim: features of a vector.
        bias: whether each token's score has a bias.
        device: where the weights live.
        dtype: their precision.

    Raises:
        LayerError: a token is out of range.

    Press & Wolf (2017), "Using the output embedding to improve language models"; Inan et al. (2017).

    >>> layer = TiedEmbedding(100, 16)
    >>> h = layer(torch.tensor([[1, 2, 3]]))
    >>> h.shape, layer.scores(h).shape, layer.weight.shape
    (torch.Size([1, 3, 16]), torch.Size([1, 3, 100]), torch.Size([100, 16]))
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        bias: bool = True,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        require_whole(num_embeddings=num_embeddings)
        self.rep_out = Invariants(embedding_dim)
        self.num_embeddings, self.embedding_dim = num_embeddings, embedding_dim
        self.weight = nn.Parameter(torch.empty(num_embeddings, embedding_dim, device=device, dtype=dtype))
        self.bias = nn.Parameter(torch.empty(num_embeddings, device=device, dtype=dtype)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw vectors of length about one, so that features of unit size give scores of unit size; biases are zero."""
        nn.init.normal_(self.weight, std=1 / math.sqrt(self.embedding_dim))
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def forward(self, tokens: Int[Tensor, "*batch"]) -> Float[Tensor, "*batch features"]:
        """The vector of each token."""
        check_tokens(tokens, self.num_embeddings)
        self.require_numbers(tokens=tokens)
        return functional.embedding(tokens, self.weight)

    def scores(self, features: Float[Tensor, "*batch features"]) -> Float[Tensor, "*batch tokens"]:
        """The score (logit) of every token."""
        self.require_numbers(features)
        return functional.linear(features, self.weight, self.bias)

    def shared_weights(self, call: Call | None = None) -> dict[str, SharedWeight]:
        """The pattern of the matrix: it stands at the input and at the output."""
        index = torch.arange(self.weight.numel()).reshape(self.weight.shape).repeat(2, 1, 1)
        return {"weight": SharedWeight.of(IndexPattern(index))}

    def extra_repr(self) -> str:
        """The sizes."""
        return f"{self.num_embeddings}, {self.embedding_dim}, bias={self.bias is not None}"
