"""The judge of growth: it sees what takes the square of its size, and lets pass what does not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import growth
import pytest


def _loops(power: int) -> growth.Input:
    def make(n: int, folder: Path) -> Callable[[], object]:
        return lambda: sum(i for i in range(n**power // 500 ** (power - 1)) for _ in range(40))

    return make


@pytest.mark.slow
def test_squares_are_told_from_what_is_linear() -> None:
    """Four times the size takes about 4 times as long, or 16 times."""
    assert growth.growth(_loops(1))[1] < 7 < growth.growth(_loops(2))[1]


def test_a_steep_input_is_a_broken_promise(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is named, with the figure."""
    monkeypatch.setattr(growth, "INPUTS", {"loops": _loops(2)})
    figures = growth.grow()
    assert "loops: four times as many took" in figures.problems[0]
    assert figures.inputs == 1
