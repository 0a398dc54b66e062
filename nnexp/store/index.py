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
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import time_ns
from typing import Any

import nnexp
from nnexp.errors import NnexpError
from nnexp.evidence.summary import METRICS as METRIC_NAMES
from nnexp.evidence.summary import STATISTICS, Facts, Point
from nnexp.files import read_bytes
from nnexp.json_files import is_deep
from nnexp.store import files
from nnexp.store.layout import CONFIG, METRICS, PREDICTIONS, RUN
from nnexp.store.reader import (
    DATA,
    MAX_DEPTH,
    MAX_EPOCH,
    RECORD,
    STATUSES,
    Run,
    open_run,
    typed,
)

INDEX = ".nnexp-index.json"
FORMAT = 2
LEAST = 100
# An index that is larger than so many bytes a run is not read, and not written.
BYTES_A_RUN = 8_000
MAX_SEED = 2**63 - 1
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
    "unlearnt": {list, _NONE},
}

Columns = Mapping[str, Sequence[Any]]


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
        self._states.append(_State(stamp, len(problems), indexed, "unlearnt" in run.__dict__))

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
        judged: whether the index knew what it never learnt.
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
                run = open_run(folder)
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
    """Return the classes it never learnt where that is known; not from damaged predictions."""
    if "unlearnt" not in run.__dict__ or len(run.problems) > state.problems:
        return None
    return list(run.unlearnt)


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
        "configs": configs.values,
        "records": records.values,
        "runs": {name: [row[name] for row in rows.values()] for name in _COLUMNS},
        "summary": {
            metric: [
                list(column)
                for column in zip(*(row["summary"][metric] for row in rows.values()), strict=True)
            ]
            for metric in METRIC_NAMES
            if any(row["summary"][metric] is not _NOTHING for row in rows.values())
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


_NOTHING: tuple[None, ...] = (None,) * (2 * len(STATISTICS))


def _row(run: Run, state: _State) -> dict[str, Any]:
    """Return an entry, its config and record still whole."""
    facts, record = run.facts, run.record
    return {
        "name": run.folder.name,
        "stamp": state.stamp,
        "config": None if run.config is None else {**run.config, "seed": 0},
        "identity": run.identity,
        "record": {key: record[key] for key in _SHARED if key in record},
        "called": record.get("name"),
        "seed": run.seed,
        "started_at": record.get("started_at"),
        "stopped": record.get("stopped"),
        "status": run.status,
        "done": facts.done,
        "seconds": facts.seconds,
        "problems": list(run.problems[: state.problems]),
        "unlearnt": _unlearnt(run, state),
        "summary": {metric: _flat(facts.summary.get(metric, {})) for metric in METRIC_NAMES},
    }


def _flat(points: Mapping[str, Point]) -> tuple[float | None, ...]:
    if not points:
        return _NOTHING
    flat: list[float | None] = []
    for name in STATISTICS:
        point = points.get(name)
        flat += (point.value, point.epoch) if point else (None, None)
    return tuple(flat)


class _Summary(Mapping[str, Mapping[str, Point]]):
    """The summary of one run of the index, put together only as far as it is asked for."""

    __slots__ = ("_at", "_columns", "_known")

    def __init__(self, columns: Mapping[str, Sequence[Sequence[Any]]], at: int) -> None:
        self._columns, self._at = columns, at
        self._known: dict[str, dict[str, Point]] = {}

    def __contains__(self, metric: object) -> bool:
        # What was logged at all has a last value.
        return isinstance(metric, str) and self._last(metric) is not None

    def _last(self, metric: str) -> float | None:
        return self._columns[metric][0][self._at] if metric in self._columns else None

    def __getitem__(self, metric: str) -> Mapping[str, Point]:
        if metric not in self._known:
            if metric not in self:
                raise KeyError(metric)
            flat = [column[self._at] for column in self._columns[metric]]
            self._known[metric] = {
                name: Point(value, epoch)
                for name, value, epoch in zip(STATISTICS, flat[::2], flat[1::2], strict=True)
                if value is not None
            }
        return self._known[metric]

    def __iter__(self) -> Iterator[str]:
        return (metric for metric in self._columns if metric in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)


@dataclass(frozen=True)
class _Index:
    """The index of a folder, sound in all its types."""

    columns: Columns
    summary: Mapping[str, Sequence[Sequence[Any]]]
    configs: Sequence[Mapping[str, Any]]
    identities: Sequence[str]
    records: Sequence[Mapping[str, Any]]
    places: Mapping[str, int]

    def run(self, folder: Path, name: str, stamp: str) -> Run | None:
        """Return the run of a folder that is as it was; None otherwise."""
        at = self.places.get(name)
        if at is None or self.columns["stamp"][at] != stamp:
            return None
        value = {key: column[at] for key, column in self.columns.items()}
        config, seed = value["config"], value["seed"]
        run = Run(
            folder,
            {
                **self.records[value["record"]],
                "name": value["called"],
                "seed": seed,
                "started_at": value["started_at"],
                "stopped": value["stopped"],
            },
            None if config is None else {**self.configs[config], "seed": seed},
            value["status"],
            Facts(value["done"], value["seconds"], _Summary(self.summary, at)),
            list(value["problems"]),
        )
        if config is not None:
            run.__dict__["identity"] = self.identities[config]
        if value["unlearnt"] is not None:
            run.__dict__["unlearnt"] = tuple(value["unlearnt"])
        return run

    def rows(self) -> Iterator[dict[str, Any]]:
        """Give the entries as `_row` does."""
        for at in range(len(self.places)):
            row = {key: column[at] for key, column in self.columns.items()}
            config = row["config"]
            row["identity"] = None if config is None else self.identities[config]
            row["config"] = None if config is None else self.configs[config]
            row["record"] = self.records[row["record"]]
            row["summary"] = {
                metric: tuple(column[at] for column in self.summary[metric])
                if metric in self.summary
                else _NOTHING
                for metric in METRIC_NAMES
            }
            yield row


def _load(parent: Path, count: int) -> _Index | None:
    """Read a folder's index; None where there is none that can be used."""
    try:
        content = json.loads(read_bytes(parent / INDEX, BYTES_A_RUN * count, follow=False))
        if (content["format"], content["nnexp"]) != (FORMAT, nnexp.__version__):
            return None
        return _checked(content)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError):
        return None


def _checked(content: Mapping[str, Any]) -> _Index:
    """Hold every value to the type it is used as; raise ValueError, or what a look-up raises."""
    runs: Columns = {name: content["runs"][name] for name in _COLUMNS}
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
    for classes in filter(None, runs["unlearnt"]):
        _check_column(classes, len(classes), {int})
        _check_range(classes, 0, MAX_EPOCH)
    summary = {
        name: content["summary"][name] for name in METRIC_NAMES if name in content["summary"]
    }
    for columns in summary.values():
        _require(len(columns) == len(_NOTHING))
        for values, epochs in zip(columns[::2], columns[1::2], strict=True):
            _check_column(values, n, {float, _NONE})
            _check_column(epochs, n, {int, _NONE})
            _check_range(epochs, 1, MAX_EPOCH)
            _require(list(map(_is_none, values)) == list(map(_is_none, epochs)))
    places = {name: at for at, name in enumerate(runs["name"])}
    return _Index(runs, summary, configs, identities, records, places)


def _require(sound: bool) -> None:
    if not sound:
        raise ValueError("not an index")


def _check_column(column: Any, n: int, allowed: set[type]) -> None:
    _require(type(column) is list and len(column) == n and allowed.issuperset(map(type, column)))


def _check_range(column: Sequence[int | None], low: int, high: int) -> None:
    there = [value for value in column if value is not None]
    _require(not there or (min(there) >= low and max(there) <= high))


def _is_none(value: object) -> bool:
    return value is None


def _sound_config(config: Any) -> Mapping[str, Any]:
    """Check what is looked at without the schema; an Experiment is made with it."""
    _require(type(config) is dict and not is_deep(config, MAX_DEPTH))
    for key, allowed in _CONFIG.items():
        _require(type(config[key]) in allowed)
    _check_column(config["tags"], len(config["tags"]), {str})
    sound: Mapping[str, Any] = config
    return sound


def _sound_record(record: Any) -> Mapping[str, Any]:
    _require(type(record) is dict)
    problems: list[str] = []
    kept = typed(record, RECORD, "", problems)
    data = typed(kept.get("data") or {}, DATA, "data.", problems)
    classes = data.get("classes") or []
    _check_column(classes, len(classes), {str})
    _require(not problems)
    return kept
