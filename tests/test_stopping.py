"""Early stopping and halving through whole runs: when, why, and what is kept."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nnexp.errors import ConfigError
from nnexp.nn.schedules import Patience
from nnexp.run.assembly import learning_rates, load_data
from nnexp.run.reader import open_run
from nnexp.run.session import Outcome
from nnexp.run.state import Best
from nnexp.stats.summary import best_epoch

if TYPE_CHECKING:
    from conftest import LoadText, Nnexp, Train

# On the small experiment this network soon learns no more on the validation set.
FAST = ("eta=3", "seed=2", "epochs=60")
INLINE = "data: {inline: {x: [[0.0], [1.0]], y: [[0.5], [0.25]]}}\nlayers: [1, 1]\n"


def record(outcome: Outcome) -> dict[str, Any]:
    """Return run.json."""
    found: dict[str, Any] = json.loads((outcome.folder / "run.json").read_text())
    return found


def model(outcome: Outcome) -> dict[str, Any]:
    """Return the arrays of model.npz."""
    with np.load(outcome.folder / "model.npz", allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def column(outcome: Outcome, name: str) -> list[float]:
    """Return a column of metrics.csv, read back."""
    values = [row[name] for row in open_run(outcome.folder).rows]
    assert None not in values
    return [value for value in values if value is not None]


def expected_end(scores: list[float], patience: int, delta: float = 0.0) -> int:
    """Return the epoch after which so many epochs have passed without a better score."""
    best, at = -np.inf, 0
    for epoch, value in enumerate(scores, 1):
        if value > best + delta:
            best, at = value, epoch
        if epoch - at == patience:
            return epoch
    return len(scores)


@pytest.mark.parametrize(
    ("metric", "patience", "delta"),
    [
        ("validation_accuracy", 3, 0.0),
        ("validation_accuracy", 10, 0.0),
        ("validation_cost", 2, 0.0),
        ("train_cost", 2, 0.02),
        ("test_accuracy", 1, 0.0),
    ],
)
def test_a_run_stops_at_the_epoch_that_its_metric_says(
    train: Train, metric: str, patience: int, delta: float
) -> None:
    """A stopped run is the longer run up to that epoch, completed, with the reason in run.json."""
    whole = train(*FAST)
    sign = 1 if metric.endswith("accuracy") else -1
    end = expected_end([sign * value for value in column(whole, metric)], patience, delta)
    assert end < 60
    stopping = f"{{metric: {metric}, patience: {patience}, min_delta: {delta}}}"
    stopped = train(*FAST, f"early_stopping={stopping}")
    assert (stopped.status, len(stopped.rows)) == ("completed", end)
    assert (record(stopped)["stopped"], record(stopped)["epochs"]) == (
        f"{metric}: no improvement in {patience}",
        end,
    )
    assert column(stopped, "test_cost") == column(whole, "test_cost")[:end]
    assert record(whole)["stopped"] is None


def test_the_last_and_the_best_parameters_are_kept(train: Train) -> None:
    """Both are to the byte those of runs that had so many epochs."""
    stopped = train(*FAST, "early_stopping={patience: 10}")
    arrays, end = model(stopped), len(stopped.rows)
    best = int(arrays["best_validation_epoch"])
    accuracies = column(stopped, "validation_accuracy")
    assert best == 1 + accuracies.index(max(accuracies))
    assert end == best + 10
    for which, epochs in (("last", end), ("best_validation", best)):
        plain = model(train(*FAST[:2], f"epochs={epochs}"))
        for kind in ("weights", "biases"):
            for i in (1, 2):
                ours = arrays[f"{which}_{kind}_{i}"]
                assert ours.tobytes() == plain[f"last_{kind}_{i}"].tobytes()
    assert not np.array_equal(arrays["last_weights_1"], arrays["best_validation_weights_1"])


@pytest.mark.parametrize(
    ("schedule", "words"),
    [
        ("{name: halve, patience: 2, stop: 8}", []),
        ("{name: halve, patience: 3}", []),
        ("{name: halve, patience: 1}", ["cost=quadratic", "momentum=0.5"]),
        ("{name: step, every: 7, factor: 0.3}", []),
        ("{name: exponential, factor: 0.9}", []),
        ("cosine", []),
        ("constant", []),
    ],
)
def test_the_logged_etas_follow_from_the_logged_scores(
    train: Train, schedule: str, words: list[str]
) -> None:
    """A schedule that is told the validation accuracies of metrics.csv gives its etas again."""
    outcome = train(*FAST, f"schedule={schedule}", *words)
    again = learning_rates(outcome.experiment)
    rows = open_run(outcome.folder).rows
    for row in rows:
        assert again.eta(int(row["epoch"] or 0)) == row["eta"]
        again.observe(row["validation_accuracy"])
    ended = again.eta(len(rows) + 1) is None
    assert ended == (len(rows) < 60)
    assert record(outcome)["stopped"] == (
        "the schedule has come to its smallest eta" if ended else None
    )
    if "halve" in schedule:
        assert len({row["eta"] for row in rows}) > 1


def test_stopping_follows_from_the_log_as_well(train: Train) -> None:
    """Patience that is told the scores of metrics.csv is exhausted at its last row, not before."""
    outcome = train(*FAST, "early_stopping={metric: test_accuracy, patience: 4}")
    patience = Patience(4)
    said = [patience.exhausted_by(value) for value in column(outcome, "test_accuracy")]
    assert said == [False] * (len(said) - 1) + [True]


def test_show_says_why_a_run_ended(train: Train, nnexp: Nnexp) -> None:
    """The line of a run's status has the reason, and a run that had its epochs has none."""
    outcome = train(*FAST, "early_stopping={patience: 3}")
    due = f"completed, {len(outcome.rows)} of 60 epochs: validation_accuracy: no improvement in 3"
    assert f"\n{due}\n" in nnexp("show", outcome.folder).stdout
    assert "\ncompleted, 4 of 4 epochs\n" in nnexp("show", train().folder).stdout


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("early_stopping: {metric: test_cost}", "watches the test set; inline has only train"),
        ("early_stopping: {}", "watches the validation set; inline has only train"),
        ("schedule: {name: halve}", "watches the validation set; inline has only train"),
    ],
)
def test_a_set_that_the_data_lack_cannot_be_watched(
    load_text: LoadText, key: str, message: str
) -> None:
    """Data without the set that is watched are refused before the run, by line and key."""
    config = load_text(f"{INLINE}{key}\n")
    with pytest.raises(ConfigError) as caught:
        load_data(config)
    assert str(caught.value) == f"a.yaml:3: {key.partition(':')[0]}: {message}"


def test_accuracy_cannot_be_watched_where_there_are_no_classes(load_text: LoadText) -> None:
    """A regression that watches an accuracy is told to watch the cost, and may."""
    Path("line.csv").write_text("x,y\n" + "".join(f"{i},{i / 10 + 0.05}\n" for i in range(20)))
    text = "data: {path: line.csv, target: y}\nlayers: [1, 1]\noutput: linear\ncost: quadratic\n"
    for key, where in (
        ("early_stopping: {patience: 3}", "early_stopping.metric"),
        ("early_stopping: {metric: train_accuracy}", "early_stopping.metric"),
    ):
        config = load_text(f"{text}{key}\n")
        metric = "train" if "train" in key else "validation"
        with pytest.raises(ConfigError) as caught:
            load_data(config)
        assert str(caught.value) == (
            f"a.yaml:5: {where}: {metric}_accuracy: line has no classes; use {metric}_cost"
        )
    config = load_text(f"{text}early_stopping: {{metric: train_cost}}\nschedule: {{name: halve}}\n")
    assert load_data(config).train.labels is None


@settings(max_examples=200)
@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "validation_accuracy": st.sampled_from([None, 0.5, 0.75, math.nan]),
                "validation_cost": st.sampled_from([None, 0.1, 0.2, 1e150, math.inf, math.nan]),
            }
        ),
        max_size=8,
    )
)
def test_the_best_epoch_is_that_of_the_kept_parameters(scores: list[dict[str, float]]) -> None:
    """The summary and model.npz choose the same epoch: of ties the first, of NaN and inf none."""
    best = Best()
    for epoch, row in enumerate(scores, 1):
        best.offer(epoch, row, np.zeros(1))
    rows = [{"epoch": epoch, **row} for epoch, row in enumerate(scores, 1)]
    assert (best.epoch or None) == best_epoch(rows)
