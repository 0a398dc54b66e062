"""A run folder as a value: its files, to be sent to another machine and to arrive whole."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from nnexp.errors import BusyError, RunError
from nnexp.io import claims, files
from nnexp.io.files import guarded, read_bytes
from nnexp.io.lock import hold
from nnexp.run.checkpoint import Checkpoint, read_checkpoint
from nnexp.run.layout import (
    CHECKPOINT,
    CONFIG,
    DIAGNOSTICS,
    METRICS,
    MODEL,
    PARAMETERS,
    PREDICTIONS,
    RUN,
)

LOGS = (METRICS, DIAGNOSTICS, PARAMETERS)
FILES = (CONFIG, *LOGS, CHECKPOINT, MODEL, PREDICTIONS, RUN)
LIMIT = 500_000_000

Parcel = Mapping[str, bytes]


def pack(folder: Path) -> dict[str, bytes]:
    """Read the files of a run that no process is writing.

    Raises:
        BusyError: another process owns the run.
        RunError: it cannot be read, or is larger than may be sent.
    """
    packed, left = {}, LIMIT
    with _held(folder):
        for name in FILES:
            try:
                packed[name] = read_bytes(folder / name, left, follow=False)
            except FileNotFoundError:
                continue
            except OSError as error:
                message = f"{folder / name}: cannot be sent: {error.strerror}"
                raise RunError(message) from error
            left -= len(packed[name])
    return packed


def unpack(parcel: Parcel, folder: Path) -> None:
    """Make a folder of files where nobody else looks."""
    with guarded(folder):
        folder.mkdir()
        for name in _names(parcel):
            (folder / name).write_bytes(parcel[name])


def deliver(parcel: Parcel, folder: Path) -> None:
    """Make a new run folder, which appears whole.

    Raises:
        FileExistsError: the name is taken.
        RunError: the folder cannot be written.
    """
    runs = folder.parent
    with guarded(runs, begun=False):
        files.make_folder(runs)
        hidden = claims.hide(runs, folder.name)
        try:
            for name in _names(parcel):
                files.create(hidden / name, parcel[name])
            files.sync_folder(hidden)
            claims.claim(hidden, folder, suffix=False)
            files.sync_folder(runs)
        except BaseException:
            claims.discard(hidden)
            raise


def with_all_rows(parcel: Parcel, folder: Path) -> dict[str, bytes]:
    """Return a folder's parcel with a checkpoint that has all rows in it, as `complete` needs.

    Raises:
        ResumeError: the checkpoint is damaged.
    """
    checkpoint = read_checkpoint(folder / CHECKPOINT)
    if checkpoint is None:
        return dict(parcel)
    logs = {
        name: {"size": 0, "crc": 0, "tail": parcel[name].decode()}
        for name in LOGS
        if name in parcel
    }
    whole = Checkpoint(checkpoint.arrays, {**checkpoint.state, "logs": logs})
    return {**parcel, CHECKPOINT: whole.to_bytes()}


def complete(parcel: Parcel, folder: Path) -> None:
    """Bring a run to where a copy of it was brought to elsewhere; see `with_all_rows`.

    As in any commit the checkpoint comes first: whatever happens after it, the run can be resumed.

    Raises:
        BusyError: another process owns the run, or it has logged what the copy has not.
        RunError: the folder cannot be read or written.
    """
    with _held(folder), guarded(folder):
        logs = [name for name in LOGS if name in parcel]
        if not all(_begins(folder / name, parcel[name]) for name in logs):
            raise BusyError(f"{folder}: has been gone on with by another process")
        _replace(folder, parcel, CHECKPOINT)
        for name in logs:
            _extend(folder / name, parcel[name])
        _replace(folder, parcel, MODEL, PREDICTIONS, RUN)


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    """Own a run, as a process does that trains it."""
    with guarded(folder):
        descriptor = files.open_log(folder / METRICS, os.O_RDWR)
    try:
        if not hold(descriptor):
            raise BusyError(f"{folder}: is being written by another process")
        yield
    finally:
        os.close(descriptor)


def _begins(path: Path, data: bytes) -> bool:
    """Tell whether a log is how the data begin; zeros are what a power cut left unwritten."""
    try:
        there = np.frombuffer(read_bytes(path, LIMIT, follow=False), np.uint8)
    except FileNotFoundError:
        return True
    due = np.frombuffer(data, np.uint8)[: len(there)]
    return len(there) == len(due) and bool(np.all((there == due) | (there == 0)))


def _extend(path: Path, data: bytes) -> None:
    """Write a log in its place: its lock is the open file's."""
    descriptor = files.open_log(path, os.O_RDWR | os.O_CREAT)
    try:
        files.write_at(descriptor, path, 0, data)
    finally:
        os.close(descriptor)


def _replace(folder: Path, parcel: Parcel, *names: str) -> None:
    for name in names:
        if name in parcel:
            files.replace(folder / name, parcel[name])


def _names(parcel: Parcel) -> list[str]:
    """Return the names that are a run's: a parcel puts nothing else anywhere."""
    return [name for name in FILES if name in parcel]
