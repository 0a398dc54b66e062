"""The rows of a log: as training measures them, as a .csv file has them, and how that is written.

A log is kept by columns: 12 bytes a number, however many epochs a run has.
"""

from __future__ import annotations

import csv
import errno
import io
import os
import zlib
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from math import inf, nan
from pathlib import Path
from typing import Any, BinaryIO, overload

import numpy as np

from nnexp.errors import ResumeError, RunError
from nnexp.io import files
from nnexp.io.folder import Folder
from nnexp.io.lock import hold
from nnexp.names import CLOCKS
from nnexp.run.layout import MAX_CELLS, MAX_EPOCH, MAX_LINE, MAX_ROWS, TEXT_COLUMNS
from nnexp.text import command

# A mapping from columns to numbers, or None; to be logged, finished_at is a text.
Row = dict[str, Any]
# A cost beyond it has diverged; up to it, squares and cubes are finite.
MAX_VALUE = 1e100
_MOST_LINES = 3
NEW = os.O_RDWR | os.O_CREAT
_PIECE = 1 << 20
# Bytes of a log that are kept, so that what is cut off from outside can be put back.
_MAX_COPY = 1 << 23
_MAX_HEAD = 1 << 24
# Lines that are parsed at once.
_BLOCK = 5_000


class Log(Sequence[Row]):
    """Rows of numbers by column; a cell without a number is None.

    >>> log = Log(["epoch", "test_cost"], [{"epoch": 1, "test_cost": 0.5}, {"epoch": 2}])
    >>> log[-1], log.epoch
    ({'epoch': 2.0, 'test_cost': None}, 2)
    """

    def __init__(self, columns: Iterable[str] = (), rows: Iterable[Mapping[str, Any]] = ()) -> None:
        self.columns = tuple(name for name in columns if name not in TEXT_COLUMNS)
        self._values = [array("d") for _ in self.columns]
        self._present = [bytearray() for _ in self.columns]
        self._length = 0
        for row in rows:
            self.append([row.get(name) for name in self.columns])

    def append(self, cells: Iterable[float | None]) -> None:
        """Add a row, its cells in the order of the columns."""
        for values, present, value in zip(self._values, self._present, cells, strict=True):
            values.append(nan if value is None else value)
            present.append(value is not None)
        self._length += 1

    def add(self, row: Mapping[str, Any]) -> None:
        """Add a row by the names of its columns; a missing cell has no number."""
        self.append([row.get(name) for name in self.columns])

    def extend(self, lines: Sequence[bytes], header: Sequence[str]) -> list[int]:
        """Add the rows of lines of a file; return the places of the lines that are damaged."""
        if not lines:
            return []
        places = [at for at, name in enumerate(header) if name not in TEXT_COLUMNS]
        epoch = header.index("epoch")
        columns = _columns(lines, len(header), places)
        if columns is not None and _are_epochs(columns[places.index(epoch)]):
            for cells, values, present in zip(columns, self._values, self._present, strict=True):
                values.extend(cells or [nan] * len(lines))
                present.extend(bytes([bool(cells)]) * len(lines))
            self._length += len(lines)
            return []
        damaged = []
        for number, line_ in enumerate(lines):
            words = _cells(line_)
            try:
                if len(words) != len(header) or not _are_epochs([float(words[epoch])]):
                    raise ValueError
                self.append([float(words[at]) if words[at] else None for at in places])
            except ValueError:
                damaged.append(number)
        return damaged

    @property
    def epoch(self) -> int:
        """The last epoch that was logged; 0 without rows."""
        return max(map(int, self.column("epoch")), default=0) if self._length else 0

    def logged(self, name: str) -> list[tuple[float, float]]:
        """Return the numbers of a column, each after its epoch."""
        if name not in self.columns:
            return []
        at = self.columns.index(name)
        epochs = self._values[self.columns.index("epoch")]
        triples = zip(epochs, self._values[at], self._present[at], strict=True)
        return [(epoch, value) for epoch, value, present in triples if present]

    def column(self, name: str) -> list[float]:
        """Return the numbers of a column, without the cells that have none."""
        return [value for _, value in self.logged(name)]

    @property
    def seconds_per_epoch(self) -> float | None:
        """Seconds of training and evaluation per epoch, on average; None without rows."""
        seconds = sum(sum(self.column(clock)) for clock in CLOCKS)
        return seconds / self.epoch if self.epoch else None

    def clipped(self) -> Log:
        """Return the rows with infinities for values beyond 1e100, to compute and draw with."""
        result = Log()
        result.columns, result._present, result._length = self.columns, self._present, self._length
        result._values = [
            array("d", map(clip, values)) if any(abs(v) >= MAX_VALUE for v in values) else values
            for values in self._values
        ]
        return result

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[Row]:
        for at in range(self._length):
            yield self._row(at)

    def _row(self, at: int) -> Row:
        cells = zip(self.columns, self._values, self._present, strict=True)
        return {name: values[at] if present[at] else None for name, values, present in cells}

    @overload
    def __getitem__(self, at: int) -> Row: ...
    @overload
    def __getitem__(self, at: slice) -> list[Row]: ...
    def __getitem__(self, at: int | slice) -> Row | list[Row]:
        """Return a row, or several."""
        if isinstance(at, slice):
            return [self._row(i) for i in range(*at.indices(self._length))]
        return self._row(range(self._length)[at])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]


def clip(value: float) -> float:
    """Return a number, or infinity of its sign where it is beyond 1e100."""
    return value if -MAX_VALUE < value < MAX_VALUE else value * inf


def line(values: Sequence[Any]) -> str:
    """Write cells as a line of a log, with all digits that distinguish a number."""
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerow(map(_cell, values))
    return stream.getvalue()


def _cell(value: Any) -> Any:
    return "" if value is None else repr(float(value)) if isinstance(value, float) else value


def read_log(name: str, stream: BinaryIO, problems: list[str]) -> Log:
    """Read the lines of a log; the damaged ones are excluded, and named in `problems`.

    Args:
        name: of the file, for the problems.
        stream: its bytes.
        problems: is added to.
    """
    lines = _lines(stream)
    header = _cells(next(lines, b""))
    if "epoch" not in header:
        problems.append(f"{name}: has no column epoch")
        return Log()
    log = Log(header)
    damaged: list[int] = []
    number, torn = 2, False
    while block := list(islice(lines, _BLOCK)):
        rows = len(log) + len(block)
        if number + len(block) > MAX_ROWS + 2 or rows * len(header) > MAX_CELLS:
            bound = f"{MAX_ROWS:,} rows and {MAX_CELLS:,} cells"
            problems.append(f"{name}: larger than the {bound} that are read")
            return Log(header)
        whole = [text for text in block if text is not None]
        damaged += [number + at for at in log.extend(whole, header)]
        number += len(block)
        torn = len(whole) < len(block)
    if torn:
        problems.append(f"{name}: the last line is torn and excluded")
    shown = damaged[:_MOST_LINES]
    problems += [f"{name}:{number}: a damaged line is excluded" for number in shown]
    if len(damaged) > len(shown):
        problems.append(f"{name}: {len(damaged) - len(shown):,} more damaged lines are excluded")
    return log


def _lines(stream: BinaryIO) -> Iterator[bytes | None]:
    """Yield lines without their ends; None for a last one without an end."""
    while text := stream.readline(MAX_LINE):
        if text.endswith(b"\n"):
            yield text[:-1].removesuffix(b"\r")
            continue
        long = len(text) == MAX_LINE
        while text and not text.endswith(b"\n"):
            text = stream.readline(MAX_LINE)
        yield b"" if long and text else None


def _cells(text: bytes | None) -> list[str]:
    """Split a line; one that is no line of a log has no cells."""
    decoded = (text or b"").decode("utf-8", "replace")
    try:
        return next(csv.reader([decoded]), []) if '"' in decoded else decoded.split(",")
    except csv.Error:
        return []


def _columns(
    lines: Sequence[bytes], width: int, places: Sequence[int]
) -> list[Sequence[float]] | None:
    """Return columns of sound lines, without numbers where all cells are empty: fast, or None."""
    rows = [text.split(b",") for text in lines]
    if any(len(row) != width for row in rows) or any(b'"' in text for text in lines):
        return None
    by_place = list(zip(*rows, strict=True))
    columns: list[Sequence[float]] = []
    for cells in (by_place[at] for at in places) if by_place else ():
        try:
            columns.append(array("d", map(float, cells)))
        except ValueError:
            if any(cells):
                return None
            columns.append(())
    return columns


def _are_epochs(numbers: Sequence[float]) -> bool:
    return bool(numbers) and all(1 <= n <= MAX_EPOCH and n % 1 == 0 for n in numbers)


@dataclass
class LogFile:
    """A CSV file whose rows are committed: the checkpoint has them before the file does.

    Attributes:
        size: bytes that are committed.
        crc: their CRC-32.
        tail: rows that are not.
        rows: how many it has, committed or not.
        notes: what was done to the file from outside, for the user.
    """

    folder: Folder
    name: str
    descriptor: int
    columns: tuple[str, ...] = ()
    size: int = 0
    crc: int = 0
    tail: list[str] = field(default_factory=list)
    rows: int = 0
    notes: list[str] = field(default_factory=list)
    # How far a write that failed may have come.
    _reach: int = 0
    # The committed bytes, as long as they are few.
    _copy: bytearray | None = field(default_factory=bytearray, repr=False)

    @classmethod
    def open(cls, folder: Folder, name: str, flags: int = NEW) -> LogFile:
        """Open a log to read and write it."""
        return cls(folder, name, folder.open(name, flags))

    @property
    def path(self) -> Path:
        """Where it is."""
        return self.folder.path / self.name

    def begin(self, columns: Sequence[str]) -> None:
        """Write the header of a new log with the next commit."""
        if self.holds_more_than(""):
            raise self.refusal()
        self.columns = tuple(columns)
        self.tail.append(line(columns))

    def append(self, row: Mapping[str, Any]) -> None:
        """Write a row with the next commit."""
        self.tail.append(line([row.get(column) for column in self.columns]))
        self.rows += 1

    def uncommitted(self) -> dict[str, Any]:
        """Return what the checkpoint must know to write the tail again."""
        return {"size": self.size, "crc": self.crc, "tail": "".join(self.tail)}

    def commit(self) -> None:
        """Write what is not committed; wait until the disk has it. The file is checked first."""
        self.check()
        self._write("".join(self.tail).encode())

    def check(self) -> None:
        """Put right what was cut off or added from outside."""
        there = self._own_size()
        if not self.size <= there <= self._reach:
            self._restore(there)

    def _own_size(self) -> int:
        """Return the size of the file, which is the one that was opened and no one else's."""
        self.folder.check()
        if not self.folder.holds(self.name, self.descriptor):
            raise OSError(errno.EINVAL, "another file is in its place", str(self.path))
        status = os.fstat(self.descriptor)
        if status.st_nlink > 1:
            self._separate(status.st_size)
        return status.st_size

    def _separate(self, size: int) -> None:
        """Give the log a file of its own: other links to it are somebody's backup."""
        temporary = f".{self.name}.new"
        self.folder.remove(temporary)
        copy = self.folder.open(temporary, NEW | os.O_EXCL)
        try:
            for piece in _pieces(self.descriptor, size):
                files.write(copy, piece)
            files.to_disk(copy)
            hold(copy)
            self.folder.rename(temporary, self.name)
        except BaseException:
            os.close(copy)
            raise
        self.close()
        self.descriptor = copy
        self.folder.sync()

    def _restore(self, there: int) -> None:
        """Make the file what was committed, where it was cut or grew from outside."""
        was = f"{self.path}: was changed from outside, from {self.size:,} to {there:,} bytes"
        if there < self.size:
            if self._copy is None:
                raise RunError(f"{was}; what was cut off is lost, so the run ends here")
            self._write_at(there, bytes(self._copy[there:]))
        os.ftruncate(self.descriptor, self.size)
        self.notes.append(f"{was}, and was put right")

    def _write(self, data: bytes) -> None:
        self._reach = self.size + len(data)
        self._write_at(self.size, data)
        if self._copy is not None:
            self._copy += data
            if len(self._copy) > _MAX_COPY:
                self._copy = None
        # At once: an interrupt in between would leave them at odds.
        crc = zlib.crc32(data, self.crc)
        self.size, self.crc, self.tail = self.size + len(data), crc, []

    def _write_at(self, position: int, data: bytes) -> None:
        os.lseek(self.descriptor, position, os.SEEK_SET)
        files.write(self.descriptor, data)
        files.to_disk(self.descriptor)

    def redo(self, size: int, crc: int, tail: str) -> None:
        """Make the file what it was to be after the commit that a checkpoint began.

        Of the tail any part may be missing, or be zeros, as a power cut leaves it.

        Raises:
            ResumeError: anything else is different.
        """
        data = tail.encode()
        if not self._begins(size, data) or _crc(self.descriptor, size) != crc:
            raise self.refusal()
        self._own_size()
        self.size, self.crc, self._copy = size, crc, None
        self._write(data)
        self.rows, kept = -1, bytearray()  # without the header
        for piece in _pieces(self.descriptor, self.size):
            self.rows += piece.count(b"\n")
            kept += piece if self.size <= _MAX_COPY else b""
        self._copy = kept if self.size <= _MAX_COPY else None
        head = b"".join(_pieces(self.descriptor, _MAX_HEAD)).partition(b"\n")[0]
        self.columns = tuple(next(csv.reader([head.decode()]), ()))

    def put(self, data: bytes) -> None:
        """Make the file these bytes, which it is a beginning of; see `begins`."""
        self._own_size()
        self._write_at(0, data)

    def begins(self, data: bytes) -> bool:
        """Tell whether the file is how the data begin; zeros are what a power cut left."""
        return self._begins(0, data)

    def _begins(self, position: int, data: bytes) -> bool:
        """Tell whether what follows a position is how the data begin."""
        rest = b"".join(_pieces(self.descriptor, position + len(data) + 1, position))
        there, wanted = (np.frombuffer(each[: len(rest)], np.uint8) for each in (rest, data))
        return len(rest) <= len(data) and bool(np.all((there == wanted) | (there == 0)))

    def holds_more_than(self, text: str) -> bool:
        """Tell whether the file is longer than a text."""
        return os.fstat(self.descriptor).st_size > len(text.encode())

    def refusal(self) -> ResumeError:
        """Return the error that says that the file is another than was written."""
        message = f"{self.path}: is not what was written: the run cannot be resumed"
        if b"\r\n" in next(_pieces(self.descriptor, _PIECE), b""):
            message += "; it has line ends of Windows (CRLF), as git may convert them: " + command(
                "sed", "-i", r"s/\r$//", self.path
            )
        return ResumeError(message)

    def close(self) -> None:
        """Let go of the file."""
        descriptor, self.descriptor = self.descriptor, -1
        if descriptor >= 0:
            with suppress(OSError):  # what counts is on the disk
                os.close(descriptor)


def _pieces(descriptor: int, size: int, position: int = 0) -> Iterator[bytes]:
    """Yield the bytes of a file from a position up to a size, as many as there are."""
    while position < size and (
        piece := files.patiently(os.pread, descriptor, min(_PIECE, size - position), position)
    ):
        yield piece
        position += len(piece)


def _crc(descriptor: int, size: int) -> int | None:
    """Return the CRC-32 of the first bytes of a file; None where it has not so many."""
    crc = length = 0
    for piece in _pieces(descriptor, size):
        crc, length = zlib.crc32(piece, crc), length + len(piece)
    return crc if length == size else None
