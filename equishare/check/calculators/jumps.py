"""Finding every jump of an energy and of its force along a path, by refining where either is not smooth."""

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count

import numpy as np
from jaxtyping import Float
from numpy import ndarray

NARROWEST = 2e-6
"""Å (or rad): a change within so little is a jump."""
BUDGET = 500
"""Further evaluations along a path."""
ENOUGH = 3
"""Jumps after which the search ends."""
BESIDE = 4
"""Points on each side of a jump that confirm it."""
CERTAIN = 5.0
"""Standard deviations of the points beside it that a jump must exceed."""

Values = Callable[[float], tuple[float, float]]
"""Of the number along a path: the energy, and the force -dE/dx."""


@dataclass(frozen=True)
class Jump:
    """A jump: where it is, and by how much energy and force change there; NaN where they are not defined."""

    x: float
    energy: float
    force: float


@dataclass
class Scan:
    """What was found along a path.

    Attributes:
        x, energy, force: all points that were evaluated, in order.
        jumps: the jumps, if any.
        unresolved: energy and force that may still hide where the budget ended the search.
    """

    x: Float[ndarray, " points"]
    energy: Float[ndarray, " points"]
    force: Float[ndarray, " points"]
    jumps: list[Jump] = field(default_factory=list)
    unresolved: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True)
class _Piece:
    """Five equidistant points.

    `misfit` is what Boole's rule over the force leaves of the energy's change: of order h^7 where all is smooth, and the
    jump itself where the energy jumps. `bend` is the force's fourth difference: of order h^4, and no smaller than a jump.
    """

    x: ndarray
    energy: ndarray
    force: ndarray

    @property
    def width(self) -> float:
        return float(self.x[4] - self.x[0])

    @property
    def misfit(self) -> float:
        weights = np.array([7.0, 32.0, 12.0, 32.0, 7.0]) / 90
        return float(abs(self.energy[4] - self.energy[0] + self.width * (weights @ self.force)))

    @property
    def bend(self) -> float:
        return float(abs(np.array([1.0, -4.0, 6.0, -4.0, 1.0]) @ self.force))


def find_jumps(values: Values, span: tuple[float, float], groups: int, thresholds: tuple[float, float]) -> Scan:
    """Halve the pieces of a path whose energy or force is least smooth, until all are, or jumps have been found.

    Args:
        values: energy and force at a point.
        span: of the path.
        groups: pieces of four intervals to start from.
        thresholds: of energy and force: what is smaller is no jump.
    """
    search = _Search(values, thresholds)
    grid = np.linspace(*span, 4 * groups + 1)
    points = [search.at(float(x)) for x in grid]
    for i in range(groups):
        search.add([*points[4 * i : 4 * i + 5]], grid[4 * i : 4 * i + 5])
    return search.run()


class _Search:
    def __init__(self, values: Values, thresholds: tuple[float, float]) -> None:
        self.values, self.thresholds = values, thresholds
        self.known: dict[float, tuple[float, float]] = {}
        self.queue: list[tuple[float, int, _Piece]] = []
        self.number = count()
        self.jumps: list[Jump] = []

    def at(self, x: float) -> tuple[float, float]:
        if x not in self.known:
            self.known[x] = self.values(x)
        return self.known[x]

    def add(self, points: list[tuple[float, float]], x: ndarray) -> None:
        energy, force = np.array(points).T
        piece = _Piece(np.asarray(x), energy, force)
        undefined = ~np.isfinite(energy + force)
        if undefined.any():
            self.jumps.append(Jump(float(x[np.argmax(undefined)]), float("nan"), float("nan")))
            return
        rough = max(piece.misfit / self.thresholds[0], piece.bend / self.thresholds[1])
        if rough > 1:
            heapq.heappush(self.queue, (-rough, next(self.number), piece))

    def run(self) -> Scan:
        started = len(self.known)
        while self.queue and len(self.known) - started < BUDGET and len(self.jumps) < ENOUGH:
            _, _, piece = heapq.heappop(self.queue)
            if piece.width <= NARROWEST:
                jump = self._confirmed(piece)
                self.jumps += [jump] if jump is not None else []
                continue
            x = np.linspace(piece.x[0], piece.x[4], 9)
            x[::2] = piece.x
            points = [self.at(float(v)) for v in x]
            self.add(points[:5], x[:5])
            self.add(points[4:], x[4:])
        x = np.array(sorted(self.known))
        energy, force = np.array([self.known[v] for v in x]).T
        left = [piece for _, _, piece in self.queue] if len(self.jumps) < ENOUGH else []
        rest = (max((p.misfit for p in left), default=0.0), max((p.bend for p in left), default=0.0))
        return Scan(x, energy, force, self.jumps, rest)

    def _confirmed(self, piece: _Piece) -> Jump | None:
        """Compare points on both sides: noise scatters on each of them too, a jump does not."""
        width = piece.width
        sides = []
        for start, sign in ((piece.x[0], -1), (piece.x[4], 1)):
            x = [float(start + sign * k * width) for k in range(BESIDE)]
            sides.append((np.array(x), np.array([self.values(v) for v in x])))
        (x_left, left), (x_right, right) = sides
        middle = float(piece.x[2])
        # the energy's slope is the force's; what is left of it on each side is flat
        level = [v[:, 0] + v[:, 1] * (x - middle) for x, v in ((x_left, left), (x_right, right))]
        found = []
        for a, b in ((level[0], level[1]), (left[:, 1], right[:, 1])):
            size, noise = abs(a.mean() - b.mean()), max(a.std(), b.std())
            found.append(size if size > CERTAIN * noise else 0.0)
        if not (found[0] > self.thresholds[0] or found[1] > self.thresholds[1]):
            return None
        return Jump(middle, float(found[0]), float(found[1]))
