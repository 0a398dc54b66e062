"""Two arms whose runs share no seeds: Welch's interval and the permutation test of labels.

A fall-back: seeds that are shared remove the noise that both arms have in common.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from statistics import fmean

import numpy as np

from nnexp.nn.types import Array
from nnexp.stats.distributions import t_quantile
from nnexp.stats.estimate import ALPHA, ROUNDING, Estimate, Interval, variance
from nnexp.stats.paired import MOST_EXACT, SAMPLES, subset_sums

# Samples that are drawn in one piece of memory.
_AT_ONCE = 500


def unpaired(a: Sequence[float], b: Sequence[float]) -> Estimate:
    """Estimate the difference of the means of two independent samples, ā - b̄.

    The interval is Welch's (Biometrika 34, 1947); it needs two runs in each arm. p is the fraction
    of the ways to hand out the labels for which the means are as far apart as observed: all of them
    up to 20 runs in all; above, 50,000 random ones with a fixed seed, the observed one counted in:
    p = (1 + #)/(1 + 50,000).

    Raises:
        ValueError: an arm has no runs.

    >>> found = unpaired([5.0, 6.0, 7.0], [1.0, 2.0, 3.0])
    >>> found.mean, found.p
    (4.0, 0.1)
    """
    if not a or not b:
        raise ValueError("an arm without runs has no mean")
    mean, sd, interval = fmean(a) - fmean(b), None, None
    if min(len(a), len(b)) > 1:
        sd = sqrt(variance(a) + variance(b))
        interval = _welch(mean, variance(a) / len(a), len(a), variance(b) / len(b), len(b))
    p, floor = _permute(a, b)
    return Estimate(False, min(len(a), len(b)), mean, sd, interval, p, floor)


def _welch(mean: float, va: float, na: int, vb: float, nb: int) -> Interval:
    """Return mean ± t √(va + vb), with Satterthwaite's degrees of freedom."""
    if va + vb == 0:
        return Interval(mean, mean)
    share = va / (va + vb)
    df = 1 / (share**2 / (na - 1) + (1 - share) ** 2 / (nb - 1))
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
    return np.concatenate(
        [
            pooled[rng.random((_AT_ONCE, len(pooled))).argpartition(k - 1, axis=1)[:, :k]].sum(
                axis=1
            )
            for _ in range(SAMPLES // _AT_ONCE)
        ]
    )
