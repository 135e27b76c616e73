"""Name a group and how it acts, get the layer: what the symmetry ties, counted and drawn.

    python examples/derive_a_layer.py [--out FOLDER]

Prints the report of a layer from three regular fields and one number to one regular field of the square's symmetries, and saves the
picture of its weight: equal colours are equal weights.
"""

import argparse
from pathlib import Path

from equishare import groups, nn, sharing


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="the same: it takes a second")
    parser.add_argument("--out", type=Path, default=Path(), help="folder of the picture")
    out = parser.parse_args(argv).out
    square = groups.dihedral(4)
    rep = 3 * square.regular() + square.trivial()
    layer = nn.SharedLinear(rep, square.regular())
    report = sharing.report(layer)
    print(report)
    print(f"by characters there are {groups.intertwiner_count(rep, square.regular())} equivariant maps")
    out.mkdir(parents=True, exist_ok=True)
    report.picture().savefig(out / "sharing.png", dpi=110, bbox_inches="tight")
    print(f"saved {out / 'sharing.png'}")


if __name__ == "__main__":
    main()
