"""Tests of significance: pairs of runs, independent runs, several comparisons, two networks.

**Pairs of runs that share a seed**: the sign-flip test and the interval that is its inverse. Where
the two arms do not differ, each difference is as likely to have the other sign. The test asks how
many of the 2ⁿ patterns of signs give a mean as far from 0 as the one observed; the interval holds
every shift of the differences that the test does not reject. So they never contradict each other:
the interval excludes 0 exactly if p ≤ 0.05. Below six pairs nothing can be rejected (2/2⁵ > 0.05)
and there is no interval. Other methods were tried: docs/statistics.md. Sources: Fisher, The Design
of Experiments (1935), section 21; Hartigan, Using subsample values as typical values, JASA 64
(1969), whose subset means are the ends of the interval.

**Runs that share no seeds**: Welch's interval and the permutation test of labels. A fallback:
shared seeds remove the noise that both arms have in common.

**Two single networks**: McNemar's exact test speaks of two trained networks, not of the methods
that trained them: another seed gives another network, and the test knows nothing of that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import fsum, sqrt
from statistics import fmean

import numpy as np

from nnexp.nn.types import Array
from nnexp.stats.distributions import fair_binomial_cdf, t_quantile
from nnexp.stats.estimate import ALPHA, ROUNDING, Estimate, Interval, deviation, variance

MOST_EXACT = 20
SAMPLES = 50_000
_BLOCK = 12
# Samples that are drawn in one piece of memory.
_AT_ONCE = 500


def subset_sums(values: Array) -> tuple[Array, Array]:
    """Return the sum and the size of each of the 2ⁿ subsets, the empty first, the whole last.

    >>> subset_sums(np.array([1.0, 5.0]))
    (array([0., 1., 5., 6.]), array([0., 1., 1., 2.]))
    """
    sums, sizes = np.zeros((2, 2 ** len(values)))
    m = 1
    for value in values:
        np.add(sums[:m], value, sums[m : 2 * m])
        np.add(sizes[:m], 1, sizes[m : 2 * m])
        m *= 2
    return sums, sizes


def _sampled_sums(values: Array) -> tuple[Array, Array]:
    """Return the same of random subsets and their complements, between the empty and the whole.

    The seed is fixed: the same values give the same result.
    """
    n, total, sums = len(values), values.sum(), np.zeros(SAMPLES)
    chosen, sizes = _random_subsets(n)
    for start, subsets in zip(range(0, n, _BLOCK), chosen, strict=True):
        # The numbers are in range; "clip" only keeps NumPy from making them larger first.
        sums += np.take(subset_sums(values[start : start + _BLOCK])[0], subsets, mode="clip")
    return (
        np.concatenate([[0.0], sums, total - sums, [total]]),
        np.concatenate([[0], sizes, n - sizes, [n]]),
    )


@lru_cache(maxsize=2)
def _random_subsets(n: int) -> tuple[list[Array], Array]:
    """Draw a subset of each block of twelve, as the number whose bits it is; and sizes in all.

    A subset's sum is then looked up: an eighth of the time of adding its values.
    """
    rng = np.random.default_rng(0)
    blocks = [min(_BLOCK, n - start) for start in range(0, n, _BLOCK)]
    chosen: list[Array] = [rng.integers(2**size, size=SAMPLES, dtype=np.uint16) for size in blocks]
    sizes = np.zeros(SAMPLES, dtype=np.intp)
    for subsets in chosen:
        sizes += np.bitwise_count(subsets)
    trivial = (sizes == 0) | (sizes == n)
    for subsets in chosen:
        subsets[trivial] = 0
    chosen[0][trivial], sizes[trivial] = 2 ** blocks[0] - 1, blocks[0]
    return chosen, sizes


def sign_flip(differences: Sequence[float]) -> Estimate:
    """Estimate the mean of paired differences d_i.

    p = #{s : |Σ s_i d_i| ≥ |Σ d_i|} / 2ⁿ over all patterns of signs s. Up to 20 pairs all are
    counted; above, 50,000 random ones with a fixed seed, the observed one counted in:
    p = (1 + #)/(1 + 50,000). Ties are counted with a tolerance for rounding.

    The interval: flipping the signs of a subset S of the d_i - θ gives Σ(d_i - θ) - 2 Σ_S(d_i - θ),
    which is at least Σ(d_i - θ) if and only if the mean of S is at most θ. So θ is rejected where
    too few subsets have a mean below it, and the ends are order statistics of the subset means.

    Raises:
        ValueError: there are no differences.

    >>> estimate = sign_flip([0.3, 0.1, 0.2, 0.5, 0.4, 0.6])
    >>> estimate.p, estimate.interval
    (0.03125, Interval(low=0.1, high=0.6))
    """
    if not differences:
        raise ValueError("no differences to estimate a mean from")
    # Sorted, and turned so that the mean is positive: then neither the order of the pairs nor
    # which of the arms is called the baseline changes a digit.
    sign = -1.0 if fsum(differences) < 0 else 1.0
    d = np.sort(sign * np.asarray(differences, dtype=np.float64))
    sums, sizes = subset_sums(d) if len(d) <= MOST_EXACT else _sampled_sums(d)
    rounding = ROUNDING * np.abs(d).sum()
    sums[np.abs(sums) <= rounding] = 0.0
    # With Σ d ≥ 0, |Σ d - 2 Σ_S d| ≥ Σ d says Σ_S d ≤ 0 of the flipped ones or of the others.
    p = min(1.0, 2 * float(np.mean(sums <= 0)))
    interval = _interval(sums, sizes)
    if interval is not None and sign < 0:
        interval = Interval(0.0 - interval.high, 0.0 - interval.low)
    mean, sd = fmean(differences), deviation(differences)
    return Estimate(True, len(d), mean, sd, interval, p, floor=2 / len(sums))


def _interval(sums: Array, sizes: Array) -> Interval | None:
    """Return the least and the greatest θ that are not rejected; None where all are not.

    θ is rejected where at most α/2 of the subsets have a mean of at most θ, or of at least θ; the
    empty subset counts as either.
    """
    k = int(ALPHA / 2 * len(sums))
    if k == 0:
        return None
    means = sums[1:] / sizes[1:]
    # Twice the smallest: NumPy partitions about a large index five times more slowly.
    low, high = np.partition(means, k - 1)[k - 1], -np.partition(-means, k - 1)[k - 1]
    # Zero has no sign: -0.0 + 0.0 is 0.0.
    return Interval(float(low) + 0.0, float(high) + 0.0)


def unpaired(a: Sequence[float], b: Sequence[float]) -> Estimate:
    """Estimate the difference of the means of two independent samples, ā - b̄.

    The interval is Welch's (Biometrika 34, 1947); it needs two runs in each arm. p is the fraction
    of the ways to hand out the labels for which the means are as far apart as observed: all of them
    up to 20 runs in all; above, 50,000 random ones with a fixed seed, the observed one counted in:
    p = (1 + #)/(1 + 50,000).

    Raises:
        ValueError: an arm has no runs.

    >>> estimate = unpaired([5.0, 6.0, 7.0], [1.0, 2.0, 3.0])
    >>> estimate.mean, estimate.p
    (4.0, 0.1)
    """
    if not a or not b:
        raise ValueError("an arm without runs has no mean")
    mean, sd, interval = fmean(a) - fmean(b), None, None
    if min(len(a), len(b)) > 1:
        sd = sqrt(variance(a) + variance(b))
        interval = _welch(a, b)
    p, floor = _permute(a, b)
    return Estimate(False, min(len(a), len(b)), mean, sd, interval, p, floor)


def _welch(a: Sequence[float], b: Sequence[float]) -> Interval:
    """Return ā - b̄ ± t √(va + vb), with Satterthwaite's degrees of freedom."""
    mean, va, vb = fmean(a) - fmean(b), variance(a) / len(a), variance(b) / len(b)
    if va + vb == 0:
        return Interval(mean, mean)
    share = va / (va + vb)
    df = 1 / (share**2 / (len(a) - 1) + (1 - share) ** 2 / (len(b) - 1))
    half = t_quantile(df, ALPHA / 2) * sqrt(va + vb)
    return Interval(mean - half, mean + half)


def _permute(a: Sequence[float], b: Sequence[float]) -> tuple[float, float]:
    """Return p, and the smallest p that so many runs can give."""
    smaller, larger = sorted((a, b), key=len)
    pooled = np.sort(np.asarray([*smaller, *larger], dtype=np.float64))
    centre = fmean(pooled)
    pooled -= centre
    rounding = ROUNDING * np.abs(pooled).sum()
    observed = abs(float(np.sum(np.sort(smaller) - centre))) - rounding
    n, k = len(pooled), len(smaller)
    if n > MOST_EXACT:
        hits = np.count_nonzero(np.abs(_sampled(pooled, k)) >= observed)
        return (1 + hits) / (1 + SAMPLES), 1 / (1 + SAMPLES)
    sums, sizes = subset_sums(pooled)
    ways = np.abs(sums[sizes == k])
    # With arms of one size each way has its mirror image.
    return float(np.mean(ways >= observed)), (2 if 2 * k == n else 1) / len(ways)


def _sampled(pooled: Array, k: int) -> Array:
    """Return the sums of random subsets of size k."""
    rng = np.random.default_rng(0)
    draws = (rng.random((_AT_ONCE, len(pooled))) for _ in range(SAMPLES // _AT_ONCE))
    subsets = (draw.argpartition(k - 1, axis=1)[:, :k] for draw in draws)
    return np.concatenate([pooled[subset].sum(axis=1) for subset in subsets])


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust p values by Holm's step-down procedure (Scand. J. Statist. 6, 1979).

    The i-th smallest of m becomes max over j ≤ i of (m - j + 1) p_j, at most 1. Claiming only what
    is then ≤ α keeps the chance of any false claim among the m at α.

    >>> [round(p, 3) for p in holm([0.01, 0.04, 0.03])]
    [0.03, 0.06, 0.06]
    """
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    adjusted, reached = [0.0] * len(p_values), 0.0
    for rank, i in enumerate(order):
        reached = max(reached, min(1.0, (len(order) - rank) * p_values[i]))
        adjusted[i] = reached
    return adjusted


@dataclass(frozen=True, slots=True)
class McNemar:
    """Two networks on the same n examples.

    Attributes:
        only_first: examples that only the first got right, b.
        only_second: examples that only the second got right, c.
        difference: of the accuracies, first - second, (b - c)/n.
        p: exact, two-sided.
    """

    n: int
    only_first: int
    only_second: int
    difference: float
    p: float


def mcnemar(
    labels: Sequence[int] | Array, first: Sequence[int] | Array, second: Sequence[int] | Array
) -> McNemar:
    """Compare the classes that two networks predict for the same examples, each (n,).

    Of the b + c examples that one got right and the other wrong, as many should fall to each where
    they are equally good: p = 2 P(X ≤ min(b, c)), X binomial (b + c, ½), at most 1.
    McNemar, Psychometrika 12 (1947), in its exact form.

    Raises:
        ValueError: the arrays differ in length or are empty.

    >>> round(mcnemar([0] * 12, [0] * 11 + [1], [1] * 11 + [0]).p, 4)
    0.0063
    """
    y, a, b = (np.asarray(values) for values in (labels, first, second))
    if not y.size or y.shape != a.shape or y.shape != b.shape:
        raise ValueError(f"labels {y.shape} and predictions {a.shape}, {b.shape} do not match")
    only_first = int(np.count_nonzero((a == y) & (b != y)))
    only_second = int(np.count_nonzero((a != y) & (b == y)))
    least, discordant = min(only_first, only_second), only_first + only_second
    p = min(1.0, 2 * fair_binomial_cdf(least, discordant))
    return McNemar(len(y), only_first, only_second, (only_first - only_second) / len(y), p)
