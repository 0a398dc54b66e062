"""Learning-rate schedules, patience, and how training ends early."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from inspect import signature
from math import inf, nan, sqrt

import numpy as np
import pytest

from nnexp.nn.metrics import Evaluation
from nnexp.nn.network import Network
from nnexp.nn.schedules import SCHEDULES, Patience, Schedule
from nnexp.nn.sgd import Techniques
from nnexp.nn.training import EarlyStopping, EpochRecord, score, train
from nnexp.nn.types import Examples
from nnexp.nn.update import Penalty

ONE = Examples(np.ones((1, 1)), np.zeros((1, 1)))


@pytest.mark.parametrize(
    ("name", "settings", "etas"),
    [
        ("constant", {}, [8, 8, 8, 8, 8, 8, 8, 8]),
        ("step", {"every": 3, "factor": 0.5}, [8, 8, 8, 4, 4, 4, 2, 2]),
        ("step", {"every": 1, "factor": 0.25}, [8, 2, 0.5, 0.125]),
        ("exponential", {"factor": 0.5}, [8, 4, 2, 1, 0.5, 0.25, 0.125, 0.0625]),
        # cos(πk/8) for k = 0 .. 7 is 1, c, √½, s, 0, -s, -√½, -c with c, s = √(2 ± √2)/2.
        (
            "cosine",
            {},
            [
                8,
                4 + 2 * sqrt(2 + sqrt(2)),
                4 + 2 * sqrt(2),
                4 + 2 * sqrt(2 - sqrt(2)),
                4,
                4 - 2 * sqrt(2 - sqrt(2)),
                4 - 2 * sqrt(2),
                4 - 2 * sqrt(2 + sqrt(2)),
            ],
        ),
    ],
)
def test_a_formula_gives_the_sequence_worked_by_hand(
    name: str, settings: dict[str, float], etas: list[float]
) -> None:
    """η of each of 8 epochs depends on the epoch alone, in whatever order it is asked for."""
    ours = SCHEDULES[name](8.0, 8, **settings)
    epochs = range(1, len(etas) + 1)
    for value in (None, 0.5, nan):
        ours.observe(value)
        assert [ours.eta(epoch) for epoch in epochs] == pytest.approx(etas, rel=1e-14)
    assert [ours.eta(epoch) for epoch in reversed(epochs)] == pytest.approx(etas[::-1], rel=1e-14)


def replay(ours: Schedule, scores: Sequence[float | None]) -> list[float | None]:
    """Return η of each epoch of a run with these scores."""
    etas = []
    for epoch, value in enumerate(scores, 1):
        etas.append(ours.eta(epoch))
        ours.observe(value)
    return etas


def test_halving_worked_by_hand() -> None:
    """η is halved after two epochs without a better score than the best of all, and so on."""
    #         best:      0.5  0.6              0.7                 0.8
    #       waited:       0    0    1    2|0    0    1   1    2|0   0
    scores = [0.5, 0.6, 0.6, 0.55, 0.7, 0.7, None, 0.69, 0.8, 0.0, 0.8, 0.8, 0.8, 0.8]
    etas = [8, 8, 8, 8, 4, 4, 4, 4, 2, 2, 2, 1, 1, 0.5]
    assert replay(SCHEDULES["halve"](8.0, 14, patience=2, stop=128), scores) == etas


@pytest.mark.parametrize(("stop", "halvings"), [(128, 7), (2, 1), (100, 7), (3, 2)])
def test_halving_ends_when_eta_has_fallen_to_its_part(stop: int, halvings: int) -> None:
    """With stop 128, as in the book, η/64 is the last that is used: seven halvings end it."""
    ours = SCHEDULES["halve"](0.3, 999, patience=3, stop=stop)
    etas = replay(ours, [0.9] * (1 + 3 * halvings) + [0.95])
    assert etas[:-1] == [0.3] + [0.3 / 2**k for k in range(halvings) for _ in range(3)]
    assert etas[-1] is None


def test_every_schedule_begins_with_eta() -> None:
    """The first epoch of each has the config's η."""
    settings = {"every": 2, "factor": 0.5, "patience": 1, "stop": 8}
    for function in SCHEDULES.values():
        own = {key: settings[key] for key in signature(function).parameters.keys() & settings}
        assert function(0.7, 5, **own).eta(1) == 0.7


@pytest.mark.parametrize(
    ("patience", "scores", "exhausted"),
    [
        (Patience(1), [0.5, 0.5, 0.6, 0.4], [False, True, False, True]),
        (Patience(2), [0.5, 0.4, 0.6, 0.6, 0.6], [False, False, False, False, True]),
        (Patience(2, 0.1), [0.5, 0.55, 0.61, 0.7, 0.71], [False, False, False, False, True]),
        (Patience(2), [-inf, nan, nan], [False, True, True]),
    ],
)
def test_patience_counts_epochs_without_a_better_one(
    patience: Patience, scores: list[float], exhausted: list[bool]
) -> None:
    """Equal is not better, better must be so by more than min_delta, and a better one resets."""
    assert [patience.exhausted_by(value) for value in scores] == exhausted


def follow(
    monkeypatch: pytest.MonkeyPatch,
    scores: Sequence[float],
    *,
    every: int = 1,
    stopping: EarlyStopping | None = None,
    ours: Schedule | None = None,
    accuracy: bool = True,
) -> list[EpochRecord]:
    """Train with these validation scores instead of measured ones."""
    prescribed: Iterator[float] = iter(scores)

    def evaluate(*_: object) -> Evaluation:
        value = next(prescribed)
        return Evaluation(1.0, value, None) if accuracy else Evaluation(value, None, None)

    monkeypatch.setattr("nnexp.nn.training.evaluate", evaluate)
    network = Network.explicit(
        [np.ones((1, 1))], [np.zeros(1)], activation="tanh", output="tanh", dtype=np.float64
    )
    return list(
        train(
            network,
            ONE,
            cost="quadratic",
            eta=0.01,
            epochs=len(scores) * every,
            batch_size=1,
            shuffle=np.random.default_rng(0),
            monitored={"validation": ONE},
            monitor_every=every,
            schedule=ours,
            stopping=stopping,
        )
    )


def watch(patience: int, metric: str = "validation_accuracy", delta: float = 0.0) -> EarlyStopping:
    """Return what stops when a metric has not improved."""
    return EarlyStopping(metric, Patience(patience, delta))


def test_training_stops_when_patience_is_exhausted(monkeypatch: pytest.MonkeyPatch) -> None:
    """The epoch that exhausts patience is the last, and says why; those before say nothing."""
    records = follow(monkeypatch, [0.1, 0.3, 0.2, 0.3, 0.25, 0.9, 0.9], stopping=watch(3))
    assert [record.epoch for record in records] == [1, 2, 3, 4, 5]
    reasons = [record.stopped for record in records]
    assert reasons == [None] * 4 + ["validation_accuracy: no improvement in 3"]


def test_a_cost_improves_by_falling(monkeypatch: pytest.MonkeyPatch) -> None:
    """Watching a cost, lower is better, by more than min_delta."""
    stopping = watch(2, "validation_cost", 0.1)
    costs = [3, 2.5, 2.45, 2.3, 2.25, 2.25, 1, 1]
    records = follow(monkeypatch, costs, stopping=stopping, accuracy=False)
    assert records[-1].epoch == 6


def test_a_run_that_ends_with_its_epochs_was_not_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Patience or a schedule that ends with the last epoch is no reason."""
    halving = SCHEDULES["halve"](0.5, 4, patience=3, stop=2)
    records = follow(monkeypatch, [0.5] * 4, stopping=watch(3), ours=halving)
    assert [record.stopped for record in records] == [None] * 4
    assert halving.eta(5) == 0.5


def test_epochs_that_are_not_evaluated_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """Evaluating every third epoch, patience counts evaluations."""
    halving = SCHEDULES["halve"](8.0, 18, patience=2, stop=128)
    records = follow(monkeypatch, [0.5, 0.4, 0.4, 0.4, 0.4, 0.4], every=3, ours=halving)
    assert [bool(record.evaluations) for record in records] == [False, False, True] * 6
    assert [record.eta for record in records] == [8] * 9 + [4] * 6 + [2] * 3
    records = follow(monkeypatch, [0.5, 0.4, 0.4, 0.4], every=3, stopping=watch(2))
    assert len(records) == 9


def test_the_smallest_eta_ends_the_training(monkeypatch: pytest.MonkeyPatch) -> None:
    """When the schedule has no further η the run stops with that reason, after its epoch."""
    halving = SCHEDULES["halve"](8.0, 20, patience=2, stop=4)
    records = follow(monkeypatch, [0.5] * 20, ours=halving)
    assert [record.eta for record in records] == [8, 8, 8, 4, 4]
    assert records[-1].stopped == "the schedule has come to its smallest eta"


def test_a_schedule_without_accuracy_follows_the_cost(monkeypatch: pytest.MonkeyPatch) -> None:
    """For regression, halving follows the validation cost."""
    halving = SCHEDULES["halve"](8.0, 6, patience=1, stop=128)
    costs = [3.0, 2, 2, 1, 1, 0.5]
    records = follow(monkeypatch, costs, ours=halving, accuracy=False)
    assert [record.eta for record in records] == [8, 8, 8, 4, 4, 2]


def test_a_score_is_what_is_logged() -> None:
    """Accuracy as it is, minus the penalized cost, nothing for a set that is not evaluated."""
    scores = EpochRecord(1, 0.1, {"test": Evaluation(2.0, 0.75, None)}, 0.5, finite=True).scores
    assert score(scores, "test_accuracy") == 0.75
    assert score(scores, "test_cost") == -2.5
    assert score(scores, "validation_cost") is None


def test_a_record_tells_the_penalty_apart() -> None:
    """Evaluated costs are those of the data; the penalty of the network stands beside them."""
    network = Network.explicit(
        [np.array([[2.0]])], [np.zeros(1)], activation="tanh", output="linear", dtype=np.float64
    )
    records = train(
        network,
        Examples(np.zeros((1, 1)), np.zeros((1, 1))),
        cost="quadratic",
        eta=0.25,
        epochs=1,
        batch_size=1,
        shuffle=np.random.default_rng(0),
        monitored={"train": ONE},
        techniques=Techniques(penalty=Penalty(l2=2.0)),
    )
    (record,) = records
    # w = 2 (1 - 0.25 · 2) = 1
    assert record.penalty == 1.0
    assert record.evaluations["train"].cost == 0.5
