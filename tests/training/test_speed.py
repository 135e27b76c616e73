"""The preset that keeps to a wished speed."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule

from equishare import datasets
from equishare.atoms.frame import Frame
from equishare.potential import PRESETS, ModelConfig, Potential
from equishare.training import speed
from equishare.training.config.config_file import ConfigError, validate
from equishare.training.processes import Processes
from equishare.training.speed import SpeedError, microseconds_per_atom, repeated, with_speed

FRAMES = [Frame(molecule("CH3OH"))]
COSTS = {"fast": 10.0, "small": 20.0, "default": 40.0, "accurate": 80.0}


@pytest.fixture
def costs(monkeypatch):
    """Times that depend on the preset alone."""

    def cost(potential, atoms):
        shapes = {ModelConfig.preset(name): name for name in PRESETS}
        return COSTS[shapes[potential.config.model_copy(update={"cutoff": 5.0, "conditions": ()})]]

    monkeypatch.setattr(speed, "microseconds_per_atom", cost)


@pytest.mark.parametrize(
    ("wish", "preset"), [("10us", "fast"), ("39.9us", "small"), ("0.04ms", "default"), (900, "accurate")]
)
def test_the_most_accurate_preset_that_keeps_to_it(costs, wish, preset):
    config, took = with_speed(validate({"model": {"speed": wish, "cutoff": 4.0, "conditions": ["charge"]}}), FRAMES)
    assert config.model == validate({"model": {"preset": preset, "cutoff": 4.0, "conditions": ["charge"]}}).model
    assert took == COSTS[preset]


def test_processes_take_what_the_first_one_chose(costs, monkeypatch):
    """Another one may find the same network slower, and would train another."""
    said = []

    class Together(Processes):
        def __init__(self, rank):
            self.rank, self.size = rank, 2

        def text_of_first(self, text):
            said.extend([text] if self.first else [])
            return said[0]

    config = validate({"model": {"speed": "45us", "cutoff": 4.0, "conditions": ["charge"]}})
    first, took = with_speed(config, FRAMES, Together(0))
    monkeypatch.setitem(COSTS, "default", 50.0)
    second, also = with_speed(config, FRAMES, Together(1))
    assert first == second
    assert first.model == validate({"model": {"preset": "default", "cutoff": 4.0, "conditions": ["charge"]}}).model
    assert took == also == 40.0


def test_a_wish_that_no_preset_keeps(costs):
    with pytest.raises(SpeedError, match=r"no preset takes at most 9 µs .*fast 10\).*--speed"):
        with_speed(validate({"model": {"speed": 9}}), FRAMES)


def test_without_a_wish_nothing_is_timed():
    config = validate({})
    assert with_speed(config, []) == (config, None)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"model": {"speed": "50us", "preset": "small"}}, "preset or speed"),
        ({"model": {"speed": "50 parsecs"}}, "50us"),
        ({"model": {"speed": 0}}, "above zero"),
        (
            {"model": {"speed": "50us"}, "pretraining": {"weights": "a.safetensors"}},
            "their own shape",
        ),
    ],
)
def test_wishes_that_cannot_be(values, message):
    with pytest.raises(ConfigError, match=message):
        validate(values)


def test_structures_to_time_are_what_they_were_many_times():
    ice = repeated(datasets.load("dry_ice")[-1])
    assert len(ice) == 216
    assert ice.get_volume() / 216 == pytest.approx(datasets.load("dry_ice")[-1].get_volume() / 12)
    many = repeated(molecule("H2O"), 9)
    assert many.get_chemical_formula() == "H6O3"
    distances = many.get_all_distances()
    assert distances[:3, 3:].min() > 5.0
    assert np.allclose(distances[3:6, 3:6], molecule("H2O").get_all_distances())
    assert len(repeated(bulk("Cu", cubic=True), 3)) == 4
    assert len(repeated(Atoms("H"), 2)) == 2


def test_time_grows_with_the_model():
    atoms = repeated(molecule("CH3OH"), 60)
    sizes = {"channels": 4, "layers": 1, "l_density": 1, "body_order": 2}, {"channels": 64, "body_order": 5}
    small, large = (
        microseconds_per_atom(Potential(ModelConfig(**size), dict.fromkeys("CHO", 0.0)), atoms) for size in sizes
    )
    assert 0 < small < large
