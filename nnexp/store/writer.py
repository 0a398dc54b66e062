"""Writing a run folder: claimed by mkdir, appended to epoch by epoch, never overwritten."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Mapping, Sequence
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
DIAGNOSTICS, PARAMETERS = "diagnostics.csv", "parameters.csv"
COLUMNS = (
    "epoch",
    "eta",
    "train_cost",
    "train_accuracy",
    "validation_cost",
    "validation_accuracy",
    "test_cost",
    "test_accuracy",
)
CLOCK_COLUMNS = ("train_seconds", "evaluate_seconds", "finished_at")


def now() -> str:
    """Return the time in UTC, to the millisecond, as ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class RunWriter:
    """A run folder being written by this process."""

    def __init__(
        self, folder: Path, config: str, record: Mapping[str, Any], extra: Sequence[str] = ()
    ) -> None:
        self.folder = folder
        self._record = dict(record)
        self._logs: dict[str, _Log] = {}
        with guarded(folder):
            (folder / CONFIG).write_text(config, encoding="utf-8")
            log = self._logs[METRICS] = _Log(folder / METRICS, (*COLUMNS, *extra, *CLOCK_COLUMNS))
            hold(log.stream)
            self.update(format=FORMAT, status="running", started_at=now(), pid=os.getpid())

    @classmethod
    def create(
        cls,
        runs: Path,
        name: str,
        seed: int,
        config: str,
        record: Mapping[str, Any],
        extra: Sequence[str] = (),
    ) -> RunWriter:
        """Claim a new folder runs/<UTC time>-<name>-s<seed>/, with a suffix where it is taken.

        Args:
            runs: the folder of runs.
            name: of the experiment.
            seed: of the run.
            config: the text of config.yaml.
            record: the first entries of run.json.
            extra: columns of metrics.csv between the usual ones and the clocks.

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
                return cls(folder, config, record, extra)
        raise RunError(f"{runs / stem}: 9,999 runs of this second are there already")

    def append(self, row: Mapping[str, Any], name: str = METRICS) -> None:
        """Append one epoch's row to metrics.csv and flush it; a column without value is empty.

        Any other .csv file takes its columns from its first row.
        """
        with guarded(self.folder):
            if name not in self._logs:
                self._logs[name] = _Log(self.folder / name, tuple(row))
            self._logs[name].append(row)

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
            for log in self._logs.values():
                log.stream.close()


class _Log:
    """A CSV file that is appended to, row by row, each flushed whole."""

    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        self.columns = columns
        self.stream = path.open("x", encoding="utf-8", newline="")
        self._write(columns)

    def _write(self, values: Sequence[Any]) -> None:
        line = io.StringIO()
        csv.writer(line, lineterminator="\n").writerow(values)
        self.stream.write(line.getvalue())
        self.stream.flush()

    def append(self, row: Mapping[str, Any]) -> None:
        self._write([_cell(row.get(column)) for column in self.columns])


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
