"""run.json: the one place that reads it, and knows of what type its entries are.

It may come from a stranger: nothing in it is believed to be of the type it should be.
"""

from __future__ import annotations

import marshal
from collections.abc import Iterator, Mapping
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from nnexp.errors import RunError
from nnexp.io.files import read_dated
from nnexp.io.json_files import is_deep, may_be_deep, parse_mapping
from nnexp.names import MAX_CLASSES, STATISTICS
from nnexp.names import METRICS as METRIC_NAMES
from nnexp.run.layout import FORMAT, MAX_DEPTH, MAX_EPOCH, MAX_RECORD, RUN
from nnexp.run.log import clip
from nnexp.stats.summary import Facts, Point
from nnexp.text import quoted, shorten

_WORDS: Mapping[type, str] = {str: "a text", int: "an integer", dict: "a mapping", list: "a list"}
ENTRIES: Mapping[str, type] = {
    "format": int,
    "status": str,
    "name": str,
    "seed": int,
    "stopped": str,
    "started_at": str,
    "finished_at": str,
    "epochs": int,
    "log": dict,
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
_DATA: Mapping[str, type] = {"name": str, "sha256": str, "classes": list}
_LOG: Mapping[str, type] = {"rows": int, "bytes": int, "crc32": int}
# What is kept of each run.
_KEPT = (
    *("format", "status", "name", "seed", "stopped", "started_at", "epochs", "log"),
    *("never_learned", "config_sha256", "data"),
)
# What older formats call an entry.
_OLD_ENTRIES = {"unlearnt": "never_learned"}


class Record(Mapping[str, Any]):
    """run.json: its entries, without those that are of another type than they should be.

    Of thousands of runs not every entry can stay in memory. What tables show is kept, what many
    runs have in common once; all else is parsed again when it is asked for.

    Attributes:
        problems: what is wrong with the file, for the user.
        written_ns: when it was written.
        config: its config and seed, as `pack_config` returns them; None where there is none.
        facts: what the log came to; None where it is not recorded.
    """

    def __init__(self, data: bytes, written_ns: int = 0) -> None:
        entries, problems = _parse(data, finite=False)  # what is kept is checked where it is used
        self.problems = tuple(problems)
        self.written_ns = written_ns
        self._data = data
        self._kept = {key: entries[key] for key in _KEPT if key in entries}
        if "versions" in entries:
            self._kept["versions"] = unpacked(_pack(entries["versions"]))
        config = entries.get("config")
        self.config = None if config is None else pack_config(config)
        self.facts = _facts(entries)

    @cached_property
    def _entries(self) -> Mapping[str, Any]:
        return _parse(self._data, finite=True)[0]

    def __getitem__(self, key: str) -> Any:
        return self._kept[key] if key in self._kept else self._entries[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def status(self) -> str | None:
        """What the process that wrote the run said last; it may have died since."""
        return self._kept.get("status")

    @property
    def epochs(self) -> int:
        """The epochs that were trained; 0 where it is not recorded."""
        return self._kept.get("epochs") or 0

    @property
    def log(self) -> tuple[int, int, int] | None:
        """Rows, bytes and CRC-32 of metrics.csv when the run ended; None where not recorded."""
        log = self._kept.get("log") or {}
        return (log["rows"], log["bytes"], log["crc32"]) if _LOG.keys() <= log.keys() else None


def _pack(value: Any) -> bytes:
    # The fastest form that tells 1, 1.0 and True apart; version 2 does not depend on references.
    return marshal.dumps(value, 2)


@lru_cache(maxsize=4096)
def unpacked(packed: bytes) -> Any:
    """Return what was packed, the same object for the same bytes."""
    return marshal.loads(packed)  # noqa: S302 - packed here


def pack_config(config: Mapping[str, Any]) -> tuple[bytes, Any]:
    """Return a config with the seed 0, packed, which the runs of an arm share; and its seed."""
    return _pack({**config, "seed": 0}), config.get("seed", 0)


def _facts(entries: Mapping[str, Any]) -> Facts | None:
    recorded, seconds = entries.get("summary"), entries.get("seconds_per_epoch")
    if recorded is None:
        return None
    seconds = clip(seconds) if type(seconds) is float else None
    return Facts(entries.get("epochs") or 0, seconds, _Summary(recorded))


class _Summary(Mapping[str, Mapping[str, Point]]):
    """The summary of a record: each metric is packed until it is asked for."""

    def __init__(self, recorded: Mapping[str, Any]) -> None:
        self._packed = {m: _pack(recorded[m]) for m in METRIC_NAMES if m in recorded}
        self._points: dict[str, Mapping[str, Point]] = {}

    def __getitem__(self, metric: str) -> Mapping[str, Point]:
        points = self._points.get(metric)
        if points is None:
            recorded = marshal.loads(self._packed[metric])  # noqa: S302 - packed here
            values = recorded if type(recorded) is dict else {}
            points = self._points[metric] = {
                name: Point(clip(values[name]["value"]), values[name]["epoch"])
                for name in STATISTICS
                if _is_point(values.get(name))
            }
        return points

    def __contains__(self, metric: object) -> bool:
        return metric in self._packed

    def __iter__(self) -> Iterator[str]:
        return iter(self._packed)

    def __len__(self) -> int:
        return len(self._packed)


def _is_point(point: Any) -> bool:
    return (
        type(point) is dict
        and type(point.get("value")) in (float, int)
        and type(point.get("epoch")) is int
        and 1 <= point["epoch"] <= MAX_EPOCH
    )


def read_record(folder: Path) -> Record:
    """Read a folder's run.json.

    Raises:
        RunError: there is none, or it cannot be read.
    """
    try:
        data, written = read_dated(f"{folder}/{RUN}", MAX_RECORD, follow=False)
        return Record(data, written)
    except OSError as error:
        raise RunError(f"{folder}: not a run: {RUN}: {error.strerror}") from error
    except TypeError as error:
        raise RunError(f"{folder}: not a run: {RUN} {error}") from error
    except ValueError as error:
        raise RunError(f"{folder}: not a readable run: {RUN} is damaged ({error})") from error


def _parse(data: bytes, *, finite: bool) -> tuple[dict[str, Any], list[str]]:
    """Return the entries that are what they should be, and what is wrong with the others."""
    values = parse_mapping(data, finite=finite)
    problems: list[str] = []
    version = values.get("format")
    if type(version) is not int or not 1 <= version <= FORMAT:
        problems.append(f"format {quoted(version)}: this version of nnexp reads 1 to {FORMAT}")
    for old in _OLD_ENTRIES.keys() & values.keys():
        values.setdefault(_OLD_ENTRIES[old], values.pop(old))
    if may_be_deep(data, MAX_DEPTH):
        for key in [key for key, value in values.items() if is_deep(value, MAX_DEPTH)]:
            del values[key]
            problems.append(f"{RUN}: {shorten(key)}: nested deeper than {MAX_DEPTH} levels")
    _keep_typed(values, ENTRIES, "", problems)
    _keep_typed(values.get("log") or {}, _LOG, "log.", problems)
    if values.get("data"):
        values["data"], more = _data(_pack(values["data"]))
        problems += more
    classes = values.get("never_learned") or []
    if not all(type(number) is int and 0 <= number < MAX_CLASSES for number in classes):
        problems.append(f"{RUN}: never_learned: expected numbers of classes")
        del values["never_learned"]
    return values, problems


@lru_cache(maxsize=1024)
def _data(packed: bytes) -> tuple[dict[str, Any], list[str]]:
    """Check what is recorded of the data: once for all runs on the same data."""
    problems: list[str] = []
    values: dict[str, Any] = marshal.loads(packed)  # noqa: S302 - packed here
    _keep_typed(values, _DATA, "data.", problems)
    names = values.get("classes") or []
    if len(names) > MAX_CLASSES or not all(isinstance(name, str) for name in names):
        problems.append(f"{RUN}: data.classes: expected at most {MAX_CLASSES:,} names")
        del values["classes"]
    return values, problems


def _keep_typed(
    values: dict[str, Any], types: Mapping[str, type], prefix: str, problems: list[str]
) -> None:
    """Delete the entries that are not of the type they should be; name them in `problems`."""
    wrong = [
        key
        for key, expected in types.items()
        if key in values and type(values[key]) is not expected and values[key] is not None
    ]
    for key in wrong:
        message = f"expected {_WORDS[types[key]]}, got {quoted(values.pop(key))}"
        problems.append(f"{RUN}: {prefix}{key}: {message}")
