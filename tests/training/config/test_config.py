"""Configurations: written and read back, presets, options over files, errors that help."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from equishare.commands.train import _part, _settings
from equishare.potential import PRESETS, ModelConfig
from equishare.training.config import TrainConfig
from equishare.training.config.config_file import ConfigError, merge, read_yaml, to_yaml, validate
from equishare.training.config.durations import DurationError, format_duration, parse_duration

NOTHING = {"data": {}, "model": {}, "budget": {}, "run": {}}


@given(
    st.fixed_dictionaries(
        {
            "data": st.fixed_dictionaries(
                {
                    "train": st.lists(st.text("ab./@: é#'\"-", min_size=1), min_size=1, max_size=3),
                    "valid": st.floats(0, 0.99) | st.lists(st.text("abc", min_size=1), min_size=1, max_size=2),
                    "reference_energies": st.none()
                    | st.dictionaries(st.sampled_from(["H", "C", "No"]), st.floats(-1e5, 0)),
                }
            ),
            "model": st.fixed_dictionaries({"preset": st.sampled_from(list(PRESETS)), "cutoff": st.floats(1, 9)}),
            "optimisation": st.fixed_dictionaries(
                {"learning_rate": st.floats(1e-9, 1), "batch_size": st.none() | st.integers(1, 99)}
            ),
            "budget": st.sampled_from([{}, {"epochs": 3}, {"max_time": "1h30m"}, {"max_time": "12s"}]),
        }
    )
)
def test_yaml_reads_back(values):
    config = validate(values)
    assert validate(yaml.safe_load(to_yaml(config))) == config


def test_every_field_is_documented():
    for name, section in TrainConfig.model_fields.items():
        assert section.annotation.__doc__, name
        for key, field in section.annotation.model_fields.items():
            assert field.description, f"{name}.{key}"
            assert f"{field.alias or key}: " in to_yaml(TrainConfig())


@pytest.mark.parametrize("name", list(PRESETS))
def test_presets_are_those_of_the_model(name):
    assert validate({"model": {"preset": name}}).model.architecture == ModelConfig.preset(name)
    assert validate({"model": {"preset": name, "channels": 5}}).model.architecture.channels == 5


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"modle": {}}, "'modle'; did you mean 'model'"),
        ({"optimisation": {"learningrate": 1}}, "did you mean 'optimisation.learning_rate'"),
        ({"optimisation": {"seed": 1}}, "did you mean 'run.seed'"),
        ({"model": {"chanels": 8}}, "did you mean 'model.channels'"),
        ({"model": {"preset": "huge"}}, "'fast', 'small', 'default' or 'accurate'"),
        ({"model": 3}, "model"),
        ({"data": {"valid": 1.5}}, "data.valid"),
        ({"data": {"train": []}}, "data.train"),
        ({"data": {"reference_energies": {"Qq": 1}}}, "chemical symbols"),
        ({"budget": {"max_time": "soon"}}, "90s, 30m or 1h30m"),
        ({"budget": {"max_time": "0s"}}, "above zero"),
        ({"budget": {"max_time": "5m", "epochs": 3}}, "not both$"),
        (
            {"model": {"speed": "50us"}, "pretraining": {"weights": "organic"}},
            "configuration: model.speed .*; give one of them$",
        ),
        ({"run": {"device": "tpu"}}, "auto, cpu, cuda"),
        ({"run": {"dtype": "float16"}}, "'float32' or 'float64'"),
        ({"optimisation": {"ema_decay": 1.0}}, "less than 1"),
    ],
)
def test_errors_name_the_field(values, message):
    with pytest.raises(ConfigError, match=message):
        validate(values)


@pytest.mark.parametrize("text", ["- a\n- b\n", "a: [\n", "just words", "\x00"])
def test_files_that_are_no_configuration(tmp_path, text):
    (tmp_path / "c.yaml").write_text(text)
    with pytest.raises(ConfigError, match=r"c\.yaml"):
        read_yaml(tmp_path / "c.yaml")


def test_options_win_over_the_file(tmp_path):
    file = tmp_path / "c.yaml"
    file.write_text("data: {train: a.xyz, test: 0.2}\nmodel: {preset: small, cutoff: 4}\nbudget: {epochs: 7}\n")
    config = _settings(file, merge(NOTHING, {"data": {"test": 0.3}, "budget": {"max_time": "5m"}}))
    assert (config.data.train, config.data.test) == (["a.xyz"], 0.3)
    assert (config.model.preset_name, config.model.cutoff) == ("small", 4.0)
    assert (config.budget.max_time, config.budget.epochs) == (300.0, None)
    assert (
        _settings(file, merge(NOTHING, {"model": {"preset": "accurate"}})).model.channels
        == PRESETS["accurate"]["channels"]
    )


def test_without_a_file_the_bundled_frames_are_taken():
    config = _settings(None, NOTHING)
    assert (config.data.train, config.data.test) == (["ethanol"], ["ethanol_test"])
    assert config.budget.max_time < 180
    given = merge(NOTHING, {"budget": {"epochs": 3}})
    assert (_settings(None, given).budget.epochs, _settings(None, given).budget.max_time) == (3, None)


@given(st.floats(0.01, 1e6))
def test_durations_read_back(seconds):
    assert parse_duration(format_duration(seconds)) == pytest.approx(seconds, abs=0.51 if seconds > 59 else 0.006)


@pytest.mark.parametrize("text", ["", "m", "5", "-3m", "3 parsecs", "1h and 2m", float("nan"), float("inf"), 0])
def test_no_durations(text):
    with pytest.raises(DurationError):
        parse_duration(text)


def test_parts_are_fractions_or_files(tmp_path):
    file = tmp_path / "a,b.xyz"
    file.touch()
    assert _part("0.1") == 0.1
    assert _part("a.xyz,b.xyz@:3") == ["a.xyz", "b.xyz@:3"]
    assert _part(str(file)) == [str(file)]


def test_paths_are_taken_as_well(tmp_path):
    values = {
        "data": {"train": tmp_path / "a.xyz", "valid": [tmp_path / "b.xyz"], "test": 0.0},
        "pretraining": {"weights": tmp_path / "m.safetensors", "replay": tmp_path / "old.xyz"},
        "run": {"out": tmp_path / "run"},
    }
    config = validate(values)
    assert config.data.train == [str(tmp_path / "a.xyz")]
    assert config.data.valid == [str(tmp_path / "b.xyz")]
    assert config.pretraining.weights == str(tmp_path / "m.safetensors")
    assert config.pretraining.replay == [str(tmp_path / "old.xyz")]
    assert config.run.out == str(tmp_path / "run")
