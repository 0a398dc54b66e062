"""Writing a run folder: it appears whole, grows epoch by epoch, and is never overwritten.

What an epoch adds is committed in two steps. First checkpoint.npz is replaced: it holds all that
an exact resume needs and the rows since the last commit. Then the rows are appended. Each step
waits for the disk, so that an epoch whose row a reader has seen survives the death of the process
and of the machine: the checkpoint has it already, and `reopen` writes what did not arrive.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import zlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import Any, Self

import numpy as np

from nnexp.errors import BusyError, ResumeError
from nnexp.io import claims, files
from nnexp.io.files import guarded
from nnexp.io.lock import hold
from nnexp.nn.types import Array
from nnexp.run.checkpoint import Checkpoint, read_checkpoint
from nnexp.run.layout import (
    CHECKPOINT,
    CONFIG,
    DIAGNOSTICS,
    FORMAT,
    METRICS,
    PARAMETERS,
    RUN,
)

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
# A commit may take a fiftieth of the time: on a slow disk, epochs that are shorter share one.
_PACE = 50
_NEW = os.O_RDWR | os.O_CREAT
# What comes of values of other kinds than were written.
_MISFIT = (LookupError, TypeError, ValueError, AttributeError, OverflowError, csv.Error)
_PIECE = 1 << 20
_MAX_HEAD = 1 << 24


def now() -> str:
    """Return the time in UTC, to the millisecond, as ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def dated(name: str, seed: int) -> str:
    """Return the name of a run's folder: when it began, its experiment, its seed."""
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{name}-s{seed}"


class RunWriter:
    """A run folder being written by this process, which alone holds its lock."""

    def __init__(self, folder: Path, record: Mapping[str, Any], logs: dict[str, _Log]) -> None:
        self.folder = folder
        self.record = dict(record)
        self.checkpoint: Checkpoint | None = None
        self.finished = False
        self._logs = logs
        self._pending: Checkpoint | None = None
        self._committed = -float("inf")
        self._took = 0.0

    @classmethod
    def create(
        cls,
        runs: Path,
        stem: str,
        config: str,
        record: Mapping[str, Any],
        extra: Sequence[str] = (),
        *,
        suffix: bool = True,
    ) -> RunWriter:
        """Claim a new folder of this name, with a suffix where it is taken.

        It is made ready under a hidden name and renamed, so that nobody sees half of one.

        Args:
            runs: the folder of runs.
            stem: the name.
            config: the text of config.yaml.
            record: the first entries of run.json.
            extra: columns of metrics.csv between the usual ones and the clocks.
            suffix: False refuses a name that is taken.

        Raises:
            FileExistsError: the name is taken, and there is to be no suffix.
            RunError: the folder cannot be made or written.
        """
        with guarded(runs, begun=False):
            files.make_folder(runs)
            hidden = claims.hide(runs, stem)
            writer = cls(hidden, record, {})
            try:
                log = writer._logs[METRICS] = _Log.open(hidden / METRICS)
                hold(log.descriptor)
                log.begin((*COLUMNS, *extra, *CLOCK_COLUMNS))
                log.commit()
                files.create(hidden / CONFIG, config.encode())
                writer.record |= {"format": FORMAT, "status": "running"}
                writer.record |= {"started_at": now(), "pid": os.getpid()}
                writer.record["config_sha256"] = _sha256(config)
                writer._write_record()
                writer.folder = claims.claim(hidden, runs / stem, suffix=suffix)
                log.path = writer.folder / METRICS
                files.sync_folder(runs)
            except BaseException:
                writer.close()
                claims.discard(hidden)
                raise
        return writer

    @classmethod
    def reopen(cls, folder: Path) -> RunWriter:
        """Take over a run that has no owner; `checkpoint` is its last one, if it has one.

        Nothing is written: see `redo`.

        Raises:
            BusyError: another process owns the run.
            ResumeError: its checkpoint is damaged.
            RunError: it cannot be read or written.
        """
        with guarded(folder):
            writer = cls(folder, {}, {METRICS: _Log.open(folder / METRICS, os.O_RDWR)})
            try:
                if not hold(writer._logs[METRICS].descriptor):
                    raise BusyError(f"{folder}: is being written by another process")
                writer.checkpoint = read_checkpoint(folder / CHECKPOINT)
            except BaseException:
                writer.close()
                raise
        return writer

    def redo(self, columns: Sequence[str]) -> None:
        """Write the rows that the checkpoint has and the logs have not.

        Args:
            columns: those between the usual ones and the clocks, as for `create`.

        Raises:
            ResumeError: a log is not what was written.
            RunError: a log cannot be written.
        """
        metrics, due = self._logs[METRICS], (*COLUMNS, *columns, *CLOCK_COLUMNS)
        logs: Any = {METRICS: {"size": 0, "crc": 0, "tail": _line(due)}}
        if self.checkpoint is not None:
            logs = self.checkpoint.state.get("logs")
        elif metrics.holds_more_than(_line(due)):
            raise ResumeError(
                f"{metrics.path}: has rows, but there is no {CHECKPOINT} to go on from"
            )
        try:
            with guarded(self.folder):
                metrics.redo(**logs[METRICS])
                for name in (DIAGNOSTICS, PARAMETERS):
                    if name in logs:
                        flags = os.O_RDWR if logs[name]["size"] else _NEW
                        self._logs[name] = _Log.open(self.folder / name, flags)
                        self._logs[name].redo(**logs[name])
        except _MISFIT as error:
            message = f"{self.folder / CHECKPOINT}: is not a checkpoint of a run: {error!r}"
            raise ResumeError(message) from error
        if metrics.columns != due:
            raise metrics.refusal()

    def append(self, row: Mapping[str, Any], name: str = METRICS) -> None:
        """Add one epoch's row to metrics.csv with the next commit; a missing value is empty.

        Any other .csv file takes its columns from its first row.
        """
        if name not in self._logs:
            with guarded(self.folder):
                self._logs[name] = _Log.open(self.folder / name)
                self._logs[name].begin(tuple(row))
        self._logs[name].append(row)

    def offer(self, checkpoint: Checkpoint) -> None:
        """Commit what the epoch has come to, unless the last commit is too recent for its price."""
        self._pending = checkpoint
        if perf_counter() - self._committed >= _PACE * self._took:
            self.commit()

    def commit(self) -> None:
        """Commit the epochs since the last commit, if there are any; wait until the disk has them.

        Raises:
            RunError: the file system failed. What was committed before is still there.
        """
        if self._pending is None:
            return
        began = perf_counter()
        logs = {name: log.known() for name, log in self._logs.items()}
        data = Checkpoint(self._pending.arrays, {**self._pending.state, "logs": logs}).to_bytes()
        with guarded(self.folder):
            files.replace(self.folder / CHECKPOINT, data)
            for log in self._logs.values():
                log.commit()
        self._pending = None
        self._committed = perf_counter()
        self._took = self._committed - began

    def update(self, **entries: Any) -> None:
        """Change entries of run.json, replacing the file atomically."""
        self.record.update(entries)
        with guarded(self.folder):
            self._write_record()

    def _write_record(self) -> None:
        text = json.dumps(self.record, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        # An argument that is no UTF-8 arrives as lone surrogates; as escapes, they are JSON.
        files.replace(self.folder / RUN, text.encode("utf-8", "backslashreplace"))

    def extend(self, text: str, **entries: Any) -> None:
        """Change entries of run.json, then config.yaml: only for a run that gets more epochs."""
        self.update(config_sha256=_sha256(text), **entries)
        with guarded(self.folder):
            files.replace(self.folder / CONFIG, text.encode())

    def save(self, name: str, arrays: Mapping[str, Array]) -> None:
        """Write an .npz file, replacing it atomically; its bytes depend on the arrays alone."""
        buffer = io.BytesIO()
        np.savez(buffer, allow_pickle=False, **arrays)
        with guarded(self.folder):
            files.replace(self.folder / name, buffer.getvalue())

    def finish(self, status: str, **entries: Any) -> None:
        """Record how the run ended and let go of the folder."""
        try:
            self.update(status=status, finished_at=now(), **entries)
            self.finished = True
        finally:
            self.close()

    def close(self) -> None:
        """Let go of the folder; a run that was not finished is interrupted."""
        for log in self._logs.values():
            log.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass
class _Log:
    """A CSV file whose rows are committed: known to the checkpoint before they are in the file.

    Attributes:
        size: bytes that are committed.
        crc: their CRC-32.
        tail: rows that are not.
    """

    path: Path
    descriptor: int
    columns: tuple[str, ...] = ()
    size: int = 0
    crc: int = 0
    tail: list[str] = field(default_factory=list)

    @classmethod
    def open(cls, path: Path, flags: int = _NEW) -> _Log:
        return cls(path, files.open_log(path, flags))

    def begin(self, columns: Sequence[str]) -> None:
        if self.holds_more_than(""):
            raise self.refusal()
        self.columns = tuple(columns)
        self.tail.append(_line(columns))

    def append(self, row: Mapping[str, Any]) -> None:
        self.tail.append(_line([_cell(row.get(column)) for column in self.columns]))

    def known(self) -> dict[str, Any]:
        """Return what the checkpoint must know to write the tail again."""
        return {"size": self.size, "crc": self.crc, "tail": "".join(self.tail)}

    def commit(self) -> None:
        data = "".join(self.tail).encode()
        crc = zlib.crc32(data, self.crc)
        files.write_at(self.descriptor, self.path, self.size, data)
        # At once: an interrupt in between would leave them at odds.
        self.size, self.crc, self.tail = self.size + len(data), crc, []

    def redo(self, size: int, crc: int, tail: str) -> None:
        """Make the file what it was to be after the commit that a checkpoint began.

        Of the tail any part may be missing, or be zeros, as a power cut leaves it.

        Raises:
            RunError: anything else is different.
        """
        due = tail.encode()
        rest = os.pread(self.descriptor, len(due) + 1, size)
        alike = all(there in (0, byte) for there, byte in zip(rest, due, strict=False))
        if _crc(self.descriptor, size) != crc or len(rest) > len(due) or not alike:
            raise self.refusal()
        self.size, self.crc, self.tail = size, crc, [tail]
        self.commit()
        head = os.pread(self.descriptor, _MAX_HEAD, 0).partition(b"\n")[0]
        self.columns = tuple(next(csv.reader([head.decode()]), ()))

    def holds_more_than(self, text: str) -> bool:
        return os.fstat(self.descriptor).st_size > len(text.encode())

    def refusal(self) -> ResumeError:
        return ResumeError(f"{self.path}: is not what was written: the run cannot be resumed")

    def close(self) -> None:
        descriptor, self.descriptor = self.descriptor, -1
        if descriptor >= 0:
            with suppress(OSError):  # what counts is on the disk
                os.close(descriptor)


def _crc(descriptor: int, size: int) -> int | None:
    """Return the CRC-32 of the first bytes of a file; None where it has not so many."""
    crc = position = 0
    while position < size:
        piece = os.pread(descriptor, min(_PIECE, size - position), position)
        if not piece:
            return None
        crc, position = zlib.crc32(piece, crc), position + len(piece)
    return crc


def _line(values: Sequence[Any]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(values)
    return line.getvalue()


def _cell(value: Any) -> Any:
    return "" if value is None else repr(float(value)) if isinstance(value, float) else value
