"""Curves of logged metrics: a line a group, a band over its seeds, the published figure dashed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nnexp.errors import OptionError, one_of
from nnexp.evidence.groups import differing
from nnexp.evidence.summary import series
from nnexp.views import words
from nnexp.views.compare import Group

FORMATS = ("png", "svg", "pdf")

# Okabe and Ito's palette, which colour-blind readers can tell apart, and a dash pattern a colour.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_DASHES = ("-", (0, (5, 1.5)), (0, (1, 1)), (0, (6, 1.5, 1, 1.5)))


def check_format(path: Path) -> str:
    """Return the picture format a file's ending names.

    Raises:
        OptionError: it is none that can be written.
    """
    ending = path.suffix.lower().lstrip(".")
    if ending not in FORMATS:
        raise OptionError(f"-o {path}: a name ending in {one_of(f'.{f}' for f in FORMATS)} is due")
    return ending


def draw(found: Sequence[Group], metrics: Sequence[str], path: Path) -> None:
    """Draw one panel a metric into a file."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    style: Any = {
        "font.size": 10,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "grid.alpha": 0.3,
        "svg.hashsalt": "nnexp",
    }
    with mpl.rc_context(style):
        figure = Figure(figsize=(7, 0.6 + 3.4 * len(metrics)), dpi=150, layout="constrained")
        panels = figure.subplots(len(metrics), 1, squeeze=False, sharex=True)[:, 0]
        labels = _labels(found)
        for panel, metric in zip(panels, metrics, strict=True):
            for i, g in enumerate(found):
                _curve(panel, g, metric, labels[i], _COLOURS[i % 7], _DASHES[i // 7 % 4])
            _published(panel, found, metric)
            panel.set_ylabel(words.title(metric).replace(" %", " (%)"))
        panels[-1].set_xlabel("epoch")
        handles, names = panels[0].get_legend_handles_labels()
        if handles:
            figure.legend(handles, names, loc="outside lower center", ncols=1, frameon=False)
        metadata = {"Date": None} if path.suffix == ".svg" else None
        figure.savefig(path, metadata=metadata)


def _labels(found: Sequence[Group]) -> list[str]:
    keys = [key for key in differing([g.config for g in found]) if len(found) > 1]
    labels = []
    for g in found:
        seeds = f", {len(g.runs)} seeds" if len(g.runs) > 1 else ""
        told = ", ".join(f"{key} {g.config.get(key)}" for key in keys[:4])
        labels.append(f"{g.name}{f' ({told})' if told else ''}{seeds}")
    return labels


def _curve(panel: Any, g: Group, metric: str, label: str, colour: str, dash: Any) -> None:
    factor = 100 if words.is_percent(metric) else 1
    curves = [{p.epoch: p.value * factor for p in series(run.rows, metric)} for run in g.runs]
    epochs = sorted({epoch for curve in curves for epoch in curve})
    if not epochs:
        return
    values = np.array([[curve.get(epoch, np.nan) for epoch in epochs] for curve in curves])
    count = np.isfinite(values).sum(axis=0)
    epochs_shown, values = np.array(epochs)[count > 0], values[:, count > 0]
    mean = np.nanmean(values, axis=0)
    marker = "o" if len(epochs_shown) == 1 else None
    panel.plot(epochs_shown, mean, color=colour, ls=dash, lw=1.6, label=label, marker=marker)
    if len(g.runs) > 1:
        low, high = np.nanmin(values, axis=0), np.nanmax(values, axis=0)
        panel.fill_between(epochs_shown, low, high, color=colour, alpha=0.18, lw=0)


def _published(panel: Any, found: Sequence[Group], metric: str) -> None:
    factor = 100 if words.is_percent(metric) else 1
    for i, g in enumerate(found):
        figure = g.reference.figures().get(metric) if g.reference else None
        if figure is None or g.reference is None:
            continue
        panel.axhline(figure * factor, color=_COLOURS[i % 7], ls="--", lw=1)
        panel.annotate(
            f"published {g.reference.statistic} {words.number(metric, figure)}",
            (1, figure * factor),
            xycoords=("axes fraction", "data"),
            xytext=(-2, 2),
            textcoords="offset points",
            ha="right",
            fontsize=8,
            color=_COLOURS[i % 7],
        )
