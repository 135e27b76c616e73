"""Features in e3nn's irreps."""

from dataclasses import dataclass

import torch
from jaxtyping import Shaped
from torch import Tensor

from equishare import groups
from equishare.check.errors import CheckError
from equishare.check.models.symmetry.element import Element
from equishare.check.models.symmetry.transform import Transform, permute


@dataclass(frozen=True)
class Irreps(Transform):
    """e3nn irreps on one axis: x -> D(R) x, in e3nn's order (l, then m = -l..l) and basis.

    Args:
        irreps: for instance `"8x0e+4x1o"`.
        fibre: the axis that holds them.
        along: the index set of axis `axis`, or None.
        axis: the axis that runs along it.

    Raises:
        CheckError: the axis does not have the irreps' dimension.

    Example:
        >>> import torch
        >>> inversion = Element(orthogonal=-torch.eye(3, dtype=torch.float64))
        >>> Irreps("0e+1o").apply(torch.ones(4), inversion).round().tolist()
        [1.0, -1.0, -1.0, -1.0]
    """

    irreps: str
    fibre: int = -1
    along: str | None = None
    axis: int = 0

    def apply(self, x: Shaped[Tensor, "..."], g: Element) -> Shaped[Tensor, "..."]:
        """Apply D block by block, then permute."""
        from e3nn import o3

        if g.orthogonal is not None:
            irreps = o3.Irreps(self.irreps)
            if x.shape[self.fibre] != irreps.dim:
                raise CheckError(
                    f"irreps {self.irreps} have dimension {irreps.dim}, but axis {self.fibre} of the tensor "
                    f"with shape {tuple(x.shape)} has size {x.shape[self.fibre]}"
                )
            y, blocks, start = x.movedim(self.fibre, -1), [], 0
            for multiplicity, irrep in irreps:
                size = multiplicity * irrep.dim
                block = y[..., start : start + size].unflatten(-1, (multiplicity, irrep.dim)) if size else None
                if block is not None:
                    D = groups.o3().irreps(f"1x{irrep}").matrix(g.orthogonal)
                    blocks.append((block @ D.to(x).mT).flatten(-2))
                start += size
            x = torch.cat(blocks, -1).movedim(-1, self.fibre)
        return permute(x, g, self.along, self.axis)

    def describe(self) -> str:
        """Write the irreps."""
        return self.irreps + (f" per {self.along.removesuffix('s')}" if self.along else "")
