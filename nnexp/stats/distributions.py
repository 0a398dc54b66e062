"""The distributions that the statistics need, to nine digits and more.

They are written out here because `scipy.special` takes longer to import than reading
and comparing ten thousand runs. The tests compare them with it.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from itertools import count
from math import erfc, exp, expm1, inf, lgamma, log, log1p, pi, sqrt
from statistics import NormalDist

# Terms below e^-40 change no digit of a double.
_NEGLIGIBLE = -40.0
_TINY = 1e-300


def beta_cdf(x: float, y: float, a: float, b: float) -> float:
    """Return the regularized incomplete beta function I_x(a, b); y is 1 - x, to its own precision.

    I_x(a, b) = xᵃ yᵇ/(a B(a, b)) · 1/(1 + d₁/(1 + d₂/(1 + ...))), DLMF 8.17.22, by Lentz's method;
    where that converges slowly, I_x(a, b) = 1 - I_y(b, a).

    >>> round(beta_cdf(0.5, 0.5, 2.0, 3.0), 6)
    0.6875
    """
    if not (x and y):
        return 1.0 if x else 0.0
    if x > (a + 1) / (a + b + 2):
        return 1.0 - beta_cdf(y, x, b, a)
    size = exp(a * log(x) + b * log(y) + lgamma(a + b) - lgamma(a) - lgamma(b))
    value, c, d = 1.0, 1.0, 0.0
    for term in _beta_terms(x, a, b):
        d = 1 / (1 + term * d or _TINY)
        c = 1 + term / c or _TINY
        value *= c * d
        if abs(c * d - 1) < 1e-15:
            break
    return size / (a * value)


def _beta_terms(x: float, a: float, b: float) -> Iterator[float]:
    """Yield the partial numerators d₁, d₂, ... of the continued fraction."""
    for m in count():
        yield -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        yield (m + 1) * (b - m - 1) * x / ((a + 2 * m + 1) * (a + 2 * m + 2))


def t_tail(t: float, df: float) -> float:
    """Return P(T > t) of Student's t for t ≥ 0: ½ I_x(ν/2, ½), x = ν/(ν + t²).

    >>> round(t_tail(2.262, 9), 3)
    0.025
    """
    whole = df + t * t
    return beta_cdf(df / whole, t * t / whole, df / 2, 0.5) / 2


@lru_cache(maxsize=4096)
def t_quantile(df: float, tail: float) -> float:
    """Return the t that Student's distribution exceeds with a probability ≤ ½; inf for 0.

    Newton's method from the normal quantile: that is never above, and the tail is convex, so that
    each step is upwards and none goes too far.

    >>> round(t_quantile(9, 0.025), 3)
    2.262
    """
    if tail <= 0:
        return inf
    t = -NormalDist().inv_cdf(tail)
    scale = lgamma((df + 1) / 2) - lgamma(df / 2) - log(df * pi) / 2
    while True:
        density = exp(scale - (df + 1) / 2 * log1p(t * t / df))
        step = (t_tail(t, df) - tail) / density
        t += step
        if step <= 1e-13 * t:
            return t


def noncentral_t_tail(t: float, df: float, delta: float) -> float:
    """Return P(T > t) of the noncentral t, T = (Z + δ)/√(χ²/ν).

    With u = ln √(χ²/ν) that is ∫ Φ(δ - t eᵘ) w(u) du, w(u) ∝ exp(ν(u - (e²ᵘ - 1)/2)), by the
    trapezoid rule, which for such integrands gains digits with the square of the points.

    >>> round(noncentral_t_tail(2.262, 9, 3.162), 3)
    0.803
    """
    if t == inf:
        return 0.0
    step = min(0.05, 0.5 / sqrt(2 * df + t * t))
    tail = total = 0.0
    for way in (step, -step):
        for k in count(0 if way > 0 else 1):
            u = k * way
            size = df * (u - expm1(2 * u) / 2)
            if size < _NEGLIGIBLE:
                break
            weight = exp(size)
            total += weight
            tail += weight * erfc((t * exp(u) - delta) / sqrt(2)) / 2
    return tail / total


def fair_binomial_cdf(k: int, n: int) -> float:
    """Return P(X ≤ k) of n throws of a fair coin, I_½(n - k, k + 1).

    >>> round(fair_binomial_cdf(1, 3), 9)
    0.5
    """
    return beta_cdf(0.5, 0.5, n - k, k + 1) if k < n else 1.0
