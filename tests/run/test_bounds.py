"""Whatever is trained can be read back: long runs, and how run.json vouches for a log."""

from __future__ import annotations

import json
import os
import re
import shutil
import tracemalloc
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nnexp.config.loader import load
from nnexp.errors import ConfigError
from nnexp.run.assembly import load_data
from nnexp.run.log import Log, read_log
from nnexp.run.reader import open_run
from nnexp.run.writer import RunWriter

if TYPE_CHECKING:
    from conftest import Nnexp, Train

LONG = 310_000


def test_a_row_is_logged_where_something_was_to_be_measured(train: Train) -> None:
    """With monitor_every 3 of 8 epochs have the rows 3, 6 and 8; the others are counted."""
    outcome = train("epochs=8", "monitor_every=3")
    run = open_run(outcome.folder)
    assert [row["epoch"] for row in run.rows] == [3, 6, 8]
    assert (run.facts.done, outcome.epochs, run.record["epochs"]) == (8, 8, 8)
    seconds = sum(row["train_seconds"] + row["evaluate_seconds"] for row in run.rows)
    assert run.facts.seconds == pytest.approx(seconds / 8)


def test_the_epoch_in_which_a_run_diverges_has_a_row(train: Train) -> None:
    """Also where it was not to be measured: the log says how the run ended."""
    outcome = train("output=linear", "cost=quadratic", "eta=1e6", "epochs=500", "monitor_every=400")
    assert outcome.status == "diverged"
    assert [row["epoch"] for row in outcome.rows] == [outcome.epochs]


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (["epochs=3000000"], "metrics.csv"),
        (["epochs=2100000", "monitor=[train, diagnostics]"], "diagnostics.csv"),
        (["epochs=1500000", "monitor=[parameters]"], "parameters.csv"),
    ],
)
def test_a_log_that_would_not_be_read_back_is_refused_before_the_first_epoch(
    small: Path, words: list[str], name: str
) -> None:
    """The message names the file, its bound, and a monitor_every with which it fits."""
    with pytest.raises(ConfigError, match=rf"epochs: {name} would have .* rows") as caught:
        load_data(load(small, words))
    every = str(caught.value).split("monitor_every to ")[1].split()[0]
    load_data(load(small, [*words, f"monitor_every={every}"]))


def long_log(path: Path, epochs: int) -> None:
    """Write a log with a row for every epoch."""
    head = "epoch,eta,train_cost,train_accuracy,test_accuracy,train_seconds,finished_at\n"
    lines = (f"{i},0.5,{1 / i!r},0.75,,0.001,2026-11-22T08:00:00Z\n" for i in range(1, epochs + 1))
    path.write_text(head + "".join(lines))


def test_a_long_log_takes_little_memory(tmp_path: Path) -> None:
    """31,000 rows are some arrays of numbers, not 31,000 mappings."""
    rows = LONG // 10
    long_log(tmp_path / "metrics.csv", rows)
    tracemalloc.start()
    with (tmp_path / "metrics.csv").open("rb") as stream:
        log = read_log("metrics.csv", stream, [])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (len(log), log.epoch, log[-1]["train_cost"]) == (rows, rows, 1 / rows)
    assert log.column("test_accuracy") == []
    assert peak < 6_000_000


@pytest.mark.slow
def test_a_long_run_of_an_old_format_is_complete(nnexp: Nnexp, train: Train) -> None:
    """A row for every one of 310,000 epochs is listed, compared and not trained again."""
    folder = train().folder
    long_log(folder / "metrics.csv", LONG)
    record = json.loads((folder / "run.json").read_text())
    del record["log"], record["summary"]
    record |= {"format": 2, "epochs": LONG, "config": record["config"] | {"epochs": LONG}}
    (folder / "run.json").write_text(json.dumps(record))
    (row,) = json.loads(nnexp("list", "--json").stdout)
    assert (row["status"], row["epochs_done"], row["epochs"]) == ("completed", LONG, LONG)
    assert nnexp("compare").stderr == ""


def test_a_log_keeps_numbers_nan_and_empty_cells_apart() -> None:
    """What was not measured is None, what is no number is NaN, and slices are rows."""
    log = Log(["epoch", "test_cost", "finished_at"])
    for epoch, cost in ((1, None), (2, float("nan")), (3, 1e200)):
        log.add({"epoch": epoch, "test_cost": cost, "finished_at": "now"})
    assert [row["epoch"] for row in log[1:]] == [2, 3]
    assert log[0] == {"epoch": 1, "test_cost": None}
    assert str(log[1]["test_cost"]) == "nan"
    assert log.clipped()[2]["test_cost"] == float("inf")
    assert log[2]["test_cost"] == 1e200


@pytest.fixture
def run(train: Train) -> Path:
    """Give a complete run."""
    return train().folder


def spy(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note which logs are read."""
    names: list[str] = []

    def noted(name: str, *words: object) -> Log:
        names.append(name)
        return read_log(name, *words)  # type: ignore[arg-type]

    monkeypatch.setattr("nnexp.run.reader.read_log", noted)
    return names


def test_a_run_that_ended_is_opened_from_run_json_alone(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its summary is that of the log, which is read when it is asked for."""
    names = spy(monkeypatch)
    opened = open_run(run)
    summary = {metric: dict(points) for metric, points in opened.facts.summary.items()}
    assert (names, opened.facts.done) == ([], 4)
    record = json.loads((run / "run.json").read_text())
    del record["summary"]
    (run / "run.json").write_text(json.dumps(record))
    again = open_run(run).facts
    assert names == ["metrics.csv"]
    assert {metric: dict(points) for metric, points in again.summary.items()} == summary
    assert again.seconds == pytest.approx(opened.facts.seconds)


def test_a_copied_log_is_trusted_by_its_sum_and_an_edited_one_is_read(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A later time costs a look at the bytes; another byte of the same length is noticed."""
    names = spy(monkeypatch)
    log = run / "metrics.csv"
    later = (run / "run.json").stat().st_mtime_ns + 10**9
    os.utime(log, ns=(later, later))
    assert open_run(run).problems == ()
    assert names == []
    lines = log.read_text().splitlines(keepends=True)
    lines[-1] = lines[-1].replace("4,0.5", "4,0.7", 1)
    log.write_text("".join(lines))
    os.utime(log, ns=(later, later))
    assert open_run(run).rows[-1]["eta"] == 0.7
    assert "metrics.csv" in names


def test_a_run_that_another_process_copies_is_the_same_run(run: Path) -> None:
    """Whatever the times of a copy are, it is complete, with the same facts."""
    copy = Path(shutil.copytree(run, run.with_name("copy")))
    assert open_run(copy).status == "completed"
    assert dict(open_run(copy).facts.summary) == dict(open_run(run).facts.summary)


def test_a_record_that_would_not_be_read_back_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is left of the run, and the message says what is too long."""
    monkeypatch.setattr("nnexp.run.writer.MAX_RECORD", 2_000)
    with pytest.raises(Exception, match="too large to be read back"):
        RunWriter.create(folder / "runs", "big", "data: mnist\n", {"argv": ["x" * 5_000]})
    assert list((folder / "runs").iterdir()) == []


def inline(examples: int, value: str = "0", **keys: str) -> str:
    """Return a config of so many examples of two inputs each."""
    x, y = ", ".join([f"[{value}, 1]"] * examples), ", ".join(["0"] * examples)
    more = "".join(f"{key}: {text}\n" for key, text in keys.items())
    return f"data: {{inline: {{x: [{x}], y: [{y}]}}}}\nlayers: [2, 2]\nepochs: 1\n{more}"


# Text that takes three bytes in a config from hand and ten, escaped, in config.yaml.
UNPRINTABLE = "\U000f0000"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("below", "above", "message"),
    [
        (inline(49_000), inline(51_000), r"run\.json would have 20\d,\d\d\d values of the config"),
        (
            inline(1, description=f'"{UNPRINTABLE * 380_000}"'),
            inline(1, description=f'"{UNPRINTABLE * 390_000}"'),
            r"config\.yaml would have 4,0\d\d,\d\d\d bytes; at most 3,99",
        ),
    ],
    ids=["values", "bytes"],
)
def test_a_config_that_would_not_be_read_back_is_refused_before_the_first_epoch(
    nnexp: Nnexp, folder: Path, below: str, above: str, message: str
) -> None:
    """Just below the bound it trains, is read back and resumed; above it nothing is made."""
    (folder / "above.yaml").write_text(above)
    refused = nnexp("train", "above.yaml", "-q", code=1)
    assert re.search(message, refused.stderr)
    assert not (folder / "runs").exists()
    (folder / "below.yaml").write_text(below)
    nnexp("train", "below.yaml", "-q")
    (run,) = (folder / "runs").iterdir()
    assert not open_run(run).problems
    nnexp("resume", str(run), "--epochs", "2", "-q")
    assert load(run / "config.yaml").experiment.epochs == 2


def test_a_network_too_deep_for_a_line_of_its_diagnostics_is_refused(nnexp: Nnexp) -> None:
    """Before the first epoch; one that is just not too deep is trained, and read back."""

    def train_deep(layers: int, code: int) -> str:
        text = f"data: {{inline: {{x: [[0.5]], y: [[1.0]]}}}}\nlayers: [{'1, ' * layers}1]\n"
        Path("deep.yaml").write_text(f"{text}epochs: 1\nmonitor: [train, diagnostics]\n")
        return nnexp("train", "deep.yaml", "-q", "--runs-dir", "deep", code=code).output

    beyond = "diagnostics.csv would have 30,307 columns; at most 30,303 are read back"
    assert beyond in train_deep(10_101, 1)
    assert not Path("deep").exists()
    train_deep(10_090, 0)
    (folder,) = Path("deep").iterdir()
    assert len(open_run(folder).log("diagnostics.csv")) == 1
