"""The trials of one arm: what each of them runs, when it is pruned, and what has become of it.

The run folders of the trials are the only record of a search. What a trial tried stands in its
config.yaml, what came of it in its metrics.csv; both survive a kill at any moment, and neither can
get out of step with a second list, because there is none. A folder is trusted only after the run
that its settings call for has been put together anew and found to be the run it holds.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain, count
from math import ceil, inf, isfinite
from pathlib import Path
from statistics import median
from typing import Any

from nnexp.config.identity import run_key
from nnexp.config.loader import Config, assign, validate
from nnexp.config.space import Choices
from nnexp.config.study import Arm, Study, Tune
from nnexp.config.yaml import Document
from nnexp.errors import RunError
from nnexp.names import higher_is_better
from nnexp.run.assembly import DataCache
from nnexp.run.reader import Run, open_run
from nnexp.stats.summary import Point, Row, best, series
from nnexp.study.jobs import ENDED, Job
from nnexp.study.proposals import State, Tried, propose

MONITOR = ("train", "validation")
MIN_COMPLETE = 5
PRUNED = "pruned:"
_LONGEST = 80


@dataclass(frozen=True, slots=True)
class Pruning:
    """The median rule: a run ends when its best value so far is worse than the median.

    It is that of Optuna's MedianPruner, after Golovin et al., Google Vizier (KDD 2017). The medians
    are those of the complete trials before, so that they are known when a trial begins, and a run
    that is resumed is judged as if it had not been interrupted.

    A run that is pruned ends as `completed`, with its reason in `stopped`: like early stopping it
    is an end and not an interruption, so that `nnexp resume` refuses to go on with it and
    `nnexp compare` says after how many epochs it ended, and why.

    Attributes:
        metric: what is judged.
        medians: epoch -> the median of the metric after it.

    >>> rows = [{"epoch": 1.0, "validation_cost": 0.7}, {"epoch": 2.0, "validation_cost": 0.6}]
    >>> Pruning("validation_cost", {2: 0.6})(rows)
    >>> Pruning("validation_cost", {2: 0.5})(rows)
    'pruned: validation_cost 0.6 is worse than the median 0.5 after epoch 2'
    """

    metric: str
    medians: Mapping[int, float]

    def end(self, rows: Sequence[Row]) -> tuple[int, str] | None:
        """Return the epoch after which a run with these rows is to end, and why, or None."""
        sign = 1 if higher_is_better(self.metric) else -1
        reached = -inf
        for point in measured(rows, self.metric):
            reached = max(reached, sign * point.value)
            due = self.medians.get(point.epoch)
            if due is not None and reached < sign * due:
                return point.epoch, (
                    f"{PRUNED} {self.metric} {sign * reached:.4g} is worse than the median "
                    f"{due:.4g} after epoch {point.epoch}"
                )
        return None

    def __call__(self, rows: Sequence[Row]) -> str | None:
        """Say why a run with these rows is to end, or return None."""
        found = self.end(rows)
        return found[1] if found else None


def measured(rows: Sequence[Row], metric: str) -> list[Point]:
    """Return what a trial is judged by: a cost without the penalty, which says nothing of fit.

    >>> rows = [{"epoch": 1.0, "validation_cost": 0.7, "validation_data_cost": 0.4}]
    >>> measured(rows, "validation_cost")
    [Point(value=0.4, epoch=1)]
    """
    return series(rows, metric.replace("_cost", "_data_cost")) or series(rows, metric)


def medians(tried: Iterable[Tried], epochs: int) -> dict[int, float]:
    """Return the medians that a trial is held against; none before five trials are complete.

    The first quarter of the epochs is not judged: it favours whatever learns fast at first.
    """
    complete = [one.values for one in tried if one.state == "complete"]
    if len(complete) < MIN_COMPLETE:
        return {}
    found = {}
    for epoch in range(ceil(epochs / 4), epochs):
        values = [p.value for points in complete for p in points if p.epoch == epoch]
        finite = [value for value in values if isfinite(value)]
        if finite:
            found[epoch] = median(finite)
    return found


@dataclass(frozen=True, slots=True)
class Trial(Tried):
    """A trial that has ended.

    Attributes:
        number: from 0.
        folder: of its run.
        epochs: how many were trained.
    """

    number: int
    folder: Path
    epochs: int


@dataclass
class Search:
    """The search of one arm's settings, trial by trial.

    Attributes:
        arm: whose settings are searched.
        tune: how.
        runs: the folder of the trials' run folders.
        data: where the trials' data are kept.
        trials: those that have ended.
    """

    study: Study
    arm: Arm
    tune: Tune
    runs: Path
    data: DataCache
    trials: list[Trial] = field(default_factory=list)

    @property
    def epochs(self) -> int:
        """The epochs of a trial that is not ended early."""
        return self.tune.epochs or self.arm.config.experiment.epochs

    def following(self) -> Job | None:
        """Take note of the trials that are there, and return what is due next, or None.

        Raises:
            ConfigError: the space holds settings that no run can have.
            RunError: a trial's folder cannot be used.
        """
        while len(self.trials) < self.tune.trials:
            found = self._read(len(self.trials))
            if found is None:
                tune = self.tune
                settings = propose(tune.space, self.trials, metric=tune.metric, seed=tune.seed)
                return self.job(settings, len(self.trials))
            self.trials.append(found)
        return None

    def best(self) -> Trial | None:
        """Return the best complete trial, the first of equals; None where none is complete."""
        complete = [trial for trial in self.trials if trial.state == "complete"]
        sign = -1 if higher_is_better(self.tune.metric) else 1

        def rank(trial: Trial) -> float:
            point = trial.best(self.tune.metric)
            return sign * point.value if point else float("inf")

        return min(complete, key=rank, default=None)

    def job(self, settings: Mapping[str, Any], number: int) -> Job:
        """Return the run of a trial."""
        words = ", ".join(f"{key} {value}" for key, value in settings.items())
        config = configured(
            self.study,
            self.arm,
            settings,
            name=self._name(number),
            description=f"trial {number} of {self.arm.name}: {words}",
            seed=self.tune.seed,
            epochs=self.epochs,
            monitor=list(MONITOR),
        )
        return Job(config, self.runs, self.data.load(config).digest, self._pruning(number))

    def _name(self, number: int) -> str:
        """Return a trial's name: an arm's that is too long is cut, and told apart."""
        stem = self.arm.name
        if len(stem) > _LONGEST:
            stem = f"{stem[:_LONGEST]}-{hashlib.sha256(stem.encode()).hexdigest()[:8]}"
        return f"{stem}-t{number}"

    def _pruning(self, number: int) -> Pruning:
        known = self.trials[:number] if self.tune.prune else []
        return Pruning(self.tune.metric, medians(known, self.epochs))

    def _read(self, number: int) -> Trial | None:
        """Return a trial if its run has ended; a damaged folder is named, not passed over."""
        name = f"{self._name(number)}-s{self.tune.seed}"
        for suffix in chain([""], (f"-{i}" for i in count(2))):
            folder = self.runs / f"{name}{suffix}"
            if not os.path.lexists(folder):
                return None
            advice = "move it away, and the next `nnexp tune` makes the same trial again"
            try:
                run = open_run(folder)
            except RunError as error:
                raise RunError(f"{error}; {advice}") from error
            if run.record.get("status") not in ENDED:
                continue
            if run.problems or run.record.get("epochs") != len(run.rows):
                problem = run.problems[0] if run.problems else "metrics.csv has lost rows"
                raise RunError(f"{folder}: {problem}; {advice}")
            found = self._judged(run, number)
            if found is None:
                raise RunError(
                    f"{folder}: is not trial {number} of {self.arm.name} as the study has it now; "
                    "move it away, or give the study another name"
                )
            return found
        raise AssertionError

    def _judged(self, run: Run, number: int) -> Trial | None:
        """Return what a run says of a trial; None where it is another run than it should be."""
        settings = self._settings(run)
        if settings is None:
            return None
        job = self.job(settings, number)
        if not run.config or run_key(run.config, run.digest) != job.key:
            return None
        # Its rows are judged, not its status, so that a trial which another command has trained
        # to the end counts as it would have without.
        end = self._pruning(number).end(run.rows)
        points = measured(run.rows[: end[0] if end else None], self.tune.metric)
        state: State = "pruned" if end else "diverged" if run.status == "diverged" else "complete"
        was_pruned = str(run.record.get("stopped")).startswith(PRUNED)
        if state == "complete" and (was_pruned or best(points, self.tune.metric) is None):
            return None
        return Trial(settings, state, points, number, run.folder, len(run.rows))

    def _settings(self, run: Run) -> dict[str, Any] | None:
        """Find in a run's config what was chosen from the space; None where nothing fits."""
        if run.experiment is None:
            return None
        known = run.experiment.model_dump()
        settings: dict[str, Any] = {}
        for key, space in self.tune.space.items():
            there = _part(known, key)
            if isinstance(space, Choices):
                fitting = [value for value, filled in self._filled[key] if filled == there]
            else:
                value = space.match(there)
                fitting = [] if value is None else [value]
            if not fitting:
                return None
            settings[key] = fitting[0]
        return settings

    @cached_property
    def _filled(self) -> dict[str, list[tuple[Any, Any]]]:
        """The values of each list, with what they are in a config that has been filled in."""
        first = {key: space.samples()[0] for key, space in self.tune.space.items()}

        def filled(key: str, value: Any) -> Any:
            config = configured(self.study, self.arm, first | {key: value})
            return _part(config.experiment.model_dump(), key)

        return {
            key: [(value, filled(key, value)) for value in space.values]
            for key, space in self.tune.space.items()
            if isinstance(space, Choices)
        }


def configured(study: Study, arm: Arm, settings: Mapping[str, Any], **more: Any) -> Config:
    """Return an arm's config with settings from the space; problems name the study's lines.

    Args:
        study: whose tune.space the settings are from.
        arm: what they are added to.
        settings: dotted key -> value.
        more: further keys of the config.

    Raises:
        ConfigError: no run can have these settings.
        OptionError: a key leads nowhere.
    """
    known = arm.config.document
    made = Document(known.file, deepcopy(known.values), dict(known.places))
    for key, value in settings.items():
        assign(made, key, deepcopy(value), study.document.where(("tune", "space", key)))
    for key, value in more.items():
        assign(made, key, value, study.document.where(("tune", key)))
    return Config(validate(made, Path(known.file)), made)


def _part(values: Any, key: str) -> Any:
    for part in key.split("."):
        try:
            values = values[int(part) if isinstance(values, list) else part]
        except (KeyError, IndexError, TypeError, ValueError):
            return None
    return values
