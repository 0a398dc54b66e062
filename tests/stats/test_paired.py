"""The sign-flip test and its interval, against enumeration, SciPy and Fisher."""

from __future__ import annotations

from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy import stats

from nnexp.stats.estimate import ALPHA
from nnexp.stats.significance import SAMPLES, sign_flip, subset_sums

# Darwin's maize: heights of 15 pairs of crossed and self-fertilized plants, in eighths of an inch.
MAIZE = [49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48]

MANY = [x / 7 for x in range(-9, 14)]

floats = st.floats(-100, 100).map(lambda x: round(x, 3))
differences = st.lists(floats, min_size=1, max_size=9)


def enumerated(d: list[int]) -> Fraction:
    """Count patterns of signs in integers."""
    sums = [
        sum(s * x for s, x in zip(signs, d, strict=True))
        for signs in product((1, -1), repeat=len(d))
    ]
    return Fraction(sum(abs(x) >= abs(sum(d)) for x in sums), len(sums))


def test_fishers_test_of_darwins_maize() -> None:
    """In 863 of 32,768 patterns the sum is at least 314: p = 1726/32768 (Fisher, 1935, § 21)."""
    found = sign_flip([x / 8 for x in MAIZE])
    assert sum(MAIZE) == 314
    assert found.p == 1726 / 32768
    assert found.mean == pytest.approx(314 / 8 / 15)


@given(st.lists(st.integers(-5, 5), min_size=1, max_size=8))
def test_p_is_the_fraction_of_all_patterns_of_signs(d: list[int]) -> None:
    """Enumeration in integers, with many ties, gives the same p."""
    assert sign_flip([float(x) for x in d]).p == float(enumerated(d))


@given(
    st.lists(
        st.tuples(st.integers(9_400, 9_410), st.integers(9_400, 9_410)), min_size=1, max_size=8
    )
)
def test_rounding_makes_no_difference(pairs: list[tuple[int, int]]) -> None:
    """Accuracies, whose differences are off in the last digit, give the p of the integers."""
    d = [a / 10_000 - b / 10_000 for a, b in pairs]
    assert sign_flip(d).p == float(enumerated([a - b for a, b in pairs]))


@pytest.mark.parametrize("n", [3, 7, 11])
def test_p_is_that_of_scipy(n: int) -> None:
    """SciPy's exact permutation test of paired samples agrees."""
    d = np.random.default_rng(n).normal(0.4, 1, n)
    found = stats.permutation_test(
        (d,), np.mean, permutation_type="samples", n_resamples=np.inf, alternative="two-sided"
    )
    assert sign_flip(d.tolist()).p == pytest.approx(found.pvalue, abs=1e-12)


@given(st.lists(floats, min_size=6, max_size=9))
@example([32.688] * 6)
def test_the_interval_holds_what_the_test_does_not_reject(d: list[float]) -> None:
    """At each end a shift is just not rejected, and just outside it is."""
    interval = sign_flip(d).interval
    assert interval is not None
    assert min(d) - 1e-9 <= interval.low <= interval.high <= max(d) + 1e-9
    step = 1e-4 * (1 + max(d) - min(d))
    for end, outwards in ((interval.low, -step), (interval.high, step)):
        # An end is off in its last digit, and so are differences that are 0 there.
        assert sign_flip([round(x - end, 9) for x in d]).p > ALPHA
        assert sign_flip([x - end - outwards for x in d]).p <= ALPHA


@given(differences)
def test_interval_and_p_never_contradict_each_other(d: list[float]) -> None:
    """The interval excludes 0 exactly if p is at most 0.05; without six pairs there is neither."""
    found = sign_flip(d)
    assert (found.interval is None) == (len(d) < 6)
    if found.interval is not None:
        assert found.interval.excludes_zero() == (found.p <= ALPHA)
    assert found.floor == 2 / 2 ** len(d)
    assert found.floor <= found.p <= 1


@given(differences.flatmap(lambda d: st.tuples(st.just(d), st.permutations(d))))
def test_the_order_of_seeds_changes_nothing(both: tuple[list[float], list[float]]) -> None:
    """The same differences in another order give the same figures to the last digit."""
    d, shuffled = both
    assert sign_flip(shuffled) == sign_flip(d)


@given(differences)
@example(MANY)
def test_swapping_the_arms_turns_the_sign(d: list[float]) -> None:
    """The mean and the ends of the interval change sign, p stays, sampled or not."""
    found, swapped = sign_flip(d), sign_flip([-x for x in d])
    assert swapped.p == found.p
    assert swapped.mean == -found.mean
    if found.interval is not None and sum(d) != 0:
        assert swapped.interval is not None
        assert (swapped.interval.low, swapped.interval.high) == (
            -found.interval.high,
            -found.interval.low,
        )


@given(st.lists(floats, min_size=6, max_size=9), floats)
def test_the_interval_moves_with_the_differences(d: list[float], shift: float) -> None:
    """Adding a constant to every difference adds it to mean and interval."""
    found, moved = sign_flip(d).interval, sign_flip([x + shift for x in d]).interval
    assert found is not None
    assert moved is not None
    assert moved.low == pytest.approx(found.low + shift, abs=1e-6)
    assert moved.high == pytest.approx(found.high + shift, abs=1e-6)


@pytest.mark.parametrize("shift", [0.2, 0.5])
def test_sampled_patterns_come_close_to_all(shift: float) -> None:
    """With 22 pairs p and interval are those of all four million patterns, but for sampling."""
    d = np.random.default_rng(2).normal(shift, 1, 22)
    found = sign_flip(d.tolist())
    sums, sizes = subset_sums(d)
    exact = float(np.mean(np.abs(sums[-1] - 2 * sums) >= abs(sums[-1])))
    assert found.p == pytest.approx(exact, abs=4 * (exact / SAMPLES) ** 0.5)
    means = np.sort(sums[1:] / sizes[1:])
    assert found.interval is not None
    k = int(ALPHA / 2 * len(sums))
    assert found.interval.low == pytest.approx(means[k - 1], abs=0.02)
    assert found.interval.high == pytest.approx(means[-k], abs=0.02)
    assert sign_flip(d.tolist()) == found


def test_a_sampled_p_is_never_zero() -> None:
    """Thirty pairs that all agree have the smallest p that 50,000 patterns can give."""
    found = sign_flip([1.0 + i / 100 for i in range(30)])
    assert found.p == found.floor == pytest.approx(1 / (1 + SAMPLES))


def test_pairs_that_do_not_differ() -> None:
    """Equal runs give a difference of 0, an interval of no width and p = 1."""
    found = sign_flip([0.0] * 8)
    assert (found.mean, found.sd, found.p) == (0.0, 0.0, 1.0)
    assert found.interval is not None
    assert (found.interval.low, found.interval.high) == (0.0, 0.0)


def test_nothing_is_estimated_from_nothing() -> None:
    """Without differences there is an error, not a number."""
    with pytest.raises(ValueError, match="no differences"):
        sign_flip([])


@given(st.lists(st.sampled_from([0.0, -0.0, 0.25, -0.25]), min_size=6, max_size=9))
def test_an_end_at_zero_has_no_sign(differences: list[float]) -> None:
    """0 is written as 0, from whichever side the interval ends there."""
    estimate = sign_flip(differences)
    assert "-0.0)" not in repr(estimate.interval)
    assert "-0.0," not in repr(estimate.interval)
