"""Search spaces: the values that a key may take, as a list or as a range to draw from.

Adding a kind of range is one class and one entry in KINDS.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite, log
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import PlainSerializer, PlainValidator, WithJsonSchema

from nnexp.errors import one_of

_EDGE = 0.05
# Larger integers have no exact float.
_LARGEST = 2**53


@dataclass(frozen=True)
class Choices:
    """A list of values of any type.

    >>> Choices([1, "a", {"name": "step"}]).words()
    '1, a or {name: step}'
    >>> Choices([5, 10, 20]).edge(5), Choices([5, 10, 20]).edge(10), Choices(["a", "b"]).edge("a")
    ('lower', None, None)
    """

    values: Sequence[Any]

    def __post_init__(self) -> None:
        if not self.values:
            raise ValueError("expected at least one value")

    @property
    def plain(self) -> Any:
        """How YAML and JSON have it."""
        return self.values

    def draw(self, rng: np.random.Generator) -> Any:
        """Draw one value; each is equally likely."""
        return self.values[int(rng.integers(len(self.values)))]

    def samples(self) -> Sequence[Any]:
        """Return all values."""
        return self.values

    def words(self) -> str:
        """Name the values for people."""
        return one_of(map(flow, self.values))

    def distribution(self, distributions: Any) -> Any:
        """Return Optuna's distribution: of places, since a value may be a list or a mapping."""
        return distributions.CategoricalDistribution(range(len(self.values)))

    def encode(self, value: Any) -> Any:
        """Return what Optuna's distribution has for a value."""
        return self.values.index(value)

    def decode(self, drawn: Any) -> Any:
        """Return the value of what Optuna's distribution gave."""
        return self.values[drawn]

    def edge(self, value: Any) -> str | None:
        """Tell which end of three or more different numbers a value is, if any."""
        if not all(map(_is_number, self.values)) or len(set(self.values)) < 3:
            return None
        return {min(self.values): "lower", max(self.values): "upper"}.get(value)


@dataclass(frozen=True)
class Uniform:
    """Numbers from low to high, all equally likely.

    `forward` leads to the scale on which they are, and `backward` from it.
    """

    low: float
    high: float
    kind: ClassVar[str] = "uniform"
    scale: ClassVar[str] = ""
    number: ClassVar[type[int | float]] = float
    forward: ClassVar[Any] = staticmethod(float)
    backward: ClassVar[Any] = staticmethod(float)

    def __post_init__(self) -> None:
        if not isfinite(float(self.high) - float(self.low)):
            raise ValueError("expected ends that are less far apart")
        if not self.low < self.high:
            raise ValueError(f"expected the lower end first in {self.kind}: [low, high]")

    @property
    def plain(self) -> Any:
        """How YAML and JSON have it."""
        return {self.kind: [self.low, self.high]}

    def draw(self, rng: np.random.Generator) -> Any:
        """Draw one value."""
        drawn = rng.uniform(self.forward(self.low), self.forward(self.high))
        return self.decode(self.backward(drawn))

    def samples(self) -> Sequence[Any]:
        """Return both ends."""
        return [self.number(self.low), self.number(self.high)]

    def at(self, place: float) -> Any:
        """Return the value at a place between 0 (the lower end) and 1 (the upper end).

        >>> Log(1, 100).at(0.5), Integers(1, 9).at(0.5)
        (10.0, 5)
        """
        low, high = self.forward(self.low), self.forward(self.high)
        return self.decode(self.backward(low + place * (high - low)))

    def words(self) -> str:
        """Name the ends and the scale for people.

        >>> Log(0.01, 10).words(), Integers(1, 9).words()
        ('0.01 to 10, on a logarithmic scale', '1 to 9, integers')
        """
        return f"{flow(self.low)} to {flow(self.high)}{self.scale}"

    def match(self, value: Any) -> float | None:
        """Return the value of a config if it is within the range, else None."""
        return self.number(value) if _is_number(value) and self.low <= value <= self.high else None

    def distribution(self, distributions: Any) -> Any:
        """Return Optuna's distribution."""
        return distributions.FloatDistribution(self.low, self.high, log=self.kind == "log")

    def encode(self, value: Any) -> Any:
        """Return what Optuna's distribution has for a value."""
        return value

    def decode(self, drawn: Any) -> Any:
        """Round to three digits, so that what is shown is what was tried, but within the ends.

        >>> Uniform(0.01, 10).decode(0.032784), Uniform(0.01, 9.9999).decode(9.9996)
        (0.0328, 9.9999)
        """
        return float(min(max(float(f"{drawn:.3g}"), self.low), self.high))

    def edge(self, value: float) -> str | None:
        """Tell whether a value is within a twentieth of one end.

        >>> Log(0.01, 10).edge(9.1), Uniform(0.01, 10).edge(9.1), Integers(0, 10).edge(0)
        ('upper', None, 'lower')
        """
        low, high = self.forward(self.low), self.forward(self.high)
        place = (self.forward(value) - low) / (high - low)
        return "lower" if place <= _EDGE else "upper" if place >= 1 - _EDGE else None


@dataclass(frozen=True)
class Log(Uniform):
    """Numbers above 0, whose logarithms are equally likely."""

    kind = "log"
    scale = ", on a logarithmic scale"
    forward = staticmethod(log)
    backward = staticmethod(np.exp)

    def __post_init__(self) -> None:
        if min(self.low, self.high) <= 0:
            raise ValueError("expected both ends above 0 in log: [low, high]")
        super().__post_init__()


@dataclass(frozen=True)
class Integers(Uniform):
    """Integers from low to high, all equally likely."""

    kind = "int"
    scale = ", integers"
    number = int

    def __post_init__(self) -> None:
        if not (type(self.low) is type(self.high) is int):
            raise ValueError("expected two integers in int: [low, high]")
        if max(abs(self.low), abs(self.high)) > _LARGEST:
            raise ValueError(f"expected integers up to {_LARGEST:,} in int: [low, high]")
        super().__post_init__()

    def draw(self, rng: np.random.Generator) -> Any:
        """Draw one value."""
        return int(rng.integers(int(self.low), int(self.high), endpoint=True))

    def distribution(self, distributions: Any) -> Any:
        """Return Optuna's distribution."""
        return distributions.IntDistribution(self.low, self.high)

    def decode(self, drawn: Any) -> Any:
        """Round to an integer."""
        return round(drawn)


Space = Choices | Uniform
KINDS: Mapping[str, type[Uniform]] = {kind.kind: kind for kind in (Log, Uniform, Integers)}
_FORMS = one_of(["[a, b, c]", *(f"{{{kind}: [low, high]}}" for kind in KINDS)])


def parse(value: Any) -> Space:
    """Return the space that a study writes as a list or as {kind: [low, high]}.

    Raises:
        ValueError: with what was expected.

    >>> parse({"log": [0.01, 10]})
    Log(low=0.01, high=10)
    """
    if isinstance(value, list):
        return Choices(value)
    if not isinstance(value, dict) or len(value) != 1 or not set(value) <= set(KINDS):
        raise ValueError(f"expected {_FORMS}")
    ((kind, ends),) = value.items()
    if not isinstance(ends, list) or len(ends) != 2 or not all(map(_is_number, ends)):
        raise ValueError(f"expected two numbers in {kind}: [low, high]")
    return KINDS[kind](*ends)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)


def flow(value: Any) -> str:
    """Write a value as a config has it, in one line.

    >>> flow(0.5), flow("large"), flow({"name": "step", "every": 5}), flow(None)
    ('0.5', 'large', '{name: step, every: 5}', 'null')
    """
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {flow(part)}" for key, part in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(flow, value)) + "]"
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    return f"{value:g}" if isinstance(value, float) else str(value)


_ENDS = {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2}
_MAPPING = {"type": "object", "additionalProperties": False}
_RANGES = [_MAPPING | {"required": [kind], "properties": {kind: _ENDS}} for kind in KINDS]
# A field of a pydantic model: read from its plain form, and written as that.
SpaceField = Annotated[
    Space,
    PlainValidator(parse),
    PlainSerializer(lambda space: space.plain),
    WithJsonSchema({"anyOf": [{"type": "array", "minItems": 1}, *_RANGES]}),
]
