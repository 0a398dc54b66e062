"""Training: a generator that yields one record per epoch and owns no clock, bar or file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from nnexp.names import is_accuracy
from nnexp.nn.metrics import Evaluation, evaluate
from nnexp.nn.network import Network
from nnexp.nn.schedules import SCHEDULES, Patience, Schedule
from nnexp.nn.sgd import SGD, Techniques
from nnexp.nn.types import Array, Examples

STREAMS = ("init", "shuffle", "dropout", "augment")


def streams(seed: int) -> dict[str, np.random.Generator]:
    """Return one independent Generator for each use of randomness.

    A stream is spawned from the seed by its place in `STREAMS`, so that what one use draws never
    shifts another: two runs with the same seed see their batches in the same order, whatever else
    differs. New uses are added at the end.

    >>> list(streams(0)), streams(0)["init"].random() == streams(0)["init"].random()
    (['init', 'shuffle', 'dropout', 'augment'], True)
    """
    children = np.random.SeedSequence(seed).spawn(len(STREAMS))
    return dict(zip(STREAMS, map(np.random.default_rng, children), strict=True))


Scores = Mapping[str, "float | None"]


@dataclass(frozen=True, slots=True)
class EpochRecord:
    """The results of an epoch.

    Attributes:
        epoch: its number, from 1.
        eta: the learning rate it was trained with.
        evaluations: name of a monitored set -> cost, accuracy and predictions after the epoch; its
            costs are without the penalty.
        penalty: what regularization adds to each of these costs.
        finite: whether all parameters and monitored costs are finite; False means divergence.
        stopped: why the training ends here, before its last epoch; else None.
    """

    epoch: int
    eta: float
    evaluations: Mapping[str, Evaluation]
    penalty: float
    finite: bool
    stopped: str | None = None

    @property
    def scores(self) -> dict[str, float | None]:
        """Cost (with the penalty) and accuracy of each monitored set, as in "test_accuracy"."""
        scores: dict[str, float | None] = {}
        for name, evaluation in self.evaluations.items():
            scores[f"{name}_cost"] = evaluation.cost + self.penalty
            scores[f"{name}_accuracy"] = evaluation.accuracy
        return scores


@dataclass(frozen=True, slots=True)
class EarlyStopping:
    """Stop when a metric has not improved for some epochs (Nielsen: no-improvement-in-n).

    Attributes:
        metric: a set and what is measured on it, as in "validation_accuracy" or "train_cost".
    """

    metric: str
    patience: Patience


def validation_score(row: Scores) -> float | None:
    """Return what an epoch is judged by: validation accuracy, else minus the validation cost.

    The best epoch of a run, wherever one is named, is the first of those with the highest score.
    An epoch without a finite score has None and is never the best.

    >>> validation_score({"validation_accuracy": 0.9, "validation_cost": 0.3})
    0.9
    >>> validation_score({"validation_accuracy": None, "validation_cost": 0.3})
    -0.3
    """
    for metric in ("validation_accuracy", "validation_cost"):
        value = score(row, metric)
        if value is not None:
            return value if np.isfinite(value) else None
    return None


def score(row: Scores, metric: str) -> float | None:
    """Return a metric's value after an epoch, negated if lower is better; None if not measured.

    >>> score({"test_cost": 2.0}, "test_cost"), score({"test_cost": 2.0}, "test_accuracy")
    (-2.0, None)
    """
    value = row.get(metric)
    return value if value is None or is_accuracy(metric) else -value


def take_note(
    schedule: Schedule, stopping: EarlyStopping | None, row: Scores, epoch: int
) -> str | None:
    """Pass an epoch's scores to schedule and early stopping; return why to stop after it, or None.

    Their state is a function of the scores alone: with those of a run's log, in order, they come to
    the state they had.
    """
    schedule.observe(validation_score(row))
    if stopping is not None:
        value = score(row, stopping.metric)
        if value is not None and stopping.patience.exhausted_by(value):
            return f"{stopping.metric}: no improvement in {stopping.patience.epochs}"
    if schedule.eta(epoch + 1) is None:
        return "the schedule has come to its smallest eta"
    return None


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
    monitor_every: int = 1,
    techniques: Techniques | None = None,
    schedule: Schedule | None = None,
    stopping: EarlyStopping | None = None,
    after: int = 0,
    velocity: Array | None = None,
    on_trained: Callable[[], None] = lambda: None,
    on_progress: Callable[[int], None] = lambda seen: None,
) -> Iterator[EpochRecord]:
    """Train a network in place by stochastic gradient descent, yielding after each epoch.

    The caller's examples are never reordered; each epoch draws a permutation of their indices.
    The iteration ends after `epochs`, after the first record that is not finite, or when the
    schedule or early stopping says so.

    Args:
        network: changed in place; its parameters after an epoch belong to the record just yielded.
        examples: the training set.
        cost: a name from `costs.COSTS` that is defined on the network's output.
        eta: the learning rate η; not used with a schedule, which has its own.
        epochs: passes over the training set.
        batch_size: examples per step; the last batch of an epoch may be shorter.
        shuffle: the stream of permutations.
        monitored: the sets to evaluate after each epoch, by name.
        monitor_every: evaluate after every so many epochs only, and after the last.
        techniques: regularization, momentum, dropout, augmentation.
        schedule: η of each epoch; it observes `validation_score`.
        stopping: when to stop early.
        after: epochs that the network, the streams, the schedule and the stopping have behind them.
        velocity: of the momentum, (parameters,), changed in place; zeros by default.
        on_trained: called between an epoch's training and its evaluation.
        on_progress: called with the number of examples seen in this epoch, about every thousand.

    >>> from nnexp.nn.network import scaled
    >>> rng = np.random.default_rng(0)
    >>> net = Network.random([1, 1], activation="sigmoid", output="sigmoid", initializer=scaled,
    ...     rng=rng, dtype=np.float64)
    >>> data = Examples(np.array([[1.0]]), np.array([[0.0]]))
    >>> records = train(net, data, cost="cross_entropy", eta=1.0, epochs=100, batch_size=1,
    ...     shuffle=rng, monitored={"train": data})
    >>> [round(r.evaluations["train"].cost, 3) for r in records][::33]
    [0.312, 0.014, 0.007, 0.005]
    """
    techniques = techniques or Techniques()
    schedule = schedule or SCHEDULES["constant"](eta, epochs)
    sgd = SGD(network, cost=cost, batch_size=batch_size, techniques=techniques, velocity=velocity)
    for epoch in range(after + 1, epochs + 1):
        rate = schedule.eta(epoch)
        if rate is None:
            return
        order = shuffle.permutation(len(examples))
        for seen in sgd.epoch(examples, order, eta=rate):
            on_progress(seen)
        on_trained()
        sets = monitored if epoch % monitor_every == 0 or epoch == epochs else {}
        evaluations = {name: evaluate(network, cost, data) for name, data in sets.items()}
        penalty = techniques.penalty(network)
        costs = [penalty, *(evaluation.cost for evaluation in evaluations.values())]
        finite = bool(np.isfinite(network.parameters).all() and np.isfinite(costs).all())
        record = EpochRecord(epoch, rate, evaluations, penalty, finite)
        if epoch < epochs:
            record = replace(record, stopped=take_note(schedule, stopping, record.scores, epoch))
        yield record
        if record.stopped or not finite:
            return
