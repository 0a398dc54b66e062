"""`nnexp sweep`: what it prints, writes, and ends with."""

from __future__ import annotations

import io
import json
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from nnexp.cli.progress import overview
from nnexp.config.loader import load
from nnexp.run.assembly import DataCache
from nnexp.run.reader import open_run
from nnexp.study import jobs as jobs_of_a_study
from nnexp.study.engine import ENGINES, Engine, Entry, Settings
from nnexp.study.jobs import BUSY, Done, Job, perform

if TYPE_CHECKING:
    from conftest import Nnexp

STUDY = """\
description: does a large rate diverge?
base:
  data: {path: points.csv, target: kind}
  layers: [2, 3, 2]
  epochs: 2
arms:
  slow: {eta: 0.1}
  fast: {eta: 0.5}
seeds: 0-1
"""
WILD = "  wild: {eta: 1.0e+200, cost: quadratic, output: linear}\nseeds"


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[Job], None]], None]:
    """Let sweeps run in this process; return what gives them a function to call before a run."""
    before: list[Callable[[Job], None]] = []

    def task(job: Job) -> Done:
        for call in before:
            call(job)
        return perform(job, DataCache())

    @contextmanager
    def engine(settings: Settings) -> Iterator[Engine]:
        with ThreadPoolExecutor(1) as thread:
            yield Engine(
                executor=thread,
                prepare=lambda job, number: (job,),
                task=task,
                finish=lambda job, done: done,
                reports=lambda: iter(()),
                stop=lambda: thread.shutdown(wait=False, cancel_futures=True),
                lost="",
            )

    monkeypatch.setattr(sys.modules[__name__], "engine", engine, raising=False)
    monkeypatch.setitem(ENGINES, "local", Entry(f"{__name__}:engine"))
    return before.append


@pytest.fixture
def study(small: Path, here: object) -> Path:
    """Give a study of two arms and two seeds, in the working folder."""
    path = Path("question.yaml")
    path.write_text(STUDY)
    return path


def test_a_sweep_says_where_its_runs_are_and_what_came_of_them(nnexp: Nnexp, study: Path) -> None:
    """Results go to stdout, what happens to stderr; nothing is drawn where no one watches."""
    result = nnexp("sweep", study)
    assert re.sub(r"[0-9.]+ m?s$", "T", result.stdout, flags=re.MULTILINE) == (
        "runs/question\n  4 completed in T\n"
    )
    first, *ends, last = result.stderr.splitlines()
    assert first == "runs/question: 4 runs"
    assert [end.partition(" completed ")[0] for end in ends] == ["1/4", "2/4", "3/4", "4/4"]
    assert last == "compare them: nnexp compare runs/question"
    assert "\r" not in result.stderr
    folders = sorted(path.name for path in Path("runs/question").iterdir())
    assert folders == ["fast-s0", "fast-s1", "slow-s0", "slow-s1", "study.json"]
    runs = [open_run(path) for path in Path("runs/question").glob("*-s*")]
    assert {(run.name, run.seed, run.status, len(run.rows)) for run in runs} == {
        (arm, seed, "completed", 2) for arm in ("slow", "fast") for seed in (0, 1)
    }
    record = json.loads(Path("runs/question/study.json").read_text())
    assert list(record["arms"]) == ["slow", "fast"]


def test_the_folder_a_sweep_prints_can_be_compared(nnexp: Nnexp, study: Path) -> None:
    """`nnexp compare` takes the folder, and knows the arms by the study's names."""
    folder = nnexp("sweep", study, "--quiet").stdout.strip()
    text = nnexp("compare", folder).stdout
    assert "slow" in text
    assert "fast" in text


def test_quiet_prints_the_folder_alone(nnexp: Nnexp, study: Path) -> None:
    """For scripts: one line on stdout, and nothing on stderr unless something is wrong."""
    result = nnexp("sweep", study, "--quiet")
    assert (result.stdout, result.stderr) == ("runs/question\n", "")
    study.write_text(STUDY.replace("seeds", WILD))
    result = nnexp("sweep", study, "--quiet", code=3)
    assert result.stdout == "runs/question\n"
    assert result.stderr.splitlines() == [f"diverged runs/question/wild-s{i}" for i in (0, 1)]


def test_a_diverged_run_is_a_row_and_not_the_end(nnexp: Nnexp, study: Path) -> None:
    """All others are run; the exit code is 3, also when the command is repeated."""
    study.write_text(STUDY.replace("seeds", WILD))
    assert "4 completed, 2 diverged in" in nnexp("sweep", study, code=3).stdout
    again = nnexp("sweep", study, code=3)
    assert "4 completed, 2 diverged; nothing to train" in again.stdout


def test_a_failed_run_is_a_row_and_not_the_end(
    nnexp: Nnexp, study: Path, here: Callable[[Callable[[Job], None]], None]
) -> None:
    """All others are run; the exit code is 1, and the command repeated runs what failed."""
    fails = [True]

    def fail(job: Job) -> None:
        if fails[0] and job.name == "slow-s1":
            raise job.config.error(("data",), "has vanished")

    here(fail)
    result = nnexp("sweep", study, code=1)
    assert "3 completed, 1 failed in" in result.stdout
    assert "failed slow-s1: question.yaml:3: data: has vanished" in result.stderr
    fails[0] = False
    assert "4 completed in" in nnexp("sweep", study).stdout


def test_fail_fast_ends_with_the_first_failure(nnexp: Nnexp, study: Path) -> None:
    """What was not begun is counted, and trained the next time."""
    study.write_text(STUDY.replace("seeds", WILD.replace("eta", "epochs: 9, eta")))
    result = nnexp("sweep", study, "--fail-fast", code=3)
    assert "1 diverged, 5 not begun or not ended in" in result.stdout
    assert "4 completed, 2 diverged" in nnexp("sweep", study, code=3).stdout


def test_a_dry_run_prints_every_run_and_a_time_and_writes_nothing(
    nnexp: Nnexp, study: Path
) -> None:
    """Not even a folder is made; what is complete is said to be."""
    before = sorted(Path().rglob("*"))
    result = nnexp("sweep", study, "--dry-run", "--jobs", "2")
    assert sorted(Path().rglob("*")) == before
    assert result.stderr == ""
    lines = result.stdout.splitlines()
    assert [line.split()[0] for line in lines[2:6]] == ["slow-s0", "fast-s0", "slow-s1", "fast-s1"]
    assert all(re.fullmatch(r"\S+ +2 +[0-9.]+ m?s", line) for line in lines[2:6])
    assert re.fullmatch(r"4 of 4 runs to train, about .* s with 2 jobs", lines[-1])
    nnexp("sweep", study, "--seeds", "0")
    before = sorted(Path().rglob("*"))
    lines = nnexp("sweep", study, "--dry-run").stdout.splitlines()
    assert sorted(Path().rglob("*")) == before
    assert [line.endswith("complete") for line in lines[2:6]] == [True, True, False, False]
    assert lines[-1].startswith("2 of 4 runs to train")


def test_seeds_and_the_folder_are_options(nnexp: Nnexp, study: Path) -> None:
    """`--seeds` takes the place of the study's, `--runs-dir` that of `runs`."""
    assert nnexp("sweep", study, "--seeds", "7", "--runs-dir", "x", "-q").stdout == "x/question\n"
    assert sorted(path.name for path in Path("x/question").glob("*-s*")) == ["fast-s7", "slow-s7"]


def test_a_study_that_is_to_be_tuned_is_swept_as_it_stands(nnexp: Nnexp, study: Path) -> None:
    """The runs are those of the arms' own settings, and a note says which command searches."""
    study.write_text(f"{STUDY}tune: {{space: {{batch_size: [5, 10]}}, seed: 9}}\n")
    result = nnexp("sweep", study, "--seeds", "0")
    said = "note: sweep trains the arms as they stand; nnexp tune question.yaml searches first"
    assert result.stderr.splitlines()[0] == said
    assert "2 completed in" in result.stdout


@pytest.mark.parametrize(
    "words", [["--jobs", "0"], ["--engine", "steam"], ["--seed", "3"], ["--jobs", "many"]]
)
def test_a_wrong_option_is_a_usage_error(nnexp: Nnexp, study: Path, words: list[str]) -> None:
    """The shell's kind of mistake is exit code 2, and nothing is begun."""
    assert "Usage: nnexp sweep" in nnexp("sweep", study, *words, code=2).stderr
    assert not Path("runs").exists()


def test_two_studies_do_not_share_a_folder(nnexp: Nnexp, study: Path) -> None:
    """A study of the same name and other arms is refused, and nothing of the first is touched."""
    nnexp("sweep", study)
    before = {path: path.stat().st_mtime_ns for path in Path("runs").rglob("*")}
    study.write_text(STUDY.replace("epochs: 2", "epochs: 3"))
    result = nnexp("sweep", study, code=1)
    assert result.stderr == (
        "nnexp: runs/question: holds another study, whose arms slow, fast have other settings "
        "or data; give this one another name, or another place with --runs-dir\n"
    )
    assert result.stdout == ""
    assert nnexp("sweep", study, "--dry-run", code=1).stderr == result.stderr
    assert {path: path.stat().st_mtime_ns for path in Path("runs").rglob("*")} == before


@pytest.mark.parametrize("more", [[], ["--seeds", "0-2"]])
def test_a_folder_that_is_moved_before_the_first_run_is_not_made_anew(
    nnexp: Nnexp, study: Path, monkeypatch: pytest.MonkeyPatch, more: list[str]
) -> None:
    """What a sweep has seen to be complete is there when it says so, or it ends with a message."""
    nnexp("sweep", study)
    split = jobs_of_a_study.split

    def moved(*words: Any) -> Any:
        parts = split(*words)
        Path("runs/question").rename("away")
        return parts

    monkeypatch.setattr(jobs_of_a_study, "split", moved)
    ended = nnexp("sweep", study, *more, code=1)
    assert not Path("runs/question").exists()
    assert "moved, removed or replaced" in ended.stderr


def test_a_moved_project_finds_its_runs(
    nnexp: Nnexp, study: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The place of the data is no setting: elsewhere nothing is trained again, one arm stays one.

    The file of a study of nnexp 0.1, which has absolute paths in its identities, is no obstacle.
    """
    nnexp("sweep", study)
    record = json.loads(Path("runs/question/study.json").read_text())
    old = {
        name: open_run(folder / "runs/question" / f"{name}-s0").identity_v1
        for name in record["arms"]
    }
    arms = {name: arm | {"identity": old[name]} for name, arm in record["arms"].items()}
    text = json.dumps(record | {"format": 1, "arms": arms})
    for number, written in enumerate([json.dumps(record), text]):
        Path("runs/question/study.json").write_text(written)
        moved = folder.with_name(f"moved{number}")
        shutil.copytree(folder, moved)
        monkeypatch.chdir(moved)
        assert "4 completed; nothing to train" in nnexp("sweep", study).stdout
        assert json.loads(Path("runs/question/study.json").read_text()) == record
        monkeypatch.chdir(folder)
        shutil.rmtree(moved)


def test_a_complete_run_that_has_lost_rows_is_trained_anew(nnexp: Nnexp, study: Path) -> None:
    """It counts in no comparison, and a note says why there is a second folder."""
    nnexp("sweep", study)
    log = Path("runs/question/slow-s1/metrics.csv")
    lines = log.read_text().splitlines(keepends=True)
    log.write_text("".join([lines[0], "1,torn\n", *lines[2:]]))
    compared = nnexp("compare", "runs/question")
    note = f"note: {log.parent}: metrics.csv: has 1 of the 2 rows that were written"
    assert note in compared.stderr
    assert "slow: excluded, without a completed run here: seed 1" in " ".join(
        compared.stdout.split()
    )
    again = nnexp("sweep", study)
    said = (
        f"note: {log.parent} holds a damaged run, or one of other settings or data: "
        "slow-s1-2 was trained"
    )
    assert said in again.stderr
    assert "excluded" not in nnexp("compare", "runs/question").stdout


def test_a_place_that_cannot_be_written_is_one_message(nnexp: Nnexp, study: Path) -> None:
    """Where no folder can be made, nothing is trained."""
    Path("runs").write_text("a file is in the way")
    result = nnexp("sweep", study, code=1)
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1
    assert result.stderr.startswith("nnexp: runs")
    assert "cannot be written" in result.stderr


def test_data_that_do_not_fit_an_arm_are_refused_before_anything_is_written(
    nnexp: Nnexp, study: Path
) -> None:
    """An arm's layers are checked with its data, and the message names the arm's line."""
    study.write_text(STUDY.replace("slow: {eta: 0.1}", "slow: {layers.0: 5}"))
    result = nnexp("sweep", study, code=1)
    assert result.stderr.startswith("nnexp: question.yaml:")
    assert "begin layers with 2" in result.stderr
    assert not Path("runs").exists()


class Screen(io.StringIO):
    """A terminal that knows what tqdm writes: text, carriage return, line feed, up."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[list[str]] = [[]]
        self.row = self.column = 0

    def isatty(self) -> bool:
        """Pretend to be one."""
        return True

    def write(self, text: str) -> int:
        """Draw."""
        for part in re.findall(r"\x1b\[A|.|\r|\n", text):
            if part == "\x1b[A":
                self.row -= 1
            elif part == "\r":
                self.column = 0
            elif part == "\n":
                self.row, self.column = self.row + 1, 0
                self.lines += [[]] * (self.row + 1 - len(self.lines))
            else:
                line = self.lines[self.row] + [" "] * (self.column + 1 - len(self.lines[self.row]))
                line[self.column] = part
                self.lines[self.row] = line
                self.column += 1
        return len(text)

    def shown(self) -> list[str]:
        """Return the lines with something on them."""
        return [text for line in self.lines if (text := "".join(line).rstrip())]


@pytest.fixture
def jobs(small: Path) -> list[Job]:
    """Give four jobs of four epochs."""
    return [Job(load(small).with_seed(seed), Path("runs")) for seed in range(4)]


@pytest.mark.parametrize("columns", [40, 80])
def test_a_terminal_shows_the_whole_and_each_running_job(
    jobs: list[Job], monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    """One bar for the whole, a line a running job, and in the end only what went wrong is left."""
    screen = Screen()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("COLUMNS", str(columns))
    with overview(jobs, 2, quiet=False) as watcher:
        watcher.running(jobs[0], 0)
        watcher.running(jobs[1], 3)
        watcher.ended(Done(jobs[0], Path("runs/small-s0"), "completed", epochs=4))
        whole, running = screen.shown()
        assert whole.startswith("1 of 4 runs ")
        assert running.endswith("3/4 small-s1")
        watcher.running(jobs[2], 1)
        watcher.ended(Done(jobs[1], Path("runs/small-s1"), "diverged", epochs=4))
        watcher.waiting(1)
        assert screen.shown()[0] == "diverged runs/small-s1"
        assert screen.shown()[1].startswith("2 of 4 runs ")
        assert screen.shown()[2].endswith("1/4 small-s2")
        assert "1 being trained by another process" in screen.shown()[1]
    assert screen.shown() == ["diverged runs/small-s1"]


def test_who_waits_is_told_for_whom(jobs: list[Job], capsys: pytest.CaptureFixture[str]) -> None:
    """Where there are no bars, waiting for another process is said once."""
    with overview(jobs, 2, quiet=False) as watcher:
        for _ in range(3):
            watcher.waiting(2)
    assert capsys.readouterr().err == "2 being trained by another process: waiting for them\n"


def test_a_busy_run_is_no_end(nnexp: Nnexp, study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that another process is at is waited for, and counted as what it comes to."""
    monkeypatch.setattr("nnexp.study.sweep._AGAIN", 0.01)
    asked: list[str] = []
    real = perform

    def busy_at_first(job: Job, data: DataCache) -> Done:
        asked.append(job.name)
        if asked.count(job.name) < 3:
            return Done(job, Path("runs/question") / job.name, BUSY)
        return real(job, data)

    monkeypatch.setattr(sys.modules[__name__], "perform", busy_at_first)
    assert "4 completed in" in nnexp("sweep", study).stdout


@pytest.mark.parametrize("command", [("sweep",), ("sweep", "--dry-run"), ("tune", "--dry-run")])
@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("metric: test_r2", "question.yaml:10: metric: no run will log test_r2"),
        ("margin: 50", "question.yaml:10: margin: expected a fraction below 1 for an accuracy"),
    ],
)
def test_study_metric_not_logged(
    nnexp: Nnexp, study: Path, command: tuple[str, ...], key: str, message: str
) -> None:
    """A metric that no run logs, or a margin in points, is refused before the first run."""
    text = study.read_text().replace("seeds: 0-1", f"seeds: 0-1\n{key}")
    study.write_text(f"{text}tune: {{space: {{eta: [0.1, 1]}}}}\n")
    result = nnexp(*command, study, code=1)
    assert message in result.stderr
    assert not Path("runs").exists()


def test_a_study_whose_data_have_changed_is_refused_by_name(nnexp: Nnexp, study: Path) -> None:
    """Old and new results stay apart: the message names the data, and both ways to continue."""
    nnexp("sweep", study, "-q")
    before = contents()
    points = Path("points.csv").read_text()
    Path("points.csv").write_text(points.replace("0.", "1."))
    for words in ([], ["--dry-run"], ["--seeds", "7"]):
        said = nnexp("sweep", study, *words, code=1).stderr
        assert re.fullmatch(
            r"nnexp: runs/question: its runs were trained on other data: (\S*)points\.csv has "
            r"changed since \(sha256 [0-9a-f]{12} then, [0-9a-f]{12} now\); restore it to continue "
            r"this study, or train on the new data in another place, as in --runs-dir runs/new\n",
            said,
        ), said
        assert contents() == before
    nnexp("sweep", study, "-q", "--runs-dir", "runs/new")
    Path("points.csv").write_text(points)
    assert "nothing to train" in nnexp("sweep", study).stdout


def test_where_the_data_of_some_arms_have_changed_these_are_trained_anew(
    nnexp: Nnexp, study: Path
) -> None:
    """Beside the old runs, which stay as they are and are said not to be used."""
    Path("other.csv").write_text(Path("points.csv").read_text())
    study.write_text(STUDY.replace("{eta: 0.5}", "{eta: 0.5, data.path: other.csv}"))
    nnexp("sweep", study, "-q")
    before = contents()
    Path("other.csv").write_text(Path("points.csv").read_text().replace("0.", "1."))
    result = nnexp("sweep", study)
    assert "4 runs, 2 of them done already" in result.stderr
    assert "fast-s0 holds a damaged run, or one of other settings or data" in result.stderr
    after = contents()
    assert {path.parent.name for path in after.keys() - before.keys()} == {"fast-s0-2", "fast-s1-2"}
    changed = {path.name for path in before if after[path] != before[path]}
    assert changed == {"study.json"}


def contents() -> dict[Path, bytes]:
    """Return all files below `runs`."""
    return {path: path.read_bytes() for path in Path("runs").rglob("*") if path.is_file()}
