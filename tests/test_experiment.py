"""One run: what decides its result, how it can end, and what it leaves behind."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import yaml
from fingerprints import rows
from threadpoolctl import threadpool_info

import nnexp
from nnexp.config.loader import load
from nnexp.nn.metrics import evaluate
from nnexp.nn.network import Network
from nnexp.nn.training import train as train_epochs
from nnexp.run.assembly import DataCache, initial_network, load_data
from nnexp.run.control import Progress
from nnexp.run.log import Row
from nnexp.run.session import Outcome, run
from nnexp.run.writer import RunWriter
from nnexp.stats.summary import best_epoch

if TYPE_CHECKING:
    from conftest import Train

CONFIGS = Path(__file__).parents[1] / "configs"


def model(outcome: Outcome) -> dict[str, Any]:
    """Return the arrays of model.npz."""
    with np.load(outcome.folder / "model.npz", allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def record(outcome: Outcome) -> dict[str, Any]:
    """Return run.json."""
    found: dict[str, Any] = json.loads((outcome.folder / "run.json").read_text())
    return found


def network(arrays: dict[str, Any], which: str) -> Network:
    """Build the last or the best network of a model.npz of the small experiment."""
    parts = [[arrays[f"{which}_{kind}_{i}"] for i in (1, 2)] for kind in ("weights", "biases")]
    shape: dict[str, Any] = {"activation": "sigmoid", "output": "sigmoid", "dtype": np.float64}
    return Network.explicit(*parts, **shape)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(
    train: Train, dtype: str
) -> None:
    """A run is decided by its config and seed: metrics and model repeat to the byte."""
    first, same, other = (train(f"seed={seed}", f"dtype={dtype}") for seed in (0, 0, 1))
    files = [(o.folder / "model.npz").read_bytes() for o in (first, same, other)]
    assert rows(first.folder) == rows(same.folder)
    assert files[0] == files[1]
    assert rows(first.folder)[1:] != rows(other.folder)[1:]
    assert files[0] != files[2]


def test_the_order_of_examples_depends_on_the_seed_alone(
    train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Runs of one seed are paired: another init, cost or size keeps the shuffle."""
    states = []

    def spy(*args: Any, **words: Any) -> Any:
        states.append(words["shuffle"].bit_generator.state)
        return train_epochs(*args, **words)

    monkeypatch.setattr("nnexp.run.session.train", spy)
    train("init=scaled")
    for change in ("init=large", "cost=quadratic", "layers=[2, 9, 9, 2]", "eta=0.1", "monitor=[]"):
        train(change)
        assert states[-1] == states[0], change
    train("seed=1")
    assert states[-1] != states[0]


def test_given_parameters_train_as_the_same_parameters_drawn(train: Train, small: Path) -> None:
    """The first parameters written into the config as numbers give the same run to the byte."""
    start = initial_network(load(small).experiment)
    init = {
        "weights": [w.tolist() for w in start.weights],
        "biases": [b.tolist() for b in start.biases],
    }
    given = train(f"init={yaml.safe_dump(init, default_flow_style=True, width=10**6).strip()}")
    drawn = train()
    assert rows(given.folder) == rows(drawn.folder)
    assert (given.folder / "model.npz").read_bytes() == (drawn.folder / "model.npz").read_bytes()


def test_the_first_parameters_are_those_that_are_given(small: Path) -> None:
    """W and b of an explicit init are the network's, layer by layer."""
    weights = "weights: [[[1, 2], [3, 4], [5, 6]], [[1, 2, 3], [4, 5, 6]]]"
    init = f"init={{{weights}, biases: [[7, 8, 9], [1, 0]]}}"
    start = initial_network(load(small, [init]).experiment)
    assert start.weights[0].tolist() == [[1, 2], [3, 4], [5, 6]]
    assert start.biases[0].tolist() == [7, 8, 9]
    assert start.weights[1].tolist() == [[1, 2, 3], [4, 5, 6]]


def test_exclusive_or_is_learnt(folder: Path) -> None:
    """The smallest problem that needs a hidden layer ends with every example right."""
    config = load(CONFIGS / "xor.yaml")
    outcome = run(config, load_data(config), folder)
    assert outcome.rows[-1]["train_accuracy"] == 1.0
    assert outcome.rows[-1]["train_cost"] < 0.05
    assert outcome.rows[0]["train_accuracy"] <= 0.75


def test_three_epochs_of_mnist_pass_ninety_percent(folder: Path) -> None:
    """The published experiment of 30 hidden neurons learns all of MNIST as it should."""
    config = load(CONFIGS / "xent_30.yaml", ["epochs=3"])
    outcome = run(config, load_data(config), folder)
    assert record(outcome)["data"] | {"sha256": 0} == {
        "name": "MNIST",
        "sha256": 0,
        "classes": [str(digit) for digit in range(10)],
        "train": 50_000,
        "validation": 10_000,
        "test": 10_000,
    }
    assert outcome.status == "completed"
    assert outcome.rows[-1]["test_accuracy"] > 0.90
    assert outcome.rows[-1]["train_cost"] < outcome.rows[0]["train_cost"]


def test_divergence_is_told_and_what_was_logged_is_kept(train: Train) -> None:
    """A run whose numbers are no longer finite stops at once, as diverged, with its rows."""
    outcome = train("output=linear", "cost=quadratic", "eta=1e6", "epochs=500")
    assert outcome.status == record(outcome)["status"] == "diverged"
    assert 1 <= len(outcome.rows) < 500
    assert len(rows(outcome.folder)) == 1 + len(outcome.rows)
    assert all(np.isfinite(row["train_cost"]) for row in outcome.rows[:-1])
    assert not np.isfinite(outcome.rows[-1]["train_cost"])
    assert record(outcome)["summary"]["train_cost"]["last"]["value"] is None


@pytest.mark.parametrize("epochs", [1, 3])
def test_an_interrupted_run_is_the_run_up_to_its_last_epoch(train: Train, epochs: int) -> None:
    """After Ctrl-C the folder holds the metrics, model and predictions of the epochs that ended."""
    cut = train("epochs=100", stop_after=epochs)
    whole = train(f"epochs={epochs}")
    assert cut.status == record(cut)["status"] == "interrupted"
    assert record(cut)["epochs"] == epochs
    assert rows(cut.folder) == rows(whole.folder)
    for name in ("model.npz", "predictions.npz"):
        assert (cut.folder / name).read_bytes() == (whole.folder / name).read_bytes()


def test_a_run_interrupted_in_its_first_epoch_has_no_model(train: Train) -> None:
    """Parameters that were never evaluated are not saved as a result."""
    cut = train(stop_after=0)
    assert (cut.status, cut.rows, cut.summary) == ("interrupted", [], {})
    assert {path.name for path in cut.folder.iterdir()} == {
        "config.yaml",
        "metrics.csv",
        "run.json",
    }


def test_an_interrupt_while_an_epoch_is_logged_leaves_it_whole(
    train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whenever Ctrl-C comes, rows, record and model are those of the same epoch."""
    append = RunWriter.append

    def append_and_interrupt(self: RunWriter, row: Row) -> None:
        append(self, row)
        if row["epoch"] == 3:
            signal.raise_signal(signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with monkeypatch.context() as patch:
            patch.setattr(RunWriter, "append", append_and_interrupt)
            cut = train("epochs=100")
    finally:
        signal.signal(signal.SIGINT, before)
    whole = train("epochs=3")
    assert cut.status == "interrupted"
    assert rows(cut.folder) == rows(whole.folder)
    assert record(cut)["epochs"] == 3
    assert (cut.folder / "model.npz").read_bytes() == (whole.folder / "model.npz").read_bytes()


def test_a_bug_in_the_middle_leaves_a_failed_run(train: Train) -> None:
    """Any other error is raised as it is, and the folder says that the run failed."""

    class Broken(Progress):
        def epoch(self, row: Row) -> None:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        train(progress=Broken())
    (folder,) = Path("runs").iterdir()
    found = nnexp.open_run(folder)
    assert found.status == "failed"
    assert len(found.rows) == 1


def test_progress_hears_of_every_example_and_epoch(train: Train) -> None:
    """A Progress is told the examples seen in an epoch, up to all of them, and each row."""
    heard: list[Any] = []

    class Ear(Progress):
        def advance(self, examples: int) -> None:
            heard.append(examples)

        def epoch(self, row: Row) -> None:
            heard.append(f"epoch {row['epoch']}")

    train("epochs=2", progress=Ear())
    assert heard == [36, "epoch 1", 36, "epoch 2"]


def test_blas_has_one_thread_while_a_run_goes_on(train: Train) -> None:
    """Small products are faster on one thread, and repeatable; afterwards all is as before."""

    def threads() -> list[int]:
        return [b["num_threads"] for b in threadpool_info() if b["user_api"] == "blas"]

    inside = []

    class Watch(Progress):
        def epoch(self, row: Row) -> None:
            inside.append(threads())

    before = threads()
    train("epochs=1", progress=Watch())
    assert inside == [[1] * len(before)]
    assert threads() == before


def test_without_monitored_sets_the_cells_are_empty(train: Train) -> None:
    """`monitor: []` trains as ever, evaluates nothing, and still leaves model and predictions."""
    blind, seeing = train("monitor=[]"), train()
    assert blind.status == "completed"
    assert [row[1:] for row in rows(blind.folder)[1:]] == [["0.5", *[""] * 6]] * 4
    assert blind.summary == {}
    arrays = model(blind)
    assert set(arrays) == {
        "sizes",
        *(f"last_{k}_{i}" for k in ("weights", "biases") for i in (1, 2)),
    }
    for name, array in arrays.items():
        assert np.array_equal(array, model(seeing)[name])
    predictions = [(o.folder / "predictions.npz").read_bytes() for o in (blind, seeing)]
    assert predictions[0] == predictions[1]


def test_one_monitored_set_fills_its_own_cells(train: Train) -> None:
    """A set that is not monitored costs no evaluation and has no figures."""
    outcome = train("monitor=[test]")
    assert set(outcome.rows[0]) >= {"test_cost", "test_accuracy"}
    assert set(outcome.summary) == {"test_cost", "test_accuracy"}
    assert "best-epoch" not in outcome.summary["test_accuracy"]


def test_the_model_holds_the_last_and_the_best_parameters(train: Train, small: Path) -> None:
    """Each kept network, evaluated again, gives the accuracies of its row of metrics.csv."""
    outcome = train("epochs=30", "eta=3", "seed=2")
    arrays, data = model(outcome), load_data(load(small))
    assert arrays["sizes"].tolist() == [2, 3, 2]
    chosen = int(arrays["best_validation_epoch"])
    assert chosen == best_epoch(outcome.rows)
    assert chosen < 30
    for which, epoch in (("last", 30), ("best_validation", chosen)):
        for name in ("train", "validation", "test"):
            found = evaluate(network(arrays, which), "cross_entropy", data.sets[name])
            assert found.accuracy == outcome.rows[epoch - 1][f"{name}_accuracy"]
            assert found.cost == outcome.rows[epoch - 1][f"{name}_cost"]


def test_a_regression_has_costs_and_no_classes(folder: Path) -> None:
    """Real targets give no accuracy and no predictions, and cost decides which epoch was best."""
    Path("line.csv").write_text("x,y\n" + "".join(f"{i / 20},{i / 10 + 0.05}\n" for i in range(20)))
    Path("line.yaml").write_text(
        "data: {path: line.csv, target: y}\nlayers: [1, 1]\noutput: linear\ncost: quadratic\n"
        "eta: 0.1\nepochs: 5\n"
    )
    config = load(Path("line.yaml"))
    outcome = run(config, load_data(config), folder / "runs")
    assert all(row["test_accuracy"] is None for row in outcome.rows)
    costs = [row["validation_cost"] for row in outcome.rows]
    assert outcome.summary["test_cost"]["best-epoch"].epoch == 1 + costs.index(min(costs))
    assert not (outcome.folder / "predictions.npz").exists()
    assert record(outcome)["data"]["classes"] is None


def test_data_are_loaded_once_for_all_runs_that_share_them(small: Path) -> None:
    """Configs on the same data get one copy, and other layers or precisions get their own."""
    cache = DataCache()
    first = cache.load(load(small))
    assert cache.load(load(small, ["eta=3", "seed=5", "layers=[2, 7, 2]"])) is first
    assert cache.load(load(small, ["dtype=float32"])) is not first
    assert cache.load(load(small, ["data.test=0.1"])) is not first


def test_the_documented_lines_of_python_work(small: Path) -> None:
    """The example of the package's docstring trains a run and opens it again."""
    config = nnexp.load_config(str(small))
    outcome = nnexp.train(config, nnexp.load_data(config), "runs")
    again = nnexp.open_run(str(outcome.folder))
    assert again.status == "completed"
    assert again.experiment == config.experiment
    assert set(nnexp.__all__) <= {*dir(nnexp), *nnexp._PUBLIC}
    with pytest.raises(AttributeError, match="no attribute 'learn'"):
        nnexp.learn  # noqa: B018 - the lookup is what is tested
