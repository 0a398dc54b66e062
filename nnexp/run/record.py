"""run.json: the one place that reads it, and knows of what type its entries are.

It may come from a stranger: nothing in it is believed to be of the type it should be.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nnexp.errors import RunError
from nnexp.io.files import open_regular, read_open
from nnexp.io.json_files import is_deep, parse_mapping
from nnexp.names import METRICS as METRIC_NAMES
from nnexp.names import OLD_STATISTICS, STATISTICS
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
        """What the log came to; None where it is not recorded, or is no number in JSON."""
        summary: dict[str, dict[str, Point]] = {}
        recorded = self.entries.get("summary")
        if recorded is None:
            return None
        for metric in METRIC_NAMES:
            if metric in recorded:
                try:
                    points = recorded[metric].items()
                    summary[metric] = {
                        OLD_STATISTICS.get(name, name): _point(**point) for name, point in points
                    }
                except (TypeError, AttributeError, ValueError):
                    return None
                if not summary[metric].keys() <= _STATISTICS:
                    return None
        seconds = self.entries.get("seconds_per_epoch")
        return Facts(self.epochs, clip(seconds) if type(seconds) is float else None, summary)


_STATISTICS = frozenset(STATISTICS)


def _point(value: float, epoch: int) -> Point:
    if type(value) not in (float, int) or type(epoch) is not int or not 1 <= epoch <= MAX_EPOCH:
        raise ValueError
    return Point(clip(value), epoch)


def read_record(folder: Path) -> Record:
    """Read a folder's run.json.

    Raises:
        RunError: there is none, or it cannot be read.
    """
    try:
        with open_regular(Path(f"{folder}/{RUN}"), follow=False) as stream:
            written = os.fstat(stream.fileno()).st_mtime_ns
            data = read_open(stream, MAX_RECORD)
        entries, problems = _checked(parse_mapping(data))
    except OSError as error:
        raise RunError(f"{folder}: not a run: {RUN}: {error.strerror}") from error
    except TypeError as error:
        raise RunError(f"{folder}: not a run: {RUN} {error}") from error
    except ValueError as error:
        raise RunError(f"{folder}: not a readable run: {RUN} is damaged ({error})") from error
    return Record(entries, tuple(problems), written)


def _checked(values: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return the entries that are what they should be, and what is wrong with the others."""
    from nnexp.names import MAX_CLASSES

    problems: list[str] = []
    version = values.get("format")
    if type(version) is not int or not 1 <= version <= FORMAT:
        problems.append(f"format {quoted(version)}: this version of nnexp reads 1 to {FORMAT}")
    entries = _typed(values, ENTRIES, "", problems)
    if entries.get("log"):
        entries["log"] = _typed(entries["log"], _LOG, "log.", problems)
    if entries.get("data"):
        entries["data"] = data = _typed(entries["data"], _DATA, "data.", problems)
        names = data.get("classes") or []
        if len(names) > MAX_CLASSES or not all(isinstance(name, str) for name in names):
            problems.append(f"{RUN}: data.classes: expected at most {MAX_CLASSES:,} names")
            del data["classes"]
    classes = entries.get("never_learned") or []
    if not all(type(number) is int and 0 <= number < MAX_CLASSES for number in classes):
        problems.append(f"{RUN}: never_learned: expected numbers of classes")
        del entries["never_learned"]
    return entries, problems


def _typed(
    values: Mapping[str, Any], types: Mapping[str, type], prefix: str, problems: list[str]
) -> dict[str, Any]:
    """Return the entries that are of the type they should be; name the others in `problems`."""
    entries = {}
    for old, value in values.items():
        key = _OLD_ENTRIES.get(old, old)
        expected = types.get(key)
        if expected and value is not None and type(value) is not expected:
            words = _WORDS[expected]
            problems.append(f"{RUN}: {prefix}{key}: expected {words}, got {quoted(value)}")
        elif type(value) in (dict, list) and is_deep(value, MAX_DEPTH):
            problems.append(f"{RUN}: {prefix}{shorten(key)}: nested deeper than {MAX_DEPTH} levels")
        else:
            entries[key] = value
    return entries
