"""The published figures that a config carries, to be shown beside the measured ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nnexp import numbers
from nnexp.names import STATISTICS
from nnexp.numbers import NONE


@dataclass(frozen=True, slots=True)
class Published:
    """What was published of an experiment.

    Attributes:
        figures: by metric, as in metrics.csv: accuracies are fractions.
        statistic: which of a run's values they are to be held against.
        source: where they were published.
    """

    figures: Mapping[str, float]
    statistic: str
    source: str

    @classmethod
    def of(cls, config: Mapping[str, Any] | None) -> Published:
        """Return what a config has under `reference`, accuracies in percent; nothing without.

        >>> Published.of({"reference": {"test_accuracy": 95.0, "statistic": "peak"}}).figures
        {'test_accuracy': 0.95}
        """
        known = (config or {}).get("reference") or {}
        statistic = known.get("statistic")
        return cls(
            {
                metric: value / 100 if metric.endswith("accuracy") else value
                for metric, value in known.items()
                if type(value) in (int, float)
            },
            statistic if statistic in STATISTICS else STATISTICS[0],
            str(known.get("source") or ""),
        )


def published(known: Published, metric: str) -> str:
    """Write the published figure of a metric and which statistic it is."""
    figure = known.figures.get(metric)
    return NONE if figure is None else f"{numbers.number(metric, figure)} ({known.statistic})"
