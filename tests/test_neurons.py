"""The single neurons of chapter 3, to the figures worked out from their gradients."""

from __future__ import annotations

import csv
from math import exp
from pathlib import Path

import pytest

from nnexp.config.loader import load
from nnexp.run.assembly import load_data
from nnexp.run.session import run

CONFIGS = Path(__file__).parents[1] / "configs" / "chapter3"
NEURONS = {
    "neuron_quadratic_easy": 0.0940,
    "neuron_quadratic_hard": 0.2028,
    "neuron_xent_easy_printed": 0.4177,
    "neuron_xent_hard_printed": 0.7796,
    "neuron_xent_easy": 0.0116,
    "neuron_xent_hard": 0.0120,
}


def descend(start: tuple[float, float], eta: float, cost: str) -> list[float]:
    """Return the neuron's output after each of 300 epochs: x = 1, y = 0, σ(w x + b)."""
    w, b = start
    outputs = []
    for _ in range(300):
        a = 1 / (1 + exp(-(w + b)))
        delta = a * a * (1 - a) if cost == "quadratic" else a
        w, b = w - eta * delta, b - eta * delta
        outputs.append(1 / (1 + exp(-(w + b))))
    return outputs


@pytest.mark.parametrize("name", NEURONS)
def test_a_neuron_ends_where_its_gradient_leads(name: str, tmp_path: Path) -> None:
    """The outputs in parameters.csv are those of 300 steps by hand, and the last has its figure."""
    config = load(CONFIGS / f"{name}.yaml")
    outcome = run(config, load_data(config), tmp_path)
    with (outcome.folder / "parameters.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert list(rows[0]) == ["epoch", "w1[0,0]", "b1[0]", "a[0,0]"]
    outputs = [float(row["a[0,0]"]) for row in rows]
    start = (0.6, 0.9) if "easy" in name else (2.0, 2.0)
    given = config.experiment
    assert (given.dtype, given.epochs) == ("float64", 300)
    assert given.eta == (0.005 if "printed" in name else 0.15)
    due = descend(start, given.eta, given.cost)
    assert outputs == pytest.approx(due, rel=1e-12)
    assert round(outputs[-1], 4) == NEURONS[name]
    z = [float(row["w1[0,0]"]) + float(row["b1[0]"]) for row in rows]
    assert [1 / (1 + exp(-v)) for v in z] == pytest.approx(outputs, rel=1e-12)
