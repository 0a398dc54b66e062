"""Last, best on validation and peak, against brute force."""

from __future__ import annotations

from math import inf, isfinite, isnan, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnexp.names import METRICS, SETS, default_metric, higher_is_better
from nnexp.stats.summary import Point, best, best_epoch, facts, series

Row = dict[str, float | None]

values = st.sampled_from([0.0, 0.5, 0.5, 0.75, 1.0, nan, inf, -inf, None]) | st.floats(0, 2)


@st.composite
def histories(draw: st.DrawFn) -> list[Row]:
    """Return rows of metrics.csv, with gaps and values that are no numbers."""
    metrics = draw(st.lists(st.sampled_from(METRICS), unique=True))
    count = draw(st.integers(0, 8))
    return [
        {"epoch": float(epoch), **{metric: draw(values) for metric in metrics}}
        for epoch in range(1, count + 1)
    ]


def brute_best(rows: list[Row], metric: str) -> tuple[float, int] | None:
    """Walk through the epochs and keep what is strictly better than all before."""
    kept: tuple[float, int] | None = None
    for row in rows:
        value = row.get(metric)
        if value is None or not isfinite(value):
            continue
        better = kept is None or (
            value > kept[0] if metric.endswith(("accuracy", "r2")) else value < kept[0]
        )
        if better:
            kept = (value, int(row["epoch"] or 0))
    return kept


@given(histories(), st.sampled_from(METRICS))
def test_the_best_is_what_a_walk_through_the_epochs_finds(rows: list[Row], metric: str) -> None:
    """Highest accuracy or lowest cost, the first of equals, without what is not finite."""
    point = best(series(rows, metric), metric)
    assert (None if point is None else (point.value, point.epoch)) == brute_best(rows, metric)


@given(histories())
def test_the_best_epoch_is_judged_by_accuracy_and_without_one_by_cost(rows: list[Row]) -> None:
    """Best on validation means accuracy, or cost where no accuracy was logged (regression)."""
    found = brute_best(rows, "validation_accuracy") or brute_best(rows, "validation_cost")
    assert best_epoch(rows) == (None if found is None else found[1])


@given(histories(), st.sampled_from(METRICS))
def test_a_summary_has_the_three_figures_of_the_rows(rows: list[Row], metric: str) -> None:
    """Each figure is there exactly if the rows have it, and is that of its epoch."""
    summary = facts(rows).summary.get(metric, {})
    logged = {int(row["epoch"] or 0): row[metric] for row in rows if row.get(metric) is not None}
    chosen, peak = best_epoch(rows), brute_best(rows, metric)
    assert ("last" in summary) == bool(logged)
    assert ("best-epoch" in summary) == (chosen in logged)
    assert ("peak" in summary) == (peak is not None)
    if logged:
        assert summary["last"].epoch == max(logged)
    if "best-epoch" in summary:
        assert summary["best-epoch"].epoch == chosen
    if peak is not None:
        assert (summary["peak"].value, summary["peak"].epoch) == peak
    for point in summary.values():
        assert repr(point.value) == repr(logged[point.epoch])


def test_the_first_of_equals_is_the_best() -> None:
    """Of several epochs that are equally good, the earliest counts: it is what stopping keeps."""
    rows: list[Row] = [
        {"epoch": i, "validation_accuracy": v, "test_accuracy": i / 10}
        for i, v in enumerate([0.8, 0.9, 0.9, 0.7, 0.9], 1)
    ]
    assert best_epoch(rows) == 2
    assert facts(rows).summary.get("test_accuracy", {})["best-epoch"] == Point(0.2, 2)
    assert facts(rows).summary.get("test_accuracy", {})["peak"] == Point(0.5, 5)


def test_a_last_value_that_is_no_number_is_shown_as_it_is() -> None:
    """A run that diverged ends with NaN; its best values before remain."""
    rows: list[Row] = [{"epoch": 1, "train_cost": 0.5}, {"epoch": 2, "train_cost": nan}]
    summary = facts(rows).summary.get("train_cost", {})
    assert summary["last"].epoch == 2
    assert isnan(summary["last"].value)
    assert summary["peak"] == Point(0.5, 1)


def test_a_row_without_epoch_is_no_point() -> None:
    """A value that belongs to no epoch is not part of a curve."""
    assert series([{"test_cost": 1.0}, {"epoch": 2.0, "test_cost": 3.0}], "test_cost") == [
        Point(3.0, 2)
    ]


def test_only_accuracies_and_r2_are_better_when_higher() -> None:
    """Costs are minimized, accuracies and R² are not."""
    assert {metric for metric in METRICS if higher_is_better(metric)} == {
        f"{name}_{kind}" for name in SETS for kind in ("accuracy", "r2")
    }


@pytest.mark.parametrize(
    ("logged", "metric"),
    [
        (METRICS, "test_accuracy"),
        (["train_accuracy", "validation_accuracy", "test_cost"], "validation_accuracy"),
        (["train_cost", "test_cost"], "test_cost"),
        (["train_cost"], "train_cost"),
        ([], None),
    ],
)
def test_a_run_is_judged_by_the_metric_nearest_to_test_accuracy(
    logged: list[str], metric: str | None
) -> None:
    """Accuracy before cost, and test before validation before training set."""
    assert default_metric(logged) == metric
