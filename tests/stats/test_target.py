"""Time to a target."""

from __future__ import annotations

from math import inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnexp.errors import OptionError
from nnexp.stats.summary import Arrival, Target, TimeToTarget

Row = dict[str, float | None]


def run(accuracies: list[float | None], seconds: float = 2.0) -> list[Row]:
    """Return rows of a run, an epoch of which takes so long, a quarter of it evaluation."""
    return [
        {
            "epoch": float(epoch),
            "test_accuracy": accuracy,
            "train_seconds": 0.75 * seconds,
            "evaluate_seconds": 0.25 * seconds,
        }
        for epoch, accuracy in enumerate(accuracies, 1)
    ]


def test_a_target_is_read() -> None:
    """METRIC=VALUE, with blanks if need be."""
    assert Target.parse("test_accuracy=0.95") == Target("test_accuracy", 0.95)
    assert Target.parse(" validation_cost = 1e-3 ") == Target("validation_cost", 0.001)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("test_accuracy", "expected METRIC=VALUE"),
        ("test_acuracy=0.9", "did you mean test_accuracy"),
        ("=0.9", "no metric ''"),
        ("test_accuracy=high", "expected a number, got 'high'"),
        ("test_accuracy=0.9_5", "expected a number, got '0.9_5'"),
        ("test_accuracy=nan", "expected a number, got 'nan'"),
        ("test_accuracy=", "expected a number, got ''"),
        ("test_accuracy=95", "95 % is 0.95"),
    ],
)
def test_a_target_that_cannot_be_is_refused(text: str, said: str) -> None:
    """The message says what is wrong with it."""
    with pytest.raises(OptionError, match=said):
        Target.parse(text)


def test_accuracies_are_reached_from_below_and_costs_from_above() -> None:
    """The value itself counts as reached; what is no number does not."""
    accuracy, cost = Target("test_accuracy", 0.9), Target("test_cost", 0.9)
    assert [accuracy.is_reached(x) for x in (0.89, 0.9, 0.91, nan, inf, None)] == [
        False, True, True, False, False, False,
    ]  # fmt: skip
    assert [cost.is_reached(x) for x in (0.89, 0.9, 0.91, nan, -inf, None)] == [
        True, True, False, False, False, False,
    ]  # fmt: skip


@given(st.lists(st.none() | st.sampled_from([0.5, 0.9, 0.95, 1.0]), max_size=8))
def test_the_first_epoch_that_is_good_enough_counts(accuracies: list[float | None]) -> None:
    """All seconds to its end count, also those of epochs that were not evaluated."""
    good = [i for i, a in enumerate(accuracies, 1) if a is not None and a >= 0.95]
    found = Target("test_accuracy", 0.95).arrival(run(accuracies))
    assert found == (Arrival(good[0], 2.0 * good[0]) if good else None)


def test_a_run_without_a_clock_has_epochs_only() -> None:
    """Nothing is made up for seconds that were not logged."""
    assert Target("test_cost", 0.2).arrival([{"epoch": 1, "test_cost": 0.1}]) == Arrival(1, None)


def test_a_run_that_never_gets_there_is_infinitely_late() -> None:
    """The median is over all runs, and is none where half of them never reach the target."""

    def took(runs: dict[int, list[Row]]) -> TimeToTarget:
        target = Target("test_accuracy", 0.95)
        return TimeToTarget({seed: target.arrival(rows) for seed, rows in runs.items()})

    runs = {0: run([0.96]), 1: run([0.9, 0.96]), 2: run([0.9, 0.9, 0.96]), 3: run([0.9])}
    found = took(runs)
    assert (found.epochs, found.seconds, found.never) == (2.5, 5.0, 1)
    assert found.runs[2] == Arrival(3, 6.0)
    assert found.runs[3] is None
    runs[4], runs[5] = run([0.9]), run([])
    found = took(runs)
    assert (found.epochs, found.seconds, found.never) == (None, None, 3)
    assert took({}).epochs is None
