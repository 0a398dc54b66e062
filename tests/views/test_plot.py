"""Pictures of many runs stay small."""

from __future__ import annotations

import pytest
from matplotlib.figure import Figure

from nnexp.views.plot import _curve


@pytest.mark.parametrize(("seeds", "lines"), [(1, 1), (50, 51), (51, 1), (1000, 1)])
def test_a_group_has_a_line_per_seed_up_to_fifty(seeds: int, lines: int) -> None:
    """Beyond fifty seeds thin lines would hide each other: the mean and the band say it."""
    panel = Figure().subplots()
    _curve(panel, [{1: seed / seeds, 2: 1.0} for seed in range(seeds)], color="k", ls="-")
    assert len(panel.lines) == lines
    assert len(panel.collections) == (seeds > 1)
