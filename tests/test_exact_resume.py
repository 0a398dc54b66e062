"""A run that was interrupted, and resumed, ends with the bytes of one that never was."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from conftest import Stopper, write_small
from fingerprints import fingerprint
from hypothesis import given, settings
from hypothesis import strategies as st

from nnexp.config.loader import Config, load
from nnexp.errors import ResumeError, RunError
from nnexp.nn.training import take_note
from nnexp.run import session, writer
from nnexp.run.assembly import DataCache, metric_row
from nnexp.run.log import Row
from nnexp.run.reader import open_run
from nnexp.run.resume import resume
from nnexp.run.session import Outcome, run
from nnexp.run.state import Checkpoint, read_checkpoint

if TYPE_CHECKING:
    from conftest import LoadText, Train

POINTS = {
    "plain": [],
    "float32": ["dtype=float32"],
    "short last batch": ["batch_size=7"],
    "whole batch": ["batch_size=36"],
    "three hidden layers": ["layers=[2, 5, 4, 3, 2]"],
    "no hidden layer": ["layers=[2, 2]"],
    "tanh": ["activation=tanh", "init=scaled"],
    "softmax": ["output=softmax", "cost=log_likelihood", "softmax_scale=2"],
    "momentum": ["momentum=0.5"],
    "nesterov": ["momentum=0.9", "nesterov=true", "eta=0.1"],
    "l1": ["l1=0.1"],
    "l2": ["l2=0.5"],
    "l1 and l2 with momentum": ["l1=0.1", "l2=0.1", "momentum=0.5", "eta=0.2"],
    "dropout": ["dropout=0.5"],
    "dropout in float32": ["dropout=0.3", "dtype=float32", "batch_size=5"],
    "step": ["schedule={name: step, every: 2, factor: 0.5}"],
    "exponential": ["schedule={name: exponential, factor: 0.7}"],
    "cosine": ["schedule=cosine"],
    "halve": ["schedule={name: halve, patience: 1, stop: 1024}"],
    "halve to the end": ["schedule={name: halve, patience: 1, stop: 4}", "eta=0.001"],
    "early stopping": ["early_stopping={patience: 2}", "eta=0.001"],
    "early stopping by cost": ["early_stopping={metric: train_cost, patience: 2, min_delta: 0.1}"],
    "evaluated now and then": ["monitor_every=3"],
    "one set": ["monitor=[test]"],
    "nothing": ["monitor=[]"],
    "diagnostics": ["monitor=[train, diagnostics]"],
    "parameters": ["monitor=[validation, parameters]"],
    "divergence": ["output=linear", "cost=quadratic", "eta=3", "l2=1"],
}
IMAGES = """\
data: {name: mnist, train: 30, validation: 20, test: 20}
layers: [784, 4, 10]
epochs: 6
"""
EXPANDED = {
    "shifts": "{shifts: true}",
    "rotation": "{rotate: 12}",
    "affine": "{affine: 0.2}",
    "elastic": "{elastic: {alpha: 3, sigma: 2}}",
    "all": "{shifts: true, rotate: 10, affine: 0.1, elastic: {alpha: 3, sigma: 2}}",
}
REGRESSION = """\
data: {inline: {x: [[0, 1], [1, 0], [1, 1], [0, 0], [2, 1]], y: [[1], [2], [3], [0], [5]]}}
layers: [2, 3, 1]
output: linear
cost: quadratic
eta: 0.1
l2: 0.1
monitor: [train]
epochs: 6
"""
EVERYTHING = [
    "layers=[2, 4, 3, 2]",
    "momentum=0.5",
    "nesterov=true",
    "l1=0.01",
    "l2=0.1",
    "dropout=[0.2, 0.1]",
    "schedule={name: halve, patience: 1, stop: 512}",
    "early_stopping={patience: 5}",
    "monitor=[train, validation, test, diagnostics, parameters]",
    "batch_size=4",
]


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for no disk."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


def in_pieces(config: Config, runs: Path | str, stops: list[int]) -> Outcome:
    """Train a run that is interrupted after so many further epochs, in the middle of the next."""
    cache = DataCache()
    dataset = cache.load(config)
    first, *rest = stops
    outcome = run(config, dataset, runs, progress=Stopper(first))
    for stop in rest:
        if outcome.status != "interrupted":
            break
        outcome = resume(outcome.folder, data=cache, progress=Stopper(stop))
    return outcome if outcome.status != "interrupted" else resume(outcome.folder, data=cache)


def hold_equal(config: Config, stops: list[int]) -> None:
    """Hold a run that is interrupted to the bytes of one that is not."""
    whole = run(config, DataCache().load(config), "runs")
    pieces = in_pieces(config, "runs", stops)
    assert fingerprint(pieces.folder) == fingerprint(whole.folder)
    assert open_run(pieces.folder).problems == ()
    # The outcome is that of the whole run.
    assert (pieces.status, pieces.stopped) == (whole.status, whole.stopped)
    assert pieces.summary == whole.summary


@pytest.mark.parametrize("name", POINTS)
def test_each_technique_goes_on_exactly(small: Path, name: str) -> None:
    """Interrupted before its first epoch, then again and again, a run ends with the same bytes."""
    hold_equal(load(small, ["epochs=7", *POINTS[name]]), [0, 2, 0, 1, 2])


@pytest.mark.parametrize("augment", EXPANDED.values(), ids=EXPANDED)
def test_each_expansion_goes_on_exactly(load_text: LoadText, augment: str) -> None:
    """The stream of random changes to images is taken up where it was left."""
    hold_equal(load_text(f"{IMAGES}augment: {augment}\ndropout: 0.1\n"), [1, 0, 2])


def test_batches_of_an_epoch_that_did_not_end_are_not_kept(load_text: LoadText) -> None:
    """Interrupted after a thousand of 1,500 examples, an epoch is begun anew, not gone on with."""
    text = IMAGES.replace("train: 30", "train: 1500").replace("epochs: 6", "epochs: 3")
    hold_equal(load_text(f"{text}momentum: 0.5\ndropout: 0.5\n"), [0, 1, 0])


def test_a_regression_goes_on_exactly(load_text: LoadText) -> None:
    """R² and costs without accuracy are continued like any other column."""
    hold_equal(load_text(REGRESSION), [0, 3, 1])


@settings(max_examples=15)
@given(
    words=st.lists(st.sampled_from(EVERYTHING), unique=True).map(sorted),
    stops=st.lists(st.integers(0, 4), min_size=1, max_size=4),
    pace=st.sampled_from([0, 50, math.inf]),
)
def test_techniques_together_go_on_exactly(
    tmp_path_factory: pytest.TempPathFactory,
    words: list[str],
    stops: list[int],
    pace: float,
) -> None:
    """Any of them together, interrupted anywhere, whether epochs share a commit or not."""
    folder = tmp_path_factory.mktemp("together")
    layers = ["layers=[2, 4, 3, 2]"] if "dropout=[0.2, 0.1]" in words else []
    momentum = ["momentum=0.5"] if "nesterov=true" in words else []
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(writer, "_PACE", pace)
        hold_equal(load(write_small(folder), ["epochs=8", *words, *layers, *momentum]), stops)


def test_a_run_that_was_interrupted_as_its_last_epoch_ended_is_finished(small: Path) -> None:
    """With all epochs logged and nothing said of the end, resuming writes the end alone."""
    config = load(small)
    whole = run(config, DataCache().load(config), "runs")
    pieces = run(config, DataCache().load(config), "runs", progress=_AfterLast())
    assert (pieces.status, len(pieces.rows)) == ("interrupted", 4)
    before = (pieces.folder / "metrics.csv").read_bytes()
    assert resume(pieces.folder).trained == 0
    assert (pieces.folder / "metrics.csv").read_bytes() == before
    assert fingerprint(pieces.folder) == fingerprint(whole.folder)


class _AfterLast(Stopper):
    def __init__(self) -> None:
        super().__init__(-1)
        self.epochs = 0

    def epoch(self, row: dict[str, Any]) -> None:
        self.epochs += 1
        if self.epochs == 4:
            raise KeyboardInterrupt


def record(outcome: Outcome) -> dict[str, Any]:
    """Return run.json."""
    found: dict[str, Any] = json.loads((outcome.folder / "run.json").read_text())
    return found


def change(outcome: Outcome, **entries: Any) -> None:
    """Change entries of run.json."""
    (outcome.folder / "run.json").write_text(json.dumps(record(outcome) | entries))


def test_a_resumed_run_says_so(train: Train) -> None:
    """run.json lists each resumption: when, after which epoch and what, with which command."""
    cut = train(stop_after=1)
    resume(cut.folder, argv=["nnexp", "resume", "x"], progress=Stopper(2))
    done = resume(cut.folder, argv=["nnexp", "resume"])
    found = record(done)
    assert [entry["after_epoch"] for entry in found["resumed"]] == [1, 3]
    assert [entry["argv"][-1] for entry in found["resumed"]] == ["x", "resume"]
    assert all(entry["after"] == {"status": "interrupted"} for entry in found["resumed"])
    assert all(found["started_at"] < entry["at"] for entry in found["resumed"])
    # What is as it was at the beginning is not said again.
    assert not {"versions", "platform", "host", "git"} & set(found["resumed"][0])
    assert found["pid"] == os.getpid()
    assert (found["status"], found["epochs"], done.trained) == ("completed", 4, 1)
    logged = sum(row["train_seconds"] + row["evaluate_seconds"] for row in done.rows)
    assert found["seconds"] >= round(logged, 3)


def test_what_is_not_as_it_was_is_recorded(train: Train) -> None:
    """A run that goes on with another NumPy, on another machine, says so of that part."""
    cut = train(stop_after=1)
    change(cut, host="elsewhere", versions=record(cut)["versions"] | {"numpy": "1.0"})
    (entry,) = record(resume(cut.folder))["resumed"]
    assert entry["host"] != "elsewhere"
    assert entry["versions"]["numpy"] == np.__version__


def test_an_error_of_the_past_is_none_of_the_present(
    train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that failed and was resumed is as complete as any; what it failed of is history."""
    monkeypatch.setattr(writer, "_PACE", 0)
    with monkeypatch.context() as full:
        disk = _FullDisk(full)
        with pytest.raises(
            RunError, match="No space left on device; make room, then continue with"
        ):
            train(progress=disk)
    (folder,) = Path("runs").iterdir()
    failed = open_run(folder)
    assert failed.status == "interrupted"
    assert "No space left on device; make room" in failed.record["error"]
    found = record(resume(folder))
    assert (found["status"], "error" in found) == ("completed", False)
    assert found["resumed"][0]["after"]["error"] == failed.record["error"]


class _FullDisk(Stopper):
    """Fills the disk after two epochs, but for what is small."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        super().__init__(2)
        self.patch = patch

    def advance(self, examples: int) -> None:
        if self.left == 0:
            self.patch.setattr("nnexp.run.log.LogFile._write_at", _no_space)


def _no_space(*words: object) -> None:
    raise OSError(28, "No space left on device")


def test_a_complete_run_whose_last_row_was_torn_is_made_whole(train: Train) -> None:
    """The checkpoint has the rows that were written last; nothing is trained again."""
    folder = train().folder
    before = {name: (folder / name).read_bytes() for name in ("metrics.csv", "model.npz")}
    (folder / "metrics.csv").write_bytes(before["metrics.csv"][:-30])
    assert resume(folder).trained == 0
    assert {name: (folder / name).read_bytes() for name in before} == before
    assert open_run(folder).status == "completed"


def test_a_complete_run_whose_rows_are_lost_is_refused(train: Train) -> None:
    """A row that no commit holds any more cannot be made up; the run is left as it is."""
    folder = train().folder
    lines = (folder / "metrics.csv").read_text().splitlines(keepends=True)
    (folder / "metrics.csv").write_text("".join([lines[0], "1,torn\n", *lines[2:]]))
    with pytest.raises(ResumeError, match="is not what was written"):
        resume(folder)
    assert json.loads((folder / "run.json").read_text())["status"] == "completed"


def as_version_0_1_0(folder: Path) -> None:
    """Rewrite an interrupted run as version 0.1.0 would have left it."""
    found = json.loads((folder / "run.json").read_text())
    for key in ("log", "seconds_per_epoch"):
        found.pop(key, None)
    found["config"]["temperature"] = found["config"].pop("softmax_scale")
    found["config"]["expand"] = found["config"].pop("augment")
    found |= {"format": 2, "versions": found["versions"] | {"nnexp": "0.1.0"}}
    (folder / "run.json").write_text(json.dumps(found, indent=2))
    text = (folder / "config.yaml").read_text()
    (folder / "config.yaml").write_text(
        text.replace("softmax_scale:", "temperature:").replace("augment:", "expand:")
    )
    checkpoint = read_checkpoint(folder / "checkpoint.npz")
    assert checkpoint is not None
    state = dict(checkpoint.state)
    del state["clocks"]
    state["random"] = {
        {"augment": "expand"}.get(name, name): value for name, value in state["random"].items()
    }
    (folder / "checkpoint.npz").write_bytes(Checkpoint(checkpoint.arrays, state).to_bytes())


def test_a_run_of_the_version_before_is_resumed_to_the_same_bytes(load_text: LoadText) -> None:
    """Old names of keys and streams, no clocks, no summary of the log: nothing is lost by it."""
    config = load_text(f"{IMAGES}augment: {{rotate: 12}}\nmomentum: 0.5\ndropout: 0.1\n")
    whole = run(config, DataCache().load(config), "runs")
    cut = run(config, DataCache().load(config), "runs", progress=Stopper(3))
    as_version_0_1_0(cut.folder)
    resume(cut.folder)
    first, second = fingerprint(whole.folder), fingerprint(cut.folder)
    for found in (first, second):
        del found["config.yaml"]  # which keeps the old names
    assert first == second


@pytest.mark.parametrize("value", [1e150, 1e308])
def test_values_that_views_show_as_infinite_are_resumed_as_they_were(
    load_text: LoadText, monkeypatch: pytest.MonkeyPatch, value: float
) -> None:
    """A cost of 1e150 that falls is an improvement: early stopping waits, after a resume too."""
    scale = iter(range(1000))
    real = metric_row

    def huge(*words: Any) -> dict[str, Any]:
        return real(*words) | {"train_cost": value / (1 + next(scale))}

    def noted(schedule: Any, stopping: Any, scores: Any, epoch: int) -> str | None:
        scores = {"train_cost": value / epoch}
        return take_note(schedule, stopping, scores, epoch)

    monkeypatch.setattr(session, "metric_row", huge)
    monkeypatch.setattr("nnexp.nn.training.take_note", noted)
    early = "early_stopping: {metric: train_cost, patience: 2}\n"
    config = load_text(f"{REGRESSION}{early}")
    cut = run(config, DataCache().load(config), "runs", progress=Stopper(4))
    outcome = resume(cut.folder)
    assert (outcome.stopped, outcome.epochs) == (None, 6)
    shown = open_run(outcome.folder)
    assert shown.facts.summary["train_cost"]["last"].value == math.inf
    assert shown.facts.summary["train_cost"]["peak"].epoch == 6


def test_what_was_done_to_a_log_from_outside_stays_in_the_record(train: Train) -> None:
    """Each process adds what it has put right to what earlier ones have."""

    class Cutting(Stopper):
        """Cuts off a byte of the log after the first epoch of this process."""

        def epoch(self, row: Row) -> None:
            super().epoch(row)
            (log,) = Path("runs").glob("*/metrics.csv")
            os.truncate(log, log.stat().st_size - 1)

    folder = train(progress=Cutting(1)).folder
    first = json.loads((folder / "run.json").read_text())["notes"]
    assert len(first) == 1
    resume(folder, progress=Cutting(1))
    assert resume(folder).status == "completed"
    notes = json.loads((folder / "run.json").read_text())["notes"]
    assert (notes[:1], len(notes)) == (first, 2)
    assert all("was changed from outside" in note for note in notes)
