"""Searches: the same effort for every arm, on validation data alone, resumable to the byte."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from click.testing import CliRunner
from fingerprints import fingerprint
from hypothesis import given, settings
from hypothesis import strategies as st

from nnexp.cli import cli
from nnexp.config.identity import LATER_KEYS
from nnexp.config.space import Choices, Integers, Log, Space, Uniform
from nnexp.config.study import Study, Tune, load_study
from nnexp.errors import NnexpError, RunError
from nnexp.nn.metrics import Evaluation, evaluate
from nnexp.nn.types import Examples
from nnexp.run.assembly import DataCache
from nnexp.run.control import Progress
from nnexp.run.log import Row
from nnexp.run.reader import open_run
from nnexp.stats.summary import Point
from nnexp.study.engine import Settings, Watcher
from nnexp.study.jobs import Done, Job, perform
from nnexp.study.record import claim_folder, claim_search, read_study, record_of
from nnexp.study.search import MIN_COMPLETE, Pruning, Search, State, Trial, medians, propose
from nnexp.study.tuning import confirmation, prepare, search_all

CONFIGS = Path(__file__).parents[2] / "configs"
TEXT = """\
description: which cost, when both are tuned?
base:
  data: {path: points.csv, target: kind}
  layers: [2, 4, 2]
  dtype: float64
arms:
  quadratic: {cost: quadratic}
  cross_entropy: {cost: cross_entropy}
baseline: quadratic
metric: test_accuracy
tune:
  space: {eta: {log: [0.001, 10]}, batch_size: [5, 20]}
  trials: 8
  epochs: 6
confirm: {seeds: 100-101, epochs: 7}
"""


def write(folder: Path, text: str = TEXT, name: str = "study.yaml") -> Path:
    """Write a study and its data: 150 points, of one kind above a line."""
    rng = np.random.default_rng(1)
    lines = ["x,y,kind"]
    for x, y in rng.normal(size=(150, 2)):
        lines.append(f"{x:.4f},{y:.4f},{'above' if x + y > 0.3 else 'below'}")
    (folder / "points.csv").write_text("\n".join(lines) + "\n")
    numbers = "".join(f"{i / 50},{i % 10 / 10}\n" for i in range(50))
    (folder / "numbers.csv").write_text(f"x,y\n{numbers}")
    (folder / name).write_text(text)
    return folder / name


def searches(path: Path, runs: Path, data: DataCache | None = None) -> list[Search]:
    """Prepare the searches of a study."""
    return prepare(load_study(path), runs, data or DataCache())


def finish(search: Search) -> Search:
    """Make all trials of a search in this process."""
    while job := search.following():
        perform(job, search.data)
    return search


def claim_confirmation(tuned: Study, folder: Path) -> None:
    """Write the study.json of confirming runs."""
    claim_folder(folder, record_of(tuned, DataCache(), 8), chosen=True)


def contents(folder: Path) -> dict[str, Any]:
    """Return what the run folders below a folder hold, clocks aside."""
    runs = sorted(path.parent for path in folder.rglob("run.json"))
    return {str(run.relative_to(folder)): fingerprint(run) for run in runs}


@dataclass
class Undisturbed:
    """A search that nothing disturbed."""

    path: Path
    runs: Path
    found: list[Search]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    """Search both arms and confirm them, all in this process."""
    root = tmp_path_factory.mktemp("undisturbed")
    path = write(root)
    found = [finish(search) for search in searches(path, root / "runs")]
    tuned = confirmation(found[0].study, found)
    claim_confirmation(tuned, root / "runs" / "confirm")
    for _, config in tuned.runs:
        perform(Job(config, root / "runs" / "confirm"), found[0].data)
    return Undisturbed(path, root / "runs", found)


# What is tried next


def tried(settings: dict[str, Any], value: float | None) -> Trial:
    """Return a trial of one epoch; one without a value has diverged."""
    points = [] if value is None else [Point(value, 1)]
    state: State = "complete" if points else "diverged"
    return Trial(settings, state, points, 0, Path(), 1)


def test_a_search_finds_the_good_region_and_keeps_out_of_the_one_that_diverges() -> None:
    """On a smooth hill the last trials are near its top, and few of them where all diverge."""
    space: dict[str, Space] = {"eta": Log(1e-4, 100.0), "batch_size": Choices([5, 10])}
    trials: list[Trial] = []
    for _ in range(40):
        chosen = propose(space, trials, metric="validation_accuracy", seed=0)
        height = 0.9 - 0.05 * np.log10(chosen["eta"] / 0.1) ** 2 - 0.01 * (chosen["batch_size"] > 5)
        trials.append(tried(chosen, None if chosen["eta"] > 1 else float(height)))
    best = max((one for one in trials if one.values), key=lambda one: one.values[0].value)
    assert 0.05 < best.settings["eta"] < 0.2
    assert best.settings["batch_size"] == 5
    diverged = [one.state == "diverged" for one in trials]
    assert sum(diverged[20:]) < sum(diverged[:20])


def test_a_proposal_depends_on_the_trials_and_the_seed_alone() -> None:
    """Asked again it is the same; with another seed or another history it is another."""
    space: dict[str, Space] = {
        "eta": Log(0.01, 10),
        "l2": Uniform(0, 1),
        "layers.1": Integers(3, 9),
    }

    def ask(values: list[float], seed: int = 0) -> list[dict[str, Any]]:
        trials: list[Trial] = []
        for value in values:
            chosen = propose(space, trials, metric="validation_cost", seed=seed)
            trials.append(tried(chosen, value))
        return [dict(one.settings) for one in trials]

    values = [abs(i - 11) / 10 for i in range(16)]
    first = ask(values)
    assert ask(values) == first
    assert ask(values, seed=1)[0] != first[0]
    assert ask(values[::-1])[:10] == first[:10]
    assert ask(values[::-1])[-1] != first[-1]
    for chosen in first:
        assert float(f"{chosen['eta']:.3g}") == chosen["eta"]
        assert 0.01 <= chosen["eta"] <= 10
        assert chosen["layers.1"] in range(3, 10)


# What is pruned

_VALUES = st.lists(st.integers(0, 8).map(lambda i: i / 8), min_size=6, max_size=6)


@given(
    histories=st.lists(st.tuples(_VALUES, st.booleans()), max_size=12),
    now=_VALUES,
    metric=st.sampled_from(["validation_accuracy", "validation_cost"]),
)
@settings(max_examples=60)
def test_pruning_is_that_of_optunas_median_pruner(
    histories: list[tuple[list[float], bool]], now: list[float], metric: str
) -> None:
    """Whatever the trials before, a run ends after the epoch that Optuna would end it after."""
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    higher = metric.endswith("accuracy")
    direction = (
        optuna.study.StudyDirection.MAXIMIZE if higher else optuna.study.StudyDirection.MINIMIZE
    )
    pruner = optuna.pruners.MedianPruner(n_startup_trials=MIN_COMPLETE, n_warmup_steps=2)
    study = optuna.create_study(direction=direction, pruner=pruner)
    trials = []
    for values, complete in histories:
        state = optuna.trial.TrialState.COMPLETE if complete else optuna.trial.TrialState.PRUNED
        steps = dict(enumerate(values, 1))
        study.add_trial(
            optuna.trial.create_trial(
                state=state, value=values[-1] if complete else None, intermediate_values=steps
            )
        )
        points = [Point(value, epoch) for epoch, value in steps.items()]
        trials.append(
            Trial({}, "complete" if complete else "pruned", points, 0, Path(), len(points))
        )
    end = None
    trial = study.ask()
    for epoch, value in enumerate(now[:-1], 1):
        trial.report(value, epoch)
        if trial.should_prune():
            end = epoch
            break
    log = [{"epoch": float(i), metric: value} for i, value in enumerate(now, 1)]
    ending = Pruning(metric, medians(trials, epochs=6)).end(log)
    assert (ending[0] if ending else None) == end


def test_a_pruned_trial_says_so_and_is_not_gone_on_with(undisturbed: Undisturbed) -> None:
    """It is an end, with its reason in run.json, after the epochs that were trained."""
    pruned = [t for search in undisturbed.found for t in search.trials if t.state == "pruned"]
    assert pruned
    for trial in pruned:
        run = open_run(trial.folder)
        assert run.status == "completed"
        assert str(run.record["stopped"]).startswith("pruned: validation_accuracy 0.")
        assert trial.epochs == len(run.rows) == run.record["epochs"] < 6
    for search in undisturbed.found:
        assert search.following() is None


def test_a_trial_that_was_trained_to_its_end_by_hand_counts_the_same(
    undisturbed: Undisturbed, tmp_path: Path
) -> None:
    """Where `nnexp resume` went on with a run that was to be pruned, it is pruned all the same."""
    (search, _) = searches(undisturbed.path, tmp_path)
    known = undisturbed.found[0].trials
    number = next(trial.number for trial in known if trial.state == "pruned")
    for _ in range(number):
        job = search.following()
        assert job
        perform(job, search.data)
    job = search.following()
    assert job
    perform(replace(job, ending=Pruning("validation_accuracy", {})), search.data)
    finish(search)
    assert search.trials[number].epochs == 6
    assert search.trials[number].state == "pruned"
    assert [t.settings for t in search.trials] == [t.settings for t in known]
    assert [t.values for t in search.trials] == [t.values for t in known]


# The promises of a search


def test_every_arm_has_the_same_number_of_trials_and_no_trial_sees_the_test_set(
    undisturbed: Undisturbed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the sets of a trial two are evaluated; what is logged and predicted is of these."""
    assert [len(search.trials) for search in undisturbed.found] == [8, 8]
    for trial in (trial for search in undisturbed.found for trial in search.trials):
        run = open_run(trial.folder)
        assert all(row["test_accuracy"] is row["test_cost"] is None for row in run.rows)
        assert run.predictions
        assert run.predictions["set"] == "validation"

    seen: list[Examples] = []

    def spy(network: Any, cost: str, examples: Examples) -> Evaluation:
        seen.append(examples)
        return evaluate(network, cost, examples)

    monkeypatch.setattr("nnexp.nn.training.evaluate", spy)
    monkeypatch.setattr("nnexp.run.session.evaluate", spy)
    search = searches(undisturbed.path, tmp_path)[0]
    job = search.following()
    assert job
    perform(job, search.data)
    sets = search.data.load(job.config).sets
    found = {name for name, there in sets.items() if any(one is there for one in seen)}
    assert found == {"train", "validation"}
    # The spy would have seen it.
    config = confirmation(search.study, undisturbed.found).arms[0].config
    perform(Job(config, tmp_path), search.data)
    assert any(one is search.data.load(config).sets["test"] for one in seen)


@pytest.mark.slow
@pytest.mark.parametrize(("in_epoch", "after_epoch"), [(0.0, 1.0), (0.05, 0.05)])
def test_a_search_that_is_interrupted_again_and_again_comes_to_the_same(
    undisturbed: Undisturbed, tmp_path: Path, in_epoch: float, after_epoch: float
) -> None:
    """Interrupted after every epoch, or now and then in one, and begun anew: the same trials."""
    chance = random.Random(0)  # noqa: S311 - nothing secret

    class Killer(Progress):
        def advance(self, examples: int) -> None:
            if chance.random() < in_epoch:
                raise KeyboardInterrupt

        def epoch(self, row: Row) -> None:
            if chance.random() < after_epoch:
                raise KeyboardInterrupt

    known = undisturbed.found[0]
    while True:
        search = searches(undisturbed.path, tmp_path)[0]
        job = search.following()
        if job is None:
            break
        perform(job, search.data, progress=Killer())
    assert [t.settings for t in search.trials] == [t.settings for t in known.trials]
    whole = contents(undisturbed.runs / "trials")
    assert contents(tmp_path / "trials") == {
        name: run for name, run in whole.items() if name.startswith("quadratic")
    }


class Ends(Watcher):
    """A Watcher that remembers the names of the jobs that have ended."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def ended(self, done: Done) -> None:
        """Remember."""
        self.names.append(done.job.name)


@pytest.mark.parametrize(("engine", "jobs"), [("local", 1), ("local", 2), ("dask", 2)])
def test_the_trials_depend_neither_on_the_engine_nor_on_the_number_of_jobs(
    undisturbed: Undisturbed, tmp_path: Path, engine: str, jobs: int
) -> None:
    """Whoever trains them, they are those that were made in this process, to the byte."""
    begun = searches(undisturbed.path, tmp_path)
    watcher = Ends()
    search_all(begun, Settings(jobs, tmp_path, begun[0].data, engine=engine), watcher)
    assert contents(tmp_path / "trials") == contents(undisturbed.runs / "trials")
    assert sorted(watcher.names) == sorted(f"{s.arm.name}-t{n}-s0" for s in begun for n in range(8))


@pytest.mark.slow
@pytest.mark.parametrize("engines", [("local", "dask"), ("dask", "local")])
def test_a_search_that_another_engine_continues_comes_to_the_same(
    undisturbed: Undisturbed, tmp_path: Path, engines: tuple[str, str]
) -> None:
    """Interrupted on one and continued on the other: the same trials, winners and confirming runs.

    Only the command that each run was trained by is another.
    """
    words = ["tune", str(undisturbed.path), "--runs-dir", str(tmp_path), "--jobs", "2", "--engine"]
    with subprocess.Popen(
        [sys.executable, "-m", "nnexp", *words, engines[0]],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        while process.poll() is None and len(list(tmp_path.glob("*/trials/[!.]*/run.json"))) < 5:
            time.sleep(0.005)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate()
    assert process.returncode == 130, said
    assert "keeps what was trained; the same command resumes it" in said
    begun = len(list(tmp_path.glob("*/trials/[!.]*/run.json")))
    assert 5 <= begun < 16
    result = CliRunner().invoke(cli, [*words, engines[1], "--quiet"])
    assert result.exit_code == 0, result.output
    assert contents(tmp_path / "study") == contents(undisturbed.runs)


@pytest.mark.slow
def test_a_search_that_is_killed_at_any_moment_comes_to_the_same(
    undisturbed: Undisturbed, tmp_path: Path
) -> None:
    """After a SIGKILL in the search and one when it confirms, trials and runs are the same."""
    chance = random.Random(0)  # noqa: S311 - nothing secret
    words = ["tune", str(undisturbed.path), "--runs-dir", str(tmp_path), "--jobs", "2", "--quiet"]
    for count in (chance.randint(1, 15), 17):
        with subprocess.Popen(
            [sys.executable, "-m", "nnexp", *words],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as process:
            while process.poll() is None and len(list(tmp_path.glob("*/*/*/run.json"))) < count:
                time.sleep(0.005)
            time.sleep(chance.random() / 50)
            process.kill()
        assert process.returncode < 0
    assert CliRunner().invoke(cli, words).exit_code == 0
    assert contents(tmp_path / "study") == contents(undisturbed.runs)


def test_the_search_of_an_arm_knows_nothing_of_the_others(undisturbed: Undisturbed) -> None:
    """The trials that are drawn at random are the same for every arm: none has more luck."""
    first, second = undisturbed.found
    assert [t.settings for t in first.trials] == [t.settings for t in second.trials]
    assert len({t.settings["eta"] for t in first.trials}) == 8


def test_more_trials_are_the_same_search(undisturbed: Undisturbed, tmp_path: Path) -> None:
    """With more of them the next is made, with fewer the first ones count."""
    runs = shutil.copytree(undisturbed.runs, tmp_path / "runs")
    for trials, expected in ((9, "quadratic-t8-s0"), (3, None)):
        text = TEXT.replace("trials: 8", f"trials: {trials}")
        path = write(undisturbed.path.parent, text, "other.yaml")
        search = searches(path, runs)[0]
        job = search.following()
        assert (job.name if job else None) == expected
        known = undisturbed.found[0].trials[:trials]
        assert [t.settings for t in search.trials] == [t.settings for t in known]


def test_a_diverged_trial_is_a_row_and_not_the_end(tmp_path: Path) -> None:
    """Where some settings diverge the others are found; an arm whose trials all do is excluded."""
    wild = TEXT.replace("dtype: float64", "dtype: float64\n  output: linear\n  cost: quadratic")
    wild = wild.replace(
        "arms:\n  quadratic: {cost: quadratic}\n  cross_entropy: {cost: cross_entropy}\n",
        "arms:\n  quadratic: {}\n  momentum: {momentum: 0.5}\n",
    )
    mixed = write(tmp_path, wild.replace("{log: [0.001, 10]}", "[0.01, 1.0e+200]"))
    found = [finish(one) for one in searches(mixed, tmp_path / "mixed")]
    for search in found:
        states = {t.settings["eta"]: t.state for t in search.trials}
        assert states[1e200] == "diverged"
        best = search.best()
        assert best
        assert best.settings["eta"] == 0.01
    tuned = confirmation(found[0].study, found)
    assert [arm.config.experiment.eta for arm in tuned.arms] == [0.01, 0.01]
    assert [arm.baseline for arm in tuned.arms] == [None, "quadratic"]

    # The second arm alone has come to something: it is compared with nothing.
    found[0].trials[:] = [t for t in found[0].trials if t.state == "diverged"]
    (left,) = confirmation(found[0].study, found).arms
    assert (left.name, left.baseline) == ("momentum", None)


# What the confirming runs are


def test_the_tuned_arms_are_confirmed_on_fresh_seeds_with_the_test_set(
    undisturbed: Undisturbed,
) -> None:
    """They have the best trial's settings, seeds and epochs of their own, and their effort."""
    record = read_study(undisturbed.runs / "confirm")
    assert record
    assert {arm.effort for arm in record.arms.values()} == {8}
    assert (record.seeds, record.metric) == ((100, 101), "test_accuracy")
    assert record.arms["cross_entropy"].baseline == "quadratic"
    for search in undisturbed.found:
        best = search.best()
        assert best
        top = max(p.value for t in search.trials for p in t.values)
        assert best.best("validation_accuracy") == max(best.values, key=lambda p: p.value)
        assert max(p.value for p in best.values) == top
        for seed in (100, 101):
            run = open_run(undisturbed.runs / "confirm" / f"{search.arm.name}-s{seed}")
            assert run.experiment
            assert run.experiment.eta == best.settings["eta"]
            assert run.experiment.batch_size == best.settings["batch_size"]
            assert run.experiment.epochs == len(run.rows) == 7
            assert all(row["test_accuracy"] is not None for row in run.rows)


def test_runs_of_other_settings_are_not_mixed_with_these(
    undisturbed: Undisturbed, tmp_path: Path
) -> None:
    """Confirming runs of a search that was longer since are refused, and untouched."""
    study = undisturbed.found[0].study
    tuned = confirmation(study, undisturbed.found)
    longer = replace(
        study, confirm=study.confirm and study.confirm.model_copy(update={"epochs": 9})
    )
    folder = tmp_path / "confirm"
    claim_confirmation(tuned, folder)
    claim_confirmation(confirmation(longer, undisturbed.found), folder)  # there is no run yet
    claim_confirmation(tuned, folder)
    before = (folder / "study.json").read_bytes()
    perform(Job(tuned.runs[0][1], folder), DataCache())
    with pytest.raises(RunError, match="holds runs of other settings of quadratic, cross_entropy"):
        claim_confirmation(confirmation(longer, undisturbed.found), folder)
    assert (folder / "study.json").read_bytes() == before


# What is refused


def refused(change: Callable[[str], str], folder: Path) -> str:
    """Return what is said of a study that was changed."""
    path = write(folder, change(TEXT))
    with pytest.raises(NnexpError) as error:
        searches(path, folder / "runs")
    assert not (folder / "runs").exists()
    return str(error.value).replace(f"{folder}{os.sep}", "")


SPACE = "{eta: {log: [0.001, 10]}, batch_size: [5, 20]}"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (TEXT[TEXT.index("tune:") :], "", "study.yaml:1: tune: is missing: "),
        (SPACE, "{etta: [1, 2]}", "study.yaml:12: tune.space.etta: unknown key; did you mean eta?"),
        (SPACE, "{layers.7: [1, 2]}", "study.yaml:12: tune.space.layers.7: layers has no part 7"),
        (
            SPACE,
            "{eta: [1], dropout: {uniform: [0, 1]}}",
            "study.yaml:12: tune.space.dropout: expected a number below 1",
        ),
        (
            SPACE,
            "{batch_size: {uniform: [5, 50]}}",
            "study.yaml:12: tune.space.batch_size: expected an integer",
        ),
        # Each value is legal by itself, not each combination.
        (
            SPACE,
            "{layers: [[2, 4, 2], [2, 4, 4, 2]], dropout: [0, [0.5]]}",
            "study.yaml:12: dropout: expected 2, one per hidden layer of [2, 4, 4, 2], got 1",
        ),
        (SPACE, "{cost: [quadratic, cubic]}", "study.yaml:12: tune.space.cost: expected quad"),
        (SPACE, "{epochs: [5, 10]}", "study.yaml:12: tune.space.epochs: is the same for all"),
        (SPACE, "{data.test: [0.1, 0.2]}", "study.yaml:12: tune.space.data.test: trials on"),
        (
            SPACE,
            "{l2: {int: [3, 1]}}",
            "study.yaml:12: tune.space.l2: expected the lower end first",
        ),
        (SPACE, "{cost: [quadratic, cross_entropy]}", "differ in nothing but what is searched"),
        ("baseline:", "grid: {eta: [1, 2]}\nbaseline:", "tune.space.eta: is in the grid as well"),
        (
            "  trials: 8",
            "  metric: test_accuracy",
            "study.yaml:13: tune.metric: expected validation",
        ),
        (
            f"{SPACE}\n",
            "{cost: [quadratic]}\n  metric: validation_cost\n",
            "study.yaml:13: tune.metric: validation_cost is another measure with another cost",
        ),
        (
            "{path: points.csv, target: kind}\n  layers: [2, 4, 2]",
            "{path: numbers.csv, target: y}\n  layers: [1, 4, 1]",
            "tune.metric: no trial will log validation_accuracy: the targets are not classes",
        ),
        (
            "kind}",
            "kind, validation: 0}",
            "no trial will log validation_accuracy: the data have no val",
        ),
        ("kind}", "kind, test: 0}", "study.yaml:10: metric: no run will log test_accuracy: the"),
        ("100-101", "0-9", "study.yaml:15: confirm.seeds: expected fresh seeds, got 0"),
        (
            "  trials: 8",
            "  trials: 6000",
            "study.yaml: 12,004 runs are more than 10,000",
        ),
        (
            "  dtype: float64",
            "  early_stopping: {metric: test_accuracy}",
            "early_stopping of quadratic watches the test set, which no trial looks at",
        ),
    ],
)
def test_a_search_that_makes_no_sense_is_refused_before_its_first_trial(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    """The message says where it stands and what is allowed, and nothing is begun."""
    assert old in TEXT
    assert said in refused(lambda text: text.replace(old, new, 1), tmp_path)


def test_without_optuna_the_message_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is an extra, and its absence no traceback."""
    monkeypatch.setitem(sys.modules, "optuna", None)
    assert "pip install 'nnexp[tune]'" in refused(lambda text: text, tmp_path)


def test_a_folder_that_holds_another_search_is_refused(tmp_path: Path) -> None:
    """More trials are the same search; another space, metric, seed or rule of pruning is not."""
    tune = load_study(write(tmp_path)).tune
    assert tune
    assert claim_search(tune, tmp_path / "study") == []
    assert claim_search(tune.model_copy(update={"trials": 30}), tmp_path / "study") == []
    path = tmp_path / "study" / "tune.json"
    before = path.read_bytes()
    for key, value in (
        ("space", {"eta": Choices([1, 2])}),
        ("seed", 3),
        ("prune", False),
        ("epochs", 7),
    ):
        with pytest.raises(RunError, match=f"another search:\n  {key}: "):
            claim_search(tune.model_copy(update={key: value}), tmp_path / "study")
    assert path.read_bytes() == before
    path.write_text(before.decode().replace(optuna.__version__, "1.2.3"))
    (note,) = claim_search(tune, tmp_path / "study")
    assert "Optuna 1.2.3" in note


def test_a_search_of_a_key_that_has_a_new_name_goes_on(tmp_path: Path) -> None:
    """Its tune.json has the name of the version that wrote it."""
    tune = load_study(write(tmp_path)).tune
    assert tune
    tune = tune.model_copy(update={"space": {"softmax_scale": Choices([1, 2])}})
    claim_search(tune, tmp_path)
    path = tmp_path / "tune.json"
    path.write_text(path.read_text().replace("softmax_scale", "temperature"))
    assert claim_search(tune, tmp_path) == []


def test_a_rule_of_a_later_version_refuses_only_what_it_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A search from before a key of `tune` continues with the value by which it was made alone."""
    tune = load_study(write(tmp_path)).tune
    assert tune
    path = tmp_path / "tune.json"
    claim_search(tune, tmp_path)
    text = path.read_text()
    monkeypatch.setitem(LATER_KEYS, "tune.seed", 0)  # as if it had come after that search
    path.write_text(text.replace(',\n    "seed": 0', ""))
    assert path.read_text() != text
    assert claim_search(tune, tmp_path) == []
    with pytest.raises(RunError, match="another search:\n  seed: 0 -> 3"):
        claim_search(tune.model_copy(update={"seed": 3}), tmp_path)
    # What a version without the key can continue, it can read; the rest it refuses.
    path.unlink()
    claim_search(tune, tmp_path)
    assert "seed" not in path.read_text()
    path.write_text(text.replace('"seed": 0', '"seed": 0,\n    "sampler": "grid"'))
    with pytest.raises(RunError, match="another search:\n  sampler: 'grid' -> nothing"):
        claim_search(tune, tmp_path)


def test_every_key_of_tune_is_in_the_first_tune_json_or_a_later_key() -> None:
    """Whoever adds a key says by which value earlier versions act: see LATER_KEYS."""
    first = {"space", "trials", "metric", "epochs", "prune", "seed"}
    later = {key.removeprefix("tune.") for key in LATER_KEYS if key.startswith("tune.")}
    assert set(Tune.model_fields) == first | later


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "7", '{"format": 1}', '{"format": 9, "tune": {}, "versions": {}}']
)
def test_a_damaged_tune_json_is_named(tmp_path: Path, text: str) -> None:
    """Whatever stands in it, the message says what to do, and nothing is written."""
    tune = load_study(write(tmp_path)).tune
    assert tune
    (tmp_path / "tune.json").write_text(text)
    with pytest.raises(RunError, match=r"tune\.json: (is damaged|written by a later nnexp)"):
        claim_search(tune, tmp_path)
    assert (tmp_path / "tune.json").read_text() == text


def test_trials_of_an_arm_that_was_changed_are_refused(
    undisturbed: Undisturbed, tmp_path: Path
) -> None:
    """What another network has tried is no trial of this one."""
    changed = write(tmp_path, TEXT.replace("[2, 4, 2]", "[2, 5, 2]"))
    shutil.copytree(undisturbed.runs / "trials", tmp_path / "runs" / "trials")
    message = "is not trial 0 of quadratic as the study has it now"
    with pytest.raises(RunError, match=f"{message}; move it away"):
        searches(changed, tmp_path / "runs")[0].following()
    changed.write_text(TEXT)
    points = tmp_path / "points.csv"
    points.write_text(points.read_text().replace("0.", "1."))
    with pytest.raises(RunError, match=f"{message}: .*points.csv has changed since .sha256 "):
        searches(changed, tmp_path / "runs")[0].following()


def cut(path: Path) -> None:
    """Take away the second half of a file."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def lose_a_row(path: Path) -> None:
    """Take away the last line of a file."""
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))


@pytest.mark.parametrize(
    ("file", "damage", "said"),
    [
        ("run.json", cut, "run.json is damaged"),
        ("metrics.csv", cut, "torn"),
        ("metrics.csv", lose_a_row, "metrics.csv: has 5 of the 6 rows that were written"),
    ],
)
def test_a_damaged_trial_is_named_and_made_again_once_it_is_moved_away(
    undisturbed: Undisturbed, tmp_path: Path, file: str, damage: Callable[[Path], None], said: str
) -> None:
    """No other trial suffers, and the search comes to what it came to before."""
    folder = tmp_path / "runs" / "trials"
    shutil.copytree(undisturbed.runs / "trials", folder)
    broken = folder / "quadratic-t2-s0"
    damage(broken / file)
    search = searches(undisturbed.path, tmp_path / "runs")[0]
    with pytest.raises(RunError) as error:
        search.following()
    assert said in str(error.value)
    assert str(broken) in str(error.value)
    assert "move it away" in str(error.value)
    broken.rename(tmp_path / "away")
    finish(searches(undisturbed.path, tmp_path / "runs")[0])
    assert contents(folder) == contents(undisturbed.runs / "trials")


# The studies that come with nnexp


def test_the_study_of_the_documentation_is_the_one_that_comes_with_nnexp(tmp_path: Path) -> None:
    """Its lines mean what configs/studies/cost_tuned.yaml does."""
    text = (CONFIGS.parent / "docs" / "tuning.md").read_text(encoding="utf-8")
    path = tmp_path / "cost_tuned.yaml"
    block = text.partition("```yaml\n")[2].partition("```")[0]
    path.write_text(block.replace("../", f"{CONFIGS}/"), encoding="utf-8")
    documented, shipped = load_study(path), load_study(CONFIGS / "studies" / "cost_tuned.yaml")
    assert (documented.tune, documented.confirm) == (shipped.tune, shipped.confirm)
    assert documented.description == shipped.description
    assert [a.name for a in documented.arms] == [a.name for a in shipped.arms]


@pytest.mark.parametrize("name", ["cost_tuned", "initialization", "regularization"])
def test_a_study_that_comes_with_nnexp_is_one(name: str, tmp_path: Path) -> None:
    """It loads, says its question, and compares by the test accuracy of several seeds."""
    study = load_study(CONFIGS / "studies" / f"{name}.yaml")
    assert study.description.endswith("?")
    assert study.metric == "test_accuracy"
    if study.tune:
        found = prepare(study, tmp_path, DataCache())
        assert {search.tune.trials for search in found} == {20}
        assert len(confirmation(study, found).seeds) == 10
    else:
        assert len(study.seeds) == 10
