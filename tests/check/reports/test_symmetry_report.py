import json

import pytest
import torch

from equishare.check import equivariance, geometric


@pytest.fixture(scope="module")
def report():
    model = torch.nn.Sequential(torch.nn.Linear(3, 3, bias=False), torch.nn.Tanh())
    return equivariance(model, torch.randn(6, 3), geometric("forces", "forces"))


def test_text_names_verdict_and_culprit(report):
    text = str(report)
    assert repr(report) == text
    assert text.startswith("FAIL")
    assert report.culprit in text
    assert "seed 0" in text
    assert "\x1b" not in text


def test_json_holds_everything(report, tmp_path):
    values = json.loads(report.to_json(tmp_path / "r.json"))
    assert values == json.loads((tmp_path / "r.json").read_text())
    assert values["verdict"] == "fail"
    assert values["culprit"] == report.culprit
    assert values["tests"][0]["worst_element"].startswith("rotation by")
    assert values["breaks"]["modules"]


def test_html_stands_alone(report, tmp_path):
    text = report.to_html(tmp_path / "r.html")
    assert (tmp_path / "r.html").read_text() == text
    assert [p.name for p in tmp_path.iterdir()] == ["r.html"]
    assert "http" not in text
    assert "<script" not in text
    assert report.culprit in text


def test_names_are_escaped(report):
    report.notes.append("<b>bold</b>")
    assert "<b>" not in report.to_html_fragment()
