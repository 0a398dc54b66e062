"""What was read of many run folders, kept so that it need not be read again.

A folder with a hundred runs or more gets a hidden file that says of each run what `list` and
`compare` show. An entry is used as long as the run's files are the same by inode, size and time;
the file may be deleted at any time, and what is wrong in it is read anew. A run that is being
written is never in it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import time_ns
from typing import Any

import nnexp
from nnexp.config.schema import Experiment
from nnexp.errors import NnexpError
from nnexp.evidence.summary import METRICS as METRIC_NAMES
from nnexp.evidence.summary import STATISTICS, Facts, Point
from nnexp.files import read_bytes
from nnexp.store import files
from nnexp.store.layout import CONFIG, METRICS, RUN
from nnexp.store.reader import STATUSES, Run, checked, open_run
from nnexp.text import one_line

INDEX = ".nnexp-index.json"
FORMAT = 1
LEAST = 100
MAX_INDEX = 64_000_000
# A file that has just changed may change again without a new time.
_FRESH_NS = 2 * 10**9
# The folder itself changes when a file in it is made, replaced or removed.
_STAMPED = (".", RUN, METRICS, CONFIG)
_NUMBERS = {float, int, type(None)}
_DAMAGED = (
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    IndexError,
    OverflowError,
    RecursionError,
)
_KEPT = ("name", "seed", "data", "versions", "started_at", "stopped")

Entry = Mapping[str, Any]


def open_all(found: Iterable[Path]) -> tuple[list[Run], list[str]]:
    """Read run folders; return the runs, and a note for each folder that is not sound."""
    indexes: dict[Path, _Index] = {}
    runs, notes = [], []
    for folder in found:
        if folder.parent not in indexes:
            indexes[folder.parent] = _load(folder.parent)
        run = indexes[folder.parent].get(folder)
        if run is None:
            try:
                run = open_run(folder)
            except NnexpError as error:
                notes.append(str(error))
                continue
        notes += [f"{run.folder}: {problem}" for problem in run.problems]
        runs.append(run)
    return runs, notes


def keep(runs: Sequence[Run]) -> None:
    """Write down what is known of runs by now, for folders that hold many."""
    by_parent: dict[Path, list[Run]] = {}
    for run in runs:
        by_parent.setdefault(run.folder.parent, []).append(run)
    for parent, those in by_parent.items():
        if len(those) >= LEAST and any(_is_news(run) for run in those):
            with suppress(OSError):
                _save(parent, those)


def _is_news(run: Run) -> bool:
    entry = run.entry
    return entry is None or (entry["unlearnt"] is None and "unlearnt" in run.__dict__)


def _stamp(folder: Path) -> tuple[str, int]:
    """Return what changes when a run's files do, and when the last of them did, in ns."""
    at, parts, latest = os.fspath(folder), [], 0
    for name in _STAMPED:
        try:
            known = os.lstat(f"{at}/{name}")
        except OSError:
            parts.append("-")
            continue
        parts.append(f"{known.st_ino}.{known.st_size}.{known.st_mtime_ns}")
        latest = max(latest, known.st_mtime_ns)
    return " ".join(parts), latest


def _save(parent: Path, runs: Sequence[Run]) -> None:
    configs: dict[str, int] = {}
    shared: list[Mapping[str, Any]] = []
    entries: dict[str, Entry] = {}
    now = time_ns()
    for run in runs:
        stamp, latest = _stamp(run.folder)
        if run.status == "running" or now - latest < _FRESH_NS:
            continue
        number = None
        if run.config is not None:
            plain = {key: value for key, value in run.config.items() if key != "seed"}
            text = json.dumps(plain)
            number = configs.setdefault(text, len(configs))
            if number == len(shared):
                shared.append({"config": plain, "identity": run.identity})
        entries[run.folder.name] = _entry(run, stamp, number)
    content = {
        "format": FORMAT,
        "nnexp": nnexp.__version__,
        "configs": shared,
        "runs": entries,
    }
    files.replace(parent / INDEX, json.dumps(content).encode(), owned=False)


def _entry(run: Run, stamp: str, number: int | None) -> Entry:
    facts = run.facts
    return {
        "stamp": stamp,
        "config": number,
        "seed": run.seed,
        "record": {key: run.record[key] for key in _KEPT if key in run.record},
        "status": run.status,
        "problems": list(run.problems),
        "done": facts.done,
        "seconds": facts.seconds,
        "summary": {metric: _flat(points) for metric, points in facts.summary.items()},
        "unlearnt": run.__dict__.get("unlearnt"),
    }


def _flat(points: Mapping[str, Point]) -> list[float | None]:
    flat: list[float | None] = []
    for name in STATISTICS:
        point = points.get(name)
        flat += (point.value, point.epoch) if point else (None, None)
    return flat


class _Summary(Mapping[str, Mapping[str, Point]]):
    """The summary of an entry, put together only as far as it is asked for."""

    def __init__(self, flat: Mapping[str, Sequence[float | None]]) -> None:
        self._flat = {metric: flat[metric] for metric in flat if metric in METRIC_NAMES}
        for numbers in self._flat.values():
            sound = _NUMBERS.issuperset(map(type, numbers)) and len(numbers) == 2 * len(STATISTICS)
            if not sound or float in map(type, numbers[1::2]):
                raise ValueError(numbers)

    def __getitem__(self, metric: str) -> Mapping[str, Point]:
        flat = self._flat[metric]
        return {
            name: Point(value, int(epoch))
            for name, value, epoch in zip(STATISTICS, flat[::2], flat[1::2], strict=True)
            if value is not None and epoch is not None
        }

    def __iter__(self) -> Iterator[str]:
        return iter(self._flat)

    def __len__(self) -> int:
        return len(self._flat)


@dataclass(frozen=True, slots=True)
class _Index:
    """What an index says: the configs and their identities, and of each run an entry."""

    shared: Sequence[tuple[Mapping[str, Any], str]] = ()
    entries: Mapping[str, Entry] = field(default_factory=dict)

    def get(self, folder: Path) -> Run | None:
        """Return a run as the index knows it; None where it does not, or the run has changed."""
        entry = self.entries.get(folder.name)
        try:
            if entry is None or entry["stamp"] != _stamp(folder)[0]:
                return None
            return _run(folder, entry, self.shared)
        except _DAMAGED:
            return None


def _load(parent: Path) -> _Index:
    """Read a folder's index; an empty one where there is none that can be used."""
    try:
        content = json.loads(read_bytes(parent / INDEX, MAX_INDEX, follow=False))
        if (content["format"], content["nnexp"]) != (FORMAT, nnexp.__version__):
            return _Index()
        shared = [(_config(each["config"]), str(each["identity"])) for each in content["configs"]]
        return _Index(shared, dict(content["runs"]))
    except (OSError, *_DAMAGED):
        return _Index()


def _config(plain: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a config as `open_run` would, seed aside."""
    config = Experiment.model_validate({**plain, "seed": 0}).model_dump(mode="json")
    return {key: config[key] for key in config if key != "seed"}


def _run(folder: Path, entry: Entry, shared: Sequence[tuple[Mapping[str, Any], str]]) -> Run:
    config, identity = None, None
    if entry["config"] is not None:
        plain, identity = shared[entry["config"]]
        config = {**plain, "seed": int(entry["seed"])}
    if entry["status"] not in STATUSES:
        raise ValueError(entry["status"])
    seconds = entry["seconds"]
    run = Run(
        folder,
        checked(entry["record"], []),
        config,
        entry["status"],
        Facts(
            int(entry["done"]),
            None if seconds is None else float(seconds),
            _Summary(entry["summary"]),
        ),
        [one_line(problem) for problem in entry["problems"]],
        entry=entry,
    )
    if identity is not None:
        run.__dict__["identity"] = identity
    if entry["unlearnt"] is not None:
        run.__dict__["unlearnt"] = tuple(map(int, entry["unlearnt"]))
    return run
