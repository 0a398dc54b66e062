"""Groups of runs that differ only in seed, and what tells the groups apart."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from statistics import fmean
from typing import Any, TypeVar

import numpy as np

from nnexp.nn.types import Array
from nnexp.stats.estimate import deviation

T = TypeVar("T")
Flat = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Spread:
    """Mean and spread of a value over runs; sd (n - 1 in the denominator) needs two of them."""

    n: int
    mean: float
    sd: float | None
    low: float
    high: float

    @classmethod
    def of(cls, values: Iterable[float | None]) -> Spread | None:
        """Summarize the finite values; None when there is none.

        >>> Spread.of([1.0, 2.0, 3.0])
        Spread(n=3, mean=2.0, sd=1.0, low=1.0, high=3.0)
        """
        finite = [value for value in values if value is not None and isfinite(value)]
        if not finite:
            return None
        return cls(len(finite), fmean(finite), deviation(finite), min(finite), max(finite))


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


def never_learned(labels: Sequence[int] | Array, predicted: Sequence[int] | Array) -> list[int]:
    """Return the classes of which a network recognizes less than half of what chance would.

    An output that never fires: the sign of a saturated output neuron (Nielsen, chapter 3). With K
    classes, chance recognizes 1/K of a class's examples. Nothing is said of a class with fewer than
    ten.

    >>> never_learned([0] * 10 + [1] * 10, [0] * 20)
    [1]
    """
    y, a = np.asarray(labels, np.intp), np.asarray(predicted, np.intp)
    examples = np.bincount(y)
    right = np.bincount(y[y == a], minlength=len(examples))
    classes = np.count_nonzero(examples)
    return np.flatnonzero((examples >= 10) & (right * 2 * classes < examples)).tolist()
