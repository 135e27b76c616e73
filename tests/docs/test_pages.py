"""Pages can be read in any editor: no line beyond 160 characters, but for rows of tables of figures."""

import re

import pytest
from code_blocks import PAGES, ROOT

FILES = [*PAGES, *(p for p in ROOT.glob("*.md") if p.name != "README.md")]
LONGEST = 160


@pytest.mark.parametrize("page", FILES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_no_line_is_too_long(page):
    lines = enumerate(page.read_text().splitlines(), start=1)
    long = [n for n, line in lines if len(line) > LONGEST and not re.match(r"\s*\|", line)]
    assert not long, f"lines {long} of {page.name} have more than {LONGEST} characters"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_every_figure_has_a_command(page):
    """Nothing is measured by hand: what no command prints is not claimed."""
    assert not re.search(r"[;(] ?by hand|measured by hand|seen by hand", page.read_text(), re.I)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_each_page_is_in_the_table_of_contents(page):
    """A page that no other leads to is lost."""
    if page.parent == ROOT or page.name == "index.md":
        return
    name = page.relative_to(ROOT / "docs").with_suffix("").as_posix()
    assert re.search(rf"^{name}$", (ROOT / "docs" / "index.md").read_text(), re.M), f"{name} is not in docs/index.md"
