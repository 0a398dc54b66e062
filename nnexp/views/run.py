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
from nnexp.nn.types import Array
from nnexp.numbers import NONE
from nnexp.run.layout import DIAGNOSTICS
from nnexp.run.reader import Run
from nnexp.stats.diagnosis import Measurements, diagnose, never_learned
from nnexp.stats.selection import flatten
from nnexp.stats.summary import Point, Published
from nnexp.text import sanitize_line, shorten
from nnexp.views.table import Column, Table, as_text, plain_column

_STATISTIC_WORDS = {"last": "last", "best-epoch": "best epoch (validation)", "peak": "peak"}
_MAX_COLUMNS, _MAX_MATRIX = 26, 1000


def against_published(
    published: Published, summary: Mapping[str, Mapping[str, Point]]
) -> list[str]:
    """Compare the run's values with the published ones, one line per metric."""
    lines = []
    for metric, figure in published.figures.items():
        point = summary.get(metric, {}).get(published.statistic)
        what = f"{_STATISTIC_WORDS[published.statistic]} {names.label(metric)}"
        source = f" ({sanitize_line(published.source)})" if published.source else ""
        line = f"published: {what} {numbers.quantity(metric, figure)}{source}"
        if point is not None:
            line += f"; here {numbers.quantity(metric, point.value)}"
            if names.is_accuracy(metric):
                line += f", {numbers.change(metric, point.value - figure)}"
        lines.append(line)
    return lines


def summary_lines(summary: Mapping[str, Mapping[str, Point]], metric: str) -> list[str]:
    """Write the last, best-epoch and peak value of a metric, one per line."""
    lines = []
    for statistic in STATISTICS:
        point = summary.get(metric, {}).get(statistic)
        if point is not None:
            optimistic = statistic == "peak" and metric.startswith("test")
            lines.append(
                f"{names.label(metric)}, {_STATISTIC_WORDS[statistic]}: "
                f"{numbers.quantity(metric, point.value)} after epoch {point.epoch}"
                + " (chosen on the test set)"
                * optimistic
            )
    return lines


def _metric_table(run: Run) -> Table[tuple[str, Mapping[str, Point]]]:
    def column(statistic: str) -> Column[tuple[str, Mapping[str, Point]]]:
        def show(record: tuple[str, Mapping[str, Point]]) -> str:
            point = record[1].get(statistic)
            if point is None:
                return NONE
            return f"{numbers.quantity(record[0], point.value)} @{point.epoch}"

        return Column(_STATISTIC_WORDS[statistic], show)

    name: Column[tuple[str, Mapping[str, Point]]] = plain_column(
        "value @epoch", "metric", lambda record: names.label(record[0])
    )
    return Table([name, *map(column, STATISTICS)], list(run.facts.summary.items()))


@dataclass(frozen=True)
class Classes:
    """How the classes of a set were recognized after the last epoch.

    Attributes:
        set: the set's name.
        names: of the classes; their numbers where run.json has none.
        labels: the true class of each example.
        predicted: the predicted one.
        examples: how many examples each class has.
        right: how many of them were recognized.
    """

    set: str
    names: Sequence[str]
    labels: Array
    predicted: Array
    examples: Array
    right: Array

    @classmethod
    def of(cls, run: Run) -> Classes | None:
        """Count the predictions of a run; None where it has none."""
        if run.predictions is None:
            return None
        labels, predicted = run.predictions["labels"], run.predictions["predicted"]
        count = max(int(a.max(initial=0)) + 1 for a in (labels, predicted))
        names = run.classes + [str(i) for i in range(len(run.classes), count)]
        examples = np.bincount(labels, minlength=len(names))
        right = np.bincount(labels[labels == predicted], minlength=len(names))
        return cls(run.predictions["set"], names, labels, predicted, examples, right)

    @property
    def recall(self) -> list[float]:
        """The fraction of each class that was recognized; 1 for a class without examples."""
        return [float(r / n) if n else 1.0 for r, n in zip(self.right, self.examples, strict=True)]

    def confusion(self) -> Array:
        """The confusion matrix: rows are true classes, columns predicted ones."""
        return confusion(self.labels, self.predicted, len(self.names))


def _class_table(classes: Classes) -> Table[int]:
    columns: list[Column[int]] = [
        plain_column("class", "class", lambda i: classes.names[i]),
        Column("examples", lambda i: str(classes.examples[i])),
        Column("recall", lambda i: _recall(classes, i)),
    ]
    if len(classes.names) <= _MAX_COLUMNS:
        counts = classes.confusion()
        for j, name in enumerate(classes.names):
            columns.append(Column(name, lambda i, j=j: str(counts[i, j] or "·")))  # type: ignore[misc]
    return Table(columns, range(len(classes.names)))


def _recall(classes: Classes, i: int) -> str:
    return numbers.percent(classes.recall[i], 1) if classes.examples[i] else NONE


def _class_lines(classes: Classes, width: int | None) -> list[str]:
    matrix = "confusion matrix (rows: true class, columns: predicted)"
    lines = [f"Classes of the {classes.set} set: recall and {matrix}", ""]
    lines.append(as_text(_class_table(classes), width))
    never = [classes.names[i] for i in never_learned(classes.labels, classes.predicted)]
    if never:
        lines.append(f"Never learned: {' and '.join(never)} (hardly an example is recognized).\n")
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


def diagnosis(run: Run) -> list[str]:
    """Say in words why a run learned slowly or badly, as far as its logs tell."""
    if run.experiment is None:
        return []
    classes = Classes.of(run)
    return diagnose(
        Measurements(
            flatten(run.experiment.model_dump()),
            run.status,
            run.rows,
            run.log(DIAGNOSTICS),
            classes.recall if classes else (),
            classes.names if classes else run.classes,
            len(classes.labels) if classes else 0,
        )
    )


def page(run: Run, width: int | None = None) -> str:
    """Write all about a run, for a terminal of `width`: config, summary, classes, provenance."""
    lines = [run.id, "", dump(run.experiment) if run.experiment else "(no readable config)\n"]
    total = run.experiment.epochs if run.experiment else "?"
    early = f": {run.stopped}" if run.stopped else ""
    lines += [f"{run.status}, {run.facts.done} of {total} epochs{early}", ""]
    summary = run.facts.summary
    if summary:
        lines.append(as_text(_metric_table(run), width))
    published = against_published(Published.of(run.config), summary)
    lines += [*published, ""] if published else []
    classes = Classes.of(run)
    lines += _class_lines(classes, width) if classes else []
    lines += _provenance(run)
    reasons = diagnosis(run)
    if reasons:
        lines += ["", "Diagnosis:", *(f"  - {reason}." for reason in reasons)]
    return "\n".join(lines) + "\n"


def as_record(run: Run) -> dict[str, Any]:
    """Return all about a run as JSON values."""
    classes = Classes.of(run)
    record = None
    if classes:
        few = len(classes.names) <= _MAX_MATRIX
        record = {
            "set": classes.set,
            "names": classes.names,
            "confusion": classes.confusion().tolist() if few else None,
            "accuracy": (classes.right / np.maximum(classes.examples, 1)).tolist(),
        }
    return {
        "run": run.id,
        "folder": str(run.folder),
        "status": run.status,
        "metric": default_metric(run.metrics),
        "config": run.experiment.model_dump() if run.experiment else None,
        "record": dict(run.record),
        "classes": record,
        "diagnosis": diagnosis(run),
        "problems": list(run.problems),
    }
