"""How numbers are written for people, and read: the one place that formats them.

Accuracies are fractions; they are written in percent with two decimals, and their differences in
points. Other metrics have three significant digits or, in a column, the decimals that all of its
values share. Trailing zeros are kept, and zero has no sign.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import floor, isfinite, log10

from nnexp.names import is_accuracy

NONE = "–"


def fixed(value: float, decimals: int, sign: str = "") -> str:
    """Write a number with so many decimals; `sign="+"` writes a plus, but zero has no sign.

    >>> fixed(0.5, 2), fixed(0.5, 2, "+"), fixed(-0.001, 2), fixed(0.001, 2, "+")
    ('0.50', '+0.50', '0.00', '0.00')
    """
    text = f"{value:{sign}.{decimals}f}"
    return text if text.strip("+-0.") else text.lstrip("+-")


def significant(value: float, digits: int = 3, sign: str = "") -> str:
    """Write a number with so many significant digits, trailing zeros kept.

    >>> significant(0.64), significant(0.01234), significant(1234.5), significant(-0.0)
    ('0.640', '0.0123', '1234', '0')
    >>> significant(0.00001), significant(2e9), significant(0.5, 2, "+")
    ('1.00e-05', '2.00e+09', '+0.50')
    """
    if not value or not isfinite(value):
        return f"{value or 0:.0f}"
    if not 1e-4 <= abs(value) < 1e5:
        return f"{value:{sign}.{digits - 1}e}"
    return fixed(value, _decimals(value, digits), sign)


def short(value: float, digits: int = 3) -> str:
    """Write a number for a sentence: at most so many significant digits, no trailing zeros.

    >>> short(0.640), short(12.5), short(-0.0), short(0.0123456, 2)
    ('0.64', '12.5', '0', '0.012')
    """
    return f"{value + 0.0:.{digits}g}"


def _decimals(value: float, digits: int = 3) -> int:
    return max(0, digits - 1 - floor(log10(abs(value))))


def shared_decimals(metric: str, values: Iterable[float | None]) -> int | None:
    """Return the decimals for a column of values; None where they differ too much in size.

    >>> shared_decimals("test_cost", [0.64, 0.643, 1.2]), shared_decimals("test_cost", [1e-5, 7])
    (3, None)
    """
    if is_accuracy(metric):
        return 2
    sizes = [abs(value) for value in values if value and isfinite(value)]
    if not sizes or min(sizes) < 1e-4 or max(sizes) >= min(1e5, min(sizes) * 1000):
        return None
    return _decimals(min(sizes))


def number(metric: str, value: float | None, decimals: int | None = None) -> str:
    """Write a metric's value without its unit, with the decimals of its column if they are given.

    >>> number("test_accuracy", 0.9682), number("train_cost", 0.64), number("train_cost", 0.6, 2)
    ('96.82', '0.640', '0.60')
    """
    if value is None:
        return NONE
    if is_accuracy(metric):
        return fixed(value * 100, 2)
    return significant(value) if decimals is None else fixed(value, decimals)


def quantity(metric: str, value: float | None) -> str:
    """Write a metric's value with its unit.

    >>> quantity("test_accuracy", 0.9682), quantity("test_cost", 0.01234)
    ('96.82 %', '0.0123')
    """
    return number(metric, value) + (" %" if is_accuracy(metric) and value is not None else "")


def spread(metric: str, mean: float, sd: float | None, decimals: int | None = None) -> str:
    """Write mean ± standard deviation, both with the same decimals; a single value has none.

    >>> spread("test_accuracy", 0.9676, 0.0008), spread("test_cost", 0.64, 0.02)
    ('96.76 ± 0.08', '0.640 ± 0.020')
    """
    if decimals is None:
        decimals = shared_decimals(metric, [mean])
    text = number(metric, mean, decimals)
    return text if sd is None else f"{text} ± {number(metric, sd, decimals)}"


def size(metric: str, value: float) -> str:
    """Write a difference without a sign.

    >>> size("test_accuracy", 0.0035), size("test_cost", 0.01)
    ('0.35 points', '0.01')
    """
    return f"{fixed(value * 100, 2)} points" if is_accuracy(metric) else short(value)


def change(metric: str, value: float) -> str:
    """Write a difference with its sign.

    >>> change("test_accuracy", -0.0035), change("test_cost", 0.01234)
    ('-0.35 points', '+0.0123')
    """
    if is_accuracy(metric):
        return f"{fixed(value * 100, 2, '+')} points"
    return significant(value, sign="+")


def span(metric: str, low: float, high: float) -> str:
    """Write an interval of differences.

    >>> span("test_accuracy", -0.001, 0.0035), span("test_cost", -0.1, 0.012)
    ('-0.10 to +0.35 points', '-0.100 to +0.012')
    """
    factor, unit = (100, " points") if is_accuracy(metric) else (1, "")
    decimals = shared_decimals(metric, [max(abs(low), abs(high))])
    if decimals is None:
        return f"{change(metric, low)} to {change(metric, high)}"
    return f"{fixed(low * factor, decimals, '+')} to {fixed(high * factor, decimals, '+')}{unit}"


def p_value(p: float | None) -> str:
    """Write a p value with two significant digits.

    >>> p_value(0.0312), p_value(0.5), p_value(1e-7), p_value(None)
    ('0.031', '0.50', '<0.0001', '–')
    """
    if p is None:
        return NONE
    return "<0.0001" if p < 1e-4 else significant(p, 2)


def percent(fraction: float | None, decimals: int = 0) -> str:
    """Write a fraction in percent.

    >>> percent(0.125), percent(0.125, 1), percent(None)
    ('12 %', '12.5 %', '–')
    """
    return NONE if fraction is None else f"{fixed(fraction * 100, decimals)} %"


def duration(seconds: float) -> str:
    """Write a time.

    >>> duration(0.0214), duration(4.21), duration(75), duration(7384)
    ('21 ms', '4.2 s', '1 min 15 s', '2 h 3 min')
    """
    if seconds < 0.0995:
        return f"{seconds * 1000:.2g} ms"
    if seconds < 59.95:
        return f"{seconds:.2f} s" if seconds < 0.995 else f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def plural(n: int, noun: str) -> str:
    """Write a number and its noun.

    >>> plural(1, "run"), plural(2000, "run")
    ('1 run', '2,000 runs')
    """
    return f"{n:,} {noun}{'s' * (n != 1)}"


def name_seeds(seeds: Iterable[int]) -> str:
    """Name seeds in their order.

    >>> name_seeds([3, 1]), name_seeds([7])
    ('seeds 1, 3', 'seed 7')
    """
    ordered = sorted(seeds)
    return f"seed{'s' * (len(ordered) != 1)} {', '.join(map(str, ordered))}"


def parse_number(text: str) -> float | None:
    """Read a number, or None: Python's 1_000 and digits of other scripts are none.

    >>> parse_number("1e-3"), parse_number(" -2 "), parse_number("1_000")
    (0.001, -2.0, None)
    """
    try:
        value = float(text)
    except ValueError:
        return None
    return value if "_" not in text and text.strip().isascii() else None


def margin_problem(metric: str, margin: float) -> str:
    """Say what is wrong with a margin that was meant in percent or points; else an empty text.

    >>> margin_problem("test_accuracy", 1), margin_problem("test_cost", 1)
    ('expected a fraction below 1 for an accuracy (0.001 is 0.1 points), got 1', '')
    """
    if is_accuracy(metric) and margin >= 1:
        return f"expected a fraction below 1 for an accuracy (0.001 is 0.1 points), got {margin:g}"
    return ""
