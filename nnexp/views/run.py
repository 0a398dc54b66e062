"""One run: its summary when it ends, and all about it for `show`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nnexp import names, numbers
from nnexp.config.loader import dump
from nnexp.names import STATISTICS, default_metric
from nnexp.nn.metrics import confusion
from nnexp.numbers import NONE
from nnexp.run.layout import DIAGNOSTICS
from nnexp.run.reader import Run
from nnexp.stats.diagnosis import Measurements, diagnose, never_learned
from nnexp.stats.selection import flatten
from nnexp.stats.summary import Point
from nnexp.text import sanitize_line, shorten
from nnexp.views.published import Published
from nnexp.views.table import Column, Table, as_text, plain_column

_STATISTIC_WORDS = {
    "last": "last",
    "best-epoch": "best on validation",
    "peak": "peak",
}
_MAX_COLUMNS, _MAX_MATRIX = 26, 1000
_ARRAYS = ("labels", "predicted")


def against_published(
    published: Published, summary: Mapping[str, Mapping[str, Point]]
) -> list[str]:
    """Say how the run's figures stand to the published ones."""
    lines = []
    for metric, figure in published.figures.items():
        point = summary.get(metric, {}).get(published.statistic)
        what = f"{_STATISTIC_WORDS[published.statistic]} {names.label(metric)}"
        source = f" ({sanitize_line(published.source)})" if published.source else ""
        line = f"published: {what} {numbers.quantity(metric, figure)}{source}"
        if point is not None:
            line += f"; here {numbers.quantity(metric, point.value)}"
            if names.is_accuracy(metric):
                line += f", {(point.value - figure) * 100:+.2f} points"
        lines.append(line)
    return lines


def summary_lines(summary: Mapping[str, Mapping[str, Point]], metric: str) -> list[str]:
    """Write last, best on validation and peak of a metric, one a line."""
    lines = []
    for statistic in STATISTICS:
        point = summary.get(metric, {}).get(statistic)
        if point is not None:
            note = (
                " (chosen on the test set)" if (statistic, metric[:4]) == ("peak", "test") else ""
            )
            lines.append(
                f"{names.label(metric)}, {_STATISTIC_WORDS[statistic]}: "
                f"{numbers.quantity(metric, point.value)} after epoch {point.epoch}{note}"
            )
    return lines


@dataclass(frozen=True, slots=True)
class _Metric:
    name: str
    points: Mapping[str, Point]


def _metric_table(run: Run) -> Table[_Metric]:
    records = [_Metric(name, points) for name, points in run.facts.summary.items()]

    def column(statistic: str) -> Column[_Metric]:
        def show(record: _Metric) -> str:
            point = record.points.get(statistic)
            if point is None:
                return NONE
            return f"{numbers.quantity(record.name, point.value)} @{point.epoch}"

        return Column(_STATISTIC_WORDS[statistic], show, lambda record: {})

    return Table(
        [
            plain_column("value @epoch", "metric", lambda record: names.label(record.name)),
            *map(column, STATISTICS),
        ],
        records,
    )


def class_names(run: Run) -> list[str]:
    """Return the names of a run's classes; their numbers where run.json has none."""
    found = run.predictions
    named = run.classes
    count = max(int(found[name].max(initial=0)) + 1 for name in _ARRAYS) if found else 0
    return named + [str(i) for i in range(len(named), count)]


def _tallies(found: Mapping[str, Any], classes: int) -> tuple[Any, Any]:
    """Return how many examples each class has, and how many of them were recognized."""
    labels, predicted = found["labels"], found["predicted"]
    right = labels[labels == predicted]
    return np.bincount(labels, minlength=classes), np.bincount(right, minlength=classes)


def _class_table(names: Sequence[str], found: Mapping[str, Any]) -> Table[int]:
    examples, right = _tallies(found, len(names))

    def accuracy(i: int) -> str:
        return f"{right[i] / examples[i] * 100:.1f}" if examples[i] else NONE

    def cell(j: int) -> Column[int]:
        return Column(names[j], lambda i: str(counts[i, j]) if counts[i, j] else "·", lambda i: {})

    cells: list[Column[int]] = []
    if len(names) <= _MAX_COLUMNS:
        counts = confusion(found["labels"], found["predicted"], len(names))
        cells = [cell(j) for j in range(len(names))]
    return Table(
        [
            plain_column("class", "class", lambda i: names[i]),
            Column("examples", lambda i: str(examples[i]), lambda i: {}),
            Column("right %", accuracy, lambda i: {}),
            *cells,
        ],
        list(range(len(names))),
    )


def _predictions(run: Run, width: int | None) -> list[str]:
    found = run.predictions
    if found is None:
        return []
    names = class_names(run)
    lines = [f"Classes of the {found['set']} set, and what each was taken for:"]
    lines += ["", as_text(_class_table(names, found), width)]
    silent = [names[i] for i in never_learned(found["labels"], found["predicted"])]
    if silent:
        lines.append(f"Never learned: {' and '.join(silent)} (hardly an example is recognized).\n")
    return lines


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _provenance(run: Run) -> list[str]:
    record = run.record
    versions, git, data = (_mapping(record.get(name)) for name in ("versions", "git", "data"))
    libraries = [
        f"{b.get('internal_api')} {b.get('version')} ({b.get('architecture')}, "
        f"threads: {b.get('num_threads')})"
        for b in map(_mapping, _list(record.get("blas")))
    ]
    changes = ", with changes" if git.get("dirty") else ""
    tree = f"{str(git['commit'])[:12]}{changes}" if git.get("commit") else NONE
    entries = {
        "folder": run.folder,
        "status": run.status,
        "started": record.get("started_at", NONE),
        "finished": record.get("finished_at", NONE),
        "command": " ".join(map(str, _list(record.get("argv")))) or NONE,
        "versions": ", ".join(f"{k} {v}" for k, v in versions.items()) or NONE,
        "BLAS": "; ".join(libraries) or NONE,
        "host": f"{record.get('host', NONE)}, {record.get('platform', NONE)}",
        "git": tree,
        "data": f"{data.get('name', NONE)}, sha256 {data.get('sha256', NONE)}",
    }
    return [
        f"{name + ':':<10} {shorten(sanitize_line(str(value)), 1000)}"
        for name, value in entries.items()
    ]


def _recall(run: Run) -> list[float]:
    found = run.predictions
    if found is None:
        return []
    examples, right = _tallies(found, len(class_names(run)))
    # A class without examples is none that could be missed.
    return [float(r / n) if n else 1.0 for r, n in zip(right, examples, strict=True)]


def diagnosis(run: Run) -> list[str]:
    """Say in words why a run learned slowly or badly, as far as its logs tell."""
    if run.experiment is None:
        return []
    return diagnose(
        Measurements(
            flatten(run.experiment.model_dump()),
            run.status,
            run.rows,
            run.log(DIAGNOSTICS),
            _recall(run),
            class_names(run),
            len(found["labels"]) if (found := run.predictions) else 0,
        )
    )


def page(run: Run, width: int | None = None) -> str:
    """Write all about a run, for a terminal of `width`: config, summary, classes, provenance."""
    lines = [run.id, "", dump(run.experiment) if run.experiment else "(no readable config)\n"]
    done, due = run.facts.done, run.experiment.epochs if run.experiment else "?"
    early = f": {run.stopped}" if run.stopped else ""
    lines += [f"{run.status}, {done} of {due} epochs{early}", ""]
    if run.metrics:
        lines.append(as_text(_metric_table(run), width))
    summary = run.facts.summary
    published = against_published(Published.of(run.config), summary)
    lines += [*published, ""] if published else []
    lines += [*_predictions(run, width), *_provenance(run)]
    found = diagnosis(run)
    if found:
        lines += ["", "Diagnosis:", *(f"  - {said}." for said in found)]
    return "\n".join(lines) + "\n"


def as_record(run: Run) -> dict[str, Any]:
    """Return all about a run as JSON values."""
    metric = default_metric(run.metrics)
    found = run.predictions
    classes: dict[str, Any] | None = None
    if found is not None:
        names = class_names(run)
        examples, right = _tallies(found, len(names))
        counts = None
        if len(names) <= _MAX_MATRIX:
            counts = confusion(found["labels"], found["predicted"], len(names)).tolist()
        classes = {
            "set": found["set"],
            "names": names,
            "confusion": counts,
            "accuracy": (right / np.maximum(examples, 1)).tolist(),
        }
    return {
        "run": run.id,
        "folder": str(run.folder),
        "status": run.status,
        "metric": metric,
        "config": run.experiment.model_dump() if run.experiment else None,
        "record": dict(run.record),
        "classes": classes,
        "diagnosis": diagnosis(run),
        "problems": list(run.problems),
    }
