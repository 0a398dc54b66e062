"""Groups of runs that differ only in seed, and what tells the groups apart."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

T = TypeVar("T")
Flat = dict[str, Any]


def flatten(values: Mapping[str, Any], prefix: str = "") -> Flat:
    """Write nested mappings with dotted keys.

    >>> flatten({"eta": 1, "data": {"name": "mnist", "train": 100}})
    {'eta': 1, 'data.name': 'mnist', 'data.train': 100}
    """
    flat: Flat = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat


def group(items: Iterable[T], identity: Callable[[T], str]) -> list[list[T]]:
    """Put items with equal identities together, in the order of first appearance."""
    groups: dict[str, list[T]] = {}
    for item in items:
        groups.setdefault(identity(item), []).append(item)
    return list(groups.values())


def differing(flats: Sequence[Flat]) -> list[str]:
    """Return the keys whose values are not the same in all.

    >>> differing([{"cost": "quadratic", "eta": 3.0}, {"cost": "quadratic", "eta": 0.5}])
    ['eta']
    """
    keys = dict.fromkeys(key for flat in flats for key in flat)
    return [key for key in keys if any(flat.get(key) != flats[0].get(key) for flat in flats)]
