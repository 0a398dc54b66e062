"""Run folders written by hand: any figures, any end, in no time."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nnexp.config.schema import Experiment
from nnexp.run.record import Record

COLUMNS = ("epoch", "test_accuracy", "train_seconds", "evaluate_seconds")
PLAIN = {"name": "a", "data": {"name": "mnist"}, "layers": [784, 30, 10], "eta": 0.5, "epochs": 4}

Rows = Sequence[Mapping[str, float | None]]


def accuracies(values: Sequence[float]) -> Rows:
    """Return rows of test accuracies, an epoch each, of a second and a half an epoch."""
    return [
        {"epoch": i, "test_accuracy": value, "train_seconds": 1.0, "evaluate_seconds": 0.5}
        for i, value in enumerate(values, 1)
    ]


def judged(value: float, **more: float) -> Rows:
    """Return the rows of a run of one epoch that is the best on validation."""
    seconds = {"train_seconds": 2.0, "evaluate_seconds": 1.0}
    return [{"epoch": 1, "validation_accuracy": 0.9, "test_accuracy": value, **seconds, **more}]


def record_of(**entries: Any) -> Record:
    """Return run.json with these entries, as a reader has it."""
    return Record(json.dumps(entries).encode())


def write_run(
    folder: Path,
    rows: Rows | Sequence[float] = (0.9,),
    *,
    status: str = "completed",
    record: Mapping[str, Any] | None = None,
    predictions: tuple[Sequence[int], Sequence[int]] | None = None,
    **config: Any,
) -> Path:
    """Write a run folder of today's format.

    Args:
        folder: where; it is made.
        rows: of metrics.csv, or just the test accuracies.
        status: how the run ended.
        record: entries of run.json in place of the usual ones.
        predictions: labels and predicted classes of the test set.
        **config: keys of the config in place of `PLAIN`'s.
    """
    experiment = Experiment.model_validate(PLAIN | config).model_dump(mode="json")
    text = json.dumps(experiment, indent=1)
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(text)
    written = {
        "format": 2,
        "status": status,
        "name": experiment["name"],
        "seed": experiment["seed"],
        "config": experiment,
        "config_sha256": hashlib.sha256(text.encode()).hexdigest(),
        "data": {"name": "MNIST", "sha256": "d" * 64, "classes": list("0123456789")},
        "versions": {"nnexp": "0.1.0", "python": "3.11.7", "numpy": "2.4.0"},
        "started_at": "2026-11-22T08:00:00.000Z",
    }
    (folder / "run.json").write_text(json.dumps(written | dict(record or {})))
    plain = [row for row in rows if isinstance(row, Mapping)] or accuracies(
        [value for value in rows if not isinstance(value, Mapping)]
    )
    columns = list(dict.fromkeys((*COLUMNS, *(key for row in plain for key in row))))
    with (folder / "metrics.csv").open("w", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(columns)
        for row in plain:
            writer.writerow(["" if row.get(key) is None else row[key] for key in columns])
    if predictions is not None:
        labels, predicted = map(np.array, predictions)
        np.savez(
            folder / "predictions.npz", set=np.array("test"), labels=labels, predicted=predicted
        )
    return folder


def write_arm(
    folder: Path, name: str, values: Mapping[int, float] | Sequence[float], **more: Any
) -> list[Path]:
    """Write an arm: a run of one epoch a seed, with the values as its test accuracies."""
    by_seed = values if isinstance(values, Mapping) else dict(enumerate(values))
    return [
        write_run(folder / f"{name}-s{seed}", judged(value), name=name, seed=seed, **more)
        for seed, value in by_seed.items()
    ]


def strict(text: str) -> Any:
    """Parse JSON as any program would: NaN and Infinity are no JSON."""

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is no JSON")

    return json.loads(text, parse_constant=refuse)
