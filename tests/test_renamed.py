"""The policy for names: an old one works for one more minor version, with a warning, and no longer."""

import re
from importlib import import_module

import pytest

import equishare
from equishare.renamed import RENAMED


def version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text))[:2]


@pytest.mark.parametrize("old", sorted(RENAMED))
def test_an_old_name_works_and_says_what_to_write(old):
    home, _, name = old.rpartition(".")
    new_home, _, new_name = RENAMED[old].new.rpartition(".")
    with pytest.warns(DeprecationWarning, match=re.escape(f"is {RENAMED[old].new} now")) as caught:
        value = getattr(import_module(home), name)
    assert value is getattr(import_module(new_home), new_name)
    assert caught[0].filename == __file__, "the warning points at the line that uses the old name"
    assert name not in import_module(home).__all__
    assert new_name in import_module(new_home).__all__


@pytest.mark.parametrize("old", sorted(RENAMED))
def test_an_old_name_goes_in_time(old):
    assert version(equishare.__version__) < version(RENAMED[old].removed_in), f"remove {old} from equishare/renamed.py"


@pytest.mark.parametrize("module", ["equishare.nn", "equishare.check"])
def test_a_name_that_never_was(module):
    with pytest.raises(AttributeError, match="no attribute 'Nonsense'"):
        _ = import_module(module).Nonsense
