"""YAML without its traps, and with the line of every key.

Read with YAML 1.2's rules: `1e-3` is a number, `no` and `on` are words, `1:30` is not 90. A key
that stands twice is an error. Tags are refused, and aliases that would grow the document; size
and depth are bounded.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar, cast

import yaml

from nnexp.errors import ConfigError, Problem

MAX_BYTES = 4_000_000
MAX_DEPTH = 20
MAX_NODES = 1_000_000

Key = tuple[str | int, ...]

_COLLECTIONS = ("tag:yaml.org,2002:map", "tag:yaml.org,2002:seq")


class _Loader(yaml.SafeLoader):
    """SafeLoader's scanner and parser with the scalar types of YAML 1.2's core schema."""

    yaml_implicit_resolvers: ClassVar[dict[str, Any]] = {}  # type: ignore[misc]


RESOLVERS: dict[str, list[tuple[str, re.Pattern[str]]]] = _Loader.yaml_implicit_resolvers
_PATTERNS: dict[str, re.Pattern[str]] = {}

for _tag, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", "~nN\0"),
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?[0-9][0-9_]*", "-+0123456789"),
    (
        "float",
        r"[-+]?(\.[0-9]+|[0-9][0-9_]*(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        "-+.0123456789",
    ),
):
    _PATTERNS[_tag] = re.compile(f"^(?:{_pattern})$")
    for _char in _first:
        RESOLVERS.setdefault("" if _char == "\0" else _char, []).append(
            (f"tag:yaml.org,2002:{_tag}", _PATTERNS[_tag])
        )


def _float(text: str) -> float:
    return float(text.lower().replace("_", "").replace(".inf", "inf").replace(".nan", "nan"))


_READERS: dict[str, Callable[[str], Any]] = {
    "null": lambda text: None,
    "bool": lambda text: text.lower() == "true",
    "int": lambda text: int(text.replace("_", "")),
    "float": _float,
}


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed document: its plain values, and where each of them stands ("file:line")."""

    file: str
    values: dict[str, Any]
    places: dict[Key, str] = field(default_factory=dict)

    def where(self, key: Key) -> str:
        """Return "file:line" of a key or, where it is not in the file, of what holds it."""
        while key and key not in self.places:
            key = key[:-1]
        return self.places.get(key, self.file)


def parse(text: str, file: str) -> Document:
    """Parse the text of a config.

    Raises:
        ConfigError: it is not YAML, not a mapping, empty, or uses what is refused.

    >>> parse("eta: 1e-3", "a.yaml").values
    {'eta': 0.001}
    """
    if len(text) > MAX_BYTES:
        raise ConfigError([Problem(file, "", f"longer than {MAX_BYTES:,} characters")])
    try:
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{file}:{mark.line + 1}" if mark else file
        said = " ".join(part for part in (error.problem, error.context) if part)
        if "mapping values" in said:
            said += "; a text with ': ' in it is written in quotes"
        raise ConfigError([Problem(where, "", f"not YAML: {said}")]) from error
    except yaml.YAMLError as error:
        raise ConfigError([Problem(file, "", f"not YAML: {str(error).splitlines()[0]}")]) from error
    except RecursionError as error:
        raise ConfigError([Problem(file, "", f"nested deeper than {MAX_DEPTH} levels")]) from error
    if node is None:
        raise ConfigError([Problem(file, "", "empty; a config needs at least data and layers")])
    builder = _Builder(file)
    values = builder.build(node, ())
    if builder.problems:
        raise ConfigError(builder.problems)
    if not isinstance(values, dict):
        kind = "a list" if isinstance(values, list) else "a single value"
        raise ConfigError([Problem(f"{file}:1", "", f"{kind} where `key: value` lines are due")])
    return Document(file, values, builder.places)


def parse_value(text: str, where: str) -> Any:
    """Parse one value as a config would, for `--set key=value`.

    >>> parse_value("[784, 30, 10]", "--set layers")
    [784, 30, 10]
    """
    try:
        return parse(f"value: {text}", where).values["value"]
    except ConfigError as error:
        # The line within an option says nothing.
        raise ConfigError([Problem(where, "", p.message) for p in error.problems]) from error


class _Builder:
    """Turns nodes into plain values, noting places and problems."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.places: dict[Key, str] = {}
        self.problems: list[Problem] = []
        self._nodes = 0

    def _refuse(self, node: yaml.Node, key: Key, message: str) -> None:
        where = f"{self.file}:{node.start_mark.line + 1}"
        self.problems.append(Problem(where, dotted(key), message))

    def build(self, node: yaml.Node, key: Key) -> Any:
        self._nodes += 1
        if self._nodes > MAX_NODES or len(key) > MAX_DEPTH:
            if not self.problems:
                what = f"{MAX_NODES:,} values" if len(key) <= MAX_DEPTH else f"{MAX_DEPTH} levels"
                self._refuse(node, (), f"larger than the {what} a config may have")
                self._nodes = MAX_NODES  # what is left need not be looked at
            return None
        self.places[key] = f"{self.file}:{node.start_mark.line + 1}"
        if isinstance(node, yaml.CollectionNode) and node.tag not in _COLLECTIONS:
            self._refuse(node, key, f"the tag {node.tag} is not allowed")
            return None
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, key)
        if isinstance(node, yaml.SequenceNode):
            return [self.build(item, (*key, i)) for i, item in enumerate(node.value)]
        return self._scalar(cast(yaml.ScalarNode, node), key)

    def _mapping(self, node: yaml.MappingNode, key: Key) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for name_node, value_node in node.value:
            if not isinstance(name_node, yaml.ScalarNode):
                self._refuse(name_node, key, "a key must be a plain word")
                continue
            name = self._text(name_node, key)
            if name in values:
                first = self.places[(*key, name)]
                self._refuse(name_node, (*key, name), f"stands twice; first in {first}")
                continue
            values[name] = self.build(value_node, (*key, name))
            self.places[(*key, name)] = f"{self.file}:{name_node.start_mark.line + 1}"
        return values

    def _text(self, node: yaml.ScalarNode, key: Key) -> str:
        text = str(node.value)
        if any("\ud800" <= char <= "\udfff" for char in text):
            self._refuse(node, key, "half of a surrogate pair is not text")
        return text

    def _scalar(self, node: yaml.ScalarNode, key: Key) -> Any:
        kind = node.tag.removeprefix("tag:yaml.org,2002:")
        if kind == "str":
            return self._text(node, key)
        if kind not in _READERS:
            self._refuse(node, key, f"the tag {node.tag} is not allowed")
            return None
        try:
            if _PATTERNS[kind].match(node.value):
                return _READERS[kind](node.value)
        except ValueError:  # an integer of thousands of digits
            pass
        self._refuse(node, key, f"cannot be read as a value of type {kind}")
        return None


def dotted(key: Key) -> str:
    """Write a key's path as `--set` takes it.

    >>> dotted(("layers", 1))
    'layers.1'
    """
    return ".".join(map(str, key))
