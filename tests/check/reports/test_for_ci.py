"""JUnit, SARIF and badges: what continuous integration and front pages read."""

import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
import torch
from ase.build import molecule as structure
from ase.calculators.emt import EMT
from torch import nn

from equishare.check import calculator, equivariance, geometric
from equishare.check.reports.source import source_of


class Bias(nn.Module):
    def forward(self, v):
        return v + 0.1


def report(broken):
    model = nn.Sequential(nn.Identity(), Bias() if broken else nn.Identity())
    return equivariance(model, (torch.randn(5, 3),), geometric("forces", "forces"))


def test_junit_has_a_case_for_each_row_and_a_failure_for_each_that_does_not_pass(tmp_path):
    found = report(True)
    found.to_junit(tmp_path / "junit.xml")
    suite = ElementTree.parse(tmp_path / "junit.xml").getroot()
    assert suite.tag == "testsuite"
    assert int(suite.get("tests")) == len(suite.findall("testcase")) == len(found.tests)
    failing = sum(t.verdict != "pass" for t in found.tests)
    assert int(suite.get("failures")) == len(suite.findall("testcase/failure")) == failing > 0
    assert "breaks at 1" in suite.find("testcase/failure").get("message")
    passed = ElementTree.fromstring(report(False).to_junit())
    assert passed.get("failures") == "0"
    assert not passed.findall("testcase/failure")


def test_sarif_points_at_the_code_that_breaks():
    log = json.loads(report(True).to_sarif())
    assert log["version"] == "2.1.0"
    (run,) = log["runs"]
    rules = {rule["id"] for rule in run["tool"]["driver"]["rules"]}
    assert {r["ruleId"] for r in run["results"]} == rules <= {"rotation", "reflection"}
    for result in run["results"]:
        assert result["level"] == "error"
        place = result["locations"][0]["physicalLocation"]
        assert place["artifactLocation"]["uri"].endswith(Path(__file__).name)
        line = Path(__file__).read_text().splitlines()[place["region"]["startLine"] - 1]
        assert line.strip() == "def forward(self, v):"
    assert json.loads(report(False).to_sarif())["runs"][0]["results"] == []


def test_a_path_below_the_working_directory_is_relative(monkeypatch):
    monkeypatch.chdir(Path(__file__).parents[1])
    assert source_of(Bias()).relative() == f"reports/{Path(__file__).name}"


@pytest.mark.parametrize("broken", [False, True])
def test_the_badge_says_the_verdict(broken):
    picture = ElementTree.fromstring(report(broken).to_badge())
    texts = [t.text for t in picture.iter("{http://www.w3.org/2000/svg}text")]
    assert texts == ["equivariance", "fail" if broken else "pass"]


def test_calculators_have_them_too():
    atoms = structure("H2O")
    atoms.rattle(0.05, seed=0)
    found = calculator(EMT(), atoms, scan=False, dynamics=False)
    suite = ElementTree.fromstring(found.to_junit())
    assert {case.get("name") for case in suite} >= {"rotation, energy", "rotation, forces"}
    assert json.loads(found.to_sarif())["runs"][0]["results"] == []
    assert "physics" in found.to_badge()
