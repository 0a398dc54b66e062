"""YAML without its traps, and with the line of every key.

Read by the rules of YAML 1.2: `1e-3` is a number; `no`, `on`, `1_000` and `1:30` are words. A key
that is there twice is an error. Tags are refused, and aliases that would grow the document; size,
depth and the digits of integers are bounded.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from nnexp.errors import ConfigError, Problem

MAX_BYTES = 4_000_000
MAX_DEPTH = 20
MAX_NODES = 300_000
MAX_DIGITS = 100
MAX_PROBLEMS = 100

Key = tuple[str | int, ...]
# What is wrong, and with which key.
Mistake = tuple[Key, str]

_CORE = "tag:yaml.org,2002:"
_COLLECTIONS = (f"{_CORE}map", f"{_CORE}seq")


def _int(text: str) -> int:
    if len(text.lstrip("+-")) > MAX_DIGITS:
        raise ValueError(f"expected an integer of at most {MAX_DIGITS} digits")
    return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))


# What a scalar may be, by YAML 1.2's core schema: how it is written, and how it is read.
_KINDS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "null": (r"~|null|Null|NULL|", lambda text: None),
    "bool": (r"true|True|TRUE|false|False|FALSE", lambda text: text.lower() == "true"),
    "int": (r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", _int),
    "float": (
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        lambda text: float(text.lower().replace(".inf", "inf").replace(".nan", "nan")),
    ),
}
PATTERNS = {kind: re.compile(rf"(?:{pattern})\Z") for kind, (pattern, _) in _KINDS.items()}

# libyaml's parser is 25 times faster; PyYAML can be built without it.
_PARSER: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)


@dataclass(slots=True)
class Document:
    """A parsed document.

    Attributes:
        file: its path.
        values: plain: what YAML says.
        places: where each value is, as "file:line".
        notes: what the user should know of it.
    """

    file: str
    values: dict[str, Any]
    places: dict[Key, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def _nearest(self, key: Key) -> Key:
        """Return a key or, where it is not in the file, that of what holds it."""
        while key and key not in self.places:
            key = key[:-1]
        return key

    def where(self, key: Key) -> str:
        """Return "file:line" of a key or, where it is not in the file, of what holds it."""
        return self.places.get(self._nearest(key), self.file)

    def copy(self) -> Document:
        """Return a copy that can be changed, without the notes."""
        return Document(self.file, deepcopy(self.values), dict(self.places))

    def forget(self, key: Key, value: Any) -> None:
        """Drop the place of a value, and those of what it holds."""
        self.places.pop(key, None)
        if isinstance(value, dict | list):
            inner = value.items() if isinstance(value, dict) else enumerate(value)
            for part, item in inner:
                self.forget((*key, part), item)

    def error(self, key: Key, message: str) -> ConfigError:
        """Return the error that says what is wrong with a key, and where it is."""
        return ConfigError([Problem(self.where(key), dotted(key), message)])

    def refuse(self, mistakes: Iterable[Mistake]) -> None:
        """Raise a ConfigError of all mistakes, in the order of the file; do nothing for none."""
        order = {key: i for i, key in enumerate(self.places)}
        ordered = sorted(mistakes, key=lambda mistake: order.get(self._nearest(mistake[0]), -1))
        if ordered:
            raise ConfigError(
                [Problem(self.where(k), dotted(k), message) for k, message in ordered]
            )


def file_error(file: Path | str, message: str) -> ConfigError:
    """Return the error that says what is wrong with a file as a whole, or with a line of it."""
    return ConfigError([Problem(str(file), "", message)])


def parse(text: str, file: str) -> Document:
    """Parse the text of a config.

    Raises:
        ConfigError: it is not YAML, not a mapping, empty, or uses what is refused.

    >>> parse("eta: 1e-3", "a.yaml").values
    {'eta': 0.001}
    """
    if len(text) > MAX_BYTES:
        raise file_error(file, f"longer than {MAX_BYTES:,} characters")
    builder = _Builder(file, text)
    try:
        values = builder.document()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        message = " ".join(part for part in (error.problem, error.context) if part)
        if mark and (start := error.context_mark) and start.line != mark.line:
            message += f" that begins in line {start.line + 1}"
        if "mapping values" in message:
            message += "; a text with ': ' in it is written in quotes"
        place = f"{file}:{mark.line + 1}" if mark else file
        raise file_error(place, f"not YAML: {message}") from error
    except yaml.YAMLError as error:
        raise file_error(file, f"not YAML: {str(error).splitlines()[0]}") from error
    except UnicodeEncodeError as error:
        raise file_error(file, "is not UTF-8 text") from error
    if builder.problems:
        raise ConfigError(builder.problems)
    if not isinstance(values, dict):
        kind = "a list" if isinstance(values, list) else "a single value"
        raise file_error(f"{file}:1", f"expected lines of `key: value`, got {kind}")
    return Document(file, values, builder.places)


def parse_value(text: str, where: str) -> Any:
    """Parse one value as a config would, for `--set key=value`.

    >>> parse_value("[784, 30, 10]", "--set layers")
    [784, 30, 10]
    """
    try:
        values = parse(f"value: {text}", where).values
        if len(values) > 1:
            raise file_error(where, "expected one value")
        return values["value"]
    except ConfigError as error:
        # The line within an option says nothing.
        raise ConfigError([Problem(where, "", p.message) for p in error.problems]) from error


class _Builder:
    """Turns the parser's events into plain values, noting places and problems.

    Values are counted as they come, and those of an alias again, so that a text that would grow is
    given up before it has.
    """

    def __init__(self, file: str, text: str) -> None:
        self.file = file
        self.places: dict[Key, str] = {}
        self.problems: list[Problem] = []
        self._events = yaml.parse(text, Loader=_PARSER)
        # A value that has an anchor, how many values it consists of, and on how many levels.
        self._anchors: dict[str, tuple[Any, int, int]] = {}
        self._nodes = 0
        self._deepest = 0
        self._line, self._last_place = 0, ""

    def _place(self, event: Any) -> str:
        """Return "file:line"; the values of a line share the text, whose file may be long."""
        line = event.start_mark.line + 1
        if line != self._line:
            self._line, self._last_place = line, f"{self.file}:{line}"
        return self._last_place

    def _refuse(self, event: Any, key: Key, message: str) -> None:
        self.problems.append(Problem(self._place(event), dotted(key), message))

    def document(self) -> Any:
        """Return the values of the only document."""
        next(self._events)  # the stream begins
        if not isinstance(next(self._events), yaml.DocumentStartEvent):
            raise file_error(self.file, "empty; a config needs at least data and layers")
        values = self._value(next(self._events), ())
        next(self._events)  # the document ends
        further = next(self._events)
        if isinstance(further, yaml.DocumentStartEvent):
            raise file_error(self._place(further), "a second document begins here")
        return values

    def _count(self, event: Any, nodes: int, levels: int) -> None:
        """Count values about to be built, and stop where they become too many or too deep."""
        self._nodes += nodes
        self._deepest = max(self._deepest, levels)
        what = f"{MAX_NODES:,} values" if self._nodes > MAX_NODES else f"{MAX_DEPTH} levels"
        if self._nodes > MAX_NODES or levels > MAX_DEPTH or len(self.problems) > MAX_PROBLEMS:
            message = f"larger than the {what} a config may have"
            raise ConfigError(self.problems or [Problem(self._place(event), "", message)])

    def _value(self, event: Any, key: Key) -> Any:
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event, key)
        self._count(event, 1, len(key))
        self.places[key] = self._place(event)
        before, outer = self._nodes, self._deepest
        self._deepest = len(key)
        if isinstance(event, yaml.ScalarEvent):
            value = self._scalar(event, key)
        else:
            if event.tag not in (None, "!", *_COLLECTIONS):
                self._refuse(event, key, f"the tag {event.tag} is not allowed")
            mapping = isinstance(event, yaml.MappingStartEvent)
            value = self._mapping(key) if mapping else self._sequence(key)
        if event.anchor is not None:
            levels = self._deepest - len(key)
            self._anchors[event.anchor] = (value, self._nodes - before + 1, levels)
        self._deepest = max(outer, self._deepest)
        return value

    def _alias(self, event: Any, key: Key) -> Any:
        if event.anchor not in self._anchors:
            self._refuse(event, key, f"no anchor {event.anchor} is above")
            return None
        value, nodes, levels = self._anchors[event.anchor]
        self._count(event, nodes, len(key) + levels)
        self.places[key] = self._place(event)
        return deepcopy(value)

    def _sequence(self, key: Key) -> list[Any]:
        values: list[Any] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            values.append(self._value(event, (*key, len(values))))
        return values

    def _mapping(self, key: Key) -> dict[str, Any]:
        values: dict[str, Any] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            if not isinstance(event, yaml.ScalarEvent):
                self._refuse(event, key, "expected a plain word as key")
                self._value(event, (*key, ""))
                self._value(next(self._events), (*key, ""))
                continue
            name = self._text(event, key)
            first = self.places.get((*key, name)) if name in values else None
            value = self._value(next(self._events), (*key, name))
            if first is None:
                values[name] = value
                self.places[(*key, name)] = self._place(event)
            else:
                self._refuse(event, (*key, name), f"is there twice; first in {first}")
        return values

    def _text(self, event: yaml.ScalarEvent, key: Key) -> str:
        text = str(event.value)
        if any("\ud800" <= char <= "\udfff" for char in text):
            self._refuse(event, key, "half of a surrogate pair is not text")
        return text

    def _scalar(self, event: yaml.ScalarEvent, key: Key) -> Any:
        text, tag = event.value, event.tag
        if tag in (None, "!"):
            kinds = (kind for kind, pattern in PATTERNS.items() if pattern.match(text))
            kind = next(kinds, "str") if event.implicit[0] else "str"
        else:
            kind = tag.removeprefix(_CORE)
        if kind == "str":
            return self._text(event, key)
        if kind not in _KINDS:
            self._refuse(event, key, f"the tag {tag} is not allowed")
        elif not PATTERNS[kind].match(text):
            self._refuse(event, key, f"cannot be read as {kind}")
        else:
            try:
                return _KINDS[kind][1](text)
            except ValueError as error:
                self._refuse(event, key, str(error))
        return None


def dotted(key: Key) -> str:
    """Write a key's path as `--set` takes it.

    >>> dotted(("layers", 1))
    'layers.1'
    """
    return ".".join(map(str, key))
