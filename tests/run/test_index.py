"""The index of many runs: never another answer than the folders', and never needed."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from nnexp.run import index
from nnexp.run.find import folders
from nnexp.run.index import INDEX, Opened, open_many
from nnexp.run.reader import Run, open_run

if TYPE_CHECKING:
    from conftest import Nnexp, Train

RUNS = Path("runs")
COMMANDS = [
    ("list",),
    ("list", "--format", "json"),
    ("compare", "runs"),
    ("compare", "runs", "--per-run"),
    ("compare", "runs", "--format", "json", "--until", "test_accuracy=0.5"),
]


@pytest.fixture
def many(train: Train, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give four runs of two configs, which are enough for an index, in files that are settled."""
    monkeypatch.setattr(index, "LEAST", 3)
    monkeypatch.setattr(index, "FRESH_NS", 0)
    for eta in ("0.1", "2.0"):
        for seed in range(2):
            train(f"eta={eta}", f"seed={seed}", "tags=[one]")
    return RUNS


def opened() -> Opened:
    """Open the runs, and keep what was read."""
    found = open_many(folders(RUNS))
    found.keep()
    return found


def indexed(found: Opened) -> list[bool]:
    """Tell of each run whether it came from the index."""
    return [state.indexed for state in found._states]


def told(run: Run) -> dict[str, Any]:
    """Return all that list and compare ask of a run."""
    summary = {metric: dict(points) for metric, points in run.facts.summary.items()}
    facts = (run.facts.done, run.facts.seconds, summary, run.metrics)
    words = (run.id, run.name, run.seed, run.tags, run.status, run.stopped, run.digest, run.classes)
    return {
        "facts": facts,
        "words": words,
        "config": run.config,
        "identity": run.identity,
        "experiment": run.experiment,
        "never_learned": run.never_learned,
        "problems": run.problems,
        "rows": run.rows,
    }


def test_runs_of_the_index_are_those_of_the_folders(many: Path) -> None:
    """Config, figures, words, problems and rows: all that is asked of them is the same."""
    with (next(folders(many)) / "metrics.csv").open("a") as log:
        log.write("torn")
    first, second = opened(), opened()
    assert (indexed(first), indexed(second)) == ([False] * 4, [True] * 4)
    assert [told(run) for run in second.runs] == [told(run) for run in first.runs]
    assert second.notes == first.notes
    assert len(first.notes) == 1


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_commands_print_the_same_from_the_index(
    nnexp: Nnexp, many: Path, words: tuple[str, ...]
) -> None:
    """To the byte, notes included, and each note once."""
    with (next(folders(many)) / "metrics.csv").open("a") as log:
        log.write("torn")
    found = [nnexp(*words) for _ in range(3)]
    assert (many / INDEX).exists()
    assert len({(one.stdout, one.stderr) for one in found}) == 1
    assert found[0].stderr.count("torn") == 1


def edit_record(run: Path) -> None:
    """Let another person have run it."""
    record = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps(record | {"status": "diverged"}))


def edit_log(run: Path) -> None:
    """Take an epoch away."""
    lines = (run / "metrics.csv").read_text().splitlines(keepends=True)
    (run / "metrics.csv").write_text("".join(lines[:-1]))


def edit_in_place(run: Path) -> None:
    """Change a digit, and put the time of the last change back."""
    path = run / "metrics.csv"
    before, data = path.stat(), path.read_bytes()
    with path.open("r+b") as log:
        log.write(data.replace(b"\n4,", b"\n5,"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def edit_config(run: Path) -> None:
    """Write something into the config."""
    with (run / "config.yaml").open("a") as config:
        config.write("# seen\n")


def lose_predictions(run: Path) -> None:
    """Remove a file."""
    (run / "predictions.npz").unlink()


def replace_run(run: Path) -> None:
    """Put another run in its place."""
    other = next(folder for folder in folders(RUNS) if folder != run)
    shutil.rmtree(run)
    shutil.copytree(other, run)


@pytest.mark.parametrize(
    "change",
    [edit_record, edit_log, edit_in_place, edit_config, lose_predictions, replace_run],
)
def test_a_run_that_has_changed_is_read_again(many: Path, change: Callable[[Path], None]) -> None:
    """It alone; what the index says afterwards is what is there now."""
    opened()
    changed = sorted(folders(many))[1]
    change(changed)
    now = opened()
    assert indexed(now) == [True, False, True, True]
    assert told(now.runs[1]) == told(open_run(changed))
    again = opened()
    assert indexed(again) == [True] * 4
    assert told(again.runs[1]) == told(open_run(changed))


def test_runs_come_and_go(many: Path, train: Train) -> None:
    """A new run is read, one that was removed is forgotten, one of another name is another."""
    opened()
    gone, moved, *_ = sorted(folders(many))
    shutil.rmtree(gone)
    moved.rename(many / "zz")
    new = train("eta=5.0").folder
    now = opened()
    assert {run.folder for run in now.runs} == set(folders(many))
    assert {run.folder for run, old in zip(now.runs, indexed(now), strict=True) if not old} == {
        many / "zz",
        new,
    }
    names = json.loads((many / INDEX).read_text())["runs"]["name"]
    assert sorted(names) == sorted(folder.name for folder in folders(many))


def test_the_index_may_be_deleted_at_any_time(many: Path) -> None:
    """It is written anew."""
    before = [told(run) for run in opened().runs]
    (many / INDEX).unlink()
    assert [told(run) for run in opened().runs] == before
    assert (many / INDEX).exists()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: "",
        lambda text: text[: len(text) // 2],
        lambda text: text.replace('"format":', '"format":1'),
        lambda text: text.replace('"nnexp":"', '"nnexp":"0.'),
        lambda text: text.replace('"completed"', '"finished"'),
        lambda text: text.replace('"seed":[0', '"seed":["0"'),
        lambda text: text + " " * 100_000,
    ],
)
def test_an_index_that_is_damaged_or_of_another_version_is_void(
    many: Path, spoil: Callable[[str], str]
) -> None:
    """The folders are read as if it were not there, and it is replaced."""
    before = [told(run) for run in opened().runs]
    (many / INDEX).write_text(spoil((many / INDEX).read_text()))
    now = opened()
    assert indexed(now) == [False] * 4
    assert [told(run) for run in now.runs] == before
    assert indexed(opened()) == [True] * 4


def test_an_index_that_is_a_link_is_not_followed(many: Path, tmp_path: Path) -> None:
    """What a stranger's folder points to is neither read nor written."""
    opened()
    elsewhere = tmp_path / "elsewhere.json"
    (many / INDEX).rename(elsewhere)
    content = elsewhere.read_bytes()
    (many / INDEX).symlink_to(elsewhere)
    edit_record(next(folders(many)))
    assert indexed(opened()) == [False] * 4
    assert elsewhere.read_bytes() == content


def test_a_run_that_goes_on_is_not_in_the_index(many: Path) -> None:
    """How it stands is told by its lock, not by its files."""
    running = sorted(folders(many))[2]
    record = json.loads((running / "run.json").read_text())
    (running / "run.json").write_text(json.dumps(record | {"status": "running"}))
    for _ in range(2):
        assert indexed(opened())[2] is False


def test_a_file_that_has_just_changed_is_not_trusted(
    many: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within one tick of a coarse clock it could change again and look the same."""
    monkeypatch.setattr(index, "FRESH_NS", 10**12)
    opened()
    assert indexed(opened()) == [False] * 4


def test_few_runs_have_no_index(many: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are read as fast without, and a hidden file would only surprise."""
    monkeypatch.setattr(index, "LEAST", 5)
    opened()
    assert not (many / INDEX).exists()


def test_a_folder_that_may_not_be_written_is_read(
    many: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The index is a favour, not a condition."""

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError

    monkeypatch.setattr("nnexp.io.files.replace", refuse)
    assert len(opened().runs) == 4
    assert not (many / INDEX).exists()


def test_classes_that_were_never_learnt_are_found_once(
    many: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Runs of older versions have them in their predictions alone, which the index saves."""
    due = []
    for folder in folders(many):
        record = json.loads((folder / "run.json").read_text())
        due.append(tuple(record.pop("never_learned")))
        (folder / "run.json").write_text(json.dumps(record))
    opened()
    found = open_many(folders(many))
    assert [run.never_learned for run in found.runs] == due
    assert any(due)
    found.keep()
    monkeypatch.setattr(Run, "predictions", property(lambda run: pytest.fail("are read again")))
    assert [run.never_learned for run in opened().runs] == due
