"""Runs: the summary of one when it ends, the page of one, and the list of all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from nnexp import names, numbers
from nnexp.numbers import NONE
from nnexp.run.find import name_in
from nnexp.run.layout import DIAGNOSTICS
from nnexp.run.reader import Run
from nnexp.stats.summary import Point, Published
from nnexp.text import sanitize_line, shorten
from nnexp.views.formats import Block, Page
from nnexp.views.table import Column, Table, plain_column

if TYPE_CHECKING:
    from nnexp.nn.types import Array

T = TypeVar("T", list[Any], dict[str, Any])

# Each statistic of `names.STATISTICS` for people.
_WORDS = {"last": "last", "best-epoch": "best epoch (validation)", "peak": "peak"}
_MAX_COLUMNS, _MAX_MATRIX = 26, 1000

# Metric -> statistic -> value and epoch.
Summary = Mapping[str, Mapping[str, Point]]


def against_published(published: Published, summary: Summary) -> list[str]:
    """Compare the run's values with the published ones, one line per metric."""
    lines = []
    for metric, figure in published.figures.items():
        what = f"{_WORDS[published.statistic]} {names.label(metric)}"
        source = f" ({sanitize_line(published.source)})" if published.source else ""
        line = f"published: {what} {numbers.quantity(metric, figure)}{source}"
        if point := summary.get(metric, {}).get(published.statistic):
            line += f"; here {numbers.quantity(metric, point.value)}"
            if names.is_accuracy(metric):
                line += f", {numbers.change(metric, point.value - figure)}"
        lines.append(line)
    return lines


def summary_lines(summary: Summary, metric: str) -> list[str]:
    """Write the last, best-epoch and peak value of a metric, one per line."""
    lines = []
    for statistic, words in _WORDS.items():
        if point := summary.get(metric, {}).get(statistic):
            value = numbers.quantity(metric, point.value)
            optimistic = statistic == "peak" and metric.startswith("test")
            note = " (chosen on the test set)" if optimistic else ""
            lines.append(f"{names.label(metric)}, {words}: {value} after epoch {point.epoch}{note}")
    return lines


def _metric_table(summary: Summary) -> Table[str]:
    def show(statistic: str, metric: str) -> str:
        point = summary[metric].get(statistic)
        return f"{numbers.quantity(metric, point.value)} @{point.epoch}" if point else NONE

    values = [Column(words, partial(show, statistic)) for statistic, words in _WORDS.items()]
    return Table([Column("value @epoch", names.label, left=True), *values], list(summary))


@dataclass(frozen=True)
class Classes:
    """How the classes of a set were recognized after the last epoch.

    Attributes:
        set: its name.
        names: of the classes; their numbers where run.json has none.
        labels, predicted: the true and the predicted class of each example.
        examples: their number in each class.
        recall: the fraction of them that was recognized; 1 for a class without examples.
    """

    set: str
    names: Sequence[str]
    labels: Array
    predicted: Array
    examples: Array
    recall: Array

    @classmethod
    def of(cls, run: Run) -> Classes | None:
        """Count the predictions of a run; None where it has none."""
        if run.predictions is None:
            return None
        import numpy as np  # not for a list of runs

        labels, predicted = run.predictions["labels"], run.predictions["predicted"]
        count = max(int(a.max(initial=0)) + 1 for a in (labels, predicted))
        names = run.classes + [str(i) for i in range(len(run.classes), count)]
        examples = np.bincount(labels, minlength=len(names))
        right = np.bincount(labels[labels == predicted], minlength=len(names))
        recall = np.where(examples, right / np.maximum(examples, 1), 1.0)
        return cls(run.predictions["set"], names, labels, predicted, examples, recall)

    def confusion(self) -> Array:
        """The confusion matrix: rows are true classes, columns predicted ones."""
        from nnexp.nn.metrics import confusion

        return confusion(self.labels, self.predicted, len(self.names))


def _class_blocks(classes: Classes) -> list[Block]:
    from nnexp.stats.diagnosis import never_learned

    names, examples, recall = classes.names, classes.examples, classes.recall
    columns: list[Column[int]] = [
        Column("class", lambda i: names[i], left=True),
        Column("examples", lambda i: str(examples[i])),
        Column("recall", lambda i: numbers.percent(recall[i], 1) if examples[i] else NONE),
    ]
    if len(names) <= _MAX_COLUMNS:
        counts = classes.confusion()
        columns += [
            Column(name, lambda i, j=j: str(counts[i, j] or "·"))  # type: ignore[misc]
            for j, name in enumerate(names)
        ]
    matrix = "confusion matrix (rows: true class, columns: predicted)"
    lines = [f"Classes of the {classes.set} set: recall and {matrix}"]
    blocks = [Block(lines, Table(columns, range(len(names))))]
    if unrecognized := [names[i] for i in never_learned(classes.labels, classes.predicted)]:
        line = f"Never learned: {' and '.join(unrecognized)} (hardly an example is recognized)."
        blocks.append(Block([line]))
    return blocks


def _class_values(classes: Classes) -> dict[str, Any]:
    few = len(classes.names) <= _MAX_MATRIX
    return {
        "set": classes.set,
        "names": classes.names,
        "confusion": classes.confusion().tolist() if few else None,
        "accuracy": (classes.recall * (classes.examples > 0)).tolist(),
    }


def _typed(value: Any, kind: type[T]) -> T:
    """Return an entry of a record, or an empty one where it is of another type."""
    return value if isinstance(value, kind) else kind()


def _provenance(run: Run) -> list[str]:
    record = run.record
    versions, git, data = (_typed(record.get(name), dict) for name in ("versions", "git", "data"))
    libraries = []
    for entry in _typed(record.get("blas"), list):
        name, version, architecture, threads = map(
            _typed(entry, dict).get, ("internal_api", "version", "architecture", "num_threads")
        )
        libraries.append(f"{name} {version} ({architecture}, threads: {threads})")
    dirty = git.get("dirty", False)
    changes = ", changes unknown" if dirty is None else ", with changes" if dirty else ""
    entries = {
        "folder": run.folder,
        "status": run.status,
        "started": record.get("started_at", NONE),
        "finished": record.get("finished_at", NONE),
        "command": " ".join(map(str, _typed(record.get("argv"), list))) or NONE,
        "versions": ", ".join(f"{k} {v}" for k, v in versions.items()) or NONE,
        "BLAS": "; ".join(libraries) or NONE,
        "host": f"{record.get('host', NONE)}, {record.get('platform', NONE)}",
        "git": f"{str(git['commit'])[:12]}{changes}" if git.get("commit") else NONE,
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
    from nnexp.stats.diagnosis import Measurements, diagnose
    from nnexp.stats.selection import flatten

    classes = Classes.of(run)
    return diagnose(
        Measurements(
            flatten(run.experiment.model_dump()),
            run.status,
            run.rows,
            run.log(DIAGNOSTICS),
            classes.recall.tolist() if classes else (),
            classes.names if classes else run.classes,
            len(classes.labels) if classes else 0,
        )
    )


def page(run: Run) -> Page:
    """Describe a run: config, summary, classes, provenance, diagnosis."""
    from nnexp.config.loader import dump

    config, summary = run.experiment, run.facts.summary
    total = config.epochs if config else "?"
    early = f": {run.stopped}" if run.stopped else ""
    state = f"{run.status}, {run.facts.done} of {total} epochs{early}"
    listing = dump(config).rstrip("\n").split("\n") if config else ["(no readable config)"]
    classes, reasons = Classes.of(run), diagnosis(run)
    blocks = [
        Block([run.id], heading=True),
        Block(listing, listing=True),
        Block([state], _metric_table(summary) if summary else None),
        Block(against_published(Published.of(run.config), summary)),
        *(_class_blocks(classes) if classes else []),
        Block(_provenance(run), listing=True),
        Block([f"{reason}." for reason in reasons], title="Diagnosis:"),
    ]
    data = {
        "run": run.id,
        "folder": str(run.folder),
        "status": run.status,
        "metric": names.default_metric(run.metrics),
        "config": config.model_dump() if config else None,
        "record": dict(run.record),
        "classes": _class_values(classes) if classes else None,
        "diagnosis": reasons,
        "problems": list(run.problems),
    }
    return Page(blocks, data)


def _epochs(run: Run) -> dict[str, int | None]:
    return {"epochs_done": run.facts.done, "epochs": run.epochs}


def _progress(run: Run) -> str:
    done, total = _epochs(run).values()
    return str(done) if done == total else f"{done} of {total or '?'}"


def _statistic(statistic: str) -> Column[Run]:
    """Return a column of a statistic of the metric that each run is judged by."""

    def raw(run: Run) -> dict[str, Any]:
        summary = run.facts.summary
        metric = names.default_metric(summary)
        point = summary[metric].get(statistic) if metric else None
        return {"metric": metric, statistic: point.value if point else None}

    def show(run: Run) -> str:
        metric, value = raw(run).values()
        if value is None:
            return NONE
        return ("" if names.is_accuracy(metric) else "cost ") + numbers.number(metric, value)

    return Column(statistic.replace("-", " "), show, raw)


def list_page(runs: Sequence[Run], root: Path) -> Page:
    """Describe runs, one per row; their names are paths from `root`."""
    columns: list[Column[Run]] = [
        plain_column("run", "run", lambda run: name_in(run.folder, root)),
        plain_column("status", "status", lambda run: run.status),
        Column("epochs", _progress, _epochs),
        *map(_statistic, _WORDS),
    ]
    if any(run.tags for run in runs):
        show, raw = (lambda run: " ".join(run.tags)), (lambda run: {"tags": run.tags})
        columns.append(Column("tags", show, raw, left=True))
    table = Table(columns, runs)
    return Page([Block(table=table)], table)
