"""Runs in parallel processes: the same bytes, nothing twice, and no error that ends the others."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from pathlib import Path

import pytest

from nnexp.config.loader import Config, dump, load
from nnexp.errors import ConfigError, Problem
from nnexp.experiment import load_data, run
from nnexp.store.reader import open_run
from nnexp.study.pool import Done, Job, complete, due, key, run_all

CONFIGS = Path(__file__).parents[2] / "configs"
CLOCKS = 3
POINTS = "data: {path: points.csv, target: kind}\nlayers: [2, 3, 2]\nepochs: 4\n"
TINY = "data: {name: mnist, train: 30, validation: 10, test: 10}\nlayers: [784, 3, 10]\nepochs: 2\n"
GOOD = {
    "plain": POINTS,
    "other_seed": f"{POINTS}seed: 1\ndropout: 0.5\nmomentum: 0.5\n",
    "wild": f"{POINTS}eta: 1.0e200\noutput: linear\ncost: quadratic\ndtype: float64\n",
    "images": f"{TINY}expand: {{shifts: true, rotate: 9}}\n",
}
BAD = {
    "vanished": POINTS.replace("points", "vanished"),
    "misfit": POINTS.replace("[2, 3, 2]", "[5, 3, 2]"),
}


@dataclass
class Study:
    """What became of all six jobs in two processes."""

    configs: dict[str, Config]
    runs: Path
    done: dict[str, Done]
    told: list[Done]
    examples: int


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
    runs, told, seen = root / "runs", list[Done](), list[int]()
    jobs = [Job(config, runs) for config in configs.values()]
    done = run_all(jobs, processes=2, on_work=seen.append, on_done=told.append)
    return Study(configs, runs, {name_of(d): d for d in done}, told, sum(seen))


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
    assert [name_of(done) for done in study.told] == list(study.done)
    assert len(list(study.runs.iterdir())) == 4
    # What ends early or fails is counted whole, so that a bar reaches its end.
    assert study.examples == sum(done.job.work for done in study.told)


@pytest.mark.parametrize("name", GOOD)
def test_a_run_in_a_worker_has_the_bytes_of_a_run_here(
    study: Study, name: str, tmp_path: Path
) -> None:
    """Neither the number of processes nor their order has a say in a result."""
    config = study.configs[name]
    folder = study.done[name].folder
    assert folder is not None
    here = run(config, load_data(config), tmp_path).folder
    # A network that diverged predicts nothing.
    assert (folder / "predictions.npz").exists() == (name != "wild")
    # checkpoint.npz has the clocks of the last rows in it.
    files = {f.name for f in folder.iterdir()} - {"run.json", "metrics.csv", "checkpoint.npz"}
    for file in sorted(files):
        assert (here / file).read_bytes() == (folder / file).read_bytes()
    cells = [
        [line.split(",")[:-CLOCKS] for line in (path / "metrics.csv").read_text().splitlines()]
        for path in (here, folder)
    ]
    assert cells[0] == cells[1]
    found = open_run(folder)
    assert found.problems == ()
    assert found.record["argv"] == ["nnexp", str(config.document.file)]


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
        "has 2 inputs an example: begin layers with 2"
    )


def test_what_is_complete_is_not_due_again(study: Study) -> None:
    """Completed and diverged runs are found by their config, and only the failed are due."""
    missing, there = due(study.configs.values(), study.runs), complete(study.runs)
    assert {str(job.config.experiment.name) for job in missing} == set(BAD)
    assert {str(found.name) for found in there.values()} == set(GOOD)
    for name in GOOD:
        assert there[key(study.configs[name].experiment)].folder == study.done[name].folder


def test_words_do_not_make_another_run_and_anything_else_does(study: Study) -> None:
    """Name, tags, description and reference do not count; a seed and any other key do."""
    path = study.runs.parent / "plain.yaml"
    words = ["name=other", "tags=[a]", "description=b", "reference={test_accuracy: 90}"]
    assert due([load(path, words)], study.runs) == []
    for change in ("seed=7", "eta=0.25", "l2=1", "monitor=[test]", "data.test=0.1", "epochs=5"):
        assert len(due([load(path, [change])], study.runs)) == 1, change
    twice = [load(path, ["seed=7"]), load(path, ["seed=7", "name=other"])]
    assert len(due(twice, study.runs)) == 1


def test_a_run_that_was_interrupted_is_due_again(study: Study, tmp_path: Path) -> None:
    """A folder of any other status is no result."""
    folder = study.done["plain"].folder
    assert folder is not None
    for status, count in (("completed", 1), ("diverged", 1), ("interrupted", 0), ("failed", 0)):
        copy = tmp_path / status / folder.name
        copy.mkdir(parents=True)
        for file in folder.iterdir():
            (copy / file.name).write_bytes(file.read_bytes())
        text = (copy / "run.json").read_text()
        (copy / "run.json").write_text(text.replace('"completed"', f'"{status}"'))
        assert len(complete(copy.parent)) == count


def test_nothing_due_is_nothing_done(tmp_path: Path) -> None:
    """Without jobs no process is started."""
    assert run_all([], processes=2) == []
    assert due([], tmp_path / "none") == []


def test_work_counts_the_shifted_copies(tmp_path: Path) -> None:
    """A job's examples are epochs times what it trains on; the largest jobs cost most."""
    jobs = []
    for i, text in enumerate((TINY, f"{TINY}expand: {{shifts: true}}\n", f"{TINY}expand: {{}}\n")):
        path = tmp_path / f"{i}.yaml"
        path.write_text(text)
        jobs.append(Job(load(path), tmp_path))
    assert [job.work for job in jobs] == [60, 300, 60]
    assert jobs[1].cost() > jobs[0].cost() == jobs[2].cost()


@pytest.mark.parametrize("path", sorted(CONFIGS.rglob("*.yaml")), ids=lambda path: path.stem)
def test_a_config_is_known_again_from_its_run_folder(path: Path, tmp_path: Path) -> None:
    """The config.yaml of a run has the key of the config that was run."""
    experiment = load(path).experiment
    written = tmp_path / "config.yaml"
    written.write_text(dump(experiment), encoding="utf-8")
    assert key(load(written).experiment) == key(experiment)


def test_a_config_error_survives_the_way_between_processes() -> None:
    """Its problems and its text are those it was raised with."""
    error = ConfigError([Problem("a.yaml:3", "eta", "bad"), Problem("b", "", "worse")])
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert str(again) == str(error) == "a.yaml:3: eta: bad\nb: worse"
    assert again.problems == error.problems
