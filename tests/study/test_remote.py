"""Runs trained in workers that do not see the user's files, on executors of Python's own."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from conftest import Stopper
from sweeping import contents
from threadpoolctl import threadpool_limits

from nnexp.config.schema import Experiment
from nnexp.config.study import load_study
from nnexp.data import Dataset
from nnexp.errors import RunError
from nnexp.run import provenance
from nnexp.run.assembly import DataCache, read_data
from nnexp.run.log import LogFile
from nnexp.run.writer import RunWriter
from nnexp.study import remote as module
from nnexp.study.engine import ENGINES, Engine, Entry, Settings
from nnexp.study.jobs import BUSY, Done, Job, perform, plan
from nnexp.study.remote import remote
from nnexp.study.sweep import run_jobs

DOCS = Path(__file__).parents[2] / "docs" / "cluster.md"
STUDY = """\
name: study
base: {data: {path: points.csv, target: kind}, layers: [2, 16, 2], batch_size: 4, epochs: 12}
arms:
  points: {monitor: [train, validation, test, diagnostics]}
  wild: {eta: 1.0e+200, output: linear, cost: quadratic}
  images: {data: {name: mnist, train: 60, validation: 20, test: 20}, layers: [784, 30, 10]}
seeds: 0-1
"""


class Here(Executor):
    """Does a task when it is submitted."""

    def submit(self, task: Callable[..., Any], /, *args: Any, **named: Any) -> Future[Any]:
        """Return a future that has ended."""
        future: Future[Any] = Future()
        future.set_result(task(*args, **named))
        return future


@pytest.fixture
def study(folder: Path) -> Path:
    """Give a study of six runs, in the working folder."""
    lines = [f"{i / 10},{(i * 7 % 11) / 10},{'ab'[i % 2]}" for i in range(40)]
    (folder / "points.csv").write_text("\n".join(["x,y,kind", *lines]) + "\n")
    (folder / "study.yaml").write_text(STUDY)
    return folder / "study.yaml"


def jobs_of(study: Path, runs: str, data: DataCache) -> list[Job]:
    """Return the jobs of a study, their folders given by a relative path."""
    return plan((config for _, config in load_study(study).runs), Path(runs), data)


def do(engine: Engine, job: Job) -> Done:
    """Do one job, from the order to the delivery."""
    return engine.finish(job, engine.task(*engine.prepare(job, 0)))


@pytest.fixture
def judged(study: Path) -> dict[str, dict[str, Any]]:
    """Give what the runs of the study come to in this process."""
    data = DataCache()
    for job in jobs_of(study, "judge", data):
        perform(job, data)
    return contents(Path("judge"))


@pytest.fixture
def job(study: Path) -> Job:
    """Give the first job of the study."""
    return jobs_of(study, "runs", DataCache())[0]


@pytest.fixture
def engine() -> Engine:
    """Give an engine whose worker is this process."""
    return remote(Here(), Settings(1, Path("runs"), DataCache()))


def interrupt(job: Job, epochs: int = 3) -> Path:
    """Train some epochs of a job in the user's folder."""
    done = perform(job, DataCache(), progress=Stopper(epochs))
    assert done.folder
    assert done.status == "interrupted"
    return done.folder


def test_threads_that_train_at_the_same_time_give_the_same_bytes(
    study: Path, judged: dict[str, dict[str, Any]]
) -> None:
    """Eight threads of one process do not disturb each other's runs."""
    data = DataCache()
    with ThreadPoolExecutor(8) as executor:
        engine = remote(executor, Settings(8, Path("runs"), data))
        jobs = jobs_of(study, "runs", data)
        futures = [executor.submit(engine.task, *engine.prepare(job, 0)) for job in jobs]
        for job, future in zip(jobs, futures, strict=True):
            engine.finish(job, future.result())
    assert contents(Path("runs")) == judged


def test_a_worker_has_one_blas_thread_for_good(job: Job, engine: Engine) -> None:
    """The limit is the process's: a run that ends must not lift it for one that still trains."""
    provenance.one_thread_for_good.cache_clear()
    with threadpool_limits(2, user_api="blas"):
        engine.task(*engine.prepare(job, 0))
        assert {library["num_threads"] for library in provenance.blas()} == {1}


def test_the_documented_executor_gives_the_same_bytes(
    study: Path, judged: dict[str, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine that the documentation makes of MPI's executor runs a study in processes."""
    stand_in = ModuleType("mpi4py.futures")
    pool = partial(ProcessPoolExecutor, 2, mp_context=get_context("spawn"))
    stand_in.MPIPoolExecutor = pool  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "mpi4py.futures", stand_in)
    monkeypatch.setitem(sys.modules, "mpi4py", ModuleType("mpi4py"))
    code = DOCS.read_text(encoding="utf-8").partition("```python\n# mpi")[2].partition("```")[0]
    mpi_engine = ModuleType("mpi_engine")
    exec(f"# mpi{code}", mpi_engine.__dict__)  # noqa: S102 - our own documentation
    monkeypatch.setitem(sys.modules, "mpi_engine", mpi_engine)
    monkeypatch.setitem(ENGINES, "mpi", Entry("mpi_engine:mpi"))
    data = DataCache()
    jobs = jobs_of(study, "runs", data)
    resumed = interrupt(jobs[0])
    rows = (resumed / "metrics.csv").read_bytes()
    done = run_jobs(jobs, Settings(2, Path("runs"), data, engine="mpi"))
    assert sorted(one.epochs for one in done) == [1, 1, 9, 12, 12, 12]
    assert (resumed / "metrics.csv").read_bytes().startswith(rows)
    assert contents(Path("runs")) == judged


def test_the_worker_leaves_nothing_where_it_trained(
    job: Job, engine: Engine, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Its temporary folder is gone when the run has been returned."""
    scratch = tmp_path_factory.mktemp("scratch")
    engine.task(*engine.prepare(job, 0), scratch=str(scratch))
    assert list(scratch.iterdir()) == []
    assert not job.runs.exists()


def test_only_what_the_user_keeps_waits_for_a_disk(
    job: Job, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker, which removes all that it wrote, waits for none; each delivered file does."""
    safe: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: safe.append(os.fstat(descriptor).st_ino))
    delivery = engine.task(*engine.prepare(job, 0))
    assert safe == []
    folder = engine.finish(job, delivery).folder
    assert folder
    assert {path.stat().st_ino for path in (folder, folder.parent, *folder.iterdir())} <= {*safe}


def test_a_run_that_ended_meanwhile_is_kept_and_the_parcel_dropped(
    job: Job, engine: Engine
) -> None:
    """Also where the same task was done twice."""
    orders = engine.prepare(job, 0)
    first, second = engine.task(*orders), engine.task(*orders)
    assert engine.finish(job, first).epochs == 12
    before = contents(job.runs)
    done = engine.finish(job, second)
    assert (done.status, done.epochs) == ("completed", 0)
    assert (before, [job.name]) == (contents(job.runs), list(before))
    assert do(engine, job) == done


def test_a_run_that_another_process_is_at_is_busy(job: Job, engine: Engine) -> None:
    """It is so when it is sent, and when it comes back; then it is resumed from where it is."""
    there = interrupt(job)
    sent = engine.task(*engine.prepare(job, 0))
    with RunWriter.reopen(there):
        assert do(engine, job).status == BUSY
        assert engine.finish(job, sent).status == BUSY
    assert engine.finish(job, sent).epochs == 9


def test_a_run_that_another_process_began_meanwhile_is_gone_on_with(
    job: Job, engine: Engine
) -> None:
    """What was trained in vain is dropped: there is one folder, with the rows it had."""
    sent = engine.task(*engine.prepare(job, 0))
    there = interrupt(job)
    rows = (there / "metrics.csv").read_bytes()
    assert engine.finish(job, sent).status == BUSY
    assert do(engine, job).epochs == 9
    assert (there / "metrics.csv").read_bytes().startswith(rows)
    assert list(job.runs.iterdir()) == [there]


def test_a_run_that_cannot_be_gone_on_with_is_passed_over(job: Job, engine: Engine) -> None:
    """The next name is taken, and what is there stays as it is."""
    first = interrupt(job)
    (first / "checkpoint.npz").write_bytes(b"damaged")
    before = {path.name: path.read_bytes() for path in first.iterdir()}
    done = do(engine, job)
    assert (done.folder, done.epochs) == (job.runs / f"{job.name}-2", 12)
    assert {path.name: path.read_bytes() for path in first.iterdir()} == before


def test_the_second_of_two_unfinished_runs_is_gone_on_with(job: Job, engine: Engine) -> None:
    """The first cannot be, and neither can the worker's copy of it."""
    first = interrupt(job)
    (first / "checkpoint.npz").write_bytes(b"damaged")
    second = interrupt(job)
    assert second.name == f"{job.name}-2"
    assert do(engine, job) == Done(job, second, "completed", epochs=9)


def test_a_death_when_a_run_comes_back_leaves_one_that_can_be_gone_on_with(
    job: Job, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the worker trained is known to the checkpoint before the first row is written."""
    there = interrupt(job)
    sent = engine.task(*engine.prepare(job, 0))

    def die(log: LogFile, data: bytes) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(LogFile, "put", die)
        with pytest.raises(KeyboardInterrupt):
            engine.finish(job, sent)
    assert do(engine, job) == Done(job, there, "completed", epochs=0)


def test_a_worker_of_another_version_does_no_job(
    job: Job, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says so before it trains, and the message says what to do."""
    order, data = engine.prepare(job, 0)
    sent = engine.task(replace(order, version="0.0.1"), data)
    with pytest.raises(RunError, match=r"a worker has nnexp .*; all need .* install that"):
        engine.finish(job, sent)
    assert not job.runs.exists()


def test_a_run_that_was_told_to_end_is_done_again(job: Job, engine: Engine) -> None:
    """A worker that is being shut down returns no half of a run."""
    sent = engine.task(*engine.prepare(job, 0), progress=Stopper(2))
    assert engine.finish(job, sent).status == BUSY
    assert not job.runs.exists()


def test_a_worker_reads_the_data_of_nnexp_once(
    study: Path, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MNIST is never sent, and read for the first of its runs only; the user's data are sent."""
    read: list[str] = []

    def reading(experiment: Experiment) -> Dataset:
        read.append(experiment.data.kind)
        return read_data(experiment)

    monkeypatch.setattr(module, "_data", DataCache(reading))
    for job in jobs_of(study, "runs", DataCache()):
        order, data = engine.prepare(job, 0)
        assert (data is None) == (job.config.experiment.data.kind == "mnist")
        engine.task(order, data)
    assert read == ["mnist"]
