"""Reading run folders: whatever is there is used, what is wrong is named."""

from __future__ import annotations

import csv
import json
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np

from nnexp.config.loader import load
from nnexp.config.schema import Experiment
from nnexp.errors import NnexpError, RunError
from nnexp.evidence.summary import METRICS as METRIC_NAMES
from nnexp.nn.types import Array
from nnexp.store.lock import is_held
from nnexp.store.writer import CONFIG, FORMAT, METRICS, PREDICTIONS, RUN

STATUSES = ("completed", "running", "interrupted", "diverged", "failed")
_TEXT_COLUMNS = ("finished_at",)
_DAMAGED = (
    OSError,
    ValueError,
    KeyError,
    EOFError,
    TypeError,
    RuntimeError,
    MemoryError,
    zipfile.BadZipFile,
    zlib.error,
)


@dataclass(frozen=True)
class Run:
    """A run folder as far as it could be read.

    Attributes:
        record: run.json.
        experiment: its config; None when config.yaml cannot be read.
        rows: metrics.csv, one mapping an epoch; a cell without a number is None.
        problems: what is wrong with the folder, for the user.
    """

    folder: Path
    record: Mapping[str, Any]
    experiment: Experiment | None
    rows: list[dict[str, float | None]]
    status: str
    problems: tuple[str, ...] = field(default=())

    @property
    def id(self) -> str:
        """The folder's name, by which commands know the run."""
        return self.folder.name

    @property
    def name(self) -> str:
        """The experiment's name."""
        named = self.experiment.name if self.experiment else None
        return named or str(self.record.get("name", self.id))

    @property
    def seed(self) -> int | None:
        """The run's seed."""
        seed = self.experiment.seed if self.experiment else self.record.get("seed")
        return seed if isinstance(seed, int) else None

    @property
    def tags(self) -> list[str]:
        """The run's tags."""
        return self.experiment.tags if self.experiment else []

    @property
    def metrics(self) -> list[str]:
        """The metrics that were logged at least once."""
        return [m for m in METRIC_NAMES if any(row.get(m) is not None for row in self.rows)]

    def log(self, name: str) -> list[dict[str, float | None]]:
        """Return the rows of another .csv file of the folder; none where it cannot be read."""
        try:
            text = (self.folder / name).read_bytes().decode("utf-8", "replace")
            return list(_rows(text, []))
        except (OSError, csv.Error):
            return []

    @cached_property
    def predictions(self) -> dict[str, Any] | None:
        """The set's name, labels and predicted classes after the last epoch, or None."""
        try:
            with (
                (self.folder / PREDICTIONS).open("rb") as stream,
                np.load(stream, allow_pickle=False) as archive,
            ):
                found: dict[str, Any] = {name: archive[name] for name in ("labels", "predicted")}
                found["set"] = str(archive["set"])
        except _DAMAGED:
            return None
        arrays: list[Array] = [found["labels"], found["predicted"]]
        sound = all(a.ndim == 1 and a.dtype.kind in "ui" and a.min(initial=0) >= 0 for a in arrays)
        return found if sound and len(arrays[0]) == len(arrays[1]) else None


def open_run(folder: Path | str) -> Run:
    """Read a run folder.

    Raises:
        RunError: it is not a run folder at all: there is no run.json that can be read.
    """
    folder = Path(folder)
    try:
        record = json.loads((folder / RUN).read_text(encoding="utf-8"))
    except OSError as error:
        raise RunError(f"{folder}: not a run: {RUN}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise RunError(f"{folder}: not a readable run: {RUN} is damaged ({error})") from error
    if not isinstance(record, dict):
        raise RunError(f"{folder}: not a run: {RUN} holds no mapping")
    problems = []
    if record.get("format") != FORMAT:
        problems.append(f"format {record.get('format')!r} where {FORMAT} is known")
    experiment = None
    try:
        experiment = load(folder / CONFIG).experiment
    except NnexpError as error:
        problems.append(str(error).splitlines()[0].removeprefix(f"{folder}/"))
    status = record.get("status")
    if status not in STATUSES:
        problems.append(f"unknown status {status!r}")
        status = "failed"
    rows: list[dict[str, float | None]] = []
    try:
        with (folder / METRICS).open("rb") as stream:
            rows = list(_rows(stream.read().decode("utf-8", "replace"), problems))
            if status == "running" and not is_held(stream.fileno()):
                status = "interrupted"
    except (OSError, csv.Error) as error:
        problems.append(f"{METRICS}: {getattr(error, 'strerror', None) or error}")
    return Run(folder, record, experiment, rows, str(status), tuple(problems))


def _rows(text: str, problems: list[str]) -> Iterator[dict[str, float | None]]:
    whole, _, torn = text.rpartition("\n")
    if torn:
        problems.append(f"{METRICS}: the last line is torn and left out")
    reader = csv.reader(whole.splitlines())
    header = next(reader, [])
    if "epoch" not in header:
        problems.append(f"{METRICS}: has no column epoch")
        return
    for line in reader:
        row = {
            name: _number(cell)
            for name, cell in zip(header, line, strict=False)
            if name not in _TEXT_COLUMNS
        }
        epoch = row.get("epoch")
        garbled = any(
            cell and row.get(name, 0.0) is None for name, cell in zip(header, line, strict=False)
        )
        if len(line) != len(header) or epoch is None or not isfinite(epoch) or garbled:
            problems.append(f"{METRICS}:{reader.line_num}: a damaged line is left out")
        else:
            yield row


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
