"""Curves of logged values: a line for each group of runs, a band over its seeds."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from contextlib import chdir, nullcontext
from itertools import chain
from pathlib import Path
from textwrap import fill
from typing import Any

import numpy as np

from nnexp import names, numbers
from nnexp.errors import OptionError, did_you_mean, one_of
from nnexp.run.layout import DIAGNOSTICS, METRICS, PARAMETERS
from nnexp.stats.selection import Group, RunLike, differing_keys
from nnexp.stats.summary import series
from nnexp.text import sanitize_line, shorten, shorten_apart

FORMATS = ("png", "svg", "pdf")

# Okabe and Ito's palette, which colour-blind readers can tell apart, and a dash pattern per colour.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
DASHES = ("-", (0, (5, 1.5)), (0, (1, 1)), (0, (6, 1.5, 1, 1.5)))
# Differences of larger values overflow.
_LARGEST = 1e300
_LEGEND_WIDTH, _LONGEST_LABEL, _MOST_LABELS = 72, 360, 60
_LOGS, _MOST_NAMED, _MOST_RUNS = (METRICS, DIAGNOSTICS, PARAMETERS), 20, 100
# Of more seeds, thin lines hide each other, and the file has megabytes: the band says it.
_MOST_LINES = 50
_STYLE: Any = {
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "legend.title_fontsize": 9,
    "svg.hashsalt": "nnexp",
    "text.parse_math": False,  # a dollar sign is one
}

# Pattern of a column's name -> its label.
_LABELS = {
    r"eta": "learning rate",
    r"(train|evaluate)_seconds": r"\1 time (s)",
    r"gradient_(\d+)": r"norm of the gradient, layer \1",
    r"derivative_(\d+)": r"mean |σ'(z)|, layer \1",
    r"saturated_(\d+)": r"saturated neurons, layer \1 (fraction)",
    r"confidently_wrong": "confidently wrong outputs (fraction)",
    r"output_derivative_(\d+)": r"mean |σ'(z)|, output \1",
    r"output_missed_(\d+)": r"examples of class \1 missed (fraction)",
    r"a\[(\d+),(\d+)\]": r"output a[\1,\2] (example, neuron)",
    r"w(\d+)\[(\d+),(\d+)\]": r"weight w\1[\2,\3]",
    r"b(\d+)\[(\d+)\]": r"bias b\1[\2]",
}


def axis_label(column: str) -> str:
    """Name a column of a run's logs for people, with its unit.

    >>> axis_label("test_accuracy"), axis_label("eta"), axis_label("a[0,1]")
    ('test accuracy (%)', 'learning rate', 'output a[0,1] (example, neuron)')
    """
    for pattern, label in _LABELS.items():
        if match := re.fullmatch(pattern, column):
            return match.expand(label)
    return names.title(column).replace(" %", " (%)")


def check_format(path: Path) -> str:
    """Return the picture format that a file's suffix names.

    Raises:
        OptionError: nnexp does not draw this format.
    """
    suffix = path.suffix.lower().lstrip(".")
    if suffix not in FORMATS:
        endings = one_of(f".{name}" for name in FORMATS)
        raise OptionError(f"-o {path}: expected a file name that ends in {endings}")
    return suffix


def _log_of(runs: Sequence[RunLike], column: str) -> str:
    """Return which of the three logs of these runs has a column, or refuse it."""
    for log in _LOGS:
        if any(row.get(column) is not None for run in runs for row in run.log(log)):
            return log
    columns: dict[str, list[str]] = {}
    for log in _LOGS:
        cells = (cell for run in runs[:_MOST_RUNS] for row in run.log(log) for cell in row.items())
        logged = dict.fromkeys(key for key, value in cells if value is not None)
        columns[log] = [key for key in logged if key != "epoch"]
    names_of = (
        f"; {log} has {', '.join(fields[:_MOST_NAMED])}{' ...' * (len(fields) > _MOST_NAMED)}"
        for log, fields in columns.items()
        if fields
    )
    hint = did_you_mean(column, chain(*columns.values())) or "".join(names_of)
    raise OptionError(f"--metric {column}: not logged by these runs{hint}")


def draw(groups: Sequence[Group], columns: Sequence[str], path: Path) -> None:
    """Draw columns of the logs of groups into a file, one panel per column.

    Raises:
        OptionError: no run has logged a column, or the file cannot be written.
    """
    # matplotlib would obey a file matplotlibrc of the current folder, which can run LaTeX.
    with chdir(Path.cwd().anchor) if Path("matplotlibrc").exists() else nullcontext():
        import matplotlib as mpl
        from matplotlib.figure import Figure
        from matplotlib.ticker import MaxNLocator

    logs = [_log_of([run for g in groups for run in g.runs], column) for column in columns]
    factors = [100 if names.is_accuracy(column) else 1 for column in columns]
    labels = _labels(groups, columns)
    legend = 0.17 * sum(1 + label.count("\n") for label in labels[:_MOST_LABELS])
    size = (7, 0.5 + 3.2 * len(columns) + legend)
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=size, dpi=150, layout="constrained")
        panels = figure.subplots(len(columns), 1, squeeze=False, sharex=True)[:, 0]
        entries: list[tuple[Any, str]] = []
        for i, g in enumerate(groups):
            colour, dash = COLOURS[i % len(COLOURS)], DASHES[i // len(COLOURS) % len(DASHES)]
            means = []
            for panel, column, log, factor in zip(panels, columns, logs, factors, strict=True):
                logged = [series(run.log(log), column) for run in g.counted]
                curves = [{p.epoch: p.value * factor for p in points} for points in logged]
                if any(curves):
                    means.append(_curve(panel, curves, color=colour, ls=dash))
                if (published := g.published.figures.get(column)) is not None:
                    panel.axhline(published * factor, color=colour, ls="--", lw=0.9)
            entries += [(line, labels[i]) for line in means[:1]]
        for panel, column in zip(panels, columns, strict=True):
            panel.set_ylabel(axis_label(column))
        panels[-1].set_xlabel("epoch")
        panels[-1].xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        if entries:
            more = len(entries) - _MOST_LABELS
            title = f"{more} more lines are not named" if more > 0 else None
            handles, texts = zip(*entries[:_MOST_LABELS], strict=True)
            figure.legend(handles, texts, loc="outside lower center", title=title)
        metadata = {"Date": None} if check_format(path) == "svg" else None
        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "Glyph .* missing", UserWarning)
                figure.savefig(path, metadata=metadata)
        except OSError as error:
            raise OptionError(f"-o {path}: cannot be written: {error.strerror}") from error


def _labels(groups: Sequence[Group], columns: Sequence[str]) -> list[str]:
    values = {
        key: shorten_apart([sanitize_line(g.setting(key)) for g in groups])
        for key in differing_keys(groups)
    }
    labels = []
    for i, g in enumerate(groups):
        settings = ", ".join(f"{key} {texts[i]}" for key, texts in values.items())
        parts = [f"{g.name} ({settings})" if settings else g.name]
        parts += [f"{len(g.counted)} seeds"] if len(g.counted) > 1 else []
        parts += [] if g.statuses["completed"] else ["unfinished"]
        parts += [
            f"dashed: published {g.published.statistic} {numbers.quantity(column, figure)}"
            for column in columns
            if (figure := g.published.figures.get(column)) is not None
        ]
        label = shorten("; ".join(parts), _LONGEST_LABEL)
        labels.append(fill(label, _LEGEND_WIDTH, subsequent_indent="  "))
    return labels


def _curve(panel: Any, curves: Sequence[dict[int, float]], **style: Any) -> Any:
    """Draw curves, the band they fill, and their mean; return the line of the mean."""
    epochs = sorted({epoch for curve in curves for epoch in curve})
    values = np.array([[curve.get(epoch, np.nan) for epoch in epochs] for curve in curves])
    values[~(np.abs(values) < _LARGEST)] = np.nan
    measured = np.isfinite(values).any(axis=0)
    x, values = np.array(epochs)[measured], values[:, measured]
    marker = "o" if len(x) == 1 else None
    (line,) = panel.plot(x, np.nanmean(values, axis=0), lw=1.6, marker=marker, **style)
    if len(values) > 1:
        low, high = np.nanmin(values, axis=0), np.nanmax(values, axis=0)
        panel.fill_between(x, low, high, color=style["color"], alpha=0.15, lw=0)
        if len(values) <= _MOST_LINES:
            panel.plot(x, values.T, lw=0.5, alpha=0.6, **style)
    return line
