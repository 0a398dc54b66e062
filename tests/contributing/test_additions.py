"""What CONTRIBUTING.md promises: an addition is one source module and one table entry."""

from __future__ import annotations

from itertools import chain

import pytest
from additions import ROOT, additions, follow

SECTIONS = additions((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"))
# The tests that know each table best; `make additions` runs all tests after all additions.
TESTS = {
    "cost": ["tests/nn/test_gradients.py", "tests/nn/test_judges.py", "tests/config/test_rules.py"],
    "data reader": ["tests/data/test_readers.py", "tests/config/test_json_schema.py"],
    "output format": ["tests/views/test_table.py", "tests/cli/test_help.py"],
}


def test_every_addition_is_tried() -> None:
    """No section "Add a ..." goes without its tests."""
    assert list(SECTIONS) == list(TESTS)


@pytest.mark.parametrize("name", TESTS)
def test_an_addition_touches_one_source_module_and_one_table(name: str) -> None:
    """No step changes a test, a page or a second table."""
    steps = [step for step in SECTIONS[name] if not step.commands]
    assert len({step.path for step in steps if not step.table}) == 1
    assert len([step for step in steps if step.table]) == 1


def test_a_newcomer_who_follows_the_page_sees_the_tests_pass() -> None:
    """All steps, `make docs` and the tests succeed on one copy without another edit."""
    tests = ["tests/test_docs.py", "tests/cli/test_golden.py", *chain.from_iterable(TESTS.values())]
    follow(list(TESTS), ["-n", "0", *tests])
