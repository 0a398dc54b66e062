"""An arm: the runs that differ only in seed, and what they come to by themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from math import inf
from statistics import fmean

from nnexp.names import higher_is_better
from nnexp.numbers import plural
from nnexp.stats.estimate import Interval, deviation, mean_interval
from nnexp.stats.shape import Apart, find_apart

# Above, squares overflow; a cost that large has diverged in all but name.
LARGEST = 1e100


@dataclass(frozen=True)
class Arm:
    """The runs of one config, by seed.

    Attributes:
        values: of the metric; one that is not finite, or above 1e100, counts as a failure.
        failures: what became of the runs that have no value, as in "diverged in epoch 3".
    """

    name: str
    values: Mapping[int, float]
    failures: Mapping[int, str] = field(default_factory=dict)

    @property
    def seeds(self) -> set[int]:
        """The seeds it was run with, whatever became of the runs."""
        return self.values.keys() | self.failures.keys()

    @cached_property
    def failed(self) -> dict[int, str]:
        """What became of every run without a value to reckon with."""
        wild = {s: f"ended at {v:g}" for s, v in self.values.items() if not abs(v) < LARGEST}
        return wild | dict(self.failures)

    @cached_property
    def finite(self) -> dict[int, float]:
        """The values of the runs that did not fail."""
        return {seed: value for seed, value in self.values.items() if seed not in self.failed}

    def scores(self, metric: str) -> dict[int, float]:
        """Return the values so that higher is better; a failed run is worse than any other."""
        sign = 1 if higher_is_better(metric) else -1
        return dict.fromkeys(self.failed, -inf) | {s: sign * v for s, v in self.finite.items()}

    def fails_more(self, other: Arm) -> bool:
        """Tell whether it fails more often: of all runs, or on the seeds both were run with."""
        rates = [len(arm.failed) / max(len(arm.seeds), 1) for arm in (self, other)]
        both = self.seeds & other.seeds
        counts = [len(arm.failed.keys() & both) for arm in (self, other)]
        return rates[0] > rates[1] or counts[0] > counts[1]

    def failure_count(self) -> str:
        """Say how many of the runs failed."""
        return f"{len(self.failed)} of {plural(len(self.seeds), 'run')} of {self.name} failed"


@dataclass(frozen=True, slots=True)
class Scored:
    """A run by its seed and value."""

    seed: int
    value: float


@dataclass(frozen=True, slots=True)
class ArmSummary:
    """An arm by itself.

    Attributes:
        n: runs with a value; mean, sd, interval, best and worst are theirs.
        interval: Student's 95 % interval of the mean; None for fewer than two.
        failures: what became of the other runs, by seed.
        apart: runs that lie far from the others, if any.
        notes: what a mean hides, in sentences.
    """

    name: str
    n: int
    mean: float | None
    sd: float | None
    interval: Interval | None
    best: Scored | None
    worst: Scored | None
    failures: Mapping[int, str]
    apart: Apart | None
    notes: tuple[str, ...]


def summarize_arm(arm: Arm, metric: str) -> ArmSummary:
    """Summarize an arm's runs; of equally good ones the first seed is called the best, or worst."""
    values, scores = arm.finite, arm.scores(metric)
    x = [values[seed] for seed in sorted(values)]
    apart = find_apart(values)
    best = max(sorted(values), key=scores.__getitem__, default=None)
    worst = min(sorted(values), key=scores.__getitem__, default=None)
    return ArmSummary(
        name=arm.name,
        n=len(x),
        mean=fmean(x) if x else None,
        sd=deviation(x),
        interval=mean_interval(x),
        best=None if best is None else Scored(best, values[best]),
        worst=None if worst is None else Scored(worst, values[worst]),
        failures=arm.failed,
        apart=apart,
        notes=tuple(_notes(arm, apart, metric)),
    )


def _notes(arm: Arm, apart: Apart | None, metric: str) -> list[str]:
    notes = []
    if apart is not None:
        notes.append(f"{arm.name}: {apart.sentence(metric, len(arm.finite))}")
    if arm.failed:
        named = ", ".join(f"seed {seed} ({why})" for seed, why in sorted(arm.failed.items()))
        notes.append(f"{arm.failure_count()}: {named}")
    return notes
