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
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import Any, Self

import numpy as np

from nnexp.config.loader import dump
from nnexp.config.schema import Experiment
from nnexp.errors import BusyError, ResumeError, RunError
from nnexp.io import files
from nnexp.io.files import guarded
from nnexp.io.folder import Folder
from nnexp.io.json_files import MAX_VALUES, count_values
from nnexp.io.lock import hold
from nnexp.nn.types import Array
from nnexp.run.layout import (
    CHECKPOINT,
    CLOCK_COLUMNS,
    COLUMNS,
    CONFIG,
    DIAGNOSTICS,
    FORMAT,
    MAX_RECORD,
    MAX_RESUMED,
    METRICS,
    PARAMETERS,
    RUN,
)
from nnexp.run.log import NEW, LogFile, line
from nnexp.run.owner import Owner
from nnexp.run.record import laid_out
from nnexp.run.state import Checkpoint, read_checkpoint

# A commit may take a fiftieth of the time: on a slow disk, epochs that are shorter share one.
_PACE = 50
# Rows that may wait for one.
_MAX_TAIL = 20_000
# What comes of values of other kinds than were written.
_MISFIT = (LookupError, TypeError, ValueError, AttributeError, OverflowError, csv.Error)


def now() -> str:
    """Return the time in UTC, to the millisecond, as ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def dated(name: str, seed: int) -> str:
    """Return the name of a run's folder: when it began, its experiment, its seed."""
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{name}-s{seed}"


class RunWriter:
    """A run folder being written by this process, which alone holds its lock."""

    def __init__(self, home: Folder, record: Mapping[str, Any], logs: dict[str, LogFile]) -> None:
        self._home = home
        self._record = dict(record)
        self.checkpoint: Checkpoint | None = None
        self.finished = False
        self._logs = logs
        self._owner: Owner | None = None
        self._locked = False
        self._read: list[tuple[int, ...]] = []
        self._pending: Checkpoint | None = None
        self._committed = -float("inf")
        self._took = 0.0

    @property
    def folder(self) -> Path:
        """Where the run is."""
        return self._home.path

    @property
    def notes(self) -> list[str]:
        """What was done to its logs from outside, for the user."""
        return [note for log in self._logs.values() for note in log.notes]

    @classmethod
    def create(
        cls,
        runs: Path,
        stem: str,
        config: str,
        record: Mapping[str, Any],
        columns: Sequence[str] = (*COLUMNS, *CLOCK_COLUMNS),
        *,
        suffix: bool = True,
        check: Callable[[], None] = lambda: None,
    ) -> RunWriter:
        """Claim a new folder of this name, with a suffix where it is taken.

        It is made ready under a hidden name and renamed, so that nobody sees half of one.

        Args:
            runs: the folder of runs.
            stem: the name.
            config: the text of config.yaml.
            record: the first entries of run.json.
            columns: of metrics.csv.
            suffix: False refuses a name that is taken.
            check: raises where this is no longer the right folder of runs; called first and last.

        Raises:
            FileExistsError: the name is taken, and there is to be no suffix.
            RunError: the folder cannot be made or written.
        """
        with guarded(runs, begun=False):
            check()
            files.make_folder(runs)
            home = Folder.hidden(runs, stem)
            writer = cls(home, record, {})
            try:
                log = writer._logs[METRICS] = LogFile.open(home, METRICS)
                hold(log.descriptor)
                writer._owner = Owner.first(home)
                log.begin(columns)
                log.commit()
                home.create(CONFIG, config.encode())
                writer._record |= {"format": FORMAT, "status": "running"}
                writer._record |= {"started_at": now(), "pid": os.getpid()}
                writer._record["config_sha256"] = _sha256(config)
                writer._write_record(limit=MAX_RECORD // 2)
                check()
                home.claim(runs / stem, suffix=suffix)
                files.sync_folder(runs)
            except BaseException:
                home.discard()
                writer.close()
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
            writer = cls(Folder(folder), {}, {})
            try:
                log = writer._logs[METRICS] = LogFile.open(writer._home, METRICS, os.O_RDWR)
                held = hold(log.descriptor)
                # Its last owner may have put another file in its place.
                if held is False or not writer._home.holds(METRICS, log.descriptor):
                    raise BusyError(f"{folder}: is being written by another process")
                writer._locked = held is True
                writer._read = writer._versions()
                writer.checkpoint = read_checkpoint(folder / CHECKPOINT)
            except BaseException:
                writer.close()
                raise
        return writer

    def redo(self, columns: Sequence[str]) -> None:
        """Write the rows that the checkpoint has and the logs have not.

        Args:
            columns: of metrics.csv.

        Raises:
            BusyError: another process owns the run.
            ResumeError: a log is not what was written.
            RunError: a log cannot be written.
        """
        with guarded(self.folder):
            self._owner = Owner.claim(self._home, locked=self._locked)
        if self._versions() != self._read:
            raise BusyError(f"{self.folder}: was written by another process")
        metrics = self._logs[METRICS]
        logs: Any = {METRICS: {"size": 0, "crc": 0, "tail": line(columns)}}
        if self.checkpoint is not None:
            logs = self.checkpoint.state.get("logs")
        elif metrics.holds_more_than(line(columns)):
            raise ResumeError(
                f"{metrics.path}: has rows, but there is no {CHECKPOINT} to resume from"
            )
        try:
            with guarded(self.folder):
                metrics.redo(**logs[METRICS])
                for name in (DIAGNOSTICS, PARAMETERS):
                    if name in logs:
                        flags = os.O_RDWR if logs[name]["size"] else NEW
                        self._logs[name] = LogFile.open(self._home, name, flags)
                        self._logs[name].redo(**logs[name])
        except _MISFIT as error:
            message = f"{self.folder / CHECKPOINT}: is not a checkpoint of a run: {error!r}"
            raise ResumeError(message) from error
        if metrics.columns != tuple(columns):
            raise metrics.refusal()

    def _versions(self) -> list[tuple[int, ...]]:
        """Return what changes when another process writes the run."""
        versions: list[tuple[int, ...]] = []
        for name in (CHECKPOINT, METRICS, RUN):
            with suppress(FileNotFoundError):
                there = (self.folder / name).lstat()
                versions.append((there.st_ino, there.st_size, there.st_mtime_ns))
        return versions

    def _check_owner(self) -> None:
        if self._owner is not None:
            self._owner.check()

    def append(self, row: Mapping[str, Any], name: str = METRICS) -> None:
        """Add one epoch's row to metrics.csv with the next commit; a missing value is empty.

        Any other .csv file takes its columns from its first row.
        """
        if name not in self._logs:
            with guarded(self.folder):
                self._logs[name] = LogFile.open(self._home, name)
                self._logs[name].begin(tuple(row))
        self._logs[name].append(row)

    def offer(self, checkpoint: Checkpoint) -> None:
        """Commit what the epoch has come to, unless the last commit is too recent for its price."""
        self._pending = checkpoint
        rested = perf_counter() - self._committed >= _PACE * self._took
        if rested or any(len(log.tail) >= _MAX_TAIL for log in self._logs.values()):
            self.commit()

    def commit(self) -> None:
        """Commit the epochs since the last commit, if there are any; wait until the disk has them.

        Raises:
            RunError: the file system failed. What was committed before is still there.
        """
        if self._pending is None:
            return
        began = perf_counter()
        logs = {name: log.uncommitted() for name, log in self._logs.items()}
        data = Checkpoint(self._pending.arrays, {**self._pending.state, "logs": logs}).to_bytes()
        with guarded(self.folder):
            self._check_owner()
            self._home.replace(CHECKPOINT, data)
            for log in self._logs.values():
                log.commit()
        self._pending = None
        self._committed = perf_counter()
        self._took = self._committed - began

    def resume(self, record: Mapping[str, Any], config: str | None = None) -> None:
        """Continue a run that was reopened: write its new run.json.

        Args:
            record: the entries of run.json.
            config: the new text of config.yaml, for a run with more epochs or whose data have
                moved.
        """
        self._record = {**record, "format": FORMAT}
        if config is not None:
            self._record["config_sha256"] = _sha256(config)
        with guarded(self.folder):
            self._write_record()
            if config is not None:
                self._home.replace(CONFIG, config.encode())

    def _write_record(self, limit: int = MAX_RECORD) -> None:
        data = laid_out(self._record)
        if len(data) > limit or count_values(self._record) > MAX_VALUES * limit // MAX_RECORD:
            raise RunError(
                f"{self.folder / RUN}: would be too large to be read back: the config, the names "
                "of the classes or the command are too long"
            )
        self._home.replace(RUN, data)

    def save(self, name: str, arrays: Mapping[str, Array]) -> None:
        """Write an .npz file, replacing it atomically; its bytes depend on the arrays alone."""
        buffer = io.BytesIO()
        np.savez(buffer, allow_pickle=False, **arrays)
        with guarded(self.folder):
            self._check_owner()
            self._home.replace(name, buffer.getvalue())

    def finish(self, status: str, **entries: Any) -> None:
        """Record how the run ended and let go of the folder.

        The entry `log` is what metrics.csv is now: by it a reader knows whether the summary is of
        the file that is there.
        """
        log = self._logs[METRICS]
        self._record |= {"status": status, "finished_at": now(), **entries}
        self._record["log"] = {"rows": log.rows, "bytes": log.size, "crc32": log.crc}
        try:
            with guarded(self.folder):
                self._check_owner()
                for each in self._logs.values():
                    each.check()
                if self.notes:
                    notes = [*(self._record.get("notes") or ()), *self.notes]
                    self._record["notes"] = notes[-MAX_RESUMED:]
                self._write_record()
            self.finished = True
        finally:
            self.close()

    def close(self) -> None:
        """Let go of the folder; a run that was not finished is interrupted."""
        if self._owner is not None:
            self._owner.close()
        for log in self._logs.values():
            log.close()
        self._home.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def config_text(experiment: Experiment, runs: Path) -> str:
    """Return config.yaml for a run in a folder of runs.

    The path of data below the working folder is written as seen from the run, where that is below
    it too: the project may be moved as a whole.
    """
    path = getattr(experiment.data, "path", None)
    try:
        project, folder = Path.cwd(), runs.resolve() / "run"
    except FileNotFoundError:  # the working folder has been deleted
        return dump(experiment)
    if path is not None and all(Path(p).is_relative_to(project) for p in (path, folder)):
        data = experiment.data.model_copy(update={"path": os.path.relpath(path, folder)})
        experiment = experiment.model_copy(update={"data": data})
    return dump(experiment)


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
