"""Techniques through whole runs: off they change no byte, on they do what they are for."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from fingerprints import rows
from sklearn.metrics import r2_score

from nnexp.nn.backprop import forward
from nnexp.nn.network import Network
from nnexp.run.assembly import load_data
from nnexp.run.session import Outcome, run

if TYPE_CHECKING:
    from conftest import LoadText, Train

SETS = ("train", "validation", "test")
TINY_MNIST = """\
data: {name: mnist, train: 60, validation: 20, test: 20}
layers: [784, 5, 10]
output: softmax
cost: log_likelihood
epochs: 2
"""


def file(outcome: Outcome, name: str) -> str:
    """Return the text of a file of a run."""
    return (outcome.folder / name).read_text()


def result(outcome: Outcome) -> tuple[list[list[str]], bytes]:
    """Return metrics.csv without the clocks, and the bytes of model.npz."""
    return rows(outcome.folder), (outcome.folder / "model.npz").read_bytes()


def model(outcome: Outcome) -> dict[str, Any]:
    """Return the arrays of model.npz."""
    with np.load(outcome.folder / "model.npz", allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def weights(outcome: Outcome) -> Any:
    """Return all weights of a run's last network in one vector."""
    arrays = model(outcome)
    return np.concatenate([a.ravel() for n, a in arrays.items() if n.startswith("last_weights")])


@pytest.mark.parametrize(
    "off",
    [
        ["l1=0", "l2=0.0"],
        ["dropout=0"],
        ["dropout=[0.0]"],
        ["momentum=0", "nesterov=false"],
        ["schedule=constant"],
        ["schedule={name: step, every: 4}"],
        ["schedule={name: halve, patience: 4}"],
        ["early_stopping={patience: 4}"],
        ["early_stopping={metric: train_cost, patience: 4, min_delta: 1e9}"],
        ["softmax_scale=1"],
        ["augment=null"],
        ["init={hidden: scaled, output: scaled}"],
        ["monitor_every=1"],
        ["monitor=[test, parameters, train, diagnostics, validation]"],
    ],
    ids=" ".join,
)
def test_a_technique_that_is_off_changes_no_byte(train: Train, off: list[str]) -> None:
    """Off, or on without an occasion to act, it leaves metrics.csv and model.npz as they are."""
    for dtype in ("float32", "float64"):
        assert result(train(f"dtype={dtype}", *off)) == result(train(f"dtype={dtype}"))


@pytest.mark.parametrize(
    "off", ["softmax_scale: 1.0", "augment: {}", "augment: {shifts: false}", "monitor_every: 1"]
)
def test_a_technique_for_images_that_is_off_changes_no_byte(load_text: LoadText, off: str) -> None:
    """The same for what needs images or a softmax."""
    plain, same = (load_text(f"{TINY_MNIST}{more}\n") for more in ("", off))
    assert result(run(plain, load_data(plain), "runs")) == result(
        run(same, load_data(same), "runs")
    )


@pytest.mark.parametrize(
    "on",
    [
        ["l1=1"],
        ["l2=1"],
        ["dropout=0.5"],
        ["momentum=0.5"],
        ["momentum=0.5", "nesterov=true"],
        ["schedule=cosine"],
        ["schedule={name: exponential, factor: 0.5}"],
        ["output=softmax", "softmax_scale=2"],
        ["init={hidden: scaled, output: zeros}"],
    ],
    ids=" ".join,
)
def test_a_technique_that_is_on_gives_another_model_and_repeats(
    train: Train, on: list[str]
) -> None:
    """Each makes a difference, the same one every time, and momentum's two forms differ."""
    plain = ["momentum=0.5"] if "nesterov=true" in on else on[:1] if "softmax_scale=2" in on else []
    first, again, without = (result(train(*words)) for words in (on, on, plain))
    assert first == again
    assert first[1] != without[1]


def test_evaluating_less_often_leaves_the_training_as_it_is(train: Train) -> None:
    """With monitor_every 3 of 7 epochs, rows 3, 6 and 7 are those of every epoch's evaluation."""
    every, third = train("epochs=7"), train("epochs=7", "monitor_every=3")
    cells, model_bytes = result(third)
    full, _ = result(every)
    assert cells[1:] == [full[i] for i in (3, 6, 7)]
    last = [name for name in model(every) if name.startswith("last")]
    for name in last:
        assert np.array_equal(model(every)[name], model(third)[name])
    assert model_bytes


@pytest.mark.parametrize(
    "words", [["l2=2"], ["l1=1", "momentum=0.9", "eta=0.05"], ["l1=0.5", "l2=1", "dropout=0.3"]]
)
def test_the_penalty_is_what_cost_and_data_cost_differ_by(train: Train, words: list[str]) -> None:
    """In each row of metrics.csv, cost = data cost + (λ₂/2n) Σw² + (λ₁/n) Σ|w|, on every set."""
    outcome = train(*words, "monitor=[train, validation, test, parameters]")
    header, *lines = [line.split(",") for line in file(outcome, "metrics.csv").splitlines()]
    assert header[8:11] == ["train_data_cost", "validation_data_cost", "test_data_cost"]
    n = 36
    for row, logged in zip(lines, outcome.rows, strict=True):
        cells = dict(zip(header, row, strict=True))
        found = [float(cells[f"{s}_cost"]) - float(cells[f"{s}_data_cost"]) for s in SETS]
        assert found == pytest.approx([found[0]] * 3, rel=1e-9)
        assert logged["train_data_cost"] == float(cells["train_data_cost"])
    given = outcome.experiment
    w = weights(outcome)
    due = given.l2 / (2 * n) * (w**2).sum() + given.l1 / n * np.abs(w).sum()
    assert found[0] == pytest.approx(due, rel=1e-9)


def test_without_regularization_there_is_no_column_for_it(train: Train) -> None:
    """The columns of metrics.csv are the usual ones where no cost has two parts."""
    assert "data_cost" not in file(train(), "metrics.csv")


@pytest.mark.parametrize("key", ["l1", "l2"])
@pytest.mark.parametrize("more", [[], ["momentum=0.5"]], ids=["plain", "momentum"])
def test_the_stronger_the_penalty_the_smaller_the_weights(
    train: Train, key: str, more: list[str]
) -> None:
    """With λ up, Σw² and Σ|w| of the trained network go down."""
    trained = [weights(train(f"{key}={v}", "epochs=60", *more)) for v in (0, 0.05, 0.2, 1)]
    for size in (np.square, np.abs):
        sizes = [float(size(w).sum()) for w in trained]
        assert sizes == sorted(sizes, reverse=True)
        assert sizes[-1] < 0.75 * sizes[0]


def line(rng: np.random.Generator) -> str:
    """Write 40 points of 12 inputs of which the target needs only two, and a little noise."""
    x = rng.normal(size=(40, 12))
    y = 2 * x[:, :1] - 1.5 * x[:, 1:2] + 0.1 * rng.normal(size=(40, 1))
    inline = json.dumps({"inline": {"x": x.round(3).tolist(), "y": y.round(3).tolist()}})
    return f"data: {inline}\nlayers: [12, 1]\noutput: linear\ncost: quadratic\ndtype: float64\n"


def test_l1_leaves_more_weights_near_zero_than_l2(load_text: LoadText) -> None:
    """At a like sum of squares, L1 has put the useless inputs' weights to 0, L2 none of them."""
    found = {}
    text = f"{line(np.random.default_rng(0))}eta: 0.02\nepochs: 400\nbatch_size: 40\n"
    for key, strength in (("l1", 8.0), ("l2", 3.0)):
        config = load_text(text, f"{key}={strength}")
        found[key] = weights(run(config, load_data(config), "runs"))
    assert np.linalg.norm(found["l1"]) == pytest.approx(np.linalg.norm(found["l2"]), rel=0.15)
    near = {key: int((np.abs(w) < 0.01).sum()) for key, w in found.items()}
    assert near["l1"] >= 7
    assert near["l2"] <= 3


@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("more", ["", "l2: 2"], ids=["plain", "l2"])
def test_r2_is_scikit_learns(load_text: LoadText, outputs: int, more: str) -> None:
    """Each row's R² is r2_score of the network after that epoch, weighted by variance."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(25, 4))
    y = x @ rng.normal(size=(4, outputs)) * [1, 5, 0.2][:outputs] + rng.normal(size=(25, outputs))
    inline = json.dumps({"inline": {"x": x.tolist(), "y": y.tolist()}})
    text = (
        f"data: {inline}\nlayers: [4, 3, {outputs}]\noutput: linear\ncost: quadratic\n{more}\n"
        "dtype: float64\neta: 0.05\n"
    )
    for epochs in (1, 5):
        config = load_text(text, f"epochs={epochs}")
        outcome = run(config, load_data(config), "runs")
        arrays = model(outcome)
        parts = [[arrays[f"last_{kind}_{i}"] for i in (1, 2)] for kind in ("weights", "biases")]
        network = Network.explicit(*parts, activation="sigmoid", output="linear", dtype=np.float64)
        due = r2_score(y, forward(network, x).a[-1], multioutput="variance_weighted")
        assert outcome.rows[-1]["train_r2"] == pytest.approx(due, rel=1e-9)
        if outputs == 1:
            assert due == pytest.approx(r2_score(y, forward(network, x).a[-1]), rel=1e-12)


def test_r2_is_for_real_targets_with_the_quadratic_cost(train: Train, load_text: LoadText) -> None:
    """Classes have none, and where the targets do not vary the cell is empty."""
    assert "r2" not in file(train("cost=quadratic"), "metrics.csv")
    config = load_text(
        "data: {inline: {x: [[0.0], [1.0]], y: [[0.5], [0.5]]}}\nlayers: [1, 1]\n"
        "output: linear\ncost: quadratic\nepochs: 2\n"
    )
    outcome = run(config, load_data(config), "runs")
    assert [row["train_r2"] for row in outcome.rows] == [None, None]


def test_a_run_that_diverges_with_everything_on_warns_of_nothing(train: Train) -> None:
    """Penalties, diagnostics and parameters of numbers that overflow are logged without warning."""
    for words in (
        ["output=linear", "cost=quadratic", "activation=relu"],
        ["output=softmax", "activation=relu"],
    ):
        for eta in ("1e10", "1e30", "1e200"):
            everything = "monitor=[train, diagnostics, parameters]"
            outcome = train(*words, f"eta={eta}", "l1=1", "l2=1", everything, "epochs=20")
            assert outcome.status == "diverged"
            for name in ("diagnostics.csv", "parameters.csv"):
                assert len(file(outcome, name).splitlines()) == 1 + len(outcome.rows)
