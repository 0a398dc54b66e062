"""run.json: the one place that reads it, and knows of what type its entries are.

It may come from a stranger: nothing in it is believed to be of the type it should be.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
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
# What older formats call an entry.
_OLD_ENTRIES = {"unlearnt": "never_learned"}


@dataclass(frozen=True, slots=True)
class Record:
    """run.json as far as it can be used.

    Attributes:
        entries: those that are of the type they should be.
        problems: what is wrong with the others, for the user.
        written_ns: when the file was written.
    """

    entries: Mapping[str, Any]
    problems: tuple[str, ...]
    written_ns: int

    @property
    def status(self) -> str | None:
        """What the process that wrote the run said last; it may have died since."""
        return self.entries.get("status")

    @property
    def epochs(self) -> int:
        """The epochs that were trained; 0 where it is not recorded."""
        return self.entries.get("epochs") or 0

    @property
    def log(self) -> tuple[int, int, int] | None:
        """Rows, bytes and CRC-32 of metrics.csv when the run ended; None where not recorded."""
        log = self.entries.get("log") or {}
        return (log["rows"], log["bytes"], log["crc32"]) if _LOG.keys() <= log.keys() else None

    @property
    def facts(self) -> Facts | None:
        """What the log came to; None where it is not recorded."""
        recorded = self.entries.get("summary")
        if recorded is None:
            return None
        seconds = self.entries.get("seconds_per_epoch")
        return Facts(
            self.epochs, clip(seconds) if type(seconds) is float else None, _Summary(recorded)
        )


class _Summary(Mapping[str, Mapping[str, Point]]):
    """The summary of a record: of thousands of runs, only what is asked for is converted."""

    def __init__(self, recorded: Mapping[str, Any]) -> None:
        self._recorded = recorded
        self._points: dict[str, Mapping[str, Point]] = {}
        self._metrics = [metric for metric in METRIC_NAMES if metric in recorded]

    def __getitem__(self, metric: str) -> Mapping[str, Point]:
        points = self._points.get(metric)
        if points is None:
            if metric not in self._metrics:
                raise KeyError(metric)
            recorded = self._recorded[metric]
            values = recorded if type(recorded) is dict else {}
            points = self._points[metric] = {
                name: Point(clip(values[name]["value"]), values[name]["epoch"])
                for name in STATISTICS
                if _is_point(values.get(name))
            }
        return points

    def __contains__(self, metric: object) -> bool:
        return metric in self._metrics

    def __iter__(self) -> Iterator[str]:
        return iter(self._metrics)

    def __len__(self) -> int:
        return len(self._metrics)


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
        deep = may_be_deep(data, MAX_DEPTH)
        entries, problems = _checked(parse_mapping(data), deep=deep)
    except OSError as error:
        raise RunError(f"{folder}: not a run: {RUN}: {error.strerror}") from error
    except TypeError as error:
        raise RunError(f"{folder}: not a run: {RUN} {error}") from error
    except ValueError as error:
        raise RunError(f"{folder}: not a readable run: {RUN} is damaged ({error})") from error
    return Record(entries, tuple(problems), written)


def _checked(values: dict[str, Any], *, deep: bool) -> tuple[dict[str, Any], list[str]]:
    """Return the entries that are what they should be, and what is wrong with the others."""
    problems: list[str] = []
    version = values.get("format")
    if type(version) is not int or not 1 <= version <= FORMAT:
        problems.append(f"format {quoted(version)}: this version of nnexp reads 1 to {FORMAT}")
    for old in _OLD_ENTRIES.keys() & values.keys():
        values.setdefault(_OLD_ENTRIES[old], values.pop(old))
    if deep:
        for key in [key for key, value in values.items() if is_deep(value, MAX_DEPTH)]:
            del values[key]
            problems.append(f"{RUN}: {shorten(key)}: nested deeper than {MAX_DEPTH} levels")
    _keep_typed(values, ENTRIES, "", problems)
    _keep_typed(values.get("log") or {}, _LOG, "log.", problems)
    data = values.get("data") or {}
    _keep_typed(data, _DATA, "data.", problems)
    names = data.get("classes") or []
    if len(names) > MAX_CLASSES or not all(isinstance(name, str) for name in names):
        problems.append(f"{RUN}: data.classes: expected at most {MAX_CLASSES:,} names")
        del data["classes"]
    classes = values.get("never_learned") or []
    if not all(type(number) is int and 0 <= number < MAX_CLASSES for number in classes):
        problems.append(f"{RUN}: never_learned: expected numbers of classes")
        del values["never_learned"]
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
