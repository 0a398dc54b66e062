"""Curves of logged metrics: a line a group, a band over its seeds, the published figure dashed."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from textwrap import fill
from typing import Any

import numpy as np

from nnexp import names, numbers
from nnexp.errors import OptionError, one_of
from nnexp.stats.summary import series
from nnexp.text import sanitize_line, shorten
from nnexp.views.compare import Group, key_value, keys

FORMATS = ("png", "svg", "pdf")

# Okabe and Ito's palette, which colour-blind readers can tell apart, and a dash pattern a colour.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
# Beyond, differences overflow.
_LARGEST = 1e300
_LEGEND_WIDTH, _LONGEST_LABEL, _MOST_LABELS = 72, 360, 60
DASHES = ("-", (0, (5, 1.5)), (0, (1, 1)), (0, (6, 1.5, 1, 1.5)))


def check_format(path: Path) -> str:
    """Return the picture format a file's ending names.

    Raises:
        OptionError: it is none that can be written.
    """
    ending = path.suffix.lower().lstrip(".")
    if ending not in FORMATS:
        raise OptionError(f"-o {path}: a name ending in {one_of(f'.{f}' for f in FORMATS)} is due")
    return ending


@contextmanager
def styled_figure(size: tuple[float, float]) -> Iterator[Any]:
    """Give an empty figure of so many inches; what is drawn in the context has nnexp's style."""
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
        yield Figure(figsize=size, dpi=150, layout="constrained")


def draw(found: Sequence[Group], metrics: Sequence[str], path: Path) -> None:
    """Draw one panel a metric into a file."""
    from matplotlib.ticker import MaxNLocator

    labels = _labels(found, metrics)
    legend = 0.17 * sum(1 + label.count("\n") for label in labels[:_MOST_LABELS])
    with styled_figure((7, 0.5 + 3.2 * len(metrics) + legend)) as figure:
        panels = figure.subplots(len(metrics), 1, squeeze=False, sharex=True)[:, 0]
        for panel, metric in zip(panels, metrics, strict=True):
            for i, g in enumerate(found):
                colour = COLOURS[i % len(COLOURS)]
                dash = DASHES[i // len(COLOURS) % len(DASHES)]
                _curve(panel, g, metric, labels[i], colour, dash)
                _published(panel, g, metric, colour)
            panel.set_ylabel(names.title(metric).replace(" %", " (%)"))
        panels[-1].set_xlabel("epoch")
        panels[-1].xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        handles, labelled = panels[0].get_legend_handles_labels()
        if handles:
            _legend(figure, handles, labelled)
        metadata = {"Date": None} if path.suffix.lower() == ".svg" else None
        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "Glyph .* missing", UserWarning)
                figure.savefig(path, metadata=metadata)
        except OSError as error:
            raise OptionError(f"-o {path}: cannot be written: {error.strerror}") from error


def _legend(figure: Any, handles: Sequence[Any], names: Sequence[str]) -> None:
    left_out = len(names) - _MOST_LABELS
    legend = figure.legend(
        handles[:_MOST_LABELS],
        names[:_MOST_LABELS],
        loc="outside lower center",
        frameon=False,
        fontsize=9,
        title=f"{left_out} further lines are not named" if left_out > 0 else None,
        title_fontsize=9,
    )
    for text in legend.get_texts():
        text.set_parse_math(False)  # a dollar sign is one


def _labels(found: Sequence[Group], metrics: Sequence[str]) -> list[str]:
    told_apart = keys(found)
    labels = []
    for g in found:
        told = ", ".join(f"{key} {shorten(sanitize_line(key_value(g, key)))}" for key in told_apart)
        parts = [f"{g.name} ({told})" if told else g.name]
        parts += [f"{len(g.counted)} seeds"] if len(g.counted) > 1 else []
        parts += [] if g.statuses["completed"] else ["unfinished"]
        parts += [
            f"dashed: published {g.published.statistic} {numbers.quantity(metric, figure)}"
            for metric in metrics
            if (figure := g.published.figures.get(metric)) is not None
        ]
        label = shorten("; ".join(parts), _LONGEST_LABEL)
        labels.append(fill(label, _LEGEND_WIDTH, subsequent_indent="  "))
    return labels


def _curve(panel: Any, g: Group, metric: str, label: str, colour: str, dash: Any) -> None:
    factor = 100 if names.is_accuracy(metric) else 1
    curves = [{p.epoch: p.value * factor for p in series(run.rows, metric)} for run in g.counted]
    epochs = sorted({epoch for curve in curves for epoch in curve})
    if not epochs:
        return
    values = np.array([[curve.get(epoch, np.nan) for epoch in epochs] for curve in curves])
    values[~(np.abs(values) < _LARGEST)] = np.nan
    count = np.isfinite(values).sum(axis=0)
    epochs_shown, values = np.array(epochs)[count > 0], values[:, count > 0]
    mean = np.nanmean(values, axis=0)
    marker = "o" if len(epochs_shown) == 1 else None
    panel.plot(epochs_shown, mean, color=colour, ls=dash, lw=1.6, label=label, marker=marker)
    if len(values) > 1:
        low, high = np.nanmin(values, axis=0), np.nanmax(values, axis=0)
        panel.fill_between(epochs_shown, low, high, color=colour, alpha=0.15, lw=0)
        panel.plot(epochs_shown, values.T, color=colour, ls=dash, lw=0.5, alpha=0.6)


def _published(panel: Any, g: Group, metric: str, colour: str) -> None:
    figure = g.published.figures.get(metric)
    if figure is not None:
        factor = 100 if names.is_accuracy(metric) else 1
        panel.axhline(figure * factor, color=colour, ls="--", lw=0.9)
