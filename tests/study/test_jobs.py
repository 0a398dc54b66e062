"""One job: begun, resumed, left alone, or begun under the next name."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sweeping import contents, stamps

from nnexp.config.identity import run_key
from nnexp.config.loader import dump, load
from nnexp.errors import RunError
from nnexp.io.folder import Folder
from nnexp.io.lock import hold
from nnexp.run.assembly import DataCache, load_data
from nnexp.run.session import run
from nnexp.study.jobs import BUSY, Job, finished, perform

if TYPE_CHECKING:
    from conftest import Train

CONFIGS = Path(__file__).parents[2] / "configs"
EXPERIMENTS = sorted(set(CONFIGS.rglob("*.yaml")) - set((CONFIGS / "studies").iterdir()))
TINY = "data: {name: mnist, train: 30, validation: 10, test: 10}\nlayers: [784, 3, 10]\nepochs: 2\n"


@pytest.fixture
def job(small: Path) -> Job:
    """Give a job: the small experiment, in the folder `runs`."""
    config = load(small)
    return Job(config, Path("runs"), load_data(config).digest)


def test_a_job_is_begun_once_and_then_left_alone(job: Job) -> None:
    """The folder is named after experiment and seed; a second time nothing is written."""
    first = perform(job, DataCache())
    assert (first.folder, first.status, first.epochs) == (Path("runs/small-s0"), "completed", 4)
    before = stamps(Path("runs"))
    again = perform(job, DataCache())
    assert (again.folder, again.status, again.epochs) == (first.folder, "completed", 0)
    assert stamps(Path("runs")) == before


def test_an_interrupted_job_is_resumed_to_the_same_bytes(job: Job, train: Train) -> None:
    """What was interrupted after two epochs of four is trained for two more."""
    train(stop_after=2).folder.rename("runs/small-s0")
    resumed = perform(job, DataCache())
    assert (resumed.status, resumed.epochs) == ("completed", 2)
    perform(Job(job.config, Path("whole")), DataCache())
    assert contents(Path("runs")) == contents(Path("whole"))


def remove(folder: Path) -> None:
    """Remove a folder."""
    shutil.rmtree(folder)


def remove_and_make_again(folder: Path) -> None:
    """Put an empty folder into the place of another; most file systems give it the same inode."""
    shutil.rmtree(folder)
    folder.mkdir()


def link_elsewhere(folder: Path) -> None:
    """Put a link to another folder into the place of one."""
    folder.rename("away")
    Path("elsewhere").mkdir()
    folder.symlink_to("elsewhere")


def put_a_file_there(folder: Path) -> None:
    """Put a file into the place of a folder."""
    shutil.rmtree(folder)
    folder.write_text("a file")


@pytest.mark.parametrize("late", [False, True], ids=["before", "just before it is claimed"])
@pytest.mark.parametrize(
    "exchange", [remove, remove_and_make_again, link_elsewhere, put_a_file_there]
)
def test_a_job_makes_nothing_where_the_folder_of_its_study_was_exchanged(
    job: Job, monkeypatch: pytest.MonkeyPatch, exchange: Callable[[Path], None], late: bool
) -> None:
    """Whatever is at the path now, and whenever it came there, it is refused and left alone."""

    def exchanged() -> list[Path]:
        exchange(job.runs)
        return sorted(Path().rglob("*"))

    with Folder.made(job.runs) as home:
        there: list[Path] = []
        if late:
            make = Folder.hidden  # the first thing that is made there

            def hidden(runs: Path, stem: str) -> Folder:
                made = make(runs, stem)
                there.extend(exchanged())
                return made

            monkeypatch.setattr(Folder, "hidden", hidden)
        else:
            there += exchanged()
        with pytest.raises(RunError, match=r"^runs(: was moved, removed or replaced|/\.small)"):
            perform(replace(job, home=home.place), DataCache())
    assert sorted(Path().rglob("*")) == there


def test_a_study_whose_folder_was_moved_and_linked_is_where_it_was(job: Job) -> None:
    """It is the folder that counts, not the way to it."""
    with Folder.made(job.runs) as home:
        job.runs.rename("away")
        job.runs.symlink_to("away")
        assert perform(replace(job, home=home.place), DataCache()).status == "completed"
    assert Path("away/small-s0/run.json").exists()


def a_link_to_nowhere(folder: Path) -> None:
    """Make a dangling link."""
    folder.symlink_to("nowhere")


def a_file(folder: Path) -> None:
    """Make a file."""
    folder.write_text("not a run")


def an_empty_folder(folder: Path) -> None:
    """Make an empty folder."""
    folder.mkdir()


def a_damaged_record(folder: Path) -> None:
    """Make a run whose run.json is no JSON."""
    folder.mkdir()
    (folder / "run.json").write_text("{")


def a_run_of_other_settings(folder: Path) -> None:
    """Make a complete run of another learning rate."""
    config = load(Path("small.yaml"), ["eta=0.25"])
    run(config, load_data(config), folder.parent, folder=folder.name)


def an_unfinished_run_without_its_log(folder: Path) -> None:
    """Make a run that cannot be resumed."""
    config = load(Path("small.yaml"))
    run(config, load_data(config), folder.parent, folder=folder.name)
    record = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps(record | {"status": "running"}))
    (folder / "checkpoint.npz").write_bytes(b"not a checkpoint")


@pytest.mark.parametrize(
    "make",
    [
        a_link_to_nowhere,
        a_file,
        an_empty_folder,
        a_damaged_record,
        a_run_of_other_settings,
        an_unfinished_run_without_its_log,
    ],
)
def test_what_is_not_the_run_keeps_its_name(job: Job, make: Callable[[Path], None]) -> None:
    """A folder that is damaged or another run's is passed over; the next name is taken."""
    Path("runs").mkdir()
    make(Path("runs/small-s0"))
    before = stamps(Path("runs"))
    done = perform(job, DataCache())
    assert (done.folder, done.status) == (Path("runs/small-s0-2"), "completed")
    assert {path: stamp for path, stamp in stamps(Path("runs")).items() if path in before} == before
    again = perform(job, DataCache())
    assert (again.folder, again.epochs) == (done.folder, 0)


def test_a_run_that_is_being_written_is_busy(job: Job, train: Train) -> None:
    """Another process's lock is respected; when it is gone, the run is resumed."""
    train(stop_after=2).folder.rename("runs/small-s0")
    with Path("runs/small-s0/metrics.csv").open("rb") as log:
        assert hold(log.fileno())
        before = stamps(Path("runs"))
        assert perform(job, DataCache()).status == BUSY
        assert stamps(Path("runs")) == before
    assert perform(job, DataCache()).epochs == 2


def test_a_folder_that_appears_in_the_last_moment_is_taken_for_what_it_is(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where another process was faster, its run is looked at, not run a second time."""
    perform(job, DataCache())
    monkeypatch.setattr("nnexp.study.jobs.os.path.lexists", lambda path: False)
    done = perform(job, DataCache())
    assert (done.folder, done.status, done.epochs) == (Path("runs/small-s0"), "completed", 0)


def test_data_that_change_meanwhile_are_refused(job: Job) -> None:
    """A job is of the data it was planned for: other data would be another run."""
    text = Path("points.csv").read_text()
    Path("points.csv").write_text(text.replace("0.", "1."))
    with pytest.raises(RunError) as caught:
        perform(job, DataCache())
    assert str(caught.value) == (
        "runs/small-s0: the data points have changed since the command began; run it again"
    )
    assert not Path("runs").exists()


def test_what_has_ended_is_complete_and_nothing_else_is(job: Job) -> None:
    """Completed and diverged runs count, interrupted and failed ones do not."""
    folder = perform(job, DataCache()).folder
    assert folder is not None
    record = json.loads((folder / "run.json").read_text())
    for status, count in (("completed", 1), ("diverged", 1), ("interrupted", 0), ("failed", 0)):
        copy = Path(status) / folder.name
        shutil.copytree(folder, copy)
        (copy / "run.json").write_text(json.dumps(record | {"status": status}))
        ended = [(run.folder, run.status) for run in finished(copy.parent).values()]
        assert ended == [(copy, status)] * count


@pytest.mark.parametrize(
    "record",
    [
        "",
        "[]",
        "3",
        "{}",
        '{"config": 3}',
        '{"config": {}, "status": "completed", "data": {"sha256": ""}}',
        "[" * 100_000,
        "\xff",
    ],
)
def test_a_record_that_says_nothing_is_no_run(tmp_path: Path, record: str) -> None:
    """Whatever stands in run.json, looking at it raises nothing."""
    (tmp_path / "run.json").write_text(record, encoding="latin-1")
    assert finished(tmp_path) == {}


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: path.stem)
def test_a_config_is_known_again_from_its_run_folder(path: Path, tmp_path: Path) -> None:
    """config.yaml and run.json of a run have the key of the config that was run."""
    config = load(path)
    key = run_key(config.values(), "d")
    (tmp_path / "config.yaml").write_text(dump(config.experiment), encoding="utf-8")
    assert run_key(load(tmp_path / "config.yaml").values(), "d") == key
    record = {"status": "completed", "config": config.values()}
    (tmp_path / "run.json").write_text(json.dumps(record | {"data": {"sha256": "d"}}))
    assert list(finished(tmp_path)) == [key]


def test_the_shifted_copies_cost_their_time(tmp_path: Path) -> None:
    """A job's examples are those it trains on; the largest jobs cost most."""
    jobs = []
    for i, text in enumerate(
        (TINY, f"{TINY}augment: {{shifts: true}}\n", f"{TINY}augment: {{}}\n")
    ):
        path = tmp_path / f"{i}.yaml"
        path.write_text(text)
        jobs.append(Job(load(path), tmp_path))
    assert [job.examples for job in jobs] == [30, 150, 30]
    assert jobs[1].cost() > jobs[0].cost() == jobs[2].cost()
