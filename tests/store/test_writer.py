"""What a run folder holds, and that nothing in it is ever overwritten."""

from __future__ import annotations

import csv
import json
import subprocess
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pytest

from nnexp.config.loader import load
from nnexp.errors import RunError
from nnexp.experiment import load_data, run
from nnexp.store import provenance, writer
from nnexp.store.checkpoint import Checkpoint
from nnexp.store.files import guarded
from nnexp.store.writer import COLUMNS, RunWriter

if TYPE_CHECKING:
    from conftest import Train

CLOCKS = {"train_seconds", "evaluate_seconds", "finished_at"}


def rows(folder: Path) -> list[dict[str, str]]:
    """Read metrics.csv with the standard library."""
    with (folder / "metrics.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def without_clocks(folder: Path) -> list[dict[str, str]]:
    """Read metrics.csv but for the wall-clock columns."""
    return [{k: v for k, v in row.items() if k not in CLOCKS} for row in rows(folder)]


def create(runs: Path) -> RunWriter:
    """Begin a run of nothing."""
    return RunWriter.create(runs, "empty", "data: mnist\n", {})


def test_a_run_folder_holds_its_six_files_and_no_more(train: Train) -> None:
    """Config, metrics, record, checkpoint, model, predictions: nothing temporary is left behind."""
    assert {path.name for path in train().folder.iterdir()} == {
        "config.yaml",
        "metrics.csv",
        "run.json",
        "checkpoint.npz",
        "model.npz",
        "predictions.npz",
    }


def test_metrics_have_the_documented_columns(train: Train) -> None:
    """Epoch and eta, cost and accuracy of each set, and the clocks at the end."""
    header = (train().folder / "metrics.csv").read_text().partition("\n")[0]
    assert header == (
        "epoch,eta,train_cost,train_accuracy,validation_cost,validation_accuracy,test_cost,"
        "test_accuracy,train_seconds,evaluate_seconds,finished_at"
    )


def test_metrics_have_one_row_an_epoch_with_accuracies_as_fractions(train: Train) -> None:
    """Epochs count from 1, and an accuracy is the number of right examples over all of them."""
    found = rows(train("epochs=3").folder)
    assert [row["epoch"] for row in found] == ["1", "2", "3"]
    assert {row["eta"] for row in found} == {"0.5"}
    sizes = {"train": 36, "validation": 12, "test": 12}
    for row in found:
        for name, size in sizes.items():
            right = float(row[f"{name}_accuracy"]) * size
            assert right == pytest.approx(round(right))
            assert 0 <= right <= size
        assert float(row["train_seconds"]) >= 0
        assert datetime.fromisoformat(row["finished_at"]).tzinfo == UTC


def test_numbers_are_written_with_all_their_digits(train: Train) -> None:
    """What is read back from metrics.csv is the number that was measured, to the last bit."""
    outcome = train()
    for measured, written in zip(outcome.rows, rows(outcome.folder), strict=True):
        for name in COLUMNS[:8]:
            assert float(written[name]) == measured[name]


def test_the_config_of_a_run_repeats_it_to_the_byte(train: Train, folder: Path) -> None:
    """Training config.yaml gives the same metrics, model and predictions as the run it is from."""
    first = train("seed=3", "dtype=float32", "batch_size=7")
    config = load(first.folder / "config.yaml")
    second = run(config, load_data(config), folder / "again")
    assert without_clocks(second.folder) == without_clocks(first.folder)
    for name in ("model.npz", "predictions.npz", "config.yaml"):
        assert (second.folder / name).read_bytes() == (first.folder / name).read_bytes()


def test_a_folder_is_named_by_time_name_and_seed(
    train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Runs of one second get folders of their own, the later ones with a suffix."""

    class Frozen(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Self:
            return cls(2026, 11, 22, 8, 43, 23, 500_000, tz)

    monkeypatch.setattr(writer, "datetime", Frozen)
    found = [train("epochs=1", "name=twin", "seed=7").folder for _ in range(3)]
    stem = "20261122-084323-twin-s7"
    assert found == [Path("runs") / name for name in (stem, f"{stem}-2", f"{stem}-3")]
    assert len({(path / "metrics.csv").stat().st_ino for path in found}) == 3
    assert json.loads((found[0] / "run.json").read_text())["started_at"] == (
        "2026-11-22T08:43:23.500Z"
    )


def test_no_file_holds_pickled_objects(train: Train) -> None:
    """Every array of every .npz file loads where pickles are forbidden."""
    folder = train().folder
    for path in folder.glob("*.npz"):
        with np.load(path, allow_pickle=False) as archive:
            assert archive.files
            assert all(not archive[name].dtype.hasobject for name in archive.files)


def test_objects_are_not_saved_as_pickles(folder: Path) -> None:
    """The writer refuses what NumPy could only pickle."""
    made = create(folder)
    with pytest.raises(ValueError, match="pickle"):
        made.save("model.npz", {"a": np.array([{}])})
    made.finish("failed")
    assert not (made.folder / "model.npz").exists()


def test_the_record_says_where_the_result_comes_from(train: Train) -> None:
    """run.json has status, times, versions, data and their digest, but no environment."""
    outcome = train("tags=[one]")
    record: dict[str, Any] = json.loads((outcome.folder / "run.json").read_text())
    assert (record["format"], record["status"], record["epochs"]) == (2, "completed", 4)
    assert (record["name"], record["seed"]) == ("small", 0)
    assert record["started_at"] <= record["finished_at"]
    assert record["versions"]["numpy"] == np.__version__
    assert {library["num_threads"] for library in record["blas"]} <= {1}
    data = record["data"]
    assert (data["train"], data["validation"], data["test"]) == (36, 12, 12)
    assert data["classes"] == ["left", "right"]
    assert len(data["sha256"]) == 64
    assert set(record) == {
        *("name", "seed", "config", "data", "argv", "versions", "blas", "host", "platform", "git"),
        *("format", "status", "started_at", "pid", "finished_at", "epochs", "seconds", "summary"),
        *("stopped", "config_sha256"),
    }


def test_the_summary_of_the_record_is_that_of_the_rows(train: Train) -> None:
    """Last, best on validation and peak of the record are found among the rows."""
    folder = train("epochs=20").folder
    summary = json.loads((folder / "run.json").read_text())["summary"]
    found = rows(folder)
    accuracies = [float(row["test_accuracy"]) for row in found]
    validation = [float(row["validation_accuracy"]) for row in found]
    best = validation.index(max(validation))
    assert summary["test_accuracy"] == {
        "last": {"value": accuracies[-1], "epoch": 20},
        "best-validation": {"value": accuracies[best], "epoch": best + 1},
        "peak": {"value": max(accuracies), "epoch": accuracies.index(max(accuracies)) + 1},
    }


def test_git_is_recorded_as_far_as_there_is_one(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The record has the commit and whether the tree has changes; outside git it says null."""
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(folder.parent))
    assert provenance.collect(["nnexp"])["git"] is None
    Path("file").write_text("one")
    me = ("-c", "user.name=me", "-c", "user.email=me@example.org")
    for words in (("init", "-q"), ("add", "file"), (*me, "commit", "-q", "-m", "one")):
        subprocess.run(["git", *words], check=True)
    head = subprocess.run(["git", "rev-parse", "HEAD"], check=True, capture_output=True, text=True)
    assert provenance.collect([])["git"] == {"commit": head.stdout.strip(), "dirty": False}
    Path("file").write_text("two")
    assert provenance.collect([])["git"]["dirty"] is True


def test_without_the_program_git_the_record_is_made_all_the_same(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where git is not installed, the record says null instead of failing."""
    monkeypatch.setenv("PATH", str(folder))
    assert provenance.collect(["nnexp"])["git"] is None


def test_a_missing_value_is_an_empty_cell_and_nan_is_nan(folder: Path) -> None:
    """A set that is not monitored leaves its cells empty; a value that is no number is written."""
    made = create(folder)
    made.append({"epoch": 1, "eta": 0.5, "train_cost": float("nan")})
    made.offer(Checkpoint({}, {}))
    made.finish("diverged")
    (row,) = rows(made.folder)
    assert (row["epoch"], row["eta"], row["train_cost"]) == ("1", "0.5", "nan")
    assert {row[name] for name in COLUMNS[3:]} == {""}


def test_a_row_is_on_disk_as_soon_as_it_is_committed(folder: Path) -> None:
    """Who reads metrics.csv while a run goes on sees every epoch that was committed, no other."""
    made = create(folder)
    for epoch in (1, 2):
        made.append({"epoch": epoch})
        assert len(rows(made.folder)) == epoch - 1
        made.offer(Checkpoint({}, {"epoch": epoch}))
        made.commit()
        assert rows(made.folder)[-1]["epoch"] == str(epoch)
    assert json.loads((made.folder / "run.json").read_text())["status"] == "running"
    made.finish("completed")


@pytest.mark.parametrize("place", ["file", "file/below"])
def test_a_runs_folder_that_cannot_be_made_is_named(folder: Path, place: str) -> None:
    """A file where the runs' folder is due gives a RunError that says what to do."""
    Path("file").write_text("in the way")
    with pytest.raises(RunError, match=r"^file: cannot be written: .*--runs-dir"):
        create(Path(place))


def test_a_folder_that_vanishes_is_a_run_error(folder: Path) -> None:
    """What the file system refuses in the middle of a run is no bug of the program."""
    made = create(folder)
    for path in made.folder.iterdir():
        path.unlink()
    made.folder.rmdir()
    with pytest.raises(RunError, match=r"run\.json.*: cannot be written: No such file"):
        made.update(status="completed")
    with pytest.raises(RunError, match=r"model\.npz.*: cannot be written"):
        made.save("model.npz", {"a": np.zeros(1)})
    with pytest.raises(RunError):
        made.finish("completed")


def test_a_full_disk_is_named_with_the_run(folder: Path) -> None:
    """An error without a file name is reported with the folder, and other errors pass through."""
    with (
        pytest.raises(RunError, match=r"^a run: cannot be written: No space left"),
        guarded(Path("a run")),
    ):
        raise OSError(28, "No space left on device")
    with pytest.raises(KeyError), guarded(Path("a run")):
        raise KeyError
