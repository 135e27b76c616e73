"""An embedding whose vectors are put together from a small set of weights by a hash."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from equishare.nn.feature_types import Invariants, require_whole
from equishare.nn.layer import Layer, LayerError
from equishare.nn.tied.tokens import check_tokens
from equishare.ops.backend import transformed
from equishare.sharing.hashing import hashed, signed_hash
from equishare.sharing.shared_weights import Call, SharedWeight

LARGEST_LISTED = 1_000_000  # entries of a table whose pattern a report lists


class HashedEmbedding(Layer):
    """E[token, d] = xi(token, d) w[h(token, d)]: ``n_free`` base weights stand for tokens * features.

    Not a symmetry: a compression. Hashes are computed for the tokens at hand, each different one once: neither the table
    of vectors nor one of hashes exists, so memory is that of the base weights however many tokens there are.

    Args:
        num_embeddings: number of tokens.
        embedding_dim: features of a vector.
        n_free: number of base weights, at most num_embeddings * embedding_dim.
        seed: of the hashes; it belongs to the model as its sizes do.
        device: where the weights live.
        dtype: their precision.

    Raises:
        LayerError: ``n_free`` or a token is out of range.

    Chen et al. (2015), "Compressing neural networks with the hashing trick"; the sign hash is from Weinberger et al.
    (2009), "Feature hashing for large scale multitask learning".

    >>> layer = HashedEmbedding(1_000_000, 16, n_free=500)
    >>> layer(torch.tensor([[3, 999_999]])).shape, sum(p.numel() for p in layer.parameters())
    (torch.Size([1, 2, 16]), 500)
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        n_free: int,
        *,
        seed: int = 0,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.rep_out = Invariants(embedding_dim)
        if not 1 <= n_free <= num_embeddings * embedding_dim:
            raise LayerError(f"n_free from 1 to {num_embeddings * embedding_dim} expected, got {n_free}")
        require_whole(num_embeddings=num_embeddings, n_free=n_free)
        self.num_embeddings, self.embedding_dim, self.n_free, self.seed = num_embeddings, embedding_dim, n_free, seed
        self.weight = nn.Parameter(torch.empty(n_free, device=device, dtype=dtype))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw from a standard normal distribution, as ``torch.nn.Embedding`` does."""
        nn.init.normal_(self.weight)

    def vectors(self, tokens: Int[Tensor, " n"]) -> Float[Tensor, "n features"]:
        """The vectors of some tokens, each hashed anew."""
        features = torch.arange(self.embedding_dim, device=tokens.device)
        index = signed_hash(tokens.long().unsqueeze(1) * self.embedding_dim + features, self.n_free, self.seed)
        both = torch.cat([self.weight, -self.weight])
        return both.index_select(0, index.reshape(-1)).reshape(index.shape)

    def forward(self, tokens: Int[Tensor, "*batch"]) -> Float[Tensor, "*batch features"]:
        """The vector of each token."""
        check_tokens(tokens, self.num_embeddings)
        self.require_numbers(tokens=tokens)
        if tokens.is_meta or torch.compiler.is_compiling() or transformed():
            # which tokens differ depends on their numbers, which are not known here
            return self.vectors(tokens.reshape(-1)).reshape(*tokens.shape, self.embedding_dim)
        different, inverse = tokens.unique(return_inverse=True)
        return self.vectors(different)[inverse]

    def shared_weights(self, call: Call | None = None) -> dict[str, SharedWeight]:
        """The whole table, and its pattern where that is small enough to list."""
        shape = (self.num_embeddings, self.embedding_dim)
        size = math.prod(shape)
        pattern = hashed(shape, self.n_free, self.seed) if size <= LARGEST_LISTED else None
        return {"weight": SharedWeight(size, ("pattern",), pattern)}

    def to_torch(self) -> nn.Embedding:
        """The ``torch.nn.Embedding`` with the whole table."""
        table = self.vectors(torch.arange(self.num_embeddings, device=self.weight.device)).detach()
        return nn.Embedding.from_pretrained(table, freeze=False).train(self.training)

    def extra_repr(self) -> str:
        """The sizes."""
        return f"{self.num_embeddings}, {self.embedding_dim}, n_free={self.n_free}, seed={self.seed}"
