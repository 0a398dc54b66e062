"""Intervals of means and the permutation of labels, against SciPy and Student's sleep data."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy import stats

from nnexp.stats.estimate import deviation, mean_interval, skewness, variance
from nnexp.stats.significance import unpaired

# Hours of sleep gained with two drugs by ten patients (Student, Biometrika 6, 1908); R's `sleep`.
FIRST = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]
SECOND = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]

MANY = [x / 7 for x in range(-9, 14)]

whole = st.lists(st.integers(-4, 4), min_size=1, max_size=5)
samples = st.lists(st.integers(-999, 999).map(lambda x: x / 8), min_size=2, max_size=7)


def test_welchs_interval_of_the_sleep_data() -> None:
    """Taken as two groups, the interval is -3.3655 to 0.2055, as R's t.test prints it."""
    found = unpaired(FIRST, SECOND).interval
    assert found is not None
    assert found.low == pytest.approx(-3.3654832, abs=1e-7)
    assert found.high == pytest.approx(0.2054832, abs=1e-7)


@given(samples)
def test_spread_and_skewness_are_scipys(values: list[float]) -> None:
    """Variance and deviation with n - 1, skewness with n."""
    assert variance(values) == pytest.approx(np.var(values, ddof=1))
    assert deviation(values) == pytest.approx(np.std(values, ddof=1))
    due = stats.skew(values) if len(set(values)) > 1 else 0
    assert skewness(values) == pytest.approx(due, abs=1e-9)


@given(samples)
def test_a_symmetric_sample_has_students_interval(values: list[float]) -> None:
    """Of values and their mirror images SciPy gives the same interval of the mean."""
    both = [*values, *(-x for x in values)]
    found = mean_interval(both)
    assert found is not None
    if len(set(both)) == 1:
        assert found.low == found.high == 0
        return
    judge = stats.ttest_1samp(both, 0).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((judge.low, judge.high), abs=1e-9)


@given(samples.filter(lambda values: len(set(values)) > 1))
def test_the_interval_of_a_mean_inverts_halls_transformation(values: list[float]) -> None:
    """At its ends the transformed statistic, √n (q + g q²/3 + g² q³/27 + g/(6n)), is ±t."""
    found = mean_interval(values)
    assert found is not None
    n, g = len(values), stats.skew(values)
    t = stats.t.ppf(0.975, n - 1)
    for end, due in ((found.low, t), (found.high, -t)):
        q = (np.mean(values) - end) / np.std(values, ddof=1)
        transformed = np.sqrt(n) * (q + g * q**2 / 3 + g**2 * q**3 / 27 + g / (6 * n))
        assert transformed == pytest.approx(due, rel=1e-6)


@given(samples, st.floats(-100, 100), st.sampled_from([-3.0, 0.5, 2.0]))
def test_the_interval_of_a_mean_moves_with_the_values(
    values: list[float], shift: float, scale: float
) -> None:
    """In another unit, another sign or from another zero it is the same interval."""
    found, moved = mean_interval(values), mean_interval([scale * x + shift for x in values])
    assert found is not None
    assert moved is not None
    due = sorted((scale * found.low + shift, scale * found.high + shift))
    assert (moved.low, moved.high) == pytest.approx(tuple(due), abs=1e-6)


def test_a_stuck_run_makes_the_interval_reach_to_its_side() -> None:
    """Of nine runs at 96.7 % and one at 80 %, Student's would end above all of them."""
    values = [96.7, 96.8, 96.6, 96.7, 96.75, 96.65, 96.7, 96.72, 96.68, 80.0]
    found = mean_interval(values)
    judge = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert found is not None
    assert found.low < judge.low < found.high < judge.high


def test_one_run_has_no_interval() -> None:
    """The spread of a single run is unknown, and nothing is made up."""
    assert mean_interval([0.9]) is None
    assert deviation([0.9]) is None
    assert unpaired([0.9], [0.8, 0.7]).interval is None
    assert unpaired([0.9], [0.8, 0.7]).sd is None


@given(samples, samples)
def test_the_interval_is_welchs(a: list[float], b: list[float]) -> None:
    """SciPy's interval for unequal variances is the same."""
    found = unpaired(a, b).interval
    assert found is not None
    if min(len(set(a)), len(set(b))) == 1:
        assert found.low <= unpaired(a, b).mean <= found.high
        return
    judge = stats.ttest_ind(a, b, equal_var=False).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((judge.low, judge.high), abs=1e-8)


@given(whole, whole)
def test_p_is_the_fraction_of_all_labellings(a: list[int], b: list[int]) -> None:
    """Enumeration in integers, with many ties, gives the same p."""
    pooled, n, m = [*a, *b], len(a), len(b)
    total = sum(pooled)
    ways = [abs(sum(c) * (n + m) - n * total) for c in combinations(pooled, n)]
    observed = abs(sum(a) * (n + m) - n * total)
    expected = sum(way >= observed for way in ways) / len(ways)
    found = unpaired([float(x) for x in a], [float(x) for x in b])
    assert found.p == pytest.approx(expected, abs=1e-12)
    assert found.floor <= found.p + 1e-12


@pytest.mark.parametrize(("n", "m"), [(4, 5), (6, 6), (2, 9)])
def test_p_is_that_of_scipy(n: int, m: int) -> None:
    """SciPy's exact permutation test of independent samples agrees."""
    rng = np.random.default_rng(n)
    a, b = rng.normal(1, 1, n), rng.normal(0, 1, m)

    def distance(x: np.ndarray, y: np.ndarray) -> float:
        return abs(float(x.mean() - y.mean()))

    judge = stats.permutation_test((a, b), distance, n_resamples=np.inf, alternative="greater")
    assert unpaired(a.tolist(), b.tolist()).p == pytest.approx(judge.pvalue, abs=1e-12)


@pytest.mark.parametrize(("n", "m", "floor"), [(3, 3, 2 / 20), (3, 4, 1 / 35), (6, 6, 2 / 924)])
def test_the_floor_is_reached_by_arms_that_do_not_overlap(n: int, m: int, floor: float) -> None:
    """No smaller p is possible than that of two arms wholly apart, 1 or 2 over all labellings."""
    found = unpaired([10.0 + i for i in range(n)], [float(i) for i in range(m)])
    assert found.floor == pytest.approx(floor)
    assert found.p == pytest.approx(floor)


def test_many_runs_are_sampled_close_to_all() -> None:
    """With 22 runs p is that of all 705,432 labellings but for sampling, and never 0."""
    rng = np.random.default_rng(5)
    a, b = rng.normal(0.7, 1, 11), rng.normal(0, 1, 11)
    pooled = np.concatenate([a, b]) - np.concatenate([a, b]).mean()
    ways = np.fromiter((sum(c) for c in combinations(pooled.tolist(), 11)), float)
    exact = np.mean(np.abs(ways) >= abs(pooled[:11].sum()) - 1e-9)
    found = unpaired(a.tolist(), b.tolist())
    assert found.p == pytest.approx(exact, abs=4 * (exact / 50_000) ** 0.5)
    assert unpaired(a.tolist(), b.tolist()) == found
    apart = unpaired([float(i) for i in range(12)], [100.0 + i for i in range(12)])
    assert apart.p == apart.floor == 1 / 50_001


@given(samples, samples, st.sampled_from([0.0, 0.5, -3.0]))
@example(MANY, MANY[:8], 0.5)
def test_arms_can_be_swapped_and_moved(a: list[float], b: list[float], shift: float) -> None:
    """Swapping turns the sign and keeps p; a constant added to both arms changes nothing."""
    found, swapped = unpaired(a, b), unpaired(b, a)
    moved = unpaired([x + shift for x in a[::-1]], [x + shift for x in b])
    assert found.interval is not None
    assert swapped.interval is not None
    assert swapped.p == found.p
    assert swapped.mean == -found.mean
    assert swapped.interval.low == pytest.approx(-found.interval.high, abs=1e-9)
    assert moved.p == pytest.approx(found.p)
    assert moved.mean == pytest.approx(found.mean, abs=1e-9)
    assert 0 < found.p <= 1


def test_an_arm_without_runs_is_refused() -> None:
    """A mean of no runs is an error, not a number."""
    with pytest.raises(ValueError, match="without runs"):
        unpaired([], [1.0])
