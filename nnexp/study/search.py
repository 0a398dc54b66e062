"""The search of one arm's settings: what each trial runs, when it is pruned, what came of it.

The run folders of the trials are the only record of a search. What a trial tried stands in its
run.json, what came of it in its metrics.csv; both survive a kill at any moment, and neither can
get out of step with a second list, because there is none. A folder is trusted only after the run
that its settings call for has been put together anew and is the run that it holds.

What a search tries next is a function of the space, the seed and the trials so far. Optuna is asked
by a new sampler each time, whose seed is that of the search and the trial's number, and whose
history is those trials. So a search that was killed resumes as if it had not been.
"""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from math import ceil, inf, isfinite
from pathlib import Path
from statistics import median
from typing import Any, Literal

import numpy as np

from nnexp.config.loader import Config, assign, to_config
from nnexp.config.space import Choices, Space
from nnexp.config.study import Arm, Study, Tune
from nnexp.errors import NnexpError, RunError
from nnexp.names import higher_is_better
from nnexp.run.assembly import DataCache
from nnexp.run.reader import Run, open_run
from nnexp.stats.summary import Point, Row, best, series
from nnexp.study.jobs import ENDED, Job, candidates, changed_data

State = Literal["complete", "pruned", "diverged"]
MONITOR = ("train", "validation")
MIN_COMPLETE = 5
PRUNED = "pruned:"
_LONGEST = 80


@dataclass(frozen=True, slots=True)
class Trial:
    """What a trial tried and what came of it.

    Of a diverged trial nothing counts but that it is worse than any other.
    """

    settings: Mapping[str, Any]  # the value of each key of the space
    state: State
    values: Sequence[Point]  # of the metric
    number: int  # from 0
    folder: Path
    epochs: int  # that were trained

    def best(self, metric: str) -> Point | None:
        """Return the best epoch, the first of equals: what the trial counts as."""
        return None if self.state == "diverged" else best(self.values, metric)


@dataclass(frozen=True, slots=True)
class Pruning:
    """The median rule: a run ends when its best value so far is worse than the median.

    It is that of Optuna's MedianPruner, after Golovin et al., Google Vizier (KDD 2017). The medians
    are those of the complete trials before, so that they are fixed when a trial begins, and a run
    that is resumed is judged as if it had not been interrupted.

    A run that is pruned ends as `completed`, with its reason in `stopped`: like early stopping it
    is an end and not an interruption, so that `nnexp resume` refuses to continue it and
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
            limit = self.medians.get(point.epoch)
            if limit is not None and reached < sign * limit:
                return point.epoch, (
                    f"{PRUNED} {self.metric} {sign * reached:.4g} is worse than the median "
                    f"{limit:.4g} after epoch {point.epoch}"
                )
        return None

    def __call__(self, rows: Sequence[Row]) -> str | None:
        """Say why a run with these rows is to end, or return None."""
        end = self.end(rows)
        return end[1] if end else None


def measured(rows: Sequence[Row], metric: str) -> list[Point]:
    """Return what a trial is judged by: a cost without the penalty, which says nothing of fit.

    >>> rows = [{"epoch": 1.0, "validation_cost": 0.7, "validation_data_cost": 0.4}]
    >>> measured(rows, "validation_cost")
    [Point(value=0.4, epoch=1)]
    """
    return series(rows, metric.replace("_cost", "_data_cost")) or series(rows, metric)


def medians(trials: Iterable[Trial], epochs: int) -> dict[int, float]:
    """Return the medians that a trial is compared with; none before five trials are complete.

    The first quarter of the epochs is not judged: it favours whatever learns fast at first.
    """
    complete = [trial.values for trial in trials if trial.state == "complete"]
    if len(complete) < MIN_COMPLETE:
        return {}
    values: dict[int, list[float]] = {epoch: [] for epoch in range(ceil(epochs / 4), epochs)}
    for point in chain.from_iterable(complete):
        if point.epoch in values and isfinite(point.value):
            values[point.epoch].append(point.value)
    return {epoch: median(each) for epoch, each in values.items() if each}


@dataclass
class Search:
    """The search of one arm's settings: its trials, with their folders in `runs`, in order."""

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

    @property
    def _first(self) -> dict[str, Any]:
        return {key: space.samples()[0] for key, space in self.tune.space.items()}

    def following(self) -> Job | None:
        """Take note of the trials that are there, and return the next one to train, or None.

        Raises:
            ConfigError: the space holds settings that no run can have.
            RunError: a trial's folder cannot be used.
        """
        while len(self.trials) < self.tune.trials:
            trial = self._read(len(self.trials))
            if trial is None:
                tune = self.tune
                settings = propose(tune.space, self.trials, metric=tune.metric, seed=tune.seed)
                return self.job(settings, len(self.trials))
            self.trials.append(trial)
        return None

    def best(self) -> Trial | None:
        """Return the best complete trial, the first of equals; None where none is complete."""
        complete = [trial for trial in self.trials if trial.state == "complete"]
        sign = -1 if higher_is_better(self.tune.metric) else 1

        def rank(trial: Trial) -> float:
            point = trial.best(self.tune.metric)
            return sign * point.value if point else inf

        return min(complete, key=rank, default=None)

    def job(self, settings: Mapping[str, Any], number: int) -> Job:
        """Return the run of a trial."""
        words = ", ".join(f"{key} {value}" for key, value in settings.items())
        stem = self.arm.name
        if len(stem) > _LONGEST:
            stem = f"{stem[:_LONGEST]}-{hashlib.sha256(stem.encode()).hexdigest()[:8]}"
        config = configured(
            self.study,
            self.arm,
            settings,
            name=f"{stem}-t{number}",
            description=f"trial {number} of {self.arm.name}: {words}",
            seed=self.tune.seed,
            epochs=self.epochs,
            monitor=list(MONITOR),
        )
        return Job(config, self.runs, self.data.load(config).digest, self._pruning(number))

    def _pruning(self, number: int) -> Pruning:
        before = self.trials[:number] if self.tune.prune else []
        return Pruning(self.tune.metric, medians(before, self.epochs))

    def _read(self, number: int) -> Trial | None:
        """Return a trial if its run has ended; a damaged folder is named, not passed over."""
        for folder in candidates(self.job(self._first, number)):
            if not os.path.lexists(folder):
                return None
            advice = "move it away, and the next `nnexp tune` makes the same trial again"
            try:
                run = open_run(folder)
            except RunError as error:
                raise RunError(f"{error}; {advice}") from error
            if run.record.get("status") not in ENDED:
                continue
            if run.problems:
                raise RunError(f"{folder}: {run.problems[0]}; {advice}")
            return self._judged(run, number)
        raise AssertionError

    def _judged(self, run: Run, number: int) -> Trial:
        """Return the trial of a run, or refuse it where it is another run than it should be."""
        settings, changed = self._settings(run), ""
        if settings is not None:
            job = self.job(settings, number)
            if run.key == job.key and (trial := self._ended(run, settings, number)):
                return trial
            changed = changed_data(job, run)
        raise RunError(
            f"{run.folder}: is not trial {number} of {self.arm.name} as the study has it now"
            f"{changed and f': {changed}'}; move it away, or give the study another name"
        )

    def _ended(self, run: Run, settings: dict[str, Any], number: int) -> Trial | None:
        """Return the trial of a run; None where the run did not come to its end."""
        # Its rows are judged, not its status, so that a trial which another command has trained
        # to the end counts as it would have without.
        end = self._pruning(number).end(run.rows)
        rows = [row for row in run.rows if end is None or (row["epoch"] or 0) <= end[0]]
        points = measured(rows, self.tune.metric)
        state: State = "pruned" if end else "diverged" if run.status == "diverged" else "complete"
        was_pruned = str(run.record.get("stopped")).startswith(PRUNED)
        if state == "complete" and (was_pruned or best(points, self.tune.metric) is None):
            return None
        return Trial(settings, state, points, number, run.folder, run.facts.done)

    def _settings(self, run: Run) -> dict[str, Any] | None:
        """Find in a run's config what was chosen from the space; None where nothing fits."""
        if run.config is None:
            return None
        settings: dict[str, Any] = {}
        for key, space in self.tune.space.items():
            value = _part(run.config, key)
            if isinstance(space, Choices):
                matches = [choice for choice, full in self._full[key] if full == value]
            else:
                matches = [match] if (match := space.match(value)) is not None else []
            if not matches:
                return None
            settings[key] = matches[0]
        return settings

    @cached_property
    def _full(self) -> dict[str, list[tuple[Any, Any]]]:
        """The values of each list, with what they are in a config that has every key."""

        def full(key: str, value: Any) -> Any:
            settings = self._first | {key: value}
            return _part(configured(self.study, self.arm, settings).values(), key)

        return {
            key: [(value, full(key, value)) for value in space.values]
            for key, space in self.tune.space.items()
            if isinstance(space, Choices)
        }


def configured(study: Study, arm: Arm, settings: Mapping[str, Any], **more: Any) -> Config:
    """Return an arm's config with settings from the space, by dotted keys, and further keys.

    Problems name the study's lines.

    Raises:
        ConfigError: no run can have these settings.
        OptionError: a key leads nowhere.
    """
    document = arm.config.document.copy()
    for key, value in settings.items():
        assign(document, key, deepcopy(value), study.document.where(("tune", "space", key)))
    for key, value in more.items():
        assign(document, key, value, study.document.where(("tune", key)))
    return to_config(document)


def _part(values: Any, key: str) -> Any:
    for part in key.split("."):
        try:
            values = values[int(part) if isinstance(values, list) else part]
        except (KeyError, IndexError, TypeError, ValueError):
            return None
    return values


def propose(
    spaces: Mapping[str, Space], trials: Sequence[Trial], *, metric: str, seed: int
) -> dict[str, Any]:
    """Return the settings of the next trial.

    Tree-structured Parzen estimator (Bergstra et al., Algorithms for Hyper-Parameter Optimization,
    NeurIPS 2011) over all keys at once, as Optuna has it; the first ten trials are drawn at random.

    Raises:
        NnexpError: Optuna is not installed.
    """
    number = np.random.SeedSequence([seed, len(trials)]).generate_state(1)[0]
    with quiet_optuna() as optuna:
        kinds = {key: space.distribution(optuna.distributions) for key, space in spaces.items()}
        study = optuna.create_study(
            sampler=optuna.samplers.TPESampler(seed=int(number)),
            direction="maximize" if higher_is_better(metric) else "minimize",
        )
        for trial in trials:
            params = {key: space.encode(trial.settings[key]) for key, space in spaces.items()}
            states, point = optuna.trial.TrialState, trial.best(metric)
            if trial.state == "complete" and point is not None:
                came: dict[str, Any] = {"state": states.COMPLETE, "value": point.value}
            else:
                # Optuna ranks pruned trials below the complete ones, those that came furthest
                # first. Here a diverged one was pruned before its first epoch: failed ones would
                # not count at all, and it would try the same again.
                values = {p.epoch: p.value for p in trial.values if trial.state == "pruned"}
                came = {"state": states.PRUNED, "intermediate_values": values}
            study.add_trial(optuna.trial.create_trial(params=params, distributions=kinds, **came))
        asked = study.ask(kinds).params
    return {key: space.decode(asked[key]) for key, space in spaces.items()}


@contextmanager
def quiet_optuna() -> Iterator[Any]:
    """Give the module; what it has to say of itself is not for nnexp's users.

    Raises:
        NnexpError: it is not installed.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            import optuna
        except ImportError as error:
            message = "tune needs Optuna, which is not installed: pip install 'nnexp[tune]'"
            raise NnexpError(message) from error
        optuna.logging.set_verbosity(optuna.logging.CRITICAL)
        yield optuna
