"""JSON files of a run's or a study's folder, read within bounds."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from math import isfinite
from pathlib import Path
from typing import Any

from nnexp.io.files import read_bytes

MAX_VALUES = 300_000
_DIGITS = 100
_HOLDERS = (dict, list)


def read_mapping(path: Path, limit: int) -> dict[str, Any]:
    """Read a JSON file whose outermost value is a mapping; a link is not followed.

    A number that is not finite, and a whole one of more than a hundred digits, is None.

    Args:
        path: the file.
        limit: bytes that are read at most.

    Raises:
        OSError: it cannot be read.
        ValueError: it is not JSON, nested too deep to be read, or of more than 300,000 values.
        TypeError: it holds no mapping.
    """
    text = read_bytes(path, limit, follow=False).decode("utf-8-sig")
    try:
        found = json.loads(text, parse_int=_whole, parse_float=_real, parse_constant=_real)
    except RecursionError as error:
        raise ValueError("nested too deep") from error
    if not isinstance(found, dict):
        raise TypeError("holds no mapping")
    if sum(len(holder) for level in _levels(found) for holder in level) > MAX_VALUES:
        raise ValueError(f"more than {MAX_VALUES:,} values")
    return found


def _whole(digits: str) -> int | None:
    return int(digits) if len(digits) <= _DIGITS else None


def _real(text: str) -> float | None:
    value = float(text)
    return value if isfinite(value) else None


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
