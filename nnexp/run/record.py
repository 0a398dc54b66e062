"""run.json: the one place that reads it, and knows of what type its entries are.

It may come from a stranger: nothing in it is believed to be of the type it should be.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from nnexp.config.identity import identity, identity_v1
from nnexp.errors import RunError
from nnexp.io.files import read_dated
from nnexp.io.json_files import is_deep, may_be_deep, parse_mapping, parse_value
from nnexp.names import MAX_CLASSES, STATISTICS
from nnexp.names import METRICS as METRIC_NAMES
from nnexp.run.layout import FORMAT, MAX_DEPTH, MAX_EPOCH, MAX_RECORD, RUN, later_format
from nnexp.run.log import clip
from nnexp.stats.summary import Facts, Point
from nnexp.text import quoted, shorten

if TYPE_CHECKING:
    from nnexp.config.schema import Experiment

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
    "notes": list,
    "config": dict,
    "config_sha256": str,
    "resumed": list,
    "extended": list,
}
_DATA: Mapping[str, type] = {"name": str, "sha256": str, "classes": list}
# What older formats call an entry.
_OLD_ENTRIES = {"unlearnt": "never_learned"}
_NEEDLES = {metric: f'"{metric}": {{'.encode() for metric in METRIC_NAMES}
_SEED = b'"seed": '
_DECODER = json.JSONDecoder()
# Longer lines are not kept.
_SHORT = 10_000
# An integer of fewer digits has 64 bits.
_DIGITS = 20
_UNSOUND = object()


class Record(Mapping[str, Any]):
    """run.json: its entries, without those that are of another type than they should be.

    The writer puts each entry on a line. A line is parsed when it is asked for, and equal lines of
    many runs once, so that thousands of runs are opened in a second; their values are not to be
    changed. JSON in another layout is parsed and laid out so first.

    Attributes:
        problems: what is wrong with the entries that were asked for, for the user.
        written_ns: when the file was written.
    """

    def __init__(self, data: bytes, written_ns: int = 0) -> None:
        self.problems: dict[str, None] = {}
        self.written_ns = written_ns
        self._values: dict[str, Any] = {}
        lines = _lines(data)
        if lines is None:
            values = parse_mapping(data)
            for old in _OLD_ENTRIES.keys() & values.keys():
                values.setdefault(_OLD_ENTRIES[old], values.pop(old))
            lines = _lines(laid_out(values)) or {}
        self._lines = lines
        version = self.get("format")
        if version not in range(1, FORMAT + 1):
            unknown = f"format: expected 1 to {FORMAT}, got {quoted(version)}"
            self.problems[f"{RUN}: {later_format(version, FORMAT) or unknown}"] = None

    def __getitem__(self, key: str) -> Any:
        value = self.get(key, _UNSOUND)
        if value is _UNSOUND:
            raise KeyError(key)
        return value

    def get(self, key: str, default: Any = None) -> Any:
        """Return the value of an entry, or `default` where there is no sound one."""
        if key not in self._values:
            line = self._lines.get(_name(key))
            value, problems = (_UNSOUND, {}) if line is None else _entry(key, line)
            self.problems |= problems
            self._values[key] = value
        value = self._values[key]
        return default if value is _UNSOUND else value

    def __iter__(self) -> Iterator[str]:
        keys = filter(None, map(_key, self._lines))
        return iter([key for key in keys if self.get(key, self) is not self])

    def __len__(self) -> int:
        return len(list(iter(self)))

    @property
    def log(self) -> tuple[int, int, int] | None:
        """Rows, bytes and CRC-32 of metrics.csv when the run ended; None where not recorded."""
        log = self.get("log") or {}
        rows, size, crc = (log.get(key) for key in ("rows", "bytes", "crc32"))
        return (rows, size, crc) if type(rows) is type(size) is type(crc) is int else None

    @property
    def facts(self) -> Facts | None:
        """What the log came to; None where it is not recorded."""
        summary, seconds = self._lines.get(b"summary"), self._lines.get(b"seconds_per_epoch")
        if summary is None:
            return None
        try:
            per_epoch = None if seconds is None else clip(float(seconds))
        except ValueError:
            per_epoch = None
        return Facts(self.get("epochs") or 0, per_epoch, _Summary(summary))

    @property
    def config(self) -> tuple[bytes, Any] | None:
        """The config with the seed 0 as JSON, the same for the runs of an arm, and the seed."""
        line = self._lines.get(b"config", b"")
        before, *after = line.split(_SEED)
        if len(after) == 1 and line.startswith(b"{"):  # else it is not what a run writes
            seed, comma, rest = after[0].partition(b",")
            if comma and seed.isdigit() and len(seed) < _DIGITS:
                return b"".join((before, _SEED, b"0,", rest)), int(seed)
        config = self.get("config")
        return None if config is None else without_seed(config)


@lru_cache(maxsize=256)
def _name(key: str) -> bytes:
    """Return a key as it stands in JSON, between its quotes."""
    return _json(key)[1:-1].encode("utf-8", "backslashreplace")


def _key(name: bytes) -> str | None:
    """Return the key that stands in JSON as this; None where it is damaged."""
    try:
        return str(parse_value(b'"%b"' % name))
    except ValueError:
        return None


def without_seed(config: Mapping[str, Any]) -> tuple[bytes, Any]:
    """Return a config with the seed 0 as JSON, and its seed."""
    return json.dumps({**config, "seed": 0}).encode(), config.get("seed", 0)


def config_of(line: bytes) -> Mapping[str, Any]:
    """Return a config from its JSON, once for all runs that share it; raise ValueError."""
    value, problems = _entry("config", line)
    if not isinstance(value, dict):
        raise ValueError(*problems)
    return value


class Settings(NamedTuple):
    """A config with the seed 0: as JSON, as a validated mapping, and as an experiment."""

    packed: bytes
    config: dict[str, Any]
    experiment: Experiment


@lru_cache(maxsize=4096)
def settings_of(packed: bytes) -> Settings:
    """Validate a config: once for all runs of an arm. Raise ValueError where it is none."""
    from nnexp.config import loader

    experiment = loader.from_record(config_of(packed))
    return Settings(packed, experiment.model_dump(mode="json"), experiment)


@lru_cache(maxsize=4096)
def identity_of(packed: bytes, digest: str | None) -> str:
    """Return the identity of the runs of an arm; without a digest that of studies of format 1."""
    config = settings_of(packed).config
    return identity_v1(config) if digest is None else identity(config, digest)


def laid_out(entries: Mapping[str, Any]) -> bytes:
    """Return JSON with a line per entry: a person can read it, and `Record` line by line."""
    lines = (f"{_json(key)}: {_json(value)}" for key, value in entries.items())
    # An argument that is no UTF-8 arrives as lone surrogates; as escapes, they are JSON.
    return ("{\n" + ",\n".join(lines) + "\n}\n").encode("utf-8", "backslashreplace")


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _lines(data: bytes) -> dict[bytes, bytes] | None:
    """Return the JSON of each entry by its key; None where the entries are not a line each."""
    if not (data.startswith(b'{\n"') and data.endswith(b"\n}\n")):
        return None
    lines = data[3:-3].split(b',\n"')
    if len(lines) != data.count(b"\n") - 2:
        return None
    try:
        return dict(line.split(b'": ', 1) for line in lines)
    except ValueError:  # a line without a key
        return None


def _entry(key: str, line: bytes) -> tuple[Any, dict[str, None]]:
    """Return the value of an entry and what is wrong with it; a short line is parsed once."""
    return (_parsed if len(line) <= _SHORT else _parsed.__wrapped__)(key, line)


@lru_cache(maxsize=4096)
def _parsed(key: str, line: bytes) -> tuple[Any, dict[str, None]]:
    problems: dict[str, None] = {}
    try:
        values = {key: parse_value(line)}
    except ValueError as error:
        return _UNSOUND, {f"{RUN}: {shorten(key)}: is damaged ({error})": None}
    if may_be_deep(line, MAX_DEPTH) and is_deep(values[key], MAX_DEPTH):
        problem = f"{RUN}: {shorten(key)}: nested deeper than {MAX_DEPTH} levels"
        return _UNSOUND, {problem: None}
    _keep_typed(values, ENTRIES, "", problems)
    value = values.get(key, _UNSOUND)
    if value is _UNSOUND or value is None:
        return value, problems
    if key == "data":
        _keep_typed(value, _DATA, "data.", problems)
        names = value.get("classes") or []
        if len(names) > MAX_CLASSES or not all(isinstance(name, str) for name in names):
            problems[f"{RUN}: data.classes: expected at most {MAX_CLASSES:,} names"] = None
            del value["classes"]
    if key == "never_learned" and not all(
        type(number) is int and 0 <= number < MAX_CLASSES for number in value
    ):
        return _UNSOUND, {f"{RUN}: {key}: expected numbers of classes": None}
    return value, problems


def _keep_typed(
    values: dict[str, Any], types: Mapping[str, type], prefix: str, problems: dict[str, None]
) -> None:
    """Delete the entries that are not of the type they should be; name them in `problems`."""
    for key in values.keys() & types.keys():
        value = values[key]
        if value is not None and type(value) is not types[key]:
            message = f"expected {_WORDS[types[key]]}, got {quoted(values.pop(key))}"
            problems[f"{RUN}: {prefix}{key}: {message}"] = None


class _Summary(Mapping[str, Mapping[str, Point]]):
    """The summary of a record: of each metric only what is asked for is parsed."""

    def __init__(self, line: bytes) -> None:
        self._line = line
        self._points: dict[str, Mapping[str, Point]] = {}

    def __getitem__(self, metric: str) -> Mapping[str, Point]:
        if metric not in self._points:
            if metric not in self:
                raise KeyError(metric)
            self._points[metric] = self._read(metric)
        return self._points[metric]

    def _read(self, metric: str) -> Mapping[str, Point]:
        needle = _NEEDLES[metric]
        start = self._line.index(needle) + len(needle) - 1
        try:
            values, _ = _DECODER.raw_decode(self._line[start:].decode())
        except (ValueError, RecursionError):
            return {}
        return {
            name: Point(clip(values[name]["value"]), values[name]["epoch"])
            for name in STATISTICS
            if _is_point(values.get(name))
        }

    def __contains__(self, metric: object) -> bool:
        return metric in _NEEDLES and _NEEDLES[str(metric)] in self._line

    def __iter__(self) -> Iterator[str]:
        return (metric for metric in _NEEDLES if metric in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)


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
