"""Equal effort for every arm: each is searched by the same number of trials, then run anew.

The trials of one arm follow each other, since each depends on those before; different arms are
searched at the same time. So the result depends neither on how many processes there are nor on
where they were interrupted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from math import prod
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from nnexp.config.identity import identity
from nnexp.config.rules import metric_problem
from nnexp.config.space import Choices, Space
from nnexp.config.study import MANY, Arm, Study, Tune, check_metric, confirm_seeds
from nnexp.errors import OptionError, RunError
from nnexp.run.assembly import DataCache
from nnexp.study.engine import Settings, Watcher
from nnexp.study.estimate import estimate
from nnexp.study.jobs import Done, Job
from nnexp.study.search import MONITOR, Search, configured, quiet_optuna
from nnexp.study.sweep import run_jobs

# Sets that the confirming runs evaluate whatever the arms say.
CONFIRMED = ("validation", "test")
TRIALS, CONFIRM = "trials", "confirm"
_CORNERS = 256
# What a trial may not change: what it is called, what it is judged by, and the budget.
_FIXED = ("name", "description", "tags", "reference", "seed", "epochs", "monitor", "monitor_every")
_DRAWS = 6
_INSIDE = (0.271828, 0.381966, 0.618034)


def prepare(study: Study, folder: Path, data: DataCache, *, many: bool = False) -> list[Search]:
    """Return the search of each arm, none of them begun; `many` allows more than 10,000 runs.

    Raises:
        ConfigError: what is searched, or how, makes no sense, or no run can have such settings.
        NnexpError: Optuna is not installed.
    """
    tune = study.tune
    if tune is None:
        message = "is missing: name what is searched, as in tune: {space: {eta: {log: [0.01, 10]}}}"
        raise study.error(("tune",), message)
    _refuse_keys(study, tune)
    count = len(study.arms) * (tune.trials + len(confirm_seeds(study)))
    if count > MANY and not many:
        message = f"{count:,} runs are more than {MANY:,}; with --yes they are begun"
        raise OptionError(f"{study.document.file}: {message}")
    searches = [Search(study, arm, tune, folder / TRIALS, data) for arm in study.arms]
    for search in searches:
        _check_space(search)
    check_metric(study, data.load, monitor=CONFIRMED)
    _refuse_twins(study, tune)
    with quiet_optuna():
        return searches


def _refuse_keys(study: Study, tune: Tune) -> None:
    for key in tune.space:
        if key.partition(".")[0] in _FIXED:
            raise study.error(("tune", "space", key), "is the same for all trials")
        if key.partition(".")[0] == "data":
            message = "trials on different data cannot be compared"
            raise study.error(("tune", "space", key), message)
        if any(key in arm.cell for arm in study.arms):
            message = "is in the grid as well: it tells the arms apart, or it is searched"
            raise study.error(("tune", "space", key), message)
    if tune.metric == "validation_cost" and "cost" in tune.space:
        message = "validation_cost is another measure with another cost: use validation_accuracy"
        raise study.error(("tune", "metric"), message)
    for arm in study.arms:
        stopping = arm.config.experiment.early_stopping
        if stopping and stopping.metric.startswith("test"):
            message = f"early_stopping of {arm.name} watches the test set, which no trial looks at"
            raise study.error(("tune",), message)


def _check_space(search: Search) -> None:
    """Refuse a space of which some settings can have no run, and what no run measures."""
    study, tune = search.study, search.tune
    for settings in _probes(tune.space):
        config = search.job(settings, 0).config
        dataset = search.data.load(config)
        message = metric_problem(tune.metric, config.experiment, MONITOR, dataset)
        if message:
            raise study.error(("tune", "metric"), f"no trial will log {tune.metric}: {message}")


def _probes(spaces: Mapping[str, Space]) -> Iterator[dict[str, Any]]:
    """Yield settings at the ends of the space, every combination if they are few, and inside."""
    outer = {key: space.samples() for key, space in spaces.items()}
    first = {key: values[0] for key, values in outer.items()}
    if prod(map(len, outer.values())) <= _CORNERS:
        for values in product(*outer.values()):
            yield dict(zip(outer, values, strict=True))
    else:
        yield from (first | {key: value} for key, values in outer.items() for value in values)
    for key, space in spaces.items():
        if not isinstance(space, Choices):
            yield from (first | {key: space.at(place)} for place in _INSIDE)


def _refuse_twins(study: Study, tune: Tune) -> None:
    first = next(_probes(tune.space))
    seen: dict[str, Arm] = {}
    for arm in study.arms:
        twin = seen.setdefault(identity(configured(study, arm, first).values(), ""), arm)
        if twin is not arm:
            message = f"{twin.name} and {arm.name} differ in nothing but what is searched"
            raise study.error(("arms", arm.arm), message)


def search_all(
    searches: Sequence[Search], settings: Settings, watcher: Watcher | None = None
) -> None:
    """Make the trials that are missing, those of different arms at the same time.

    When the watcher hears that a run has ended, its trial is in the search.

    Raises:
        ConfigError: the space holds settings that no run can have.
        RunError: a trial failed, or its folder cannot be used.
    """
    of: dict[str, Search] = {}

    def following(search: Search) -> Job | None:
        job = search.following()
        if job is not None:
            of[job.name] = search
        return job

    def then(done: Done) -> Job | None:
        search = of.pop(done.job.name)
        number = len(search.trials)
        if done.folder is None:
            raise RunError(f"{done.job.name}: {done.error}; run the command again to resume")
        job = following(search)
        if len(search.trials) == number:
            raise RunError(f"{done.folder}: has not ended; run the command again to resume")
        return job

    first = [job for search in searches if (job := following(search))]
    run_jobs(first, settings, watcher=watcher, then=then)


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be trained for an arm, and about how many seconds it takes at most."""

    arm: str
    done: int  # trials that have ended
    epochs: int  # of a trial
    trials: float  # seconds of those that are missing
    then: int  # epochs of a confirming run
    runs: float  # seconds of the confirming runs


def expected(study: Study, search: Search) -> Plan:
    """Estimate what is to be trained for an arm from some settings drawn from its space."""
    search.following()
    done, tune = len(search.trials), search.tune
    drawn = [
        {key: space.draw(rng) for key, space in tune.space.items()}
        for rng in map(np.random.default_rng, range(_DRAWS))
    ]
    seconds = fmean(estimate((search.job(settings, 0) for settings in drawn), search.data))
    then = _confirm_epochs(study, search.arm)
    runs = len(confirm_seeds(study)) * seconds * then / search.epochs
    trials = (tune.trials - done) * seconds
    return Plan(search.arm.name, done, search.epochs, trials, then, runs)


def _confirm_epochs(study: Study, arm: Arm) -> int:
    epochs = study.confirm.epochs if study.confirm else None
    return epochs or arm.config.experiment.epochs


def confirmation(study: Study, searches: Iterable[Search]) -> Study:
    """Return the study of the arms as they were tuned, on fresh seeds and with the test set.

    An arm of whose trials none is complete is excluded.
    """
    arms = [arm for search in searches if (arm := _tuned(study, search))]
    names = {arm.name for arm in arms}
    arms = [arm if arm.baseline in names else replace(arm, baseline=None) for arm in arms]
    return replace(study, arms=tuple(arms), seeds=tuple(confirm_seeds(study)))


def _tuned(study: Study, search: Search) -> Arm | None:
    trial, arm = search.best(), search.arm
    if trial is None:
        return None
    experiment = arm.config.experiment
    config = configured(
        study,
        arm,
        trial.settings,
        epochs=_confirm_epochs(study, arm),
        monitor=list(dict.fromkeys([*experiment.monitor, *CONFIRMED])),
        description=f"{arm.name} with the settings of trial {trial.number}",
    )
    return replace(arm, config=config)
