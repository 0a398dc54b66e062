"""Run folders as they are found in the world: what is sound is used, what is wrong is named."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nnexp.errors import RunError
from nnexp.names import METRICS
from nnexp.run.reader import Run, open_all, open_run
from nnexp.stats.summary import facts, series


@pytest.fixture
def run(gallery: Path, tmp_path: Path) -> Path:
    """Give a sound run folder to damage."""
    source = next(gallery.glob("*-quick-s0"))
    return Path(shutil.copytree(source, tmp_path / source.name))


def change_record(run: Path, **entries: object) -> None:
    """Change entries of run.json."""
    path = run / "run.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | entries))


def edit(run: Path, change: Callable[[list[bytes]], bytes]) -> Run:
    """Rewrite metrics.csv from its lines and open the run."""
    path = run / "metrics.csv"
    path.write_bytes(change(path.read_bytes().splitlines(keepends=True)))
    return open_run(run)


def test_a_sound_run_is_read_whole_and_without_problems(run: Path) -> None:
    """Every file of a run comes back as what was written."""
    found = open_run(str(run))
    assert found.problems == ()
    assert (found.id, found.name, found.seed, found.tags) == (run.name, "quick", 0, ["fast", "eta"])
    assert (found.status, len(found.rows)) == ("completed", 4)
    assert found.rows[0]["epoch"] == 1.0
    assert "finished_at" not in found.rows[0]
    assert found.metrics == [m for m in METRICS if m.endswith(("n_cost", "t_cost", "accuracy"))]
    assert found.experiment is not None
    assert found.experiment.eta == 2.0
    predictions = found.predictions
    assert predictions is not None
    assert predictions["set"] == "test"
    accuracy = float(np.mean(predictions["labels"] == predictions["predicted"]))
    assert accuracy == found.rows[-1]["test_accuracy"]


def test_a_torn_last_line_is_left_out_and_named(run: Path) -> None:
    """A line without its end is what a process that died left behind."""
    found = edit(run, lambda lines: b"".join(lines)[:-20])
    assert [row["epoch"] for row in found.rows] == [1.0, 2.0, 3.0]
    assert found.problems[0] == "metrics.csv: the last line is torn and excluded"


@pytest.mark.parametrize(
    "line",
    [
        b"7,0.5\n",
        b"three,2.0,0.5,0.5,0.5,0.5,0.5,0.5,0.1,0.1,now\n",
        b",2.0,0.5,0.5,0.5,0.5,0.5,0.5,0.1,0.1,now\n",
        b"nan,2.0,0.5,0.5,0.5,0.5,0.5,0.5,0.1,0.1,now\n",
        b"inf,2.0,0.5,0.5,0.5,0.5,0.5,0.5,0.1,0.1,now\n",
        b"3,2.0,0.5,0.5,0.5,0.5,0.5,0.5,0.1,0.1,now,more\n",
        b"3,2.0,0.5,\0\0\0,0.5,0.5,0.5,0.5,0.1,0.1,now\n",
        b"3,2.0,0.5,\xff\xfe,0.5,0.5,0.5,0.5,0.1,0.1,now\n",
        b"\0" * 50 + b"\n",
    ],
)
def test_a_damaged_line_is_left_out_and_named_by_its_number(run: Path, line: bytes) -> None:
    """Too few or many cells, an epoch that is none, NUL and other bytes: the rest is used."""
    found = edit(run, lambda lines: b"".join([*lines[:3], line, *lines[4:]]))
    assert [row["epoch"] for row in found.rows] == [1.0, 2.0, 4.0]
    assert found.problems[0] == "metrics.csv:4: a damaged line is excluded"
    assert facts(found.rows).summary.get("test_accuracy", {})["last"].epoch == 4


def test_other_columns_and_line_ends_are_read(run: Path) -> None:
    """A metrics.csv from a spreadsheet, with other columns and CRLF, is as good."""
    found = edit(
        run, lambda lines: b"test_accuracy,epoch,note\r\n0.5,1,1\r\n,2,2\r\n0.75,3,3\r\n,4,\r\n"
    )
    assert found.problems == ()
    assert [point.value for point in series(found.rows, "test_accuracy")] == [0.5, 0.75]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b"", "metrics.csv: has no column epoch"),
        (b"eta\n0.5\n", "metrics.csv: has no column epoch"),
        (b'epoch\n"' + b"9" * 200_000 + b'"\n', "metrics.csv:2: a damaged line is excluded"),
    ],
)
def test_metrics_that_are_none_are_named(run: Path, text: bytes, problem: str) -> None:
    """A file that cannot be metrics gives no rows, and a run all the same."""
    found = edit(run, lambda lines: text)
    assert found.rows == []
    assert found.problems[0].startswith(problem)


def test_missing_metrics_are_named(run: Path) -> None:
    """Without metrics.csv there is still a run, with its record and config."""
    (run / "metrics.csv").unlink()
    found = open_run(run)
    assert (found.rows, found.metrics) == ([], [])
    assert found.problems[0] == "metrics.csv: No such file or directory"


def drop_config(run: Path) -> None:
    """Make it a folder of format 1, whose config is config.yaml alone."""
    path = run / "run.json"
    record = json.loads(path.read_text()) | {"format": 1}
    del record["config"], record["config_sha256"]
    path.write_text(json.dumps(record))


@pytest.mark.parametrize("text", [None, b"layers: [", b"\xff", b"eta: 1\n", b""])
def test_the_config_is_that_of_the_record_whatever_became_of_the_file(
    run: Path, text: bytes | None
) -> None:
    """A config.yaml that was edited, damaged or lost is named, and changes nothing."""
    before = open_run(run)
    path = run / "config.yaml"
    path.unlink() if text is None else path.write_bytes(text)
    found = open_run(run)
    found.check_config()
    assert (found.config, found.identity) == (before.config, before.identity)
    assert len(found.problems) == 1
    problem = "No such file" if text is None else "is damaged"
    assert found.problems[0].startswith(f"config.yaml: {problem}")


def test_a_record_without_a_digest_says_nothing_of_the_file(run: Path) -> None:
    """Where it is not known what config.yaml was, nothing is claimed about it."""
    change_record(run, config_sha256=None)
    (run / "config.yaml").unlink()
    found = open_run(run)
    found.check_config()
    assert found.problems == ()


def test_a_config_file_is_compared_by_what_it_says(run: Path) -> None:
    """Line ends, comments and the order of keys are no settings; another value is named."""
    path = run / "config.yaml"
    text = path.read_text()
    for same in (text.replace("\n", "\r\n"), f"# mine\n{text}"):
        path.write_bytes(same.encode())
        found = open_run(run)
        found.check_config()
        assert found.problems == ()
    path.write_text(text.replace("eta: 2.0", "eta: 3.0"))
    found = open_run(run)
    found.check_config()
    assert found.problems == (
        "config.yaml: has other settings than the run, whose are in run.json",
    )


@pytest.mark.parametrize("config", [[1], "x", 3])
def test_a_config_of_another_type_is_named_and_the_file_read(run: Path, config: object) -> None:
    """Where the record has no mapping for a config, config.yaml is used."""
    change_record(run, config=config)
    found = open_run(run)
    assert found.name == "quick"
    assert found.experiment is not None
    assert found.problems[0].startswith("run.json: config: ")


@pytest.mark.parametrize("config", [{}, {"layers": 3}, {"eta": {"a": 1}}])
def test_a_config_that_the_record_has_wrong_is_named(run: Path, config: object) -> None:
    """A record whose config is none costs the config, and the numbers are still there."""
    change_record(run, config=config)
    found = open_run(run)
    assert (found.experiment, found.name, found.seed) == (None, "quick", 0)
    assert len(found.rows) == 4
    assert found.problems[0].startswith("run.json: config")


def test_a_folder_of_format_1_has_its_config_in_config_yaml(run: Path) -> None:
    """Old folders are read as they were written."""
    before = open_run(run)
    drop_config(run)
    found = open_run(run)
    assert (found.config, found.identity) == (before.config, before.identity)
    assert found.problems == ()


@pytest.mark.parametrize("text", [None, b"layers: [", b"\xff", b"eta: 1\n", b""])
def test_a_config_that_cannot_be_read_is_named(run: Path, text: bytes | None) -> None:
    """Where config.yaml is all there was, the numbers are still there, under the record's name."""
    drop_config(run)
    path = run / "config.yaml"
    path.unlink() if text is None else path.write_bytes(text)
    found = open_run(run)
    assert (found.experiment, found.name, found.seed, found.tags) == (None, "quick", 0, [])
    assert len(found.rows) == 4
    assert len(found.problems) == 1
    assert found.problems[0].startswith("config.yaml")


@pytest.mark.parametrize(
    "text", [None, b"", b"{", b"[1]", b'"x"', b"\xff\xfe", b"\0" * 100, b"[" * 100_000]
)
def test_a_record_that_cannot_be_read_is_no_run(run: Path, text: bytes | None) -> None:
    """Without run.json a folder is not known to be a run, and the message names it."""
    path = run / "run.json"
    path.unlink() if text is None else path.write_bytes(text)
    with pytest.raises(RunError, match=f"^{run}: not a "):
        open_run(run)
    runs, notes = open_all([run])
    assert runs == []
    assert len(notes) == 1


def test_a_format_or_status_of_the_future_is_named(run: Path) -> None:
    """A run of another version of nnexp is read as far as it goes."""
    change_record(run, format=99, status="paused")
    found = open_run(run)
    later, unknown = found.problems
    assert later.startswith("run.json: written by a later nnexp (format 99; ")
    assert unknown == "unknown status 'paused'"
    assert found.status == "failed"
    assert len(found.rows) == 4


@pytest.mark.parametrize("status", [None, 3, ["completed"], {}])
def test_a_status_of_another_type_is_named(run: Path, status: object) -> None:
    """Whatever stands where the status is due, the run is shown as failed."""
    change_record(run, status=status)
    assert open_run(run).status == "failed"


def write_predictions(run: Path, **arrays: object) -> Run:
    """Replace predictions.npz and open the run."""
    values = {"labels": np.array([0, 1]), "predicted": np.array([0, 1]), "set": np.array("test")}
    np.savez(run / "predictions.npz", allow_pickle=True, **(values | arrays))  # type: ignore[arg-type]
    return open_run(run)


@pytest.mark.parametrize(
    "arrays",
    [
        {"labels": np.array([{}, {}])},
        {"labels": np.array([0, 1, 2])},
        {"labels": np.array([[0, 1]])},
        {"labels": np.array([0.0, 1.0])},
        {"predicted": np.array([0, -1])},
    ],
)
def test_predictions_of_another_form_are_not_used(run: Path, arrays: dict[str, object]) -> None:
    """Pickles, other lengths, shapes and types, and classes below zero are no predictions."""
    assert write_predictions(run).predictions is not None
    assert write_predictions(run, **arrays).predictions is None


@pytest.mark.parametrize("text", [None, b"", b"junk", b"PK\x03\x04junk", b"\x93NUMPY\x01\0"])
def test_predictions_that_cannot_be_read_are_none(run: Path, text: bytes | None) -> None:
    """A missing or damaged predictions.npz costs the predictions and nothing else."""
    path = run / "predictions.npz"
    path.unlink() if text is None else path.write_bytes(text)
    assert open_run(run).predictions is None


def test_an_array_in_place_of_an_archive_is_no_prediction(run: Path) -> None:
    """A single .npy under the name predictions.npz is not taken for one."""
    with (run / "predictions.npz").open("wb") as stream:
        np.save(stream, np.arange(3))
    assert open_run(run).predictions is None


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_damage_is_survived(run: Path, data: st.DataObject) -> None:
    """With any bytes of any file changed, a run opens or is refused with its name."""
    path = run / data.draw(st.sampled_from(["metrics.csv", "run.json", "predictions.npz"]))
    whole = path.read_bytes()
    at = data.draw(st.integers(0, len(whole) - 1))
    path.write_bytes(whole[:at] + data.draw(st.binary(max_size=4)) + whole[at + 1 :])
    try:
        runs, notes = open_all([run])
        assert len(runs) == 1 or notes
        for found in runs:
            assert found.predictions is None or len(found.predictions["labels"])
            for metric in METRICS:
                facts(found.rows).summary.get(metric, {})
    finally:
        path.write_bytes(whole)


@pytest.mark.parametrize("cut", [-1, 1], ids=["last", "first"])
def test_a_complete_run_that_has_lost_rows_is_not_complete(run: Path, cut: int) -> None:
    """What run.json counts and metrics.csv lacks is named; no other epoch stands in for it."""
    lines = (run / "metrics.csv").read_text().splitlines(keepends=True)
    lines[cut] = lines[cut][:9] + "\n" * (cut != -1)
    (run / "metrics.csv").write_text("".join(lines))
    found = open_run(run)
    assert found.status == "interrupted"
    assert "metrics.csv: has 3 of the 4 rows that were written" in found.problems


@pytest.mark.parametrize("indent", [None, 0, 2])
def test_a_record_in_another_layout_is_the_same_record(run: Path, indent: int | None) -> None:
    """The writer's is a line per entry; one that a program has written anew is as good."""
    before = open_run(run)
    path = run / "run.json"
    path.write_text(json.dumps(json.loads(path.read_text()), indent=indent))
    after = open_run(run)
    assert dict(after.record) == dict(before.record)
    assert (after.config, after.identity, after.key) == (before.config, before.identity, before.key)
    for metric, points in before.facts.summary.items():
        assert after.facts.summary[metric] == points


def test_a_damaged_line_of_the_record_costs_one_entry(run: Path) -> None:
    """What stands on the other lines is used, and the entry is named where it is asked for."""
    path = run / "run.json"
    path.write_text(re.sub(r'"data": .*', '"data": {"name": ,', path.read_text()))
    found = open_run(run)
    assert (found.status, found.digest) == ("completed", "")
    assert found.problems[0].startswith("run.json: data: is damaged (Expecting value")
