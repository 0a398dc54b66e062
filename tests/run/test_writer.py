"""What a run folder holds, and that nothing in it is ever overwritten."""

from __future__ import annotations

import csv
import json
import os
import platform
import stat
import subprocess
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import fingerprints
import numpy as np
import pytest
from conftest import train_config

import nnexp
from nnexp.config.loader import load
from nnexp.config.schema import Experiment
from nnexp.errors import RunError
from nnexp.io import files
from nnexp.io.folder import Folder
from nnexp.run import writer
from nnexp.run.assembly import load_data
from nnexp.run.layout import COLUMNS
from nnexp.run.resume import resume
from nnexp.run.session import run
from nnexp.run.state import Checkpoint, read_checkpoint
from nnexp.run.writer import RunWriter
from nnexp.stats.diagnosis import never_learned

if TYPE_CHECKING:
    from conftest import Train


def rows(folder: Path) -> list[dict[str, str]]:
    """Read metrics.csv with the standard library."""
    with (folder / "metrics.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


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
    assert fingerprints.rows(second.folder) == fingerprints.rows(first.folder)
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
    assert (record["format"], record["status"], record["epochs"]) == (3, "completed", 4)
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
        *("stopped", "config_sha256", "never_learned", "log", "seconds_per_epoch"),
    }


def test_the_record_names_the_classes_that_were_never_learnt(folder: Path) -> None:
    """Those that the predictions show: after one epoch some, after more others."""
    data = "{name: mnist, train: 100, validation: 20, test: 1000}"
    text = f"data: {data}\nlayers: [784, 10, 10]\nepochs: 1\neta: 1\n"
    (folder / "a.yaml").write_text(text)
    found = train_config(folder / "a.yaml").folder

    def lost() -> list[int]:
        record: dict[str, Any] = json.loads((found / "run.json").read_text())
        with np.load(found / "predictions.npz") as predictions:
            due = never_learned(predictions["labels"], predictions["predicted"])
        assert record["never_learned"] == due
        return due

    first = lost()
    assert len(first) > 2
    resume(found, epochs=12)
    assert 0 < len(lost()) < len(first)


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
        "best-epoch": {"value": accuracies[best], "epoch": best + 1},
        "peak": {"value": max(accuracies), "epoch": accuracies.index(max(accuracies)) + 1},
    }


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
    """A folder that was removed in the middle of a run ends it with words, and is not made anew."""
    made = create(folder)
    for path in made.folder.iterdir():
        path.unlink()
    made.folder.rmdir()
    with pytest.raises(RunError, match="was moved, removed or replaced"):
        made.resume({})
    with pytest.raises(RunError, match="was moved, removed or replaced"):
        made.save("model.npz", {"a": np.zeros(1)})
    with pytest.raises(RunError):
        made.finish("completed")


def test_a_log_that_was_replaced_under_a_run_is_noticed(folder: Path) -> None:
    """Rows are not written to where nobody would find them."""
    made = create(folder)
    (made.folder / "metrics.csv").rename("elsewhere.csv")
    Path(made.folder / "metrics.csv").write_text("epoch\n")
    made.append({"epoch": 1})
    with pytest.raises(RunError, match=r"metrics\.csv: cannot be written: another file is in its"):
        made.offer(Checkpoint({}, {}))
    made.close()


def test_a_row_is_in_the_checkpoint_before_it_is_seen(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When a row is written, the checkpoint that has it is on the disk, and so is its name."""
    made = create(folder)
    events: list[str] = []
    synchronize, write = os.fsync, files.write

    def synchronized(descriptor: int) -> None:
        events.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        synchronize(descriptor)

    def written(descriptor: int, data: bytes) -> None:
        checkpoint = read_checkpoint(made.folder / "checkpoint.npz")
        assert checkpoint is not None
        assert checkpoint.state["logs"]["metrics.csv"]["tail"].encode() == data
        events.append("row")
        write(descriptor, data)

    monkeypatch.setattr(os, "fsync", synchronized)
    monkeypatch.setattr(files, "write", written)
    made.append({"epoch": 1})
    made.offer(Checkpoint({}, {}))
    assert events == ["file", "folder", "row", "file"]
    made.finish("failed")


def test_commits_cost_at_most_a_fiftieth_of_the_time(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a disk that takes 2 s, epochs of 1 s share a commit, and each row arrives all the same."""
    clock = [0.0]
    slow = Folder.replace

    def replace(*words: Any, **more: Any) -> None:
        clock[0] += 2
        slow(*words, **more)

    monkeypatch.setattr(writer, "perf_counter", lambda: clock[0])
    made = create(folder)
    monkeypatch.setattr(Folder, "replace", replace)
    began, seen = clock[0], []
    for epoch in range(1, 501):
        clock[0] += 1
        made.append({"epoch": epoch})
        made.offer(Checkpoint({}, {}))
        seen.append(len(rows(made.folder)))
    waited = clock[0] - began - 500
    assert waited <= 500 / 50 + 2
    # What is seen is never older than a hundred seconds, and the last commit brings the rest.
    assert all(epoch - n <= 101 for epoch, n in enumerate(seen, 1))
    made.commit()
    assert len(rows(made.folder)) == 500
    made.finish("failed")


def test_a_name_that_is_taken_is_taken(folder: Path) -> None:
    """A run of a given name is made once; the second finds it, and leaves nothing behind."""
    runs = folder / "runs"
    first = RunWriter.create(runs, "mine", "data: mnist\n", {}, suffix=False)
    with pytest.raises(FileExistsError, match="mine is there already"):
        RunWriter.create(runs, "mine", "data: mnist\n", {}, suffix=False)
    assert list(runs.iterdir()) == [first.folder]
    first.finish("failed")


def test_nothing_that_is_there_is_replaced_by_a_run(folder: Path) -> None:
    """A file, a folder with something in it, or a link that leads nowhere keeps its name."""
    runs = folder / "runs"
    runs.mkdir()
    (runs / "empty").write_text("a file")
    (runs / "empty-2").mkdir()
    (runs / "empty-2" / "notes.txt").write_text("mine")
    (runs / "empty-3").symlink_to("nowhere")
    made = create(runs)
    assert made.folder.name == "empty-4"
    assert (runs / "empty").read_text() == "a file"
    assert (runs / "empty-3").readlink() == Path("nowhere")
    made.finish("failed")


def open_files() -> list[str]:
    """Return the numbers of the files this process has open."""
    return sorted(path.name for path in Path("/dev/fd").iterdir())


def test_a_run_that_cannot_be_begun_leaves_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the disk is full before there is a run, nothing of it stays, and nothing is open."""
    runs = folder / "runs"
    runs.mkdir()
    before = open_files()

    def full(*words: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Folder, "create", full)
    with pytest.raises(RunError, match="No space left on device; make room, or choose another"):
        create(runs)
    assert list(runs.iterdir()) == []
    assert open_files() == before


def test_any_argument_can_be_recorded(folder: Path) -> None:
    """An argument that is no UTF-8 stands in run.json as Python knows it."""
    argv = ["nnexp", os.fsdecode(b"\xff.yaml"), "\N{SNOWMAN}"]
    made = RunWriter.create(folder, "odd", "data: mnist\n", {"argv": argv})
    assert json.loads((made.folder / "run.json").read_text(encoding="utf-8"))["argv"] == argv
    made.finish("failed")


def test_no_secret_of_the_environment_is_written(
    train: Train, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither variables, nor git's configuration, nor the address of a remote get into a run."""
    secret = "hunter2"  # noqa: S105 - a marked word
    subprocess.run(["git", "init", "-q"], check=True)
    remote = f"https://me:{secret}@example.org/x.git"
    subprocess.run(["git", "remote", "add", "origin", remote], check=True)
    for name in ("NNEXP_TOKEN", "API_KEY", "OPENBLAS_NOTE", "GIT_CONFIG_VALUE_0", "PYTHONNOTE"):
        monkeypatch.setenv(name, secret)
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "http.extraheader")
    run = train(stop_after=2).folder
    resume(run)
    written = b"".join(path.read_bytes() for path in run.iterdir())
    assert secret.encode() not in written


def test_the_provenance_of_a_run_is_whole(train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    """Versions, platform, BLAS and its threads, git, argv, digest, seed, config: all are there."""
    config = load("small.yaml", ["seed=7"])
    outcome = run(config, load_data(config), "runs", argv=["nnexp", "train", "small.yaml"])
    record = json.loads((outcome.folder / "run.json").read_text())
    assert record["argv"] == ["nnexp", "train", "small.yaml"]
    assert record["versions"] == {
        "nnexp": nnexp.__version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
    }
    assert (record["platform"], record["host"]) == (platform.platform(), platform.node())
    assert record["blas"]
    assert all(library["num_threads"] == 1 for library in record["blas"])
    assert record["data"]["sha256"] == load_data(config).digest
    assert record["seed"] == 7
    assert Experiment.model_validate(record["config"]) == config.experiment
    assert record["pid"] == os.getpid()
