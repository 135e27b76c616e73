"""What is known of representations without solving for anything: their fields, and how many maps there are between them."""

from __future__ import annotations

from equishare.groups.on_cpu import on_cpu
from equishare.groups.representation import Representation, require_representation, same_group


@on_cpu
def intertwiner_count(rep_in: Representation, rep_out: Representation) -> int:
    """Dimension of the space of linear maps W with rho_out(g) W = W rho_in(g), by characters.

    dim = mean over g of chi_in(g^-1) chi_out(g), with one term a conjugacy class.

    Raises:
        GroupError: the representations belong to different groups.

    >>> from equishare import groups
    >>> points = groups.symmetric(6).permutation()
    >>> intertwiner_count(points, points), intertwiner_count(points * points, points * points)
    (2, 15)
    """
    group = same_group(rep_in, rep_out)
    total = sum(weight * rep_in.character(group.inverse(g)) * rep_out.character(g) for g, weight in group.classes())
    return round(total)


def fields_of(rep: Representation) -> list[tuple[int, Representation]]:
    """The (count, field) pairs of a representation: a field is one irreducible block of its direct sum."""
    require_representation(rep)
    found: list[tuple[int, Representation]] = []
    for count, part in rep.parts:
        if len(part.parts) > 1 or part.parts[0] != (1, part):
            found += fields_of(part) * count
        else:
            found.append((count, part))
    return found
