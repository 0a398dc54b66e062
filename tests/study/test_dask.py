"""Sweeps on a real cluster of this machine, whose workers do not see the user's files."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from clusters import (
    BOUND,
    OTHER_NNEXP,
    WITHOUT_NNEXP,
    Cluster,
    cluster,
    lines_until,
    start_sweep,
    wait_for,
    workers,
)
from conftest import Stopper
from distributed import KilledWorker
from sweeping import contents

import nnexp as package
from nnexp.config.study import load_study
from nnexp.errors import NnexpError
from nnexp.run.assembly import DataCache
from nnexp.study.dask import cluster as dask_cluster
from nnexp.study.dask import crew
from nnexp.study.dask.cluster import _Executor
from nnexp.study.dask.crew import unlike
from nnexp.study.engine import Settings
from nnexp.study.jobs import Job, perform, plan
from nnexp.study.sweep import run_jobs

if TYPE_CHECKING:
    from conftest import Nnexp

psutil: Any = import_module("psutil")  # has no types; distributed needs it

STUDY = """\
name: study
base: {data: {path: points.csv, target: kind}, layers: [2, 16, 2], batch_size: 4, epochs: 80}
arms:
  points: {monitor: [train, validation, test, diagnostics]}
  images: {data: {name: mnist, train: 60, validation: 20, test: 20}, layers: [784, 30, 10]}
seeds: 0-4
"""


@pytest.fixture
def study(folder: Path) -> Path:
    """Give a study of ten runs, in the working folder."""
    lines = [f"{i / 10},{(i * 7 % 11) / 10},{'ab'[i % 2]}" for i in range(40)]
    (folder / "points.csv").write_text("\n".join(["x,y,kind", *lines]) + "\n")
    (folder / "study.yaml").write_text(STUDY)
    return folder / "study.yaml"


def results(folder: Path) -> dict[str, dict[str, Any]]:
    """Return what the runs of a folder came to."""
    return {name: files for name, files in contents(folder).items() if name != "study.json"}


def jobs_of(study: Path, runs: Path, data: DataCache, seeds: str | None = None) -> list[Job]:
    """Return the jobs of a study."""
    return plan((config for _, config in load_study(study, seeds=seeds).runs), runs, data)


def run_here(study: Path, seeds: str) -> dict[str, dict[str, Any]]:
    """Return what the local engine's runs come to."""
    data, runs = DataCache(), Path("here")
    run_jobs(jobs_of(study, runs, data, seeds), Settings(1, runs, data))
    return results(runs)


def interrupt_one(study: Path, runs: Path) -> Path:
    """Train some epochs of one run of the study, as an earlier command might have."""
    data = DataCache()
    job = jobs_of(study, runs / "study", data)[0]
    done = perform(job, data, progress=Stopper(20))
    assert done.folder
    return done.folder


@pytest.mark.slow
def test_a_sweep_survives_a_worker_and_leaves_the_cluster_as_it_was(
    study: Path, folder: Path
) -> None:
    """Every run is there once, complete, with the local engine's bytes, or not there at all."""
    begun = interrupt_one(study, Path("runs"))
    rows = (begun / "metrics.csv").read_bytes()
    with cluster(folder / "away") as there:
        on_dask = ["--engine", "dask", "--address", there.address]
        doomed, _ = there.worker(), there.worker()
        sweep = start_sweep("study.yaml", "--seeds", "0-2", *on_dask)
        lines_until(sweep, "1/6 completed")
        doomed.kill()
        out, said = sweep.communicate(timeout=BOUND)
        assert (sweep.returncode, out.splitlines()[0]) == (0, "runs/study"), said
        assert results(Path("runs/study")) == run_here(study, "0-2")
        assert (begun / "metrics.csv").read_bytes().startswith(rows)
        # The workers, which do not know this folder, have written nothing into it.
        known = {"away", "here", "runs", "points.csv", "study.yaml"}
        assert {path.name for path in folder.iterdir()} == known
        end_in_the_middle(there, on_dask)
        lose_the_scheduler(there, on_dask)


def scratches(there: Cluster) -> set[str]:
    """Return the folders the workers have of runs; one may vanish while it is looked for."""
    names = (path for path, *_ in os.walk(there.folder))
    return {path for path in names if Path(path).name.startswith("nnexp-")}


def end_in_the_middle(there: Cluster, on_dask: list[str]) -> None:
    """Interrupt a sweep: its runs end on the cluster as well, which goes on."""
    endless = STUDY.replace("epochs: 80", "epochs: 1000000").replace("study", "endless")
    Path("endless.yaml").write_text(endless)
    dead = scratches(there)
    sweep = start_sweep("endless.yaml", *on_dask)
    wait_for(lambda: scratches(there) > dead)
    sweep.terminate()
    out, said = sweep.communicate(timeout=BOUND)
    assert (sweep.returncode, out) == (130, "")
    assert said.endswith("nnexp: interrupted\n")
    wait_for(lambda: scratches(there) <= dead)
    assert [path.name for path in Path("runs/endless").iterdir()] == ["study.json"]


def lose_the_scheduler(there: Cluster, on_dask: list[str]) -> None:
    """Kill the scheduler of a sweep that has four more runs to do."""
    sweep = start_sweep("study.yaml", *on_dask)
    lines_until(sweep, "1/4 completed")
    there.scheduler.kill()
    out, said = sweep.communicate(timeout=BOUND)
    assert (sweep.returncode, out) == (1, "")
    assert said.splitlines()[-1] == (
        f"nnexp: the scheduler of {there.address} was lost; what is complete is kept: "
        "run the command again"
    )
    found = results(Path("runs/study"))
    assert 6 < len(found) < 10
    assert {run["run.json"] for run in found.values()} == {b"completed"}


def test_without_an_address_a_cluster_of_this_machine_is_used(study: Path) -> None:
    """It is started, gives the same bytes, and says nothing of its own."""
    sweep = start_sweep("study.yaml", "--seeds", "0", "--engine", "dask", "--jobs", "1", "--quiet")
    assert sweep.communicate(timeout=BOUND) == ("runs/study\n", "")
    assert sweep.returncode == 0
    assert results(Path("runs/study")) == run_here(study, "0")


@pytest.mark.slow
def test_a_cluster_that_cannot_do_it_is_refused(
    study: Path, folder: Path, nnexp: Nnexp, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No workers, none that fit, no scheduler: one message each, and nothing is written."""
    monkeypatch.setattr(crew, "PATIENCE", 2.0)
    with cluster(folder / "away") as there:

        def refusal() -> str:
            done = nnexp("sweep", study, "--engine", "dask", "--address", there.address, code=1)
            assert not Path("runs").exists()
            return str(done.stderr.splitlines()[-1])

        assert refusal() == (
            f"nnexp: {there.address}: the scheduler has no workers: start some with "
            f"`dask worker {there.address} --nworkers 4 --nthreads 1`"
        )
        there.worker(WITHOUT_NNEXP)
        there.worker(OTHER_NNEXP)
        monkeypatch.setattr(crew, "PATIENCE", BOUND)
        wait_for(lambda: "and 1 more" in refusal())
    monkeypatch.setattr(dask_cluster, "PATIENCE", 2.0)
    assert refusal() == (
        f"nnexp: {there.address}: no scheduler answers there within 2 s: start one with "
        "`dask scheduler`, and give the address it prints as --address"
    )


def test_software_that_differs_is_named_with_its_place() -> None:
    """A Python of another minor version, an nnexp of another version, or none, cannot do it."""
    python = "{}.{}.99".format(*sys.version_info)
    version = package.__version__

    def found(pythons: dict[str, Any], versions: dict[str, Any]) -> dict[str, str]:
        return {
            name: reason.partition(",")[0] for name, reason in unlike(pythons, versions).items()
        }

    assert found({"a": python, "b": python}, {"a": version, "b": version}) == {}
    assert found({"a": "2.7.18"}, {"a": version}) == {"a": "has Python 2.7.18"}
    assert found({"a": python}, {"a": "9.9"}) == {"a": "has nnexp 9.9"}
    missing = ModuleNotFoundError("No module named 'nnexp'")
    said = {"a": "cannot import nnexp (No module named 'nnexp')"}
    assert found({"a": python}, {"a": missing}) == said
    assert found({"a": OSError("gone")}, {"a": OSError("gone")}) == {}


def test_a_run_that_no_worker_survives_fails_in_words() -> None:
    """Dask gives up after so many deaths; its own words are about its tasks."""
    last: Any = None

    def given_up() -> None:
        raise KilledWorker("_train-1", last, 3)

    with ThreadPoolExecutor(1) as pool:
        error = _Executor(pool).submit(given_up).exception()
    assert isinstance(error, NnexpError)
    assert str(error).startswith("4 workers died one after the other")


def test_dask_is_asked_for_only_where_it_is_needed(
    study: Path, nnexp: Nnexp, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without it, the message says what to install; an address without it is an error of usage."""
    monkeypatch.setitem(sys.modules, "distributed", None)
    monkeypatch.delitem(sys.modules, "nnexp.study.dask.cluster")
    monkeypatch.delattr("nnexp.study.dask.cluster")
    refused = nnexp("sweep", study, "--engine", "dask", code=1)
    assert "pip install 'nnexp[cluster]'" in refused.stderr
    for command in ("sweep", "tune"):
        usage = nnexp(command, study, "--address", "tcp://127.0.0.1:1", code=2)
        assert "--address needs --engine dask" in usage.stderr


@pytest.mark.slow
def test_bad_workers_are_excluded_and_named(study: Path, folder: Path) -> None:
    """One of another version, one without a scratch folder: the third does their runs."""
    with cluster(folder / "away") as there:
        there.worker(OTHER_NNEXP)
        there.worker()
        there.worker(scratch="vanishing")
        wait_for(lambda: workers(there) == 3)
        shutil.rmtree(folder / "away" / "vanishing")
        on_dask = ["--engine", "dask", "--address", there.address]
        sweep = start_sweep("study.yaml", "--seeds", "0-2", *on_dask)
        out, err = sweep.communicate(timeout=BOUND)
        assert (sweep.returncode, out.splitlines()[0]) == (0, "runs/study"), err
        notes = [line for line in err.splitlines() if "is excluded" in line]
        assert len(notes) == 2, err
        assert "has nnexp 9.9" in err
        assert "vanishing" in err
        assert results(Path("runs/study")) == run_here(study, "0-2")


@pytest.mark.slow
def test_a_sweep_waits_for_workers_and_ends_after_a_time(study: Path, folder: Path) -> None:
    """It says that all have gone, goes on with new ones, and prints the command that continues."""
    with cluster(folder / "away") as there:
        first = there.worker()
        words = ["study.yaml", "--engine", "dask", "--address", there.address]
        words += ["--wait-for-workers", "0.2"]
        sweep = start_sweep(*words)
        lines_until(sweep, "1/10 completed")
        first.kill()
        lines_until(sweep, "all workers have gone")
        second = there.worker()
        lines_until(sweep, "1 worker there again")
        lines_until(sweep, "/10 completed")
        second.kill()
        out, err = sweep.communicate(timeout=BOUND)
        assert (sweep.returncode, out) == (1, "")
        assert "there have been no workers for 12.0 s" in err
        assert err.rstrip().endswith(f"continue with `nnexp sweep {shlex.join(words)}`")


@pytest.mark.slow
def test_a_sweep_that_is_terminated_while_its_cluster_starts_ends_in_one_line(study: Path) -> None:
    """The processes that it has started end with it."""
    sweep = start_sweep("study.yaml", "--engine", "dask", "--jobs", "2")
    wait_for(lambda: len(psutil.Process(sweep.pid).children(recursive=True)) > 1)
    children = psutil.Process(sweep.pid).children(recursive=True)
    sweep.terminate()
    out, err = sweep.communicate(timeout=BOUND)
    assert (sweep.returncode, out, err) == (130, "", "nnexp: interrupted\n")
    assert psutil.wait_procs(children, timeout=BOUND)[1] == []
