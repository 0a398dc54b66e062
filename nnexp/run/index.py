"""What was read of many run folders, kept so that it need not be read again.

A folder with a hundred runs or more gets a hidden file that says of each run what `list` and
`compare` show. An entry is used as long as the run's files are the same by inode, size and times:
the time of a file's last change of any kind cannot be set by hand, and a file that has changed
within two seconds of being read is not trusted, because clocks are coarse. A run that is being
written, or was when its process died, is never in it: its lock says how it stands.

The file may be deleted at any time. What is wrong in it, whoever wrote it, makes it void, and the
folders are read as if it were not there.
"""

from __future__ import annotations

import json
import os
from array import array
from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from sys import byteorder
from time import time_ns
from typing import Any

import nnexp
from nnexp.errors import NnexpError
from nnexp.io import files
from nnexp.io.files import read_bytes
from nnexp.io.json_files import is_deep
from nnexp.names import MAX_SEED, STATISTICS, STATUSES
from nnexp.names import METRICS as METRIC_NAMES
from nnexp.run.layout import CONFIG, METRICS, PREDICTIONS, RUN
from nnexp.run.reader import DATA, MAX_DEPTH, MAX_EPOCH, MAX_VALUE, RECORD, Run, open_run, typed
from nnexp.stats.summary import Facts, Point

INDEX = ".nnexp-index.json"
FORMAT = 2
LEAST = 100
# An index that is larger than so many bytes a run is not read, and not written.
BYTES_A_RUN = 8_000
FRESH_NS = 2 * 10**9
_STAMPED = (RUN, METRICS, CONFIG, PREDICTIONS)
# Entries of run.json that many runs share, and that what reads many runs looks at.
_SHARED = ("format", "data", "versions")
_NONE = type(None)
_CONFIG: Mapping[str, tuple[type, ...]] = {
    "name": (str, _NONE),
    "tags": (list,),
    "data": (dict,),
    "layers": (list,),
    "epochs": (int,),
    "seed": (int,),
    "reference": (dict, _NONE),
}
_COLUMNS: Mapping[str, set[type]] = {
    "name": {str},
    "stamp": {str},
    "config": {int, _NONE},
    "record": {int},
    "called": {str, _NONE},
    "seed": {int, _NONE},
    "started_at": {str, _NONE},
    "stopped": {str, _NONE},
    "status": {str},
    "done": {int},
    "seconds": {float, _NONE},
    "problems": {list},
    "never_learned": {list, _NONE},
}


@dataclass
class Opened:
    """Run folders as they were read, from the index or one by one.

    Attributes:
        runs: those that can be read at all.
        notes: what is wrong, as far as it is known by now.
    """

    runs: list[Run] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    _states: list[_State] = field(default_factory=list)

    def add(self, run: Run, stamp: str | None, *, indexed: bool) -> None:
        """Take a run as it has just been opened."""
        problems = run.problems
        self.runs.append(run)
        self.notes += [f"{run.folder}: {problem}" for problem in problems]
        self._states.append(_State(stamp, len(problems), indexed, "never_learned" in run.__dict__))

    def late_notes(self) -> list[str]:
        """Return what has turned out to be wrong since the folders were opened."""
        return [
            f"{run.folder}: {problem}"
            for run, state in zip(self.runs, self._states, strict=True)
            for problem in run.problems[state.problems :]
        ]

    def keep(self) -> None:
        """Write down what is known by now, for folders that hold many runs."""
        known = list(zip(self.runs, self._states, strict=True))
        news = {run.folder.parent for run, state in known if state.is_news(run)}
        by_parent: dict[Path, list[tuple[Run, _State]]] = {parent: [] for parent in news}
        for run, state in known if news else ():
            if run.folder.parent in news:
                by_parent[run.folder.parent].append((run, state))
        for parent, those in by_parent.items():
            if len(those) >= LEAST:
                with suppress(OSError):
                    _save(parent, those)


@dataclass(frozen=True, slots=True)
class _State:
    """How a run was when it was opened.

    Attributes:
        stamp: of its files; None where they cannot be trusted to change with it.
        problems: how many were found on opening it.
        indexed: whether it came from the index.
        judged: whether the index knew what it never learned.
    """

    stamp: str | None
    problems: int
    indexed: bool = False
    judged: bool = False

    def is_news(self, run: Run) -> bool:
        if not self.indexed:
            return self.stamp is not None
        return not self.judged and _unlearnt(run, self) is not None


def open_all(found: Iterable[Path]) -> tuple[list[Run], list[str]]:
    """Read run folders; return the runs, and a note for each folder that is not sound."""
    opened = open_many(found)
    return opened.runs, opened.notes


def open_many(found: Iterable[Path]) -> Opened:
    """Read run folders, from the index where they have not changed since it was written."""
    places = [(folder, *os.path.split(folder)) for folder in found]
    counts = Counter(parent for _, parent, _ in places)
    indexes = {at: _load(Path(at), count) for at, count in counts.items() if count >= LEAST}
    opened = Opened()
    for folder, parent, name in places:
        stamp, changed = _stamp(folder)
        index = indexes.get(parent)
        run = index.run(folder, name, stamp) if index else None
        indexed = run is not None
        if run is None:
            trusted = time_ns() - changed >= FRESH_NS
            try:
                run = open_run(folder, keep_rows=counts[parent] < LEAST)
            except NnexpError as error:
                opened.notes.append(str(error))
                continue
            trusted = trusted and run.record.get("status") != "running"
        opened.add(run, stamp if indexed or trusted else None, indexed=indexed)
    return opened


def _stamp(folder: Path) -> tuple[str, int]:
    """Return what changes when a run's files do, and when the last of them did, in ns."""
    at, parts, latest = os.fspath(folder), [], 0
    for name in _STAMPED:
        try:
            known = os.lstat(f"{at}/{name}")
        except (OSError, ValueError):
            parts.append("-")
            continue
        written, changed = known.st_mtime_ns, known.st_ctime_ns
        parts.append(f"{known.st_ino}.{known.st_size}.{written}.{changed}")
        latest = max(latest, written, changed)
    return " ".join(parts), latest


def _unlearnt(run: Run, state: _State) -> list[int] | None:
    """Return the classes it never learned where that is known; not from damaged predictions."""
    if "never_learned" in run.record:
        return list(run.never_learned)
    if "never_learned" not in run.__dict__ or len(run.problems) > state.problems:
        return None
    return list(run.never_learned)


def _save(parent: Path, those: Sequence[tuple[Run, _State]]) -> None:
    with os.scandir(parent) as found:
        there = {entry.name for entry in found}
    old = _load(parent, len(there))
    rows = {row["name"]: row for row in old.rows() if row["name"] in there} if old else {}
    for run, state in those:
        rows.pop(run.folder.name, None)
        if state.stamp is not None:
            rows[run.folder.name] = _row(run, state)
    configs, records = _Distinct(), _Distinct()
    for row in rows.values():
        config = row["config"]
        if config is not None:
            row["config"] = configs.number({"config": config, "identity": row["identity"]})
        row["record"] = records.number(row["record"])
    content = {
        "format": FORMAT,
        "nnexp": nnexp.__version__,
        "byteorder": byteorder,
        "configs": configs.values,
        "records": records.values,
        "runs": {name: [row[name] for row in rows.values()] for name in _COLUMNS},
        "summary": {
            metric: _Series.of(row["summary"][metric] for row in rows.values()).packed()
            for metric in METRIC_NAMES
            if any(row["summary"][metric] for row in rows.values())
        },
    }
    data = json.dumps(content, separators=(",", ":")).encode()
    if len(data) <= BYTES_A_RUN * len(rows):
        files.replace(parent / INDEX, data, owned=False)


class _Distinct:
    """Values, each once, by their JSON."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self._numbers: dict[str, int] = {}

    def number(self, value: Any) -> int:
        text = json.dumps(value)
        if text not in self._numbers:
            self._numbers[text] = len(self.values)
            self.values.append(value)
        return self._numbers[text]


def _row(run: Run, state: _State) -> dict[str, Any]:
    """Return an entry, its config and record still whole."""
    facts, record = run.facts, run.record
    return {
        "name": run.folder.name,
        "stamp": state.stamp,
        "config": None if run.config is None else {**run.config, "seed": 0},
        "identity": run.identity_v1,
        "record": {key: record[key] for key in _SHARED if key in record},
        "called": record.get("name"),
        "seed": run.seed,
        "started_at": record.get("started_at"),
        "stopped": record.get("stopped"),
        "status": run.status,
        "done": facts.done,
        "seconds": facts.seconds,
        "problems": list(run.problems[: state.problems]),
        "never_learned": _unlearnt(run, state),
        "summary": {metric: facts.summary.get(metric, {}) for metric in METRIC_NAMES},
    }


@dataclass(frozen=True, slots=True)
class _Series:
    """A metric's summary in many runs: for each in turn, value and epoch of each statistic.

    As bytes they are read ten times as fast as from decimal digits, and are numbers whatever they
    are. An epoch of 0 says that there is no value.
    """

    values: array[float]
    epochs: array[int]

    @classmethod
    def of(cls, summaries: Iterable[Mapping[str, Point]]) -> _Series:
        points = [points.get(name) or Point(0.0, 0) for points in summaries for name in STATISTICS]
        return cls(array("d", [p.value for p in points]), array("i", [p.epoch for p in points]))

    def packed(self) -> list[str]:
        return [b64encode(numbers.tobytes()).decode() for numbers in (self.values, self.epochs)]

    @classmethod
    def unpacked(cls, packed: Any, n: int) -> _Series:
        found = cls(array("d"), array("i"))
        values, epochs = packed
        found.values.frombytes(b64decode(values, validate=True))
        found.epochs.frombytes(b64decode(epochs, validate=True))
        _require(len(found.values) == len(found.epochs) == n * len(STATISTICS))
        _check_range(found.epochs, 0, MAX_EPOCH)
        _require(not any(MAX_VALUE <= abs(value) < inf for value in found.values))
        return found

    def has(self, at: int) -> bool:
        start = at * len(STATISTICS)
        return any(self.epochs[start : start + len(STATISTICS)])

    def points(self, at: int) -> dict[str, Point]:
        start = at * len(STATISTICS)
        return {
            name: Point(self.values[i], epoch)
            for i, name in enumerate(STATISTICS, start)
            if (epoch := self.epochs[i])
        }


class _Summary(Mapping[str, Mapping[str, Point]]):
    """The summary of one run of the index, put together only as far as it is asked for."""

    __slots__ = ("_at", "_known", "_series")

    def __init__(self, series: Mapping[str, _Series], at: int) -> None:
        self._series, self._at = series, at
        self._known: dict[str, dict[str, Point]] = {}

    def __getitem__(self, metric: str) -> Mapping[str, Point]:
        known = self._known.get(metric)
        if known is None:
            known = self._known[metric] = self._series[metric].points(self._at)
        if not known:
            raise KeyError(metric)
        return known

    def __contains__(self, metric: object) -> bool:
        known = self._series.get(metric) if isinstance(metric, str) else None
        return known is not None and known.has(self._at)

    def __iter__(self) -> Iterator[str]:
        return (metric for metric in self._series if metric in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)


@dataclass(frozen=True)
class _Index:
    """The index of a folder, sound in all its types.

    Attributes:
        entries: of each run, the values of `_COLUMNS`.
        series: by metric, what each run came to.
        configs: the different ones, each with seed 0.
        identities: theirs.
        records: the different ones.
        places: where each run stands, by the name of its folder.
    """

    entries: Sequence[tuple[Any, ...]]
    series: Mapping[str, _Series]
    configs: Sequence[dict[str, Any]]
    identities: Sequence[str]
    records: Sequence[dict[str, Any]]
    places: Mapping[str, int]

    def run(self, folder: Path, name: str, stamp: str) -> Run | None:
        """Return the run of a folder that is as it was; None otherwise."""
        at = self.places.get(name)
        if at is None or self.entries[at][1] != stamp:
            return None
        (_, _, config, record, called, seed, started, stopped, status, done, seconds, *lists) = (
            self.entries[at]
        )
        problems, never_learned = lists
        run = Run(
            folder,
            self.records[record]
            | {"name": called, "seed": seed, "started_at": started, "stopped": stopped},
            None if config is None else self.configs[config] | {"seed": seed},
            status,
            Facts(done, seconds, _Summary(self.series, at)),
            problems,
        )
        if never_learned is not None:
            run.__dict__["never_learned"] = tuple(never_learned)
        return run

    def rows(self) -> Iterator[dict[str, Any]]:
        """Give the entries as `_row` does."""
        for at, entry in enumerate(self.entries):
            row = dict(zip(_COLUMNS, entry, strict=True))
            config = row["config"]
            row["identity"] = None if config is None else self.identities[config]
            row["config"] = None if config is None else self.configs[config]
            row["record"] = self.records[row["record"]]
            row["summary"] = {
                metric: self.series[metric].points(at) if metric in self.series else {}
                for metric in METRIC_NAMES
            }
            yield row


def _load(parent: Path, count: int) -> _Index | None:
    """Read a folder's index; None where there is none that can be used."""
    try:
        content = json.loads(read_bytes(parent / INDEX, BYTES_A_RUN * count, follow=False))
        written_by = content["format"], content["nnexp"], content["byteorder"]
        if written_by != (FORMAT, nnexp.__version__, byteorder):
            return None
        return _checked(content)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError):
        return None


def _checked(content: Mapping[str, Any]) -> _Index:
    """Hold every value to the type it is used as; raise ValueError, or what a look-up raises."""
    runs = {name: content["runs"][name] for name in _COLUMNS}
    n = len(runs["name"])
    for name, allowed in _COLUMNS.items():
        _check_column(runs[name], n, allowed)
    configs = [_sound_config(known["config"]) for known in content["configs"]]
    identities = [known["identity"] for known in content["configs"]]
    _check_column(identities, len(configs), {str})
    records = [_sound_record(record) for record in content["records"]]
    _check_range(runs["config"], 0, len(configs) - 1)
    _check_range(runs["record"], 0, len(records) - 1)
    _check_range(runs["seed"], 0, MAX_SEED)
    _check_range(runs["done"], 0, MAX_EPOCH)
    _require(set(runs["status"]) <= set(STATUSES))
    for problems in filter(None, runs["problems"]):
        _check_column(problems, len(problems), {str})
    for classes in filter(None, runs["never_learned"]):
        _check_column(classes, len(classes), {int})
        _check_range(classes, 0, MAX_EPOCH)
    packed = content["summary"]
    series = {name: _Series.unpacked(packed[name], n) for name in METRIC_NAMES if name in packed}
    entries = list(zip(*(runs[name] for name in _COLUMNS), strict=True))
    places = {name: at for at, name in enumerate(runs["name"])}
    return _Index(entries, series, configs, identities, records, places)


def _require(sound: bool) -> None:
    if not sound:
        raise ValueError("not an index")


def _check_column(column: Any, n: int, allowed: set[type]) -> None:
    _require(type(column) is list and len(column) == n and allowed.issuperset(map(type, column)))


def _check_range(column: Sequence[int | None], low: int, high: int) -> None:
    there = [value for value in column if value is not None]
    _require(not there or (min(there) >= low and max(there) <= high))


def _sound_config(config: Any) -> dict[str, Any]:
    """Check what is looked at without the schema; an Experiment is made with it."""
    _require(type(config) is dict and not is_deep(config, MAX_DEPTH))
    for key, allowed in _CONFIG.items():
        _require(type(config[key]) in allowed)
    _check_column(config["tags"], len(config["tags"]), {str})
    sound: dict[str, Any] = config
    return sound


def _sound_record(record: Any) -> dict[str, Any]:
    _require(type(record) is dict)
    problems: list[str] = []
    kept = typed(record, RECORD, "", problems)
    data = typed(kept.get("data") or {}, DATA, "data.", problems)
    classes = data.get("classes") or []
    _check_column(classes, len(classes), {str})
    _require(not problems)
    return kept
