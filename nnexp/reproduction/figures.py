"""The pictures of docs/reproduction.md."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from nnexp.reproduction.checks import ETAS, SIZES, Runs, last, outputs
from nnexp.stats.summary import series
from nnexp.views.plot import COLOURS, DASHES, styled_figure

Curve = tuple[str, Sequence[float], Sequence[float]]


def _panel(panel: Any, curves: Sequence[Curve], x: str, y: str, **options: Any) -> None:
    for i, (label, xs, ys) in enumerate(curves):
        panel.plot(
            xs,
            ys,
            label=label,
            color=COLOURS[i % len(COLOURS)],
            ls=DASHES[i % len(DASHES)],
            **options,
        )
    panel.set_xlabel(x)
    panel.set_ylabel(y)
    panel.legend(frameon=False, fontsize=8)


def _curve(runs: Runs, name: str, metric: str, label: str, factor: float = 1) -> Curve:
    points = series(runs[name].rows, metric)
    return label, [p.epoch for p in points], [p.value * factor for p in points]


def _neurons(figure: Any, runs: Runs) -> None:
    panels = figure.subplots(1, 2, sharey=True)
    for panel, start, title in zip(
        panels, ("easy", "hard"), ("w = 0.6, b = 0.9", "w = b = 2.0"), strict=True
    ):
        curves: list[Curve] = []
        for label, name in (
            ("quadratic, η 0.15", f"neuron_quadratic_{start}"),
            ("cross-entropy, η 0.15", f"neuron_xent_{start}"),
            ("cross-entropy, η 0.005", f"neuron_xent_{start}_printed"),
        ):
            values = outputs(runs[name])
            curves.append((label, range(1, len(values) + 1), values))
        _panel(panel, curves, "epoch", "output a (target 0)")
        panel.set_title(title, fontsize=9)


def _overfitting(figure: Any, runs: Runs) -> None:
    left, right = figure.subplots(1, 2)
    name = "overfitting_1000"
    curves = [_curve(runs, name, f"{s}_cost", s) for s in ("train", "test")]
    _panel(left, curves, "epoch", "cost")
    curves = [_curve(runs, name, f"{s}_accuracy", s, 100) for s in ("train", "test")]
    _panel(right, curves, "epoch", "accuracy (%)")


def _full(figure: Any, runs: Runs) -> None:
    pairs = (("overfitting_full", "λ = 0"), ("l2_full", "λ = 5"))
    for panel, (name, title) in zip(figure.subplots(1, 2, sharey=True), pairs, strict=True):
        curves = [_curve(runs, name, f"{s}_accuracy", s, 100) for s in ("train", "test")]
        _panel(panel, curves, "epoch", "accuracy (%)")
        panel.set_title(f"50,000 images, {title}", fontsize=9)


def _regularization(figure: Any, runs: Runs) -> None:
    left, right = figure.subplots(1, 2)
    pairs = (("overfitting_1000", "λ = 0"), ("l2_1000", "λ = 0.1"))
    costs = {"overfitting_1000": "test_cost", "l2_1000": "test_data_cost"}
    _panel(left, [_curve(runs, n, costs[n], t) for n, t in pairs], "epoch", "test cost, data part")
    accuracies = [_curve(runs, n, "test_accuracy", t, 100) for n, t in pairs]
    _panel(right, accuracies, "epoch", "test accuracy (%)")


def _more_data(figure: Any, runs: Runs) -> None:
    panel = figure.subplots()
    values = [last(runs[f"more_data_{n:05d}"], "validation_accuracy") * 100 for n in SIZES]
    _panel(
        panel,
        [("784-30-10", SIZES, values)],
        "training images",
        "validation accuracy (%)",
        marker="o",
    )
    panel.set_xscale("log")


def _initialization(figure: Any, runs: Runs) -> None:
    for panel, hidden in zip(figure.subplots(1, 2, sharey=True), (30, 100), strict=True):
        curves = [
            _curve(runs, f"init_{name}_{hidden}", "validation_accuracy", f"{name} weights", 100)
            for name in ("large", "scaled")
        ]
        _panel(panel, curves, "epoch", "validation accuracy (%)")
        panel.set_title(f"{hidden} hidden neurons", fontsize=9)


def _etas(figure: Any, runs: Runs) -> None:
    curves = [
        _curve(runs, f"eta_{name}", "train_cost", f"η = {int(name) / 1000:g}") for name in ETAS
    ]
    _panel(figure.subplots(), curves, "epoch", "training cost")


FIGURES: Mapping[str, Callable[[Any, Runs], None]] = {
    "neurons": _neurons,
    "overfitting": _overfitting,
    "full": _full,
    "regularization": _regularization,
    "more_data": _more_data,
    "initialization": _initialization,
    "etas": _etas,
}


def draw(name: str, runs: Runs, path: Path) -> None:
    """Draw one of `FIGURES` into an SVG file."""
    with styled_figure((7, 2.8)) as figure:
        FIGURES[name](figure, runs)
        figure.savefig(path, metadata={"Date": None})
