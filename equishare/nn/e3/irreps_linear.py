"""A linear map per irrep."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from equishare.errors import LayerError
from equishare.nn.e3.folding import Foldable
from equishare.nn.e3.multiplicities import ChannelLayer
from equishare.ops.layout import IrrepsLike, Layout
from equishare.sharing.index_pattern import IndexPattern
from equishare.sharing.pattern import near
from equishare.sharing.shared_weights import Call, SharedWeight

LARGEST_PATTERN = 250_000  # entries of a matrix that a report writes down


class IrrepsLinear(Foldable, ChannelLayer):
    r"""Mix the channels of each irrep: one base matrix an irrep, shared by its 2l + 1 components.

    .. math:: y_n[lm, d] = \frac{1}{\sqrt{C}} \sum_c W^{(l)}_{cd}\, x_n[lm, c] \; (+\, b_d \text{ for } 0e)

    By Schur's lemma this is every linear map between these features that commutes with O(3): complete and exact. The shared
    matrices are expanded over components, then one batched matrix product runs.

    Args:
        irreps_in: Irreps of the input; one that occurs several times, as the paths of a `ChannelTensorProduct` do, has a matrix each time,
            and the sum over them is the output's.
        irreps_out: Irreps of the output, each of them among the input's.
        bias: Add a constant to the invariant channels (0e).

    Shapes:
        ``[atoms, dim_in, channels_in]`` -> ``[atoms, dim_out, channels_out]``; or e3nn's ``[atoms, irreps_in.dim]`` ->
        ``[atoms, irreps_out.dim]``, which irreps of unequal multiplicities need.

    Raises:
        LayerError: if an output irrep is not in the input, bias is asked for without 0e or with 0e twice, or an input does not fit.

    >>> layer = IrrepsLinear("8x0e + 8x1o", "4x1o")
    >>> layer(torch.randn(5, 4, 8)).shape
    torch.Size([5, 3, 4])
    """

    _components: Tensor
    _shared: Tensor
    _target: Tensor

    def __init__(self, irreps_in: IrrepsLike, irreps_out: IrrepsLike, bias: bool = False) -> None:
        super().__init__()
        self.layout_in, self.layout_out = Layout.of(irreps_in, repeats=True), Layout.of(irreps_out, repeats=True)
        self.rep_in, self.rep_out = self.layout_in, self.layout_out
        available = [ir for _, ir in self.layout_in.irreps]
        missing = [str(ir) for _, ir in self.layout_out.irreps if ir not in available]
        if missing:
            raise LayerError(f"output irreps {missing} are not among the input irreps {self.layout_in.irreps}")
        joined = [
            (k, n)
            for k, (_, ir) in enumerate(self.layout_out.irreps)
            for n, other in enumerate(available)
            if other == ir
        ]
        with torch.device("cpu"):  # tables have numbers, whatever the default device is
            self._tables(joined)
        ends, sources = ([pair[side] for pair in joined] for side in (0, 1))
        present = self.layout_in.present[sources, :, None] & self.layout_out.present[ends, None]
        self.weight = nn.Parameter(torch.empty(self._shape_of_weights(present)))
        copies = self.layout_in.copies
        self._terms = [ends.count(k) * copies[n] / self.layout_in.channels for k, n in joined]
        # each irrep of the output: what it reads, and how many weights, which are neighbours
        self._sources = [[n for k, n in joined if k == end] for end in range(len(self.layout_out.irreps))]
        self._numels = [
            mul * sum(copies[n] for n in read) for mul, read in zip(self.layout_out.copies, self._sources, strict=True)
        ]
        invariant = [k for k, (_, ir) in enumerate(self.layout_out.irreps) if (ir.l, ir.p) == (0, 1)]
        if bias and len(invariant) != 1:
            raise LayerError(f"a bias needs one entry 0e among the output irreps, got {self.layout_out.irreps}")
        self._invariant = invariant[0] if bias else -1
        self.bias = nn.Parameter(torch.empty(self.layout_out.copies[invariant[0]])) if bias else None
        self.reset_parameters()
        self.to(torch.get_default_device())

    def reset_parameters(self) -> None:
        """Draw weights of variance one over the matrices that meet in an irrep, more where there are fewer copies; the bias is zero."""
        self._draw(self.weight, torch.tensor(self._terms, device="cpu").rsqrt()[:, None, None])
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def _tables(self, joined: list[tuple[int, int]]) -> None:
        """Component by component: which it reads, with which matrix, and which it adds to."""
        blocks = [torch.arange(2 * degree + 1) for degree in self.layout_in.degrees]
        components = torch.cat([self.layout_in.starts[n] + blocks[n] for _, n in joined])
        leading = torch.equal(components, torch.arange(len(components)))
        self._leading = len(components) if leading else None
        self._whole = leading and len(components) == self.layout_in.dim
        self._sums = len(components) > self.layout_out.dim
        self.register_buffer("_components", components, persistent=False)
        shared = torch.cat([torch.full_like(blocks[n], pair) for pair, (_, n) in enumerate(joined)])
        self.register_buffer("_shared", shared, persistent=False)
        target = torch.cat([self.layout_out.starts[k] + blocks[n] for k, n in joined])
        self.register_buffer("_target", target, persistent=False)

    def forward(
        self, features: Float[Tensor, "atoms dim channels"] | Float[Tensor, "atoms flat"]
    ) -> Float[Tensor, "atoms dim_out channels_out"] | Float[Tensor, "atoms flat_out"]:
        """Apply the map."""
        self.require_numbers(features)
        if self.layout_in.is_flat(features):
            return self._irrep_by_irrep(features)
        major = features.transpose(0, 1)
        if not self._whole:
            major = (
                major[: self._leading]
                if self._leading is not None
                else major.index_select(0, near(self._components, major))
            )
        out = torch.bmm(major, self._of_weights("expanded", self.expanded))
        if self._sums:
            out = out.new_zeros(self.layout_out.dim, *out.shape[1:]).index_add(0, near(self._target, out), out)
        out = out.transpose(0, 1)
        if self.bias is None:
            return self.layout_out.write(out, flat=False)
        start = self.layout_out.starts[self._invariant]
        room = 0, out.shape[2] - len(self.bias), start, self.layout_out.dim - start - 1
        return self.layout_out.write(out + torch.nn.functional.pad(self.bias.unsqueeze(0), room), flat=False)

    def _irrep_by_irrep(self, features: Float[Tensor, "atoms flat"]) -> Float[Tensor, "atoms flat_out"]:
        """One matrix product an irrep of the output, of those copies alone that are there: what e3nn's layout makes cheap."""
        blocks = self.layout_in.blocks(features)
        scaled = self._of_weights("scaled", lambda: self.weight.flatten() * self.layout_in.channels**-0.5)
        out = []
        for k, (sources, copies, matrix) in enumerate(
            zip(self._sources, self.layout_out.copies, scaled.split(self._numels), strict=True)
        ):
            read = torch.cat([blocks[n] for n in sources], dim=2) if len(sources) > 1 else blocks[sources[0]]
            given = read @ matrix.view(-1, copies)
            if self.bias is not None and k == self._invariant:
                given = given + self.bias
            out.append(given.transpose(1, 2).flatten(1))
        return torch.cat(out, dim=1)

    def expanded(self) -> Float[Tensor, "components channels_in channels_out"]:
        """A matrix for each component of the input."""
        # index_select costs a tenth of indexing, which small systems feel
        return self._table(self.weight * self.layout_in.channels**-0.5).index_select(0, near(self._shared, self.weight))

    def shared_weights(self, call: Call | None = None) -> dict[str, SharedWeight]:
        """One matrix an irrep serves its 2 l + 1 components, on every atom: untied, each number reads each."""
        atoms = 1 if call is None else call.inputs[0][0]
        rows = self.layout_out.irreps.dim
        entries = rows * self.layout_in.irreps.dim
        found = {"weight": SharedWeight(atoms * entries, ("components", "atoms"), self._pattern(entries))}
        if self.bias is not None:
            found["bias"] = SharedWeight(atoms * rows, ("components", "atoms"))
        return found

    def _pattern(self, entries: int) -> IndexPattern | None:
        """The pattern of the whole matrix, [(l m), channel] by [(l m), channel], where it is small enough to write down."""
        if entries > LARGEST_PATTERN:
            return None
        channels_in, channels_out = self.layout_in.channels, self.layout_out.channels
        index = torch.full((self.layout_out.dim, channels_out, self.layout_in.dim, channels_in), -1)
        each = self._table(torch.arange(self.weight.numel()).view(self.weight.shape))
        for matrix, source, target in zip(self._shared, self._components, self._target, strict=True):
            index[target, :, source] = each[matrix].mT
        rows, columns = (layout.present_components.flatten() for layout in (self.layout_out, self.layout_in))
        return IndexPattern(index.flatten(2).flatten(0, 1)[rows][:, columns], None, self.weight.numel())
