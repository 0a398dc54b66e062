"""How many seeds it takes, against published tables, SciPy and simulation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy import stats

from nnexp.stats.estimate import (
    LEAST,
    MOST,
    POWER,
    attained,
    least_pairs,
    power,
    seeds_for_margin,
    seeds_needed,
)
from nnexp.stats.significance import holm


@pytest.mark.parametrize(("effect", "n"), [(0.2, 199), (0.5, 34), (0.8, 15)])
def test_cohens_effects_take_the_published_numbers_of_pairs(effect: float, n: int) -> None:
    """Small, medium and large effects need 199, 34 and 15 pairs for a power of 80 % at 0.05."""
    assert seeds_needed(effect, 1.0) == n
    assert power(n - 1, effect, 1.0) < POWER <= power(n, effect, 1.0)


@given(st.integers(2, 200), st.floats(0, 3), st.floats(0.1, 5))
@example(119, 1.125, 0.3125)
@example(10_000, 1.0, 0.001)
def test_power_is_the_tail_of_the_noncentral_t(n: int, difference: float, sd: float) -> None:
    """SciPy's noncentral t gives the same, and the sign of the difference does not matter."""
    tail = stats.nct.sf(stats.t.ppf(0.975, n - 1), n - 1, n**0.5 * difference / sd)
    assert power(n, difference, sd) == pytest.approx(tail, abs=1e-8)
    assert power(n, -difference, sd) == power(n, difference, sd)


def test_without_spread_every_difference_is_seen() -> None:
    """Where all seeds agree to the digit, six are enough; of equal arms nothing is ever seen."""
    assert seeds_needed(0.1, 0.0) == LEAST
    assert seeds_needed(0.0, 0.0) is None
    assert seeds_needed(0.0, 1.0) is None


@pytest.mark.parametrize("n", range(1, 12))
def test_a_test_attains_a_level_that_some_pattern_has(n: int) -> None:
    """The attained level is the largest multiple of 2/2ⁿ, at most 1, that is not above 0.05."""
    assert attained(n) == max(k / 2**n for k in range(0, 2**n + 1, 2) if k / 2**n <= 0.05)


@pytest.mark.parametrize("comparisons", [1, 2, 6, 7, 50])
def test_the_least_pairs_are_the_first_that_holm_lets_through(comparisons: int) -> None:
    """With one pair less no comparison could be claimed, whatever its runs say."""
    n = least_pairs(comparisons)
    assert holm([2 / 2**n] * comparisons)[0] <= 0.05 < holm([2 / 2 ** (n - 1)] * comparisons)[0]
    needed = seeds_needed(9.0, 1.0, 0.05 / comparisons)
    assert needed is not None
    assert needed >= n


@given(st.floats(0.001, 3), st.floats(0.01, 3))
def test_the_seeds_needed_are_the_fewest(difference: float, sd: float) -> None:
    """One less would not have the power; None is said only where 10,000 would not."""
    n = seeds_needed(difference, sd)
    if n is None:
        assert power(MOST, difference, sd) < POWER
        return
    assert power(n, difference, sd, attained(n)) >= POWER
    assert n == LEAST or power(n - 1, difference, sd, attained(n - 1)) < POWER


@pytest.mark.parametrize(("difference", "margin"), [(0.0, 1.0), (0.3, 1.0), (-0.2, 0.5)])
def test_the_seeds_for_a_margin_bring_intervals_inside_it(difference: float, margin: float) -> None:
    """Of simulated experiments with so many pairs, 80 % have an interval inside the margin."""
    n = seeds_for_margin(difference, 1.0, margin)
    assert n is not None
    d = np.random.default_rng(7).normal(difference, 1, (20_000, n))
    half = stats.t.ppf(0.975, n - 1) * d.std(axis=1, ddof=1) / n**0.5
    inside = np.mean(np.abs(d.mean(axis=1)) + half <= margin)
    assert 0.79 <= inside <= 0.87


def test_no_number_of_seeds_brings_a_larger_difference_inside() -> None:
    """A difference of the margin itself cannot be shown to be smaller."""
    assert seeds_for_margin(0.5, 1.0, 0.5) is None
    assert seeds_for_margin(0.0, 1.0, 1e-6) is None
