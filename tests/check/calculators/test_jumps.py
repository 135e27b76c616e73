"""Every jump above the tolerance is found and placed, on steep walls too; noise and bends are none."""

import numpy as np
import pytest

from equishare.check.calculators.jumps import find_jumps

THRESHOLDS = (1e-5, 1e-3)


def wall(x):
    """A Lennard-Jones wall: 40 eV at the left end, 1e-3 eV at the right."""
    r = 1.0 + x
    return 40 * r**-12 - 40 * r**-6, 480 * r**-13 - 240 * r**-7


def scanned(extra=lambda x: (0.0, 0.0), span=(0.0, 3.0), thresholds=THRESHOLDS):
    return find_jumps(lambda x: tuple(np.add(wall(x), extra(x))), span, 15, thresholds)


def test_a_smooth_wall_has_no_jump():
    scan = scanned()
    assert not scan.jumps
    assert scan.unresolved == (0.0, 0.0)
    assert len(scan.x) < 250


@pytest.mark.parametrize("size", [1.5e-5, 1e-4, 1e-2, 1.0])
@pytest.mark.parametrize("seed", range(8))
def test_jumps_of_the_energy(size, seed):
    place = np.random.default_rng(seed).uniform(0.01, 2.99)
    scan = scanned(lambda x: (size * (x > place), 0.0))
    (jump,) = scan.jumps
    assert jump.x == pytest.approx(place, abs=1e-5)
    assert jump.energy == pytest.approx(size, rel=0.2)


@pytest.mark.parametrize("size", [2e-3, 0.1])
@pytest.mark.parametrize("seed", range(8))
def test_jumps_of_the_force(size, seed):
    place = np.random.default_rng(seed).uniform(0.01, 2.99)
    scan = scanned(lambda x: (-size * max(x - place, 0.0), size * (x > place)))
    (jump,) = scan.jumps
    assert jump.x == pytest.approx(place, abs=1e-5)
    assert jump.force == pytest.approx(size, rel=0.2)
    assert jump.energy < THRESHOLDS[0]


def test_a_bend_is_no_jump():
    """The third power of a cutoff, and a force with a kink."""
    for power in (2, 3):
        cut = lambda x, p=power: (0.1 * max(1.5 - x, 0) ** p, 0.1 * p * max(1.5 - x, 0) ** (p - 1))  # noqa: E731
        assert not scanned(cut).jumps


def test_noise_is_no_jump():
    generator = np.random.default_rng(0)
    noisy = scanned(lambda x: tuple(generator.normal(scale=(3e-6, 1e-4))))
    assert not noisy.jumps


def test_forces_that_do_not_belong_to_the_energy_are_no_jumps():
    assert not scanned(lambda x: (0.0, 0.3)).jumps


def test_nan_is_a_jump():
    scan = scanned(lambda x: (float("nan") if 1.0 < x < 1.1 else 0.0, 0.0))
    assert scan.jumps
