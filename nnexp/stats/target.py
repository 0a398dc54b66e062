"""Time to a target: after how many epochs and seconds a metric first reaches a value."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import inf, isfinite
from statistics import median

from nnexp.errors import OptionError, did_you_mean
from nnexp.names import CLOCKS, METRICS, higher_is_better, is_accuracy
from nnexp.stats.summary import Row


@dataclass(frozen=True, slots=True)
class Target:
    """A metric and the value it is to reach: from below where higher is better, else from above."""

    metric: str
    value: float

    def reached(self, value: float | None) -> bool:
        """Tell whether a value of the metric is as good or better."""
        if value is None or not isfinite(value):
            return False
        return value >= self.value if higher_is_better(self.metric) else value <= self.value


@dataclass(frozen=True, slots=True)
class Reached:
    """The first epoch that reached a target, and the seconds of training and evaluation to its end.

    Attributes:
        seconds: None where the clock was not logged.
    """

    epoch: int
    seconds: float | None


@dataclass(frozen=True, slots=True)
class TimeToTarget:
    """An arm's runs and a target.

    Attributes:
        runs: by seed, None for a run that never reached it.
        never: how many never did.
        epochs: median over all runs, those that never did counted as infinitely late; None where
            that makes it infinite. A median of the others alone would flatter the arm.
        seconds: the same of the seconds.
    """

    runs: Mapping[int, Reached | None]
    never: int
    epochs: float | None
    seconds: float | None


def parse_target(text: str) -> Target:
    """Read METRIC=VALUE.

    Raises:
        OptionError: it is not of that form, or no run could have such a metric or value.

    >>> parse_target("test_accuracy=0.95")
    Target(metric='test_accuracy', value=0.95)
    """
    metric, equals, value = (part.strip() for part in text.partition("="))
    if not equals:
        raise OptionError(f"{text!r} where METRIC=VALUE is due, as in test_accuracy=0.95")
    if metric not in METRICS:
        raise OptionError(f"{text}: no metric {metric!r}{did_you_mean(metric, METRICS)}")
    try:
        number = float(value)
    except ValueError:
        number = inf
    if not isfinite(number):
        raise OptionError(f"{text}: {value!r} is not a number")
    if is_accuracy(metric) and not 0 <= number <= 1:
        raise OptionError(f"{text}: an accuracy is a fraction from 0 to 1; 95 % is 0.95")
    return Target(metric, number)


def reach(rows: Sequence[Row], target: Target) -> Reached | None:
    """Find the first epoch whose metric reaches the target; None where none does.

    Epochs in which the metric was not measured cannot reach it, but their seconds count.

    >>> rows = [{"epoch": i, "test_accuracy": 0.9 + i / 100, "train_seconds": 2.0} for i in (1, 2)]
    >>> reach(rows, Target("test_accuracy", 0.92))
    Reached(epoch=2, seconds=4.0)
    """
    for i, row in enumerate(rows, 1):
        epoch = row.get("epoch")
        if epoch is not None and target.reached(row.get(target.metric)):
            return Reached(int(epoch), _seconds(rows[:i]))
    return None


def _seconds(rows: Sequence[Row]) -> float | None:
    clocks = [row.get(clock) for row in rows for clock in CLOCKS]
    found = [seconds for seconds in clocks if seconds is not None]
    return sum(found) if found else None


def time_to_target(runs: Mapping[int, Sequence[Row]], target: Target) -> TimeToTarget:
    """Summarize the runs of an arm, given the rows of each by seed."""
    found = {seed: reach(rows, target) for seed, rows in runs.items()}
    return TimeToTarget(
        runs=found,
        never=sum(reached is None for reached in found.values()),
        epochs=_median(r.epoch if r else None for r in found.values()),
        seconds=_median(r.seconds if r else None for r in found.values()),
    )


def _median(values: Iterable[float | None]) -> float | None:
    late = [inf if value is None else value for value in values]
    middle = median(late) if late else inf
    return middle if isfinite(middle) else None
