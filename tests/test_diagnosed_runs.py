"""The diagnosis of real runs: those that have a fault, and those that have none."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from nnexp.config.loader import load
from nnexp.run.assembly import load_data
from nnexp.run.reader import open_run
from nnexp.run.session import run
from nnexp.text import fold
from nnexp.views.run import diagnosis

if TYPE_CHECKING:
    from conftest import Nnexp

CONFIGS = Path(__file__).parents[1] / "configs" / "chapter3"
DIGITS = """\
data: {name: mnist, train: 500, validation: 200, test: 200}
layers: [784, 10]
epochs: 8
monitor: [train, validation, test, diagnostics]
"""


def inline(text: str) -> str:
    """Return the config of a linear regression on 40 points, and further lines."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 2))
    y = x @ [[1.0], [-2.0]] + 0.1 * rng.normal(size=(40, 1))
    data = json.dumps({"inline": {"x": x.round(6).tolist(), "y": y.round(6).tolist()}})
    return (
        f"data: {data}\noutput: linear\ncost: quadratic\ndtype: float64\n"
        f"monitor: [train, diagnostics]\n{text}"
    )


def noisy(text: str) -> str:
    """Write 60 points whose class is mostly noise, and return their config."""
    rng = np.random.default_rng(5)
    x = rng.normal(size=(60, 6))
    classes = x[:, 0] + rng.normal(size=60) > 0
    lines = [",".join("abcdef") + ",class"]
    lines += [",".join(map(str, row)) + f",{int(c)}" for row, c in zip(x, classes, strict=True)]
    Path("noisy.csv").write_text("\n".join(lines) + "\n")
    return f"data: {{path: noisy.csv, target: class}}\nlayers: [6, 30, 1]\neta: 1\n{text}"


def relu(biases: float) -> str:
    """Return the config of a rectified network, half of its neurons with biases of their own."""
    rng = np.random.default_rng(2)
    w, v = (rng.normal(size=shape).round(3).tolist() for shape in ((8, 2), (1, 8)))
    b = [biases] * 4 + [0.1] * 4
    return inline(
        "layers: [2, 8, 1]\nactivation: relu\nepochs: 10\neta: 0.05\n"
        f"init: {{weights: [{w}, {v}], biases: [{b}, [0.0]]}}\n"
    )


def neuron(name: str) -> str:
    """Return the config of a neuron of chapter 3."""
    return (CONFIGS / f"neuron_{name}.yaml").read_text()


LINEAR = "layers: [2, 1]\nepochs: 30\n"
SICK: dict[str, tuple[Callable[[], str], list[str]]] = {
    "a neuron that is badly wrong": (
        lambda: neuron("quadratic_hard"),
        ["a plateau at the start: in the first 150 of 300 epochs", "eta 0.15 may be too small"],
    ),
    "eta is far too small": (
        lambda: inline(LINEAR + "eta: 0.001\n"),
        ["eta 0.001 may be too small, or the epochs too few"],
    ),
    "eta is too large": (
        lambda: inline(LINEAR + "eta: 1.3\n"),
        ["eta 1.3 may be too large: in the second half"],
    ),
    "eta is far too large": (
        lambda: inline(LINEAR + "eta: 1e200\n"),
        ["diverged in epoch 1: the cost or a parameter is no longer finite; eta 1e+200"],
    ),
    "half of the relus are dead": (
        lambda: relu(-50.0),
        ["dead relus: 50 % of layer 1 fire on less than 1 % of the examples"],
    ),
    "noise is learned by heart": (
        lambda: noisy("epochs: 150\n"),
        ["overfitting: the validation cost was least after epoch"],
    ),
    "nothing is learned": (
        lambda: DIGITS + "eta: 1e-9\n",
        ["nothing was learned: training accuracy"],
    ),
    "regularization forbids it": (
        lambda: DIGITS + "eta: 0.4\nl2: 1000\n",
        ["nothing was learned: training accuracy"],
    ),
    "an output is saturated": (
        lambda: DIGITS + "eta: 3\ncost: quadratic\ninit: large\n",
        ["output "],
    ),
}
HEALTHY: dict[str, Callable[[], str]] = {
    "a neuron that is a little wrong": lambda: neuron("quadratic_easy"),
    "a neuron with cross-entropy": lambda: neuron("xent_hard"),
    "a linear neuron": lambda: neuron("linear_hard"),
    "a linear regression": lambda: inline(LINEAR + "eta: 0.1\n"),
    "relus that live": lambda: relu(0.1),
    "noise, stopped in time": lambda: noisy(
        "epochs: 150\nearly_stopping: {metric: validation_cost, patience: 3}\n"
    ),
    "digits": lambda: DIGITS,
}


def trained(text: str) -> Path:
    """Train a config and return its run folder."""
    Path("a.yaml").write_text(text)
    config = load("a.yaml")
    return run(config, load_data(config), "runs").folder


@pytest.mark.parametrize("fault", SICK)
def test_a_run_with_a_fault_is_told_it(folder: Path, nnexp: Nnexp, fault: str) -> None:
    """The diagnosis begins with the fault, and it is the last section of `nnexp show`."""
    text, due = SICK[fault]
    path = trained(text())
    found = diagnosis(open_run(path))
    for sentence, beginning in zip(found, due, strict=False):
        assert sentence.startswith(beginning)
    assert len(found) >= len(due)
    shown = nnexp("show", path).stdout
    folded = "\n".join(fold(f"  {sentence}.", 100) for sentence in found)
    assert shown.endswith(f"\n\nDiagnosis:\n{folded}\n")
    assert json.loads(nnexp("show", path, "--json").stdout)["diagnosis"] == found


@pytest.mark.parametrize("name", HEALTHY)
def test_a_healthy_run_is_told_nothing(folder: Path, nnexp: Nnexp, name: str) -> None:
    """Where nothing is wrong there is no such section."""
    path = trained(HEALTHY[name]())
    assert diagnosis(open_run(path)) == []
    assert "Diagnosis" not in nnexp("show", path).stdout
    assert json.loads(nnexp("show", path, "--json").stdout)["diagnosis"] == []


def test_without_its_logs_a_run_is_told_nothing(folder: Path) -> None:
    """A folder that lost its config or its logs is no case for a diagnosis."""
    path = trained(SICK["eta is far too small"][0]())
    (path / "diagnostics.csv").unlink()
    assert len(diagnosis(open_run(path))) == 1
    (path / "metrics.csv").write_text("epoch,eta\n1,0.001\n")
    assert diagnosis(open_run(path)) == []
    (path / "config.yaml").unlink()
    assert diagnosis(open_run(path)) == []
