"""What CONTRIBUTING.md promises: an addition is one source module and one table entry."""

from __future__ import annotations

import pytest
from additions import ROOT, additions

SECTIONS = additions((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"))
# `make additions` performs them on a copy of the tree and runs all tests there.
NAMES = ["cost", "data reader", "output format"]


def test_every_addition_is_tried() -> None:
    """The page has a section "Add a ..." for each of them."""
    assert list(SECTIONS) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_an_addition_touches_one_source_module_and_one_table(name: str) -> None:
    """No step changes a test, a page or a second table."""
    steps = [step for step in SECTIONS[name] if not step.commands]
    assert len({step.path for step in steps if not step.table}) == 1
    assert len([step for step in steps if step.table]) == 1
