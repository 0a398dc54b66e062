"""How runs are found, and what is passed over on the way."""

from __future__ import annotations

from pathlib import Path

import pytest

from nnexp.errors import RunError
from nnexp.run.find import by_age, folders, is_run, resolve, resolve_one
from nnexp.run.reader import open_all

NAMES = ["20260101-000000-a-s0", "20260101-000000-a-s0-2", "20260101-000001-b-s0"]
LATE = "20260102-000000-c-s0"


@pytest.fixture
def runs(folder: Path) -> Path:
    """Give a folder of three runs, and a fourth and later one deeper in it."""
    for name in (*NAMES, f"a-study/{LATE}"):
        (folder / "runs" / name).mkdir(parents=True)
        (folder / "runs" / name / "run.json").write_text("{}")
    return Path("runs")


def names(found: list[Path]) -> list[str]:
    """Return the names of folders."""
    return [path.name for path in found]


def test_runs_are_found_below_folders(runs: Path) -> None:
    """A folder stands for all the runs below it, and a run's folder for itself."""
    assert sorted(names(list(folders(runs)))) == [*NAMES, LATE]
    assert list(folders(runs / NAMES[0])) == [runs / NAMES[0]]


def test_a_folder_is_a_run_by_its_record_or_its_metrics(runs: Path) -> None:
    """A folder with metrics.csv alone is a run that lost its record, and others are none."""
    assert is_run(runs / NAMES[0])
    assert not is_run(runs)
    (runs / "damaged").mkdir()
    (runs / "damaged" / "metrics.csv").write_text("epoch\n")
    assert is_run(runs / "damaged")


def test_other_folders_files_and_loops_are_passed_over(runs: Path) -> None:
    """Hidden folders, files, links and what lies too deep do not disturb the search."""
    (runs / "loop").symlink_to(runs.resolve(), target_is_directory=True)
    (runs / "self").symlink_to("self")
    (runs / "notes.txt").write_text("mine")
    (runs / "empty").mkdir()
    for name in (".trash/run", "1/2/3/4/5/too-deep"):
        (runs / name).mkdir(parents=True)
        (runs / name / "run.json").write_text("{}")
    assert sorted(names(list(folders(runs)))) == [*NAMES, LATE]
    assert list(folders(runs / "notes.txt")) == []
    assert list(folders(runs / "nowhere")) == []


def test_runs_are_sorted_by_their_time_wherever_they_lie(runs: Path) -> None:
    """The name begins with the time, and folders in between do not count."""
    assert names(by_age(folders(runs))) == [*NAMES, LATE]


@pytest.mark.parametrize(
    ("word", "found"),
    [
        (f"runs/{NAMES[0]}", [NAMES[0]]),
        ("runs/a-study", [LATE]),
        ("runs", sorted([*NAMES, LATE])),
        ("runs/*-a-*", NAMES[:2]),
        ("runs/*", [*NAMES, LATE]),
        ("runs/**/*c-s?", [LATE]),
        ("latest", [LATE]),
        (LATE, [LATE]),
        ("20260102", [LATE]),
        ("20260101-000001", [NAMES[2]]),
        (NAMES[0], [NAMES[0]]),
        ("20260101-000000-a-s0-", [NAMES[1]]),
    ],
)
def test_a_word_stands_for_runs(runs: Path, word: str, found: list[str]) -> None:
    """A folder, a glob, a unique beginning, a whole name that begins another one, or `latest`."""
    assert sorted(names(resolve(word, runs))) == sorted(found)


def test_an_absolute_glob_is_a_glob(runs: Path) -> None:
    """Patterns may begin at the root."""
    assert names(resolve(f"{runs.resolve()}/*-b-*", Path("nowhere"))) == [NAMES[2]]


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("2026", "2026: matches 4 runs; name one of them:\n  20260101-000000-a-s0\n"),
        ("20260101-000001-b-s1", "no run matches under runs; did you mean 20260101-000001-b-s0?"),
        ("nothing", "nothing: no run matches under runs; `nnexp list` shows them"),
        ("runs/*x*", "runs/*x*: no run matches this pattern"),
        ("runs/**a", "runs/**a: no"),
        ("a" * 300, "no run matches under runs"),
        ("empty", "empty: no run is in this folder"),
    ],
)
def test_a_word_that_stands_for_none_or_several_says_so(
    runs: Path, word: str, message: str
) -> None:
    """The message lists what is ambiguous and suggests what is near."""
    Path("empty").mkdir()
    with pytest.raises(RunError) as caught:
        resolve(word, runs)
    assert message in str(caught.value)


@pytest.mark.parametrize("word", ["latest", "2026"])
def test_without_runs_there_is_nothing_to_stand_for(folder: Path, word: str) -> None:
    """Where nothing has been run yet, the message names the folder that was looked into."""
    with pytest.raises(RunError, match=f"{word}: no run matches; there are no runs under runs"):
        resolve(word, Path("runs"))


def test_where_one_run_is_due_several_are_refused(runs: Path) -> None:
    """`show` of a folder of runs asks for one of them."""
    assert resolve_one("latest", runs).name == LATE
    listed = "runs: holds 4 runs; name one of them:\n  20260101-000000-a-s0\n"
    with pytest.raises(RunError, match=listed):
        resolve_one("runs", runs)


def test_unsound_runs_are_named_and_the_others_opened(gallery: Path, folder: Path) -> None:
    """Opening many runs gives those that can be read and a note for each thing that is wrong."""
    (good,) = gallery.glob("*-quick-s0")
    for name in ("foreign", "bare"):
        Path(name).mkdir()
    Path("foreign/run.json").write_text("[1, 2]")
    Path("bare/metrics.csv").write_text("epoch\n1\n")
    runs, notes = open_all([Path("foreign"), good, Path("bare"), Path("gone")])
    assert [run.folder for run in runs] == [good]
    assert notes == [
        "foreign: not a run: run.json holds no mapping",
        "bare: not a run: run.json: No such file or directory",
        "gone: not a run: run.json: No such file or directory",
    ]


def test_numbers_in_names_count_as_numbers() -> None:
    """Of the runs of one second, the seeds and suffixes are in the order they were made."""
    stem = "20261122-084153-xent_30-s"
    due = [Path(stem + end) for end in ("2", "9", "9-2", "9-10", "11")]
    assert by_age(reversed(due)) == due
