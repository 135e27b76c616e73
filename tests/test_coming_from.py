"""Every line of the page for people who come from other packages runs."""

import re
from pathlib import Path

import pytest

PAGE = (Path(__file__).parent.parent / "docs" / "guides" / "coming_from.md").read_text()
START = re.search(r"```python\n(.*?)```", PAGE, re.S)[1]
LINES = [
    row.split(" | ")[1].rsplit(" |", 1)[0].strip() for row in PAGE.splitlines() if re.match(r"\| (?!there|---)", row)
]


def test_the_table_was_read():
    assert len(LINES) > 30
    assert all(line.startswith("`") and line.endswith("`") for line in LINES)


@pytest.mark.parametrize("line", LINES)
def test_line(line):
    names = {}
    exec(START, names)
    assert eval(line.strip("`"), names) is not None
