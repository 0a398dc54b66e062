"""What a key may be: a list of values, or a range to draw from."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite, log
from typing import Annotated, Any

import numpy as np
from pydantic import WithJsonSchema

_KINDS = ("log", "uniform", "int")
_DUE = "[a, b, c], {log: [low, high]}, {uniform: [low, high]} or {int: [low, high]} is due"
_LARGEST_INT = 2**53
_ENDS = {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2}
SPACE: dict[str, Any] = {
    "anyOf": [
        {"type": "array", "minItems": 1},
        *(
            {
                "type": "object",
                "properties": {kind: _ENDS},
                "required": [kind],
                "additionalProperties": False,
            }
            for kind in _KINDS
        ),
    ]
}
Space = Annotated[Any, WithJsonSchema(SPACE)]


def space_problem(spec: Any) -> str | None:
    """Say what is wrong with the values a key may take, or None.

    >>> space_problem({"log": [10, 0.01]})
    'the lower end comes first'
    """
    if isinstance(spec, list):
        return None if spec else "a list of values must have some"
    if not isinstance(spec, dict) or len(spec) != 1 or not set(spec) <= set(_KINDS):
        return _DUE
    ((kind, ends),) = spec.items()
    if not isinstance(ends, list) or len(ends) != 2 or not all(map(_is_number, ends)):
        return f"{kind}: [low, high], two numbers, is due"
    return _range_problem(kind, *ends)


def _range_problem(kind: str, low: float, high: float) -> str | None:
    if kind == "int" and not (isinstance(low, int) and isinstance(high, int)):
        return "int: two whole numbers are due"
    if kind == "int" and max(abs(low), abs(high)) > _LARGEST_INT:
        return f"int: numbers up to {_LARGEST_INT:,} are due"
    if kind == "log" and min(low, high) <= 0:
        return "log: both ends must be above 0"
    if not isfinite(float(high) - float(low)):
        return f"{kind}: the ends are too far apart"
    return None if low < high else "the lower end comes first"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)


def draw(spec: Any, rng: np.random.Generator) -> Any:
    """Draw one value; a real number is rounded to three digits, so that its name is its value."""
    if isinstance(spec, list):
        return spec[int(rng.integers(len(spec)))]
    ((kind, (low, high)),) = spec.items()
    if kind == "int":
        return int(rng.integers(low, high, endpoint=True))
    x = np.exp(rng.uniform(log(low), log(high))) if kind == "log" else rng.uniform(low, high)
    return rounded(x, low, high)


def rounded(x: float, low: float, high: float) -> float:
    """Round to three digits, but not beyond the ends.

    >>> rounded(0.032784, 0.01, 10), rounded(9.9996, 0.01, 9.9999)
    (0.0328, 9.9999)
    """
    return float(min(max(float(f"{x:.3g}"), low), high))


def samples(spec: Any) -> Sequence[Any]:
    """Return the values of a list, or the ends of a range."""
    if isinstance(spec, list):
        return spec
    ((kind, ends),) = spec.items()
    return ends if kind == "int" else list(map(float, ends))
