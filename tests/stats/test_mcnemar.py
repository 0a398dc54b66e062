"""McNemar's exact test, against SciPy and a published example."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from nnexp.stats.significance import mcnemar

classes = st.integers(0, 2)


@given(st.lists(st.tuples(classes, classes, classes), min_size=1, max_size=40))
def test_p_is_that_of_a_fair_coin(examples: list[tuple[int, int, int]]) -> None:
    """SciPy's exact binomial test of the discordant examples agrees; swapping turns the sign."""
    labels, first, second = map(list, zip(*examples, strict=True))
    found, swapped = mcnemar(labels, first, second), mcnemar(labels, second, first)
    b = sum(y == a != c for y, a, c in examples)
    c = sum(y == s != a for y, a, s in examples)
    assert (found.only_first, found.only_second, found.n) == (b, c, len(examples))
    assert found.p == pytest.approx(stats.binomtest(b, b + c).pvalue if b + c else 1.0)
    accuracies = [sum(y == x for y, x in zip(labels, p, strict=True)) for p in (first, second)]
    assert found.difference == pytest.approx((accuracies[0] - accuracies[1]) / len(examples))
    assert (swapped.p, swapped.difference) == (found.p, -found.difference)


def test_a_published_example() -> None:
    """9,959 right by both, 11 by one, 1 by the other, 29 by none: p = 0.0063 (Raschka, 2018)."""
    counts = [(0, 0, 9_959), (0, 1, 11), (1, 0, 1), (1, 1, 29)]
    first = [a for a, _, n in counts for _ in range(n)]
    second = [b for _, b, n in counts for _ in range(n)]
    found = mcnemar([0] * 10_000, first, second)
    assert found.p == pytest.approx(26 / 2**12)
    assert found.difference == pytest.approx(0.001)


def test_predictions_must_be_of_the_same_examples() -> None:
    """Arrays of different lengths, or of none, are refused."""
    with pytest.raises(ValueError, match="do not match"):
        mcnemar([0, 1], [0, 1], [0])
    with pytest.raises(ValueError, match="do not match"):
        mcnemar([], [], [])
