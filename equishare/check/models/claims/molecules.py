"""Claims of models of molecules, of point clouds, and of single layers in space."""

from equishare.check.models.claims.inference import infer_inputs, place
from equishare.check.models.claims.output_readings import infer_output
from equishare.check.models.claims.roles import parse
from equishare.check.models.symmetry import factors
from equishare.check.models.symmetry.symmetry import Spec, Symmetry


def molecule(inputs: Spec = None, outputs: Spec = None, *, improper: bool = True) -> Symmetry:
    """Rotations, reflections, translations, reordering of atoms, and of edges where there are any.

    Args:
        inputs: types shaped like the inputs, for instance `("species", "positions", "edges")`; what is left
            out is inferred from argument names (`z`, `pos`, `edge_index`, ...) and shapes, and the report
            says how.
        outputs: likewise, for instance `"energy"`, `{"energy": "energy", "forces": "forces"}` or `"atoms:
            8x0e+4x1o"`.
        improper: test reflections too.

    Example:
        >>> [f.name for f in molecule().factors]
        ['rotation', 'reflection', 'translation', 'permutation', 'edge order']
    """
    chosen = [factors.rotation()] + [factors.reflection()] * improper + [factors.translation()]
    chosen += [factors.permutation("atoms"), factors.permutation("edges", samples=16)]
    return Symmetry("molecule", tuple(chosen), inputs, outputs, infer_inputs, infer_output, parse, place)


def graph(inputs: Spec = None, outputs: Spec = None) -> Symmetry:
    """Reordering of a graph's nodes (types say "atoms") and of its edges, for networks that know no positions.

    Example:
        >>> [f.name for f in graph().factors]
        ['permutation', 'edge order']
    """
    chosen = (factors.permutation("atoms"), factors.permutation("edges", samples=16))
    return Symmetry("graph", chosen, inputs, outputs, infer_inputs, infer_output, parse, place)


def point_cloud(inputs: Spec = "positions", outputs: Spec = None, *, improper: bool = True) -> Symmetry:
    """The symmetry of a molecule for models whose inputs are points, without edges."""
    chosen = (
        [factors.rotation()] + [factors.reflection()] * improper + [factors.translation(), factors.permutation("atoms")]
    )
    return Symmetry("point cloud", tuple(chosen), inputs, outputs, infer_inputs, infer_output, parse, place)


def geometric(inputs: Spec, outputs: Spec, *, improper: bool = True) -> Symmetry:
    """O(3) alone (SO(3) without `improper`): layers whose inputs are features, such as those of e3nn.

    Example:
        >>> geometric("8x0e+4x1o", "4x0e").name
        'O(3)'
    """
    chosen = [factors.rotation()] + [factors.reflection()] * improper
    return Symmetry(
        "O(3)" if improper else "SO(3)", tuple(chosen), inputs, outputs, infer_inputs, infer_output, parse, place
    )
