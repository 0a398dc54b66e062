"""How numbers are worded: percents, costs, times, published figures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nnexp.views.table import NONE

if TYPE_CHECKING:
    from nnexp.evidence.groups import Spread
    from nnexp.views.published import Published


def is_percent(metric: str) -> bool:
    """Tell whether a metric is a fraction that is shown in percent."""
    return metric.endswith("accuracy")


def label(metric: str) -> str:
    """Name a metric for people.

    >>> label("test_accuracy")
    'test accuracy'
    """
    return metric.replace("_r2", " R²").replace("_", " ")


def title(metric: str) -> str:
    """Name a metric with its unit, as a heading.

    >>> title("test_accuracy"), title("train_cost")
    ('test accuracy %', 'train cost')
    """
    return label(metric) + (" %" if is_percent(metric) else "")


def number(metric: str, value: float | None) -> str:
    """Write a metric's value without its unit.

    >>> number("test_accuracy", 0.9682), number("train_cost", 0.01234)
    ('96.82', '0.0123')
    """
    if value is None:
        return NONE
    return f"{value * 100:.2f}" if is_percent(metric) else f"{value:.3g}"


def quantity(metric: str, value: float | None) -> str:
    """Write a metric's value with its unit."""
    return number(metric, value) + (" %" if is_percent(metric) and value is not None else "")


def spread(metric: str, found: Spread | None) -> str:
    """Write mean ± standard deviation.

    >>> from nnexp.evidence.groups import Spread
    >>> spread("test_accuracy", Spread(3, 0.9676, 0.0008, 0.967, 0.968))
    '96.76 ± 0.08'
    """
    if found is None:
        return NONE
    mean = number(metric, found.mean)
    if found.sd is None:
        return mean
    decimals = len(mean.partition(".")[2]) if "e" not in mean else 0
    sd = f"{found.sd:.{decimals}f}" if decimals and not is_percent(metric) else None
    return f"{mean} ± {sd or number(metric, found.sd)}"


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


def published(known: Published, metric: str) -> str:
    """Write the published figure of a metric and which statistic it is."""
    figure = known.figures.get(metric)
    return NONE if figure is None else f"{number(metric, figure)} ({known.statistic})"
