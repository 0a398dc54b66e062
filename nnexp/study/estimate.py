"""How long runs will take: a few steps of each kind, timed."""

from __future__ import annotations

from collections.abc import Iterable
from time import perf_counter

import numpy as np

from nnexp import blas
from nnexp.config.schema import Experiment
from nnexp.data import Dataset
from nnexp.experiment import DataCache
from nnexp.experiment.assembly import initial_network, techniques, training_set
from nnexp.nn.examples import Examples
from nnexp.nn.metrics import evaluate
from nnexp.nn.sgd import SGD
from nnexp.nn.training import streams
from nnexp.study.jobs import Job

_ENOUGH = 0.1
_EXAMPLES = 2_000
_START = 0.05
_TIMED = (
    *("data", "layers", "activation", "output", "batch_size", "dtype", "monitor", "monitor_every"),
    *("l1", "l2", "dropout", "momentum", "nesterov", "expand"),
)


def estimate(jobs: Iterable[Job], data: DataCache) -> list[float]:
    """Return about how many seconds each job takes on one process of this machine.

    Experiments that take the same steps are timed once.
    """
    timed: dict[str, float] = {}
    seconds = []
    with blas.one_thread():
        for job in jobs:
            experiment = job.config.experiment
            kind = repr([getattr(experiment, name) for name in _TIMED])
            if kind not in timed:
                timed[kind] = seconds_per_epoch(experiment, data.load(job.config))
            seconds.append(_START + experiment.epochs * timed[kind])
    return seconds


@np.errstate(all="ignore")
def seconds_per_epoch(experiment: Experiment, dataset: Dataset) -> float:
    """Time some steps and some evaluation, and return what an epoch of them takes."""
    examples = training_set(experiment, dataset)
    network, random = initial_network(experiment), streams(experiment.seed)
    sgd = SGD(
        network,
        cost=experiment.cost,
        batch_size=experiment.batch_size,
        techniques=techniques(experiment, dataset, len(examples), random),
    )
    few = random["shuffle"].permutation(len(examples))[:_EXAMPLES]

    def train_some() -> None:
        for _ in sgd.epoch(examples, few, eta=1e-6):
            pass

    def evaluate_some(monitored: Examples) -> float:
        part = monitored.first(_EXAMPLES)
        began = perf_counter()
        evaluate(network, experiment.cost, part)
        return (perf_counter() - began) * len(monitored) / len(part)

    train_some()  # compiles the steps
    rounds, began = 0, perf_counter()
    while perf_counter() - began < _ENOUGH:
        train_some()
        rounds += 1
    training = (perf_counter() - began) / (rounds * len(few)) * len(examples)
    monitored = [dataset.sets[name] for name in experiment.monitor if name in dataset.sets]
    return training + sum(map(evaluate_some, monitored)) / experiment.monitor_every
