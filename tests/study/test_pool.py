"""Runs in parallel processes: the same bytes, nothing twice, and no error that ends the others."""

from __future__ import annotations

import gc
import os
import pickle
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from multiprocessing.context import SpawnProcess
from pathlib import Path
from random import Random
from typing import Any

import pytest
from sweeping import contents

from nnexp.config.identity import run_key
from nnexp.config.loader import Config, load
from nnexp.errors import ConfigError, Problem, RunError
from nnexp.run.assembly import DataCache, load_data
from nnexp.run.reader import open_run
from nnexp.run.session import run
from nnexp.study import local
from nnexp.study.engine import Engine, Report, Settings, Watcher, start
from nnexp.study.jobs import BUSY, Done, Job, plan, split
from nnexp.study.sweep import run_all, run_jobs

POINTS = "data: {path: points.csv, target: kind}\nlayers: [2, 3, 2]\nepochs: 4\n"
TINY = "data: {name: mnist, train: 30, validation: 10, test: 10}\nlayers: [784, 3, 10]\nepochs: 2\n"
GOOD = {
    "plain": POINTS,
    "other_seed": f"{POINTS}seed: 1\ndropout: 0.5\nmomentum: 0.5\n",
    "wild": f"{POINTS}eta: 1.0e200\noutput: linear\ncost: quadratic\ndtype: float64\n",
    "images": f"{TINY}augment: {{shifts: true, rotate: 9}}\n",
}
BAD = {
    "vanished": POINTS.replace("points", "vanished"),
    "misfit": POINTS.replace("[2, 3, 2]", "[5, 3, 2]"),
}


@dataclass
class Told(Watcher):
    """A Watcher that remembers."""

    ends: list[Done] = field(default_factory=list)
    running_after_end: list[Job] = field(default_factory=list)

    def running(self, job: Job, epochs: int) -> None:
        """Remember those that have ended."""
        if job in [done.job for done in self.ends]:
            self.running_after_end.append(job)

    def ended(self, done: Done) -> None:
        """Remember."""
        self.ends.append(done)


@dataclass
class Study:
    """What became of all six jobs in two processes."""

    configs: dict[str, Config]
    runs: Path
    done: dict[str, Done]
    told: Told


def name_of(done: Done) -> str:
    """Return the name of the experiment of a job."""
    return str(done.job.config.experiment.name)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """Run four configs and two that cannot be run; one's data vanish after it was loaded."""
    root = tmp_path_factory.mktemp("study")
    lines = [f"{i / 10},{(i * 7 % 11) / 10},{'ab'[i % 2]}" for i in range(30)]
    for file in ("points.csv", "vanished.csv"):
        (root / file).write_text("\n".join(["x,y,kind", *lines]) + "\n")
    configs = {}
    for name, text in {**GOOD, **BAD}.items():
        (root / f"{name}.yaml").write_text(text)
        configs[name] = load(root / f"{name}.yaml")
    (root / "vanished.csv").unlink()
    runs, told = root / "runs", Told()
    jobs = [Job(config, runs) for config in configs.values()]
    with start(Settings(2, runs, DataCache(), ("nnexp", "test"))) as engine:
        done = run_all(jobs, engine, watcher=told)
    return Study(configs, runs, {name_of(d): d for d in done}, told)


def test_all_jobs_end_and_each_is_told_once(study: Study) -> None:
    """Those that can be run are run, one diverges, and every end is told as it is returned."""
    assert {name: done.status for name, done in study.done.items()} == {
        "plain": "completed",
        "other_seed": "completed",
        "wild": "diverged",
        "images": "completed",
        "vanished": "failed",
        "misfit": "failed",
    }
    assert [name_of(done) for done in study.told.ends] == list(study.done)
    assert sorted(p.name for p in study.runs.iterdir()) == [
        "images-s0",
        "other_seed-s1",
        "plain-s0",
        "wild-s0",
    ]


@pytest.mark.parametrize("name", GOOD)
def test_a_run_in_a_worker_has_the_bytes_of_a_run_here(
    study: Study, name: str, tmp_path: Path
) -> None:
    """Neither the number of processes nor their order has a say in a result."""
    config, folder = study.configs[name], study.done[name].folder
    assert folder is not None
    run(config, load_data(config), tmp_path, folder=folder.name)
    assert contents(tmp_path)[folder.name] == contents(study.runs)[folder.name]
    # A network that diverged predicts nothing.
    assert (folder / "predictions.npz").exists() == (name != "wild")
    found = open_run(folder)
    assert found.problems == ()
    assert found.record["argv"] == ["nnexp", "test"]


def test_an_error_is_told_with_its_words_and_leaves_no_folder(study: Study) -> None:
    """The message of a worker's error arrives whole, whatever kind of error it was."""
    root = study.runs.parent
    vanished, misfit = study.done["vanished"], study.done["misfit"]
    assert (vanished.folder, misfit.folder) == (None, None)
    assert vanished.error == (
        f"{root / 'vanished.yaml'}:1: data: {root / 'vanished.csv'}: cannot be read: "
        "No such file or directory"
    )
    assert misfit.error == (
        f"{root / 'misfit.yaml'}:2: layers: [5, 3, 2] does not fit the data: points, train set "
        "has 2 inputs per example: begin layers with 2"
    )


def test_what_has_ended_is_not_trained_again(study: Study) -> None:
    """Completed and diverged runs are found by config and data, and the others are left to do."""
    jobs = plan((study.configs[name] for name in GOOD), study.runs, DataCache())
    done, missing = split(jobs, study.runs)
    assert missing == []
    assert {name_of(one): (one.folder, one.status) for one in done} == {
        name: (study.done[name].folder, study.done[name].status) for name in GOOD
    }


def test_a_run_of_other_data_is_another_run(study: Study, tmp_path: Path) -> None:
    """The same config and seed with data that have changed are trained again, in a new folder."""
    for name in ("points.csv", "plain.yaml"):
        (tmp_path / name).write_bytes((study.runs.parent / name).read_bytes())
    config, runs = load(tmp_path / "plain.yaml"), tmp_path / "runs"
    (first,) = run_jobs(plan([config], runs, DataCache()), Settings(1, runs, DataCache()))
    assert split(plan([config], runs, DataCache()), runs)[1] == []
    (tmp_path / "points.csv").write_text("x,y,kind\n" + "1,2,a\n2,3,b\n" * 15)
    (job,) = plan([config], runs, DataCache())
    assert split([job], runs) == ([], [job])
    (again,) = run_jobs([job], Settings(1, runs, DataCache()))
    assert again.status == "completed"
    assert again.folder == runs / "plain-s0-2" != first.folder


def test_words_do_not_make_another_run_and_anything_else_does(study: Study) -> None:
    """Name, tags, description and reference do not count; a seed and any other key do."""
    path = study.runs.parent / "plain.yaml"

    def key(changes: Sequence[str] = (), digest: str = "d") -> str:
        return run_key(load(path, changes).values(), digest)

    known = {key()}
    words = ["name=other", "tags=[a]", "description=b", "reference={test_accuracy: 90}"]
    assert {key(words)} == known
    for change in ("seed=7", "eta=0.25", "l2=1", "monitor=[test]", "data.test=0.1", "epochs=5"):
        assert key([change]) not in known, change
    assert key(digest="another digest") not in known


def test_configs_that_differ_in_words_are_one_job(study: Study) -> None:
    """What would be the same run is planned once."""
    path = study.runs.parent / "images.yaml"
    twice = [load(path, ["seed=7"]), load(path, ["seed=7", "name=other"])]
    assert len(plan(twice, study.runs, DataCache())) == 1


def test_without_jobs_nothing_is_done(tmp_path: Path) -> None:
    """Without jobs no process is started, and nothing is written."""
    assert run_jobs([], Settings(2, tmp_path / "runs", DataCache())) == []
    assert list(tmp_path.iterdir()) == []


def test_a_config_error_survives_the_way_between_processes() -> None:
    """Its problems and its text are those it was raised with."""
    error = ConfigError([Problem("a.yaml:3", "eta", "bad"), Problem("b", "", "worse")])
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert str(again) == str(error) == "a.yaml:3: eta: bad\nb: worse"
    assert again.problems == error.problems


@dataclass
class Threads:
    """An engine of threads, whose task is a function of this test; a third entry of the table."""

    task: Callable[[Job], Done]
    told: list[Report] = field(default_factory=list)
    stopped: int = 0

    @contextmanager
    def engine(self) -> Iterator[Engine]:
        """Give the engine."""

        def stop() -> None:
            self.stopped += 1
            pool.shutdown(wait=False, cancel_futures=True)

        def reports() -> Iterator[Report]:
            yield from self.told

        with ThreadPoolExecutor(1) as pool:
            yield Engine(
                executor=pool,
                prepare=lambda job, number: (job,),
                task=self.task,
                finish=lambda job, done: done,
                reports=reports,
                stop=stop,
                lost="the workers are gone",
            )


@pytest.fixture
def jobs(tmp_path: Path) -> list[Job]:
    """Give three jobs, the second of which takes longest."""
    path = tmp_path / "a.yaml"
    path.write_text(POINTS)
    return [Job(load(path, [f"epochs={n}"]), tmp_path / str(n)) for n in (2, 9, 5)]


def epochs_of(done: list[Done]) -> list[int]:
    """Return the epochs of the jobs that were done."""
    return [one.job.config.experiment.epochs for one in done]


def test_the_longest_job_is_begun_first(jobs: list[Job]) -> None:
    """So that none is left alone at the end."""
    with Threads(lambda job: Done(job, None, "completed")).engine() as engine:
        assert epochs_of(run_all(jobs, engine)) == [9, 5, 2]


def test_a_run_that_another_process_is_at_is_asked_for_again(
    jobs: list[Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until it has ended, or can be resumed; meanwhile the others are done."""
    monkeypatch.setattr("nnexp.study.sweep._AGAIN", 0.01)
    asked: list[int] = []
    told = Told()

    def task(job: Job) -> Done:
        asked.append(job.config.experiment.epochs)
        busy = asked[-1] == 9 and asked.count(9) < 4
        return Done(job, None, BUSY if busy else "completed")

    with Threads(task).engine() as engine:
        done = run_all(jobs, engine, watcher=told)
    assert sorted(epochs_of(done)) == [2, 5, 9]
    assert asked.count(9) == 4
    assert {one.status for one in told.ends} == {"completed"}


def test_a_report_that_comes_late_is_dropped(jobs: list[Job]) -> None:
    """Of a job that has ended nothing more is told, so that its line does not come back."""
    told = Told()
    threads = Threads(lambda job: Done(job, None, "completed"), told=[(0, 1), (1, 1), (2, 1)])
    with threads.engine() as engine:
        run_all(jobs, engine, watcher=told)
    assert len(told.ends) == 3
    assert told.running_after_end == []


def test_an_engine_that_breaks_is_stopped_and_says_what_to_do(jobs: list[Job]) -> None:
    """The workers' death is one message, not a row for each run that was left."""

    def task(job: Job) -> Done:
        raise BrokenExecutor

    threads = Threads(task)
    with threads.engine() as engine, pytest.raises(RunError, match="the workers are gone"):
        run_all(jobs, engine)
    assert threads.stopped == 1


def test_a_run_that_cannot_be_written_ends_the_others(jobs: list[Job]) -> None:
    """A full disk is one message: no other run could be written, either."""

    def task(job: Job) -> Done:
        raise RunError("a.yaml: cannot be written: No space left on device")

    threads = Threads(task)
    with threads.engine() as engine, pytest.raises(RunError, match="No space left on device"):
        run_all(jobs, engine)
    assert threads.stopped == 1


def test_a_bug_is_a_row_with_its_traceback(jobs: list[Job]) -> None:
    """An error that is not the user's to mend fails its run, and keeps what tells where it is."""

    def task(job: Job) -> Done:
        if job.config.experiment.epochs == 5:
            raise KeyError("x")
        return Done(job, None, "completed")

    with Threads(task).engine() as engine:
        done = {one.job.config.experiment.epochs: one for one in run_all(jobs, engine)}
    assert {epochs: one.status for epochs, one in done.items()} == {
        9: "completed",
        5: "failed",
        2: "completed",
    }
    assert "Traceback" in done[5].error
    assert done[5].error.endswith("KeyError: 'x'")


@pytest.mark.parametrize("status", ["failed", "diverged"])
def test_fail_fast_ends_with_the_first_that_does_not_complete(jobs: list[Job], status: str) -> None:
    """What failed is returned, the workers are stopped, and what was waiting is not done."""
    ends = iter(["completed", status, "completed"])
    threads = Threads(lambda job: Done(job, None, next(ends)))
    with threads.engine() as engine:
        done = run_all(jobs, engine, fail_fast=True)
    assert [one.status for one in done] == ["completed", status]
    assert threads.stopped == 1


def test_ctrl_c_stops_the_workers(jobs: list[Job]) -> None:
    """The interrupt is raised again after the workers were stopped."""

    class Impatient(Told):
        def ended(self, done: Done) -> None:
            raise KeyboardInterrupt

    threads = Threads(lambda job: Done(job, None, "completed"))
    with threads.engine() as engine, pytest.raises(KeyboardInterrupt):
        run_all(jobs, engine, watcher=Impatient())
    assert threads.stopped == 1


class Endless(Executor):
    """Takes jobs that never end, and has itself signalled at a random moment of the first ones."""

    def __init__(self, moments: Random) -> None:
        self._moments = moments

    def submit(self, task: Callable[..., Any], /, *args: Any, **named: Any) -> Future[Any]:
        """Take one."""
        signal.setitimer(signal.ITIMER_REAL, self._moments.uniform(1e-4, 2e-3), 1.0)
        return Future()


def test_a_signal_stops_the_workers_wherever_it_strikes(
    jobs: list[Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three hundred moments of a loop that waits for a run, from its first turn on."""
    monkeypatch.setattr("nnexp.study.sweep._TICK", 0.0)
    stopped: list[int] = []

    def strike(number: int, frame: object) -> None:
        if len(stopped) < turn:
            raise KeyboardInterrupt

    with Threads(lambda job: Done(job, None, "completed")).engine() as threads:
        endless = Endless(Random(0))  # noqa: S311 - no secret
        engine = replace(threads, executor=endless, stop=lambda: stopped.append(turn))
    before = signal.signal(signal.SIGALRM, strike)
    gc.disable()  # what is raised in a callback of the collector is lost
    try:
        for turn in range(1, 301):
            with pytest.raises(KeyboardInterrupt):
                run_all(jobs, engine)
            assert len(stopped) == turn
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        gc.enable()


def test_thousands_of_jobs_take_no_time_of_their_own(jobs: list[Job]) -> None:
    """The work of submitting and collecting grows with the jobs, not with their square."""
    many: list[Any] = jobs[:1] * 20_000
    with Threads(lambda job: Done(job, None, "completed")).engine() as engine:
        assert len(run_all(many, engine)) == 20_000


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_waits_until_a_worker_has_been_started(
    monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    """A worker that is only half started prints a traceback: the end of its parent's pipe."""
    started = []

    def start(process: SpawnProcess) -> None:
        os.kill(os.getpid(), number)
        started.append(process)

    monkeypatch.setattr(SpawnProcess, "start", start)
    before = signal.signal(number, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            local._Process().start()
    finally:
        signal.signal(number, before)
    assert started
