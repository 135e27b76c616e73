"""The files about the project agree with each other: versions, links, lines."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

import equishare

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PAGES = [p for p in ROOT.rglob("*.md") if not {".venv", "venv", "_build", ".nox", "node_modules"} & set(p.parts)]
WORKFLOW = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())
MATRIX = WORKFLOW["jobs"]["gate"]["strategy"]["matrix"]


def noxfile(name: str) -> list[str]:
    (line,) = re.findall(rf"^{name} = \[(.*)\]", (ROOT / "noxfile.py").read_text(), re.M)
    return re.findall(r'"([^"]+)"', line)


def test_the_version_is_the_same_everywhere():
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"] == equishare.__version__
    headings = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(), re.M)
    assert headings[:2] == ["Unreleased", equishare.__version__]


def test_what_is_tested_is_what_is_allowed():
    assert MATRIX["python"] == noxfile("PYTHONS")
    assert MATRIX["torch"] == noxfile("TORCHES")
    (torch,) = [line for line in PROJECT["dependencies"] if re.match(r"torch\b(?!-)", line)]
    oldest, above = re.fullmatch(r"torch>=([\d.]+),<([\d.]+)", torch).groups()
    first, last = (tuple(int(part) for part in text.split(".")[:2]) for text in MATRIX["torch"])
    assert first == tuple(int(part) for part in oldest.split("."))
    assert (last[0], last[1] + 1) == tuple(int(part) for part in above.split("."))
    assert PROJECT["requires-python"] == f">={MATRIX['python'][0]}"


def test_pages_install_a_torch_that_is_allowed():
    """The newest torch of an index may be too new: pip would then fetch another one, with CUDA, over the CPU's."""
    (allowed,) = re.findall(r"<[\d.]+", next(line for line in PROJECT["dependencies"] if line.startswith("torch>")))
    for page in PAGES:
        for wanted in re.findall(r"pip install \"?torch(?![\w-])([^\s\"]*)", page.read_text()):
            assert wanted == allowed, page


def test_each_extra_of_the_documentation_is_there():
    extras = set(PROJECT["optional-dependencies"])
    for page in PAGES:
        for names in re.findall(r"equishare\[([\w,]+)\]", page.read_text()):
            assert set(names.split(",")) <= extras, page


@pytest.mark.parametrize(
    "page", [*PAGES, ROOT / "benchmarks" / "README.md"], ids=lambda p: p.relative_to(ROOT).as_posix()
)
def test_links_lead_somewhere(page):
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.S)
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text):
        if not re.match(r"https?:|mailto:", target) and not target.startswith(("notebooks/", "reference/")):
            assert (page.parent / target).exists(), f"{target} in {page.name}"


def test_pages_that_code_and_errors_name_are_there():
    for folder in ("equishare", "tests", "benchmarks", "examples", "tools"):
        for path in (ROOT / folder).rglob("*.py"):
            for name in re.findall(r"(?<![\w/])docs/[\w/]+\.md\b", path.read_text()):
                assert (ROOT / name).exists(), f"{path} names {name}"


def test_each_benchmark_is_in_the_list():
    listed = (ROOT / "benchmarks" / "README.md").read_text()
    assert {path.name for path in (ROOT / "benchmarks").glob("*.py")} == set(re.findall(r"`(\w+\.py)`", listed))


def test_the_changelog_is_for_users():
    """Added, Changed or Fixed; no ratios of times and errors, which no command prints."""
    text = (ROOT / "CHANGELOG.md").read_text()
    assert set(re.findall(r"^### (.+)$", text, re.M)) <= {"Added", "Changed", "Fixed", "Removed", "Deprecated"}
    assert not re.search(r"\b\d+(\.\d+)? (times|x) (faster|slower|lower|as)|of the time\b", text)


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 90


def test_the_page_of_dependencies_names_each_of_them():
    page = (ROOT / "docs" / "explanations" / "dependencies.md").read_text()
    for line in PROJECT["dependencies"]:
        name = re.match(r"[\w-]+", line)[0]
        assert re.search(rf"^\| .*\b{name}\b.* \|", page, re.M), (
            f"docs/explanations/dependencies.md does not say why {name}"
        )
    for extra in PROJECT["optional-dependencies"]:
        assert f"`{extra}`" in page
