"""Reading run folders: whatever is there is used, what is wrong is named.

A folder may come from a stranger: no link in it is followed, no file is read beyond a bound, and
nothing in it is believed to be of the type it should be.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import inf, isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nnexp.config.identity import identity, identity_v1
from nnexp.errors import ConfigError, DataError, RunError
from nnexp.io.files import open_regular, read_bytes, read_open
from nnexp.io.json_files import is_deep, read_mapping
from nnexp.io.lock import is_held
from nnexp.names import SETS, STATUSES
from nnexp.run.layout import CONFIG, FORMAT, METRICS, PREDICTIONS, RUN
from nnexp.stats.summary import Facts, facts
from nnexp.text import quoted, sanitize_line, shorten

if TYPE_CHECKING:
    from nnexp.config.schema import Experiment
    from nnexp.nn.types import Array

MAX_RECORD, MAX_LOG, MAX_PREDICTIONS = 8_000_000, 32_000_000, 16_000_000
MAX_LINE, MAX_LINES, MAX_CELLS, MAX_DEPTH = 1_000_000, 300_000, 4_000_000, 20
MAX_EPOCH = 10**9
# A cost beyond it has diverged; up to it, squares and cubes are finite.
MAX_VALUE = 1e100
_TEXT_COLUMNS = ("finished_at",)
_MOST_LINES = 3
_KINDS: Mapping[type, str] = {
    str: "a text",
    int: "a whole number",
    dict: "a mapping",
    list: "a list",
}
RECORD: Mapping[str, type] = {
    "format": int,
    "status": str,
    "name": str,
    "seed": int,
    "stopped": str,
    "started_at": str,
    "finished_at": str,
    "epochs": int,
    "argv": list,
    "versions": dict,
    "blas": list,
    "host": str,
    "platform": str,
    "pid": int,
    "git": dict,
    "data": dict,
    "summary": dict,
    "never_learned": list,
    "config": dict,
    "config_sha256": str,
    "resumed": list,
    "extended": list,
}
DATA: Mapping[str, type] = {"name": str, "sha256": str, "classes": list}

Row = dict[str, "float | None"]


@dataclass(frozen=True)
class Run:
    """A run folder as far as it could be read.

    Attributes:
        record: run.json, without the entries that are of another type than they should be.
        config: every key of its experiment with its value, as JSON has them; None where it cannot
            be read.
        facts: what its log comes to.
    """

    folder: Path
    record: Mapping[str, Any]
    config: Mapping[str, Any] | None
    status: str
    facts: Facts
    _problems: list[str] = field(default_factory=list)
    _logs: dict[str, list[Row]] = field(default_factory=dict)

    @property
    def problems(self) -> tuple[str, ...]:
        """What is wrong with the files that have been read so far, for the user."""
        return tuple(self._problems)

    @property
    def id(self) -> str:
        """The folder's name, by which commands know the run."""
        return sanitize_line(self.folder.name)

    @cached_property
    def experiment(self) -> Experiment | None:
        """Its experiment; None where its config cannot be read."""
        from nnexp.config import stored

        return stored.experiment_of(self.config) if self.config else None

    @cached_property
    def identity(self) -> str:
        """What the runs of its arm have in common."""
        return identity(self.config, self.digest) if self.config else self.id

    @property
    def identity_v1(self) -> str:
        """The same as a study.json of format 1 has it."""
        return identity_v1(self.config) if self.config else self.id

    @property
    def name(self) -> str:
        """The experiment's name."""
        named = self.config["name"] if self.config else self.record.get("name")
        return shorten(sanitize_line(named or self.id), 100)

    @property
    def seed(self) -> int | None:
        """The run's seed."""
        return self.config["seed"] if self.config else self.record.get("seed")

    @property
    def tags(self) -> list[str]:
        """The run's tags."""
        return list(self.config["tags"]) if self.config else []

    @property
    def stopped(self) -> str | None:
        """Why the run ended before its last epoch; None where it did not."""
        said = self.record.get("stopped")
        return shorten(sanitize_line(said), 200) if said else None

    @property
    def digest(self) -> str:
        """The sha256 of its data; empty where it was not recorded."""
        return str((self.record.get("data") or {}).get("sha256") or "")

    @property
    def classes(self) -> list[str]:
        """The names of the classes that run.json has."""
        from nnexp.data.readers import MAX_CLASS_NAME

        data = self.record.get("data") or {}
        return [shorten(sanitize_line(name), MAX_CLASS_NAME) for name in data.get("classes") or ()]

    @property
    def metrics(self) -> list[str]:
        """The metrics that were logged at least once."""
        return list(self.facts.summary)

    @property
    def rows(self) -> list[Row]:
        """metrics.csv, one mapping an epoch; a cell without a number is None."""
        return self.log(METRICS)

    @cached_property
    def never_learned(self) -> tuple[int, ...]:
        """The classes that it never learned; older records leave it to the predictions."""
        known = self.record.get("never_learned", self.record.get("unlearnt"))
        if known is not None:
            return tuple(known)
        from nnexp.stats.diagnosis import never_learned

        found = self.predictions
        return tuple(never_learned(found["labels"], found["predicted"])) if found else ()

    def log(self, name: str) -> list[Row]:
        """Return the rows of another .csv file of the folder; none where there is no such file."""
        if name not in self._logs:
            rows: list[Row] = []
            problems: list[str] = []
            try:
                data = read_bytes(self.folder / name, MAX_LOG, follow=False)
                rows = _rows(name, data, problems)
            except FileNotFoundError:
                pass
            except OSError as error:
                problems.append(f"{name}: {error.strerror}")
            self._problems.extend(said for said in problems if said not in self._problems)
            self._logs[name] = rows
        return self._logs[name]

    @cached_property
    def predictions(self) -> dict[str, Any] | None:
        """The set's name, labels and predicted classes after the last epoch, or None."""
        from nnexp.io.npz import open_archive

        path = self.folder / PREDICTIONS
        try:
            with open_archive(path, MAX_PREDICTIONS, follow=False) as archive:
                found: dict[str, Any] = {k: archive.read(k) for k in ("labels", "predicted")}
                found["set"] = archive.word("set")
            _check_predictions(found)
        except DataError as error:
            if not isinstance(error.__cause__, FileNotFoundError):
                said = str(error).removeprefix(f"{path}: ")
                self._problems.append(f"{PREDICTIONS}: {said}")
            return None
        return found


def _check_predictions(found: Mapping[str, Any]) -> None:
    from nnexp.data.readers import MAX_CLASSES

    arrays: list[Array] = [found["labels"], found["predicted"]]
    sound = all(a.ndim == 1 and a.dtype.kind in "ui" for a in arrays)
    if not sound or len(arrays[0]) != len(arrays[1]) or found["set"] not in SETS:
        raise DataError("holds other arrays than predictions")
    low, high = (min(a.min(initial=0) for a in arrays), max(a.max(initial=0) for a in arrays))
    if low < 0 or high >= MAX_CLASSES:
        raise DataError(f"has classes from {low} to {high}; from 0 to {MAX_CLASSES - 1} are read")


def open_run(folder: Path | str, *, keep_rows: bool = True) -> Run:
    """Read a run folder.

    Args:
        folder: the run's.
        keep_rows: keep its log in memory, where it is not one of very many; it is read again when
            it is asked for.

    Raises:
        RunError: it is not a run folder at all: there is no run.json that can be read.
    """
    folder = Path(folder)
    record = _read_record(folder)
    problems: list[str] = []
    rows: list[Row] = []
    status = record.get("status")
    try:
        with open_regular(folder / METRICS, follow=False) as stream:
            if status == "running" and not is_held(stream.fileno()):
                # It may have ended since its record was read.
                record = _read_record(folder)
                status = record.get("status")
                status = "interrupted" if status == "running" else status
            rows = _rows(METRICS, read_open(stream, MAX_LOG), problems)
    except OSError as error:
        problems.append(f"{METRICS}: {error.strerror}")
    record = checked(record, problems)
    config = _config(folder, record, problems)
    if status not in STATUSES:
        problems.append(f"unknown status {quoted(status)}")
        status = "failed"
    if status == "completed" and len(rows) < _counted(record):
        problems.append(f"{METRICS}: has {len(rows)} of the {_counted(record)} epochs of {RUN}")
        status = "interrupted"
    logs = {METRICS: rows} if keep_rows else {}
    return Run(folder, record, config, str(status), facts(rows), problems, logs)


def is_whole(folder: Path, record: Mapping[str, Any]) -> bool:
    """Tell whether a run's log has all epochs that its record counts."""
    try:
        rows = _rows(METRICS, read_bytes(folder / METRICS, MAX_LOG, follow=False), [])
    except OSError:
        rows = []
    return len(rows) >= _counted(record)


def _counted(record: Mapping[str, Any]) -> int:
    epochs = record.get("epochs")
    return epochs if type(epochs) is int else 0


def _config(
    folder: Path, record: Mapping[str, Any], problems: list[str]
) -> Mapping[str, Any] | None:
    """Return the config that run.json has or, of an older format, config.yaml."""
    from nnexp.config import stored

    try:
        if record.get("format") == 1 or "config" not in record:
            return stored.from_file(folder / CONFIG)
        begun = record.get("config_sha256")
        if begun and stored.digest(folder / CONFIG) != begun:
            problems.append(f"{CONFIG}: is not what the run was begun with, which run.json has")
    except ConfigError as error:
        problems.append(str(error).splitlines()[0].removeprefix(sanitize_line(f"{folder}/")))
        return None
    except OSError as error:
        problems.append(f"{CONFIG}: {error.strerror}")
    try:
        return stored.from_record(record["config"])
    except ValueError as error:
        problems.append(f"{RUN}: config.{error}")
        return None


def _read_record(folder: Path) -> dict[str, Any]:
    try:
        return read_mapping(folder / RUN, MAX_RECORD)
    except OSError as error:
        raise RunError(f"{folder}: not a run: {RUN}: {error.strerror}") from error
    except TypeError as error:
        raise RunError(f"{folder}: not a run: {RUN} {error}") from error
    except ValueError as error:
        raise RunError(f"{folder}: not a readable run: {RUN} is damaged ({error})") from error


def checked(record: Mapping[str, Any], problems: list[str]) -> dict[str, Any]:
    """Return the entries of run.json that are what they should be."""
    from nnexp.data.readers import MAX_CLASSES

    version = record.get("format")
    if type(version) is not int or not 1 <= version <= FORMAT:
        problems.append(f"format {quoted(version)} where 1 to {FORMAT} are known")
    kept = typed(record, RECORD, "", problems)
    if kept.get("data"):
        kept["data"] = data = typed(kept["data"], DATA, "data.", problems)
        names = data.get("classes") or []
        if len(names) > MAX_CLASSES or not all(isinstance(name, str) for name in names):
            problems.append(f"{RUN}: data.classes: at most {MAX_CLASSES:,} names are due")
            del data["classes"]
    lost = kept.get("never_learned") or []
    if not all(type(number) is int and 0 <= number < MAX_CLASSES for number in lost):
        problems.append(f"{RUN}: never_learned: numbers of classes are due")
        del kept["never_learned"]
    return kept


def typed(
    values: Mapping[str, Any], types: Mapping[str, type], prefix: str, problems: list[str]
) -> dict[str, Any]:
    """Return the entries that are of the type they should be; name the others in `problems`."""
    kept = {}
    for key, value in values.items():
        due = types.get(key)
        if due and value is not None and type(value) is not due:
            problems.append(f"{RUN}: {prefix}{key}: {quoted(value)} where {_KINDS[due]} is due")
        elif is_deep(value, MAX_DEPTH):
            problems.append(f"{RUN}: {prefix}{shorten(key)}: nested deeper than {MAX_DEPTH} levels")
        else:
            kept[key] = value
    return kept


def _rows(name: str, data: bytes, problems: list[str]) -> list[Row]:
    """Read the lines of a log one by one; those that are damaged are left out and named."""
    lines = _lines(data)
    head, whole = next(lines, (b"", True))
    header = _cells(head)
    numbers = [(name, at) for at, name in enumerate(header) if name not in _TEXT_COLUMNS]
    if not whole or "epoch" not in header:
        problems.append(f"{name}: has no column epoch")
        return []
    rows: list[Row] = []
    damaged: list[int] = []
    cells = 0
    for number, (line, whole) in enumerate(lines, 2):
        if number > MAX_LINES or cells > MAX_CELLS:
            bound = f"{MAX_LINES:,} lines and {MAX_CELLS:,} cells"
            problems.append(f"{name}: larger than the {bound} that are read")
            return []
        if not whole:
            problems.append(f"{name}: the last line is torn and left out")
            break
        found = _cells(line)
        row = _row(numbers, found) if len(found) == len(header) else None
        if row is None:
            damaged.append(number)
        else:
            cells += len(row)
            rows.append(row)
    named = damaged[:_MOST_LINES]
    problems += [f"{name}:{number}: a damaged line is left out" for number in named]
    if len(damaged) > len(named):
        problems.append(f"{name}: {len(damaged) - len(named):,} more damaged lines are left out")
    return rows


def _lines(data: bytes) -> Iterator[tuple[bytes, bool]]:
    """Yield lines without their ends, and whether they have one."""
    start = 0
    while start < len(data):
        end = data.find(b"\n", start)
        yield data[start : end if end >= 0 else None].removesuffix(b"\r"), end >= 0
        start = end + 1 if end >= 0 else len(data)


def _cells(line: bytes) -> list[str]:
    """Split a line; one that is no line of a log has no cells."""
    if len(line) > MAX_LINE:
        return []
    text = line.decode("utf-8", "replace")
    try:
        return next(csv.reader([text]), []) if '"' in text else text.split(",")
    except csv.Error:
        return []


def _number(cell: str) -> float | None:
    """Return a cell's number, infinite beyond 1e100; None for an empty one."""
    if not cell:
        return None
    value = float(cell)
    return value if -MAX_VALUE < value < MAX_VALUE else value * inf


def _row(columns: Sequence[tuple[str, int]], cells: Sequence[str]) -> Row | None:
    """Return a line's numbers by column; None where one is none, or the epoch is no epoch."""
    try:
        row = {name: _number(cells[at]) for name, at in columns}
    except ValueError:
        return None
    epoch = row.get("epoch")
    sound = epoch is not None and isfinite(epoch) and 1 <= epoch <= MAX_EPOCH and epoch % 1 == 0
    return row if sound else None
