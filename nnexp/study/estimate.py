"""How long runs will take: a few steps of each kind, timed."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from statistics import median
from time import perf_counter

import numpy as np

from nnexp.config.schema import Experiment
from nnexp.data import Dataset
from nnexp.nn.metrics import evaluate
from nnexp.nn.sgd import SGD
from nnexp.nn.training import streams
from nnexp.nn.types import Examples
from nnexp.run import provenance
from nnexp.run.assembly import DataCache, initial_network, techniques, training_set
from nnexp.study.jobs import Job

_ENOUGH = 0.1
_IN_ALL = 10.0
_EXAMPLES = 2_000
_START = 0.05
_SAME = (
    *("data", "layers", "activation", "output", "batch_size", "dtype", "monitor", "monitor_every"),
    *("nesterov", "augment"),
)
_ON_OR_OFF = ("l1", "l2", "dropout", "momentum")


def estimate(jobs: Iterable[Job], data: DataCache) -> list[float]:
    """Return about how many seconds each job takes on one process of this machine.

    Experiments that take the same steps are timed once. After ten seconds of that, the others are
    estimated from those that were timed.
    """
    timed: dict[str, float] = {}
    rates: list[float] = []
    seconds = []
    end = perf_counter() + _IN_ALL
    with provenance.one_thread():
        for job in jobs:
            experiment = job.config.experiment
            same = [getattr(experiment, name) for name in _SAME]
            kind = repr((same, [bool(getattr(experiment, name)) for name in _ON_OR_OFF]))
            cost = job.cost() / experiment.epochs
            if kind not in timed and (perf_counter() < end or not rates):
                timed[kind] = seconds_per_epoch(experiment, data.load(job.config))
                rates.append(timed[kind] / cost)
            each = timed[kind] if kind in timed else median(rates) * cost
            seconds.append(_START + experiment.epochs * each)
    return seconds


def together(seconds: Iterable[float], jobs: int) -> float:
    """Return about how many seconds tasks take if so many of them run at a time.

    >>> together([3, 1, 1, 1], 2), together([5, 1], 2), together([], 2)
    (3.0, 5, 0.0)
    """
    each = list(seconds)
    return max(sum(each) / jobs, *each, 0.0)


@np.errstate(all="ignore")
def seconds_per_epoch(experiment: Experiment, dataset: Dataset) -> float:
    """Time some steps and some evaluations; return the seconds of an epoch of them."""
    examples = training_set(experiment, dataset)
    network, random = initial_network(experiment), streams(experiment.seed)
    sgd = SGD(
        network,
        cost=experiment.cost,
        batch_size=experiment.batch_size,
        techniques=techniques(experiment, dataset, len(examples), random),
    )
    order = random["shuffle"].permutation(len(examples))

    def train_some(n: int) -> float:
        began = perf_counter()
        deque(sgd.epoch(examples, order[:n], eta=1e-6), maxlen=0)
        return perf_counter() - began

    def evaluate_some(monitored: Examples) -> float:
        part = monitored.first(_EXAMPLES)
        began = perf_counter()
        evaluate(network, experiment.cost, part)
        return (perf_counter() - began) * len(monitored) / len(part)

    n = min(experiment.batch_size, len(order))
    train_some(n)  # what is done only once
    took, seen = 0.0, 0
    while took < _ENOUGH:
        took += train_some(n)
        seen += n
        n = min(2 * n, len(order))
    monitored = [dataset.sets[name] for name in experiment.monitor if name in dataset.sets]
    evaluation = sum(map(evaluate_some, monitored)) / experiment.monitor_every
    return took / seen * len(examples) + evaluation
