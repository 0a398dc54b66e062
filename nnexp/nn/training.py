"""Training: a generator that yields one record an epoch and owns no clock, bar or file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from nnexp.nn.examples import Examples
from nnexp.nn.metrics import Evaluation, evaluate
from nnexp.nn.network import Network
from nnexp.nn.sgd import SGD

STREAMS = ("init", "shuffle")


def streams(seed: int) -> dict[str, np.random.Generator]:
    """Return one independent Generator for each use of randomness.

    A stream is spawned from the seed by its place in `STREAMS`, so that what one use draws never
    shifts another: two runs with the same seed see their batches in the same order, whatever else
    differs. New uses are added at the end.

    >>> list(streams(0)), streams(0)["init"].random() == streams(0)["init"].random()
    (['init', 'shuffle'], True)
    """
    children = np.random.SeedSequence(seed).spawn(len(STREAMS))
    return {
        name: np.random.default_rng(child) for name, child in zip(STREAMS, children, strict=True)
    }


@dataclass(frozen=True, slots=True)
class EpochRecord:
    """What an epoch came to.

    Attributes:
        epoch: its number, from 1.
        eta: the learning rate it was trained with.
        evaluations: name of a monitored set -> cost, accuracy and predictions after the epoch.
        finite: whether all parameters and monitored costs are finite; False means divergence.
    """

    epoch: int
    eta: float
    evaluations: Mapping[str, Evaluation]
    finite: bool


def train(
    network: Network,
    examples: Examples,
    *,
    cost: str,
    eta: float,
    epochs: int,
    batch_size: int,
    shuffle: np.random.Generator,
    monitored: Mapping[str, Examples],
    on_trained: Callable[[], None] = lambda: None,
    on_progress: Callable[[int], None] = lambda seen: None,
) -> Iterator[EpochRecord]:
    """Train a network in place by stochastic gradient descent, yielding after each epoch.

    The caller's examples are never reordered; each epoch draws a permutation of their indices.
    The iteration ends after `epochs` or after the first record that is not finite.

    Args:
        network: changed in place; its parameters after an epoch belong to the record just yielded.
        examples: the training set.
        cost: a name from `costs.COSTS` that is defined on the network's output.
        eta: the learning rate η.
        epochs: passes over the training set.
        batch_size: examples a step; the last batch of an epoch may be shorter.
        shuffle: the stream of permutations.
        monitored: the sets to evaluate after each epoch, by name.
        on_trained: called between an epoch's training and its evaluation.
        on_progress: called with the number of examples seen in this epoch, about every thousand.

    >>> from nnexp.nn.initializers import scaled
    >>> rng = np.random.default_rng(0)
    >>> net = Network.random([1, 1], activation="sigmoid", output="sigmoid", initializer=scaled,
    ...     rng=rng, dtype=np.float64)
    >>> data = Examples(np.array([[1.0]]), np.array([[0.0]]))
    >>> records = train(net, data, cost="cross_entropy", eta=1.0, epochs=100, batch_size=1,
    ...     shuffle=rng, monitored={"train": data})
    >>> [round(r.evaluations["train"].cost, 3) for r in records][::33]
    [0.312, 0.014, 0.007, 0.005]
    """
    sgd = SGD(network, cost=cost, batch_size=batch_size)
    for epoch in range(1, epochs + 1):
        order = shuffle.permutation(len(examples))
        for seen in sgd.epoch(examples, order, eta=eta):
            on_progress(seen)
        on_trained()
        evaluations = {name: evaluate(network, cost, data) for name, data in monitored.items()}
        costs = [evaluation.cost for evaluation in evaluations.values()]
        finite = bool(np.isfinite(network.parameters).all() and np.isfinite(costs).all())
        yield EpochRecord(epoch, eta, evaluations, finite)
        if not finite:
            return
