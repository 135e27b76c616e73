"""The report: complete, well formed, and in need of nothing but itself."""

import re
from html.parser import HTMLParser
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from equishare.atoms.properties import PROPERTIES
from equishare.training.evaluation.evaluate import evaluate
from equishare.training.fit import fit
from equishare.training.report import plots
from equishare.training.report.figures import to_svg
from equishare.training.report.page import write_report
from equishare.training.report.tables import commands, number, signed

VOID = {"meta", "br", "link", "img", "input", "hr"}


class Reader(HTMLParser):
    """Collects attributes and text; raises where tags do not nest."""

    def __init__(self):
        super().__init__()
        self.open, self.attributes, self.text = [], [], []

    def handle_starttag(self, tag, attributes):
        self.attributes += [(tag, name, value or "") for name, value in attributes]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.attributes += [(tag, name, value or "") for name, value in attributes]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


@pytest.fixture(scope="module")
def written(tmp_path_factory, tiny):
    run = fit(tiny(run={"out": str(tmp_path_factory.mktemp("report") / "<b>odd & name")}))
    path = write_report(run)
    reader = Reader()
    reader.feed(path.read_text(encoding="utf-8"))
    assert reader.open == []
    return run, path, reader


def test_it_needs_nothing_else(written):
    _, path, reader = written
    for tag, name, value in reader.attributes:
        if name in ("src", "href", "xlink:href", "data", "action"):
            assert value.startswith(("#", "data:image/png;base64,")), (tag, name, value[:60])
    text = path.read_text(encoding="utf-8")
    assert "@import" not in text
    assert not re.search(r"url\((?!#)", text)
    addresses = set(re.findall(r"https?://[^\s\"'<]+", text))
    assert addresses <= {"http://www.w3.org/1999/xlink"}  # a name, never fetched


def test_it_says_what_was_measured(written):
    run, _, reader = written
    text = " ".join(" ".join(reader.text).split())
    test = run.evaluations["test"]
    for errors in (test.errors["forces"], test.errors["energy_per_atom"], run.evaluations["valid"].errors["forces"]):
        assert number(1000 * errors.rmse) in text
        assert number(1000 * errors.mae) in text
        assert signed(1000 * errors.bias, like=1000 * errors.rmse).lstrip("+-") in text
    assert test.worst(1)[0].name in text
    for words in ("rotation", "energy slope", "equishare md", "Configuration", "batch_size: 8", "<b>odd & name"):
        assert words in text


def test_pictures(written):
    run, path, _ = written
    names = {file.name for file in run.folder.plots.iterdir()}
    assert {
        "learning_loss.png", "learning_forces.png", "learning_energy.png", "parity_energy.png", "parity_forces.png",
        "element_errors.png", "frame_errors.png",
    } <= names  # fmt: skip
    for name in names:
        with Image.open(run.folder.plots / name) as picture:
            assert np.asarray(picture.convert("L")).std() > 5
    assert path.read_text(encoding="utf-8").count("<svg ") == len(names)


def test_pictures_follow_the_page(mixed_frames, small_potential):
    svg = to_svg(plots.parity(evaluate(small_potential, mixed_frames), PROPERTIES["forces"]), "Forces")
    assert svg.startswith("<svg viewBox=")
    assert "var(--ink)" in svg
    assert "var(--font)" in svg
    assert "DejaVu" not in svg
    assert "#24292f" not in svg


def test_matplotlib_is_left_alone(mixed_frames, small_potential):
    import matplotlib

    before = dict(matplotlib.rcParams)
    to_svg(plots.element_errors(evaluate(small_potential, mixed_frames)), "Elements")
    assert dict(matplotlib.rcParams) == before


@pytest.mark.parametrize("pool", [[0], [2], [3], [1, 5], [0, 1, 2, 3, 4, 5]])
def test_plots_of_few_and_missing_labels(mixed_frames, small_potential, pool):
    result = evaluate(small_potential, [mixed_frames[index] for index in pool])
    if "energy" in result.errors:
        to_svg(plots.energy_parity(result), "Energy")
    if "forces" in result.errors:
        to_svg(plots.parity(result, PROPERTIES["forces"]), "Forces")
        to_svg(plots.element_errors(result), "Elements")
    assert "<svg" in to_svg(plots.frame_errors(result), "Frames")


@pytest.mark.parametrize(("file", "frames", "start"), [("my.xyz", "my.xyz", "my.xyz@3"), ("", "new.xyz", "start.xyz")])
def test_commands_of_frames_in_files_and_in_memory(file, frames, start):
    frame, folder = SimpleNamespace(file=file, index=3), SimpleNamespace(model="m.safetensors")
    data = SimpleNamespace(split=SimpleNamespace(test=[], valid=[frame]))
    run = SimpleNamespace(folder=folder, data=data, config=SimpleNamespace(data=SimpleNamespace(test=0.1)))
    assert [words.split()[3] for _, words in commands(run)[:2]] == [frames, start]
