"""Tensor products of O(3) features in e3nn's flat layout, with any multiplicities and any choice of paths."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from equishare._e3nn import o3
from equishare.groups.orthogonal import o3 as o3_group
from equishare.nn.feature_types import Invariants
from equishare.nn.layer import Layer, LayerError
from equishare.ops.clebsch_gordan import clebsch_gordan
from equishare.ops.layout import IrrepsLike, read_irreps
from equishare.sharing.pattern import near
from equishare.sharing.shared_weights import Call, SharedWeight

Mode = Literal["uvw", "uvu", "uuu", "uvuv"]


class Path(NamedTuple):
    """Which entry of the left irreps meets which of the right ones, and where the product goes."""

    out: int
    left: int
    right: int


class TensorProduct(Layer):
    r"""Clebsch-Gordan products of two features along some paths, in e3nn's flat layout, whatever the multiplicities.

    .. math:: z^{(o)}_{w m_3} = \sum_{p = (i, j) \to o} c_p \sum_{u v} W^p_{uvw} \sum_{m_1 m_2} C^{l_1 l_2 l_3}_{m_1 m_2 m_3}\,
              x^{(i)}_{u m_1}\, y^{(j)}_{v m_2}

    How copies u of the left factor and v of the right one make the copies w of the product is the mode, named as in e3nn: "uvw" mixes
    all of them, "uvu" sums over v, "uuu" multiplies copy by copy, "uvuv" keeps every pair. The factors :math:`c_p` give outputs of
    second moment one. Equivariant under O(3), parity included: exact. Its span is what ``sharing.bilinear`` finds for its paths.

    An output costs :math:`u\,v\,(2 l_1 + 1) (2 l_3 + 1)` products a path and pair: the right factor is coupled first, then one batched
    matrix product meets the left one.

    Args:
        irreps_left: Irreps of x, in any order and multiplicity.
        irreps_right: Irreps of y.
        irreps_out: Irreps of z.
        paths: (left, right, out) positions of entries, to compute no others; all that O(3) allows by default.
        mode: How copies meet.
        weight: "own" for a parameter, "given" for weights that ``forward`` is handed (one set, or one a row), "none".

    Attributes:
        weight_numel: Weights of one set, path after path, ordered by output, then left, then right factor.

    Shapes:
        left ``[..., irreps_left.dim]``, right ``[..., irreps_right.dim]``, weight ``[weight_numel]`` or ``[..., weight_numel]`` ->
        ``[..., irreps_out.dim]``.

    Raises:
        LayerError: a path that O(3) forbids, an output without a path, multiplicities that the mode does not join, "uvw" without weights,
            or inputs that do not fit.

    Thomas et al., "Tensor field networks" (2018); Geiger and Smidt, "e3nn: Euclidean neural networks" (2022).

    >>> product = TensorProduct("8x0e+3x1o", "0e+1o+2e", "8x0e+3x1o", mode="uvu", paths=[(0, 0, 0), (0, 1, 1), (1, 2, 1)])
    Traceback (most recent call last):
    equishare.errors.LayerError: path (0, 1, 1): mode 'uvu' keeps the 8 copies of the left factor, but the output has 3x1o
    >>> product = TensorProduct("8x0e+3x1o", "0e+1o+2e", "4x0e+5x1o+2x2e")
    >>> product.weight_numel, product(torch.randn(7, 17), torch.randn(7, 9)).shape
    (136, torch.Size([7, 29]))
    """

    weight: nn.Parameter | None

    def __init__(
        self,
        irreps_left: IrrepsLike,
        irreps_right: IrrepsLike,
        irreps_out: IrrepsLike,
        paths: Sequence[tuple[int, int, int]] | None = None,
        mode: Mode = "uvw",
        weight: Literal["own", "given", "none"] = "own",
    ) -> None:
        super().__init__()
        self.irreps_left, self.irreps_right, self.irreps_out = (
            o3.Irreps([(mul, ir) for mul, ir in read_irreps(irreps) if mul])
            for irreps in (irreps_left, irreps_right, irreps_out)
        )
        if mode not in ("uvw", "uvu", "uuu", "uvuv") or weight not in ("own", "given", "none"):
            raise LayerError(
                f"mode uvw, uvu, uuu or uvuv, weight own, given or none expected, got {mode!r}, {weight!r}"
            )
        if mode == "uvw" and weight == "none":
            raise LayerError("mode 'uvw' sums over copies with weights: it needs some")
        self.mode, self.paths = mode, self._checked(paths, mode)
        G = o3_group()
        reps = [G.irreps(irreps) for irreps in (self.irreps_left, self.irreps_right, self.irreps_out)]
        self._shapes = [self._shape_of(path) for path in self.paths]
        self.weight_numel = 0 if weight == "none" else sum(math.prod(shape) for shape in self._shapes)
        self.rep_in = (reps[0], reps[1], Invariants(self.weight_numel)) if weight == "given" else (reps[0], reps[1])
        self.rep_out = reps[2]
        self.weighted = weight
        self.register_parameter("weight", nn.Parameter(torch.empty(self.weight_numel)) if weight == "own" else None)
        self.reset_parameters()
        # in numbers: a compiler cannot look into e3nn's irreps
        self._dims = tuple(irreps.dim for irreps in (self.irreps_left, self.irreps_right, self.irreps_out))
        self._left, self._right = (
            [(part, mul, ir.dim) for (mul, ir), part in zip(irreps, irreps.slices(), strict=True)]
            for irreps in (self.irreps_left, self.irreps_right)
        )
        self._sizes = [self.irreps_out[path.out].ir.dim for path in self.paths]
        # for each output its paths and its weights, which are neighbours
        ends = list(accumulate((math.prod(shape) for shape in self._shapes), initial=0))
        self._leading = [[k for k, path in enumerate(self.paths) if path.out == o] for o in range(len(self.irreps_out))]
        self._own = [slice(ends[along[0]], ends[along[-1] + 1]) for along in self._leading]
        self._pairs: dict[tuple[int, int], list[int]] = {}
        for k, path in enumerate(self.paths):
            self._pairs.setdefault((path.left, path.right), []).append(k)
        for (i, j), along in self._pairs.items():
            # [m2, (m1, m3 of one path after the other)]
            table = torch.cat([self._coupling(k) for k in along], dim=2).transpose(0, 1).flatten(1)
            self.register_buffer(f"_coupling_{i}_{j}", table, persistent=False)
        self.to(torch.get_default_device())

    def reset_parameters(self) -> None:
        """Draw weights of variance one; the layer scales its paths."""
        if self.weight is not None:
            nn.init.normal_(self.weight)

    def _checked(self, paths: Sequence[tuple[int, int, int]] | None, mode: Mode) -> list[Path]:
        """The paths, ordered by output."""
        left, right, out = self.irreps_left, self.irreps_right, self.irreps_out
        if paths is None:
            found = [
                Path(o, i, j)
                for o, (w, ir) in enumerate(out)
                for i, (u, a) in enumerate(left)
                for j, (v, b) in enumerate(right)
                if ir in a * b and self._misfit(mode, u, v, w) is None
            ]
        else:
            found = sorted(Path(o, i, j) for i, j, o in paths)
            for path in found:
                if not (0 <= path.left < len(left) and 0 <= path.right < len(right) and 0 <= path.out < len(out)):
                    raise LayerError(f"path {(path.left, path.right, path.out)}: there are no such entries")
                (u, a), (v, b), (w, ir) = left[path.left], right[path.right], out[path.out]
                misfit = self._misfit(mode, u, v, w)
                if ir not in a * b:
                    raise LayerError(f"path {(path.left, path.right, path.out)}: O(3) makes no {ir} of {a} x {b}")
                if misfit is not None:
                    raise LayerError(
                        f"path {(path.left, path.right, path.out)}: mode {mode!r} {misfit}, but the output has {w}x{ir}"
                    )
        missing = [str(entry) for o, entry in enumerate(out) if o not in {path.out for path in found}]
        if missing:
            raise LayerError(
                f"no path in mode {mode!r} from {left} x {right} to {missing}: leave them out of irreps_out"
            )
        return found

    @staticmethod
    def _misfit(mode: Mode, u: int, v: int, w: int) -> str | None:
        """What a mode wants of the multiplicities, where they are otherwise."""
        if mode == "uvu" and u != w:
            return f"keeps the {u} copies of the left factor"
        if mode == "uuu" and not u == v == w:
            return f"needs equal copies, with {u} and {v} of the factors"
        if mode == "uvuv" and u * v != w:
            return f"makes {u * v} copies"
        return None

    def _shape_of(self, path: Path) -> tuple[int, ...]:
        """Of a path's weights."""
        u, v, w = self.irreps_left[path.left].mul, self.irreps_right[path.right].mul, self.irreps_out[path.out].mul
        return {"uvw": (u, v, w), "uvu": (u, v), "uuu": (u,), "uvuv": (u, v)}[self.mode]

    def _coupling(self, k: int) -> Tensor:
        """A path's coefficients [m1, m2, m3], for outputs of second moment one."""
        path = self.paths[k]
        meeting = 0
        for other, shape in zip(self.paths, self._shapes, strict=True):
            if other.out == path.out:
                meeting += {"uvw": math.prod(shape[:2]), "uvu": shape[-1], "uuu": 1, "uvuv": 1}[self.mode]
        ir = self.irreps_out[path.out].ir
        table = clebsch_gordan(self.irreps_left[path.left].ir.l, self.irreps_right[path.right].ir.l, ir.l)
        return table * math.sqrt(ir.dim / meeting)

    def forward(
        self,
        left: Float[Tensor, "*batch left"],
        right: Float[Tensor, "*batch right"],
        weight: Float[Tensor, "*rows weights"] | None = None,
    ) -> Float[Tensor, "*batch out"]:
        """The product."""
        weight = self._weight(left, right, weight)
        batch = left.shape[:-1]
        x, y = left.reshape(-1, self._dims[0]), right.reshape(-1, self._dims[1])
        pieces: list[Tensor] = [x] * len(self.paths)
        for (i, j), along in self._pairs.items():
            whole = self._meet(x, y, i, j)
            sizes = [self._sizes[k] for k in along]
            for k, piece in zip(along, whole.split(sizes, dim=-2 if self.mode == "uvw" else -1), strict=True):
                pieces[k] = piece
        out = torch.cat([self._collect(o, pieces, weight) for o in range(len(self._leading))], dim=1)
        return out.reshape(*batch, self._dims[2])

    def _meet(self, x: Tensor, y: Tensor, i: int, j: int) -> Tensor:
        """All paths of one pair of entries, [rows, u, v, m3 of each]; [rows, u, m3 of each] copy by copy; "uvw" [rows, v, m3 of each, u]."""
        (of_left, u, a), (of_right, v, b) = self._left[i], self._right[j]
        first, second = x[:, of_left].reshape(-1, u, a), y[:, of_right].reshape(-1, v, b)
        coupled = (second @ near(self.get_buffer(f"_coupling_{i}_{j}"), y).to(y.dtype)).unflatten(2, (a, -1))
        if self.mode == "uuu":
            return (first.unsqueeze(2) @ coupled).squeeze(2)
        if self.mode == "uvw":  # copies last, so that weights meet all rows in one matrix product
            return (coupled.mT.flatten(1, 2) @ first.mT).unflatten(1, (v, -1))
        return (first @ coupled.transpose(1, 2).flatten(2)).unflatten(2, (v, -1))

    def _collect(self, o: int, pieces: list[Tensor], weight: Tensor | None) -> Tensor:
        """One entry of the output, [rows, w * (2 l + 1)]: the paths that lead to it are neighbours, and so are their weights."""
        along, own = self._leading[o], None if weight is None else weight[..., self._own[o]]
        if self.mode == "uvw" and own is not None:
            copies = torch.cat([pieces[k].transpose(1, 2).flatten(2) for k in along], dim=2)  # [rows, m3, (v, u)]
            weights = own.split([math.prod(self._shapes[k]) for k in along], dim=-1)
            parts = zip(weights, along, strict=True)
            matrix = torch.cat(
                [w.unflatten(-1, self._shapes[k]).transpose(-3, -2).flatten(-3, -2) for w, k in parts], -2
            )
            return (copies @ matrix).mT.flatten(1)
        total: Tensor | None = None
        for k in along:
            piece, shape = pieces[k], self._shapes[k]
            if own is not None:
                count = math.prod(shape)
                piece = piece * own[..., :count].unflatten(-1, shape).unsqueeze(-1)
                own = own[..., count:]
            piece = piece.sum(2) if self.mode == "uvu" else piece.flatten(1, -2)
            total = piece if total is None else total + piece
        if total is None:
            raise LayerError("an output without a path")
        return total.flatten(1)

    def _weight(self, left: Tensor, right: Tensor, weight: Tensor | None) -> Tensor | None:
        """The weights in use, [weights] or [rows, weights], and inputs that fit."""
        dims = self._dims[:2]
        if (*left.shape[-1:], *right.shape[-1:]) != dims or left.shape[:-1] != right.shape[:-1]:
            raise LayerError(
                f"{type(self).__name__}: [..., {dims[0]}] and [..., {dims[1]}] expected, got {list(left.shape)} "
                f"and {list(right.shape)}"
            )
        self.require_numbers(left, right)
        if (weight is not None) != (self.weighted == "given"):
            given = "weights expected, got none" if weight is None else "weights are for a layer with weight='given'"
            raise LayerError(f"{type(self).__name__}: {given}; this one was made with weight={self.weighted!r}")
        if weight is None:
            return self.weight
        self.require_numbers(left, weight)
        if weight.shape not in ((self.weight_numel,), (*left.shape[:-1], self.weight_numel)):
            raise LayerError(
                f"{type(self).__name__}: weights [{self.weight_numel}], or as many for each row, expected, got {list(weight.shape)}"
            )
        return weight if weight.ndim == 1 else weight.reshape(-1, self.weight_numel)

    def shared_weights(self, call: Call | None = None) -> dict[str, SharedWeight]:
        """A path's weight serves all of its components: untied, each pair of numbers goes to each number."""
        if self.weight is None:
            return {}
        return {"weight": SharedWeight(math.prod(self._dims), ("components",))}

    def extra_repr(self) -> str:
        """Irreps and weights."""
        return (
            f"{self.irreps_left} x {self.irreps_right} -> {self.irreps_out}, {self.mode}, {self.weight_numel} weights"
        )
