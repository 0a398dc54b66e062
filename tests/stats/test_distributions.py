"""The distributions are SciPy's."""

from __future__ import annotations

from itertools import product
from math import comb, inf

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special, stats

from nnexp.stats.distributions import (
    beta_cdf,
    fair_binomial_cdf,
    noncentral_t_tail,
    t_quantile,
    t_tail,
)

NINE_DIGITS = 1e-9
DEGREES = st.one_of(st.integers(1, 20_000), st.floats(1, 100))
TAILS = st.floats(-12, -0.302).map(lambda power: 10**power)


@given(df=DEGREES, tail=TAILS)
def test_quantiles_of_students_t_are_scipys(df: float, tail: float) -> None:
    """From one degree of freedom on, whole or not, far out and near the middle."""
    assert t_quantile(df, tail) == pytest.approx(stats.t.isf(tail, df), rel=NINE_DIGITS)


@given(df=DEGREES, t=st.floats(0, 1e6))
def test_the_tail_of_students_t_is_scipys(df: float, t: float) -> None:
    """To nine digits of the tail, however small it is."""
    assert t_tail(t, df) == pytest.approx(stats.t.sf(t, df), rel=NINE_DIGITS, abs=1e-290)


def test_the_middle_and_the_end_of_students_t() -> None:
    """Half of it is above 0; nothing is above what a tail of 0 asks for."""
    assert t_quantile(7, 0.5) == pytest.approx(0, abs=1e-12)
    assert t_tail(0.0, 7) == 0.5
    assert t_quantile(7, 0.0) == inf


@pytest.mark.parametrize("df", [1, 2, 5, 9, 49, 500, 10_000])
def test_the_noncentral_t_is_scipys(df: int) -> None:
    """From certain failure to certain success."""
    for t, delta in product((0.0, 0.5, 1.96, 2.97, 5.0, 8.0), (0.0, 0.1, 1.0, 2.8, 6.0, 15.0)):
        due = 1 - special.nctdtr(df, delta, t)
        assert noncentral_t_tail(t, df, delta) == pytest.approx(due, abs=NINE_DIGITS), (t, delta)


def test_the_noncentral_t_at_its_ends() -> None:
    """Nothing is above infinity, and an endless effect is always found."""
    assert noncentral_t_tail(inf, 9, 3.0) == 0
    assert noncentral_t_tail(2.0, 9, inf) == noncentral_t_tail(2.0, 9, 1e300) == 1


@given(n=st.integers(0, 300), k=st.integers(0, 300))
def test_throws_of_a_coin_are_counted(n: int, k: int) -> None:
    """The distribution is that of integers of ways."""
    ways = sum(comb(n, i) for i in range(min(k, n) + 1))
    assert fair_binomial_cdf(k, n) == pytest.approx(ways / 2**n, rel=NINE_DIGITS)


@pytest.mark.parametrize(("k", "n"), [(4_800, 10_000), (500_000, 1_000_000), (0, 1_000)])
def test_many_throws_of_a_coin_are_scipys(k: int, n: int) -> None:
    """As many as a test set has examples."""
    due = stats.binom.cdf(k, n, 0.5)
    assert fair_binomial_cdf(k, n) == pytest.approx(due, rel=1e-8)


@given(x=st.floats(0, 1), a=st.floats(0.5, 1e4), b=st.floats(0.5, 1e4))
def test_the_incomplete_beta_function_is_scipys(x: float, a: float, b: float) -> None:
    """On both sides of where its fraction converges fast."""
    assert beta_cdf(x, 1 - x, a, b) == pytest.approx(special.betainc(a, b, x), abs=NINE_DIGITS)
