"""JSON files of a run's or a study's folder, read within bounds."""

from __future__ import annotations

import json
from codecs import BOM_UTF8
from collections.abc import Iterator
from itertools import islice
from typing import Any

MAX_VALUES = 400_000
_HOLDERS = (dict, list)
_NO_BRACKETS = bytes(set(range(256)) - set(b"{}[]"))


def parse_mapping(data: bytes) -> dict[str, Any]:
    """Parse JSON whose outermost value is a mapping; see `parse_value`.

    Raises:
        ValueError: as `parse_value`.
        TypeError: it holds no mapping.
    """
    values = parse_value(data)
    if not isinstance(values, dict):
        raise TypeError("holds no mapping")
    return values


def parse_value(data: bytes) -> Any:
    """Parse JSON in UTF-8; None stands for a number that is not finite.

    Raises:
        ValueError: it is not JSON, nested too deep to be read, of more than 400,000 values, or has
            an integer of more than 4,300 digits.
    """
    text = data.removeprefix(BOM_UTF8).decode()
    try:
        value = _DECODER.decode(text)
    except RecursionError as error:
        raise ValueError("nested too deep") from error
    except json.JSONDecodeError:
        raise
    except ValueError as error:
        raise ValueError("an integer of more than 4,300 digits") from error
    # A value takes two characters at least.
    if len(text) > 2 * MAX_VALUES and count_values(value) > MAX_VALUES:
        raise ValueError(f"more than {MAX_VALUES:,} values")
    return value


def count_values(value: Any) -> int:
    """Return how many values a JSON value consists of.

    >>> count_values({"a": [1, 2], "b": 3})
    4
    """
    return sum(len(holder) for level in _levels(value) for holder in level)


def _real(text: str) -> float | None:
    value = float(text)
    return None if value - value else value  # what is not finite differs from itself


_DECODER = json.JSONDecoder(parse_float=_real, parse_constant=_real)


def may_be_deep(data: bytes, levels: int) -> bool:
    """Tell whether JSON may be nested deeper than so many levels; fast, and False for most.

    >>> may_be_deep(b'{"a": [1]}', 2), may_be_deep(b'{"a": [1]}', 1)
    (False, True)
    """
    brackets = data.translate(None, _NO_BRACKETS)
    for _ in range(levels):
        brackets = brackets.replace(b"{}", b"").replace(b"[]", b"")
        if not brackets:
            return False
    return True


def is_deep(value: Any, levels: int) -> bool:
    """Tell whether a JSON value is nested deeper than so many levels.

    >>> is_deep({"a": [1]}, 2), is_deep({"a": [1]}, 1)
    (False, True)
    """
    return any(True for _ in islice(_levels(value), levels, None))


def _levels(value: Any) -> Iterator[list[Any]]:
    """Yield the mappings and lists that a JSON value consists of, level by level."""
    level = [value] if type(value) in _HOLDERS else []
    while level:
        yield level
        level = [
            item
            for holder in level
            for item in (holder.values() if type(holder) is dict else holder)
            if type(item) in _HOLDERS
        ]
