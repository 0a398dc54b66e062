"""Wins, probability of improvement, error reduction and Holm's correction."""

from __future__ import annotations

from itertools import chain, combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from nnexp.stats.estimate import Wins, count_wins, error_reduction, probability_of_improvement
from nnexp.stats.significance import holm

scores = st.lists(st.integers(0, 5).map(float), min_size=1, max_size=12)
probabilities = st.lists(st.floats(1e-9, 1), max_size=7)


@given(scores, scores)
def test_the_probability_of_improvement_is_mann_whitneys(a: list[float], b: list[float]) -> None:
    """It is SciPy's U over the number of pairs, and the two directions add up to 1."""
    found = probability_of_improvement(a, b)
    assert found == pytest.approx(stats.mannwhitneyu(a, b).statistic / len(a) / len(b))
    assert found + probability_of_improvement(b, a) == pytest.approx(1)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3))))
def test_every_pair_is_won_lost_or_tied(pairs: list[tuple[float, float]]) -> None:
    """The three counts add up, and swapping the arms swaps wins and losses."""
    found = count_wins(pairs)
    assert found.wins + found.losses + found.ties == len(pairs)
    assert found.wins == sum(a > b for a, b in pairs)
    assert count_wins((b, a) for a, b in pairs) == Wins(found.losses, found.wins, found.ties)


def test_the_books_error_reduction() -> None:
    """From 96.59 to 96.82 %, about one in fourteen errors is gone (Nielsen, chapter 3)."""
    found = error_reduction(0.9682, 0.9659)
    assert found is not None
    assert 14 < 1 / found < 15
    assert error_reduction(0.9659, 0.9659) == 0
    assert error_reduction(1.0, 1.0) is None


def test_a_published_holm_adjustment() -> None:
    """The example of pingouin's documentation of `holm`."""
    found = holm([0.50, 0.003, 0.32, 0.054, 0.0003])
    assert found == pytest.approx([0.64, 0.012, 0.64, 0.162, 0.0015])


@given(probabilities)
def test_holm_is_the_closed_test_of_bonferroni(p: list[float]) -> None:
    """Each adjusted p is the largest Bonferroni p of its families (Marcus et al., 1976)."""
    members = range(len(p))
    families = list(chain.from_iterable(combinations(members, k + 1) for k in members))
    expected = [
        max(min(1.0, len(f) * min(p[j] for j in f)) for f in families if i in f) for i in members
    ]
    assert holm(p) == pytest.approx(expected)


@given(probabilities)
def test_a_correction_never_lowers_a_p(p: list[float]) -> None:
    """Adjusted p values are at least the raw ones, at most 1, and in the same order."""
    adjusted = holm(p)
    assert all(raw <= new <= 1 for raw, new in zip(p, adjusted, strict=True))
    by_raw = sorted(zip(p, adjusted, strict=True))
    assert [new for _, new in by_raw] == sorted(adjusted)
