"""Writing a run folder: claimed by mkdir, appended to epoch by epoch, never overwritten."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from nnexp.errors import RunError
from nnexp.nn.types import Array
from nnexp.store.lock import hold

FORMAT = 1
CONFIG, METRICS, RUN = "config.yaml", "metrics.csv", "run.json"
MODEL, PREDICTIONS = "model.npz", "predictions.npz"
COLUMNS = (
    "epoch",
    "eta",
    "train_cost",
    "train_accuracy",
    "validation_cost",
    "validation_accuracy",
    "test_cost",
    "test_accuracy",
    "train_seconds",
    "evaluate_seconds",
    "finished_at",
)
CLOCK_COLUMNS = COLUMNS[-3:]


def now() -> str:
    """Return the time in UTC, to the millisecond, as ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class RunWriter:
    """A run folder being written by this process."""

    def __init__(self, folder: Path, config: str, record: Mapping[str, Any]) -> None:
        self.folder = folder
        self._record = dict(record)
        with guarded(folder):
            (folder / CONFIG).write_text(config, encoding="utf-8")
            self._metrics = (folder / METRICS).open("x", encoding="utf-8", newline="")
            hold(self._metrics)
            self._append(COLUMNS)
            self.update(format=FORMAT, status="running", started_at=now(), pid=os.getpid())

    @classmethod
    def create(
        cls, runs: Path, name: str, seed: int, config: str, record: Mapping[str, Any]
    ) -> RunWriter:
        """Claim a new folder runs/<UTC time>-<name>-s<seed>/, with a suffix where it is taken.

        Raises:
            RunError: the folder cannot be made or written.
        """
        stem = f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{name}-s{seed}"
        with guarded(runs):
            runs.mkdir(parents=True, exist_ok=True)
            for suffix in ("", *(f"-{i}" for i in range(2, 10_000))):
                folder = runs / f"{stem}{suffix}"
                try:
                    folder.mkdir()
                except FileExistsError:
                    continue
                return cls(folder, config, record)
        raise RunError(f"{runs / stem}: 9,999 runs of this second are there already")

    def _append(self, values: tuple[Any, ...]) -> None:
        line = io.StringIO()
        csv.writer(line, lineterminator="\n").writerow(values)
        self._metrics.write(line.getvalue())
        self._metrics.flush()

    def append(self, row: Mapping[str, Any]) -> None:
        """Append one epoch's row to metrics.csv and flush it; a column without value is empty."""
        with guarded(self.folder):
            self._append(tuple(_cell(row.get(column)) for column in COLUMNS))

    def update(self, **entries: Any) -> None:
        """Change entries of run.json, replacing the file atomically."""
        self._record.update(entries)
        text = json.dumps(self._record, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        with guarded(self.folder):
            _replace(self.folder / RUN, text.encode())

    def save(self, name: str, arrays: Mapping[str, Array]) -> None:
        """Write an .npz file, replacing it atomically; its bytes depend on the arrays alone."""
        buffer = io.BytesIO()
        np.savez(buffer, allow_pickle=False, **arrays)
        with guarded(self.folder):
            _replace(self.folder / name, buffer.getvalue())

    def finish(self, status: str, **entries: Any) -> None:
        """Record how the run ended and let go of the folder."""
        try:
            self.update(status=status, finished_at=now(), **entries)
        finally:
            self._metrics.close()


def _cell(value: Any) -> Any:
    return "" if value is None else repr(float(value)) if isinstance(value, float) else value


def _replace(path: Path, data: bytes) -> None:
    temporary = path.with_name(f".{path.name}.new")
    with temporary.open("wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
    temporary.replace(path)


class guarded:  # noqa: N801 - a context manager, read as a verb
    """Turn a failure of the file system into a RunError that names what to do."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if isinstance(error, OSError):
            path = error.filename or self._path
            raise RunError(
                f"{path}: cannot be written: {error.strerror}; choose another place with --runs-dir"
            ) from error
