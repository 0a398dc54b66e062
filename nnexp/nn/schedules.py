"""Learning-rate schedules, and when to stop.

A schedule returns η at the beginning of each epoch and observes the validation score at its end.
Its state is a function of η, the settings and the scores alone, so that it can be replayed from a
run's log. Adding a schedule is one function, one entry in `SCHEDULES`, and its keys in the schema.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import cos, inf, pi


@dataclass
class Patience:
    """Counts the epochs without improvement: the book's no-improvement-in-n.

    >>> patience = Patience(2)
    >>> [patience.exhausted_by(score) for score in (0.5, 0.6, 0.6, 0.55, 0.7)]
    [False, False, False, True, False]
    """

    epochs: int
    min_delta: float = 0.0
    best: float = field(default=-inf, init=False)
    waited: int = field(default=0, init=False)

    def exhausted_by(self, score: float) -> bool:
        """Tell whether, with this score, so many epochs have passed without a better one."""
        if score > self.best + self.min_delta:
            self.best, self.waited = score, 0
        else:
            self.waited += 1
        return self.waited >= self.epochs


@dataclass
class Schedule:
    """The learning rate of each epoch, as a formula that no score changes.

    Attributes:
        eta: returns η of an epoch (from 1), or None to end the training before it.

    >>> step = SCHEDULES["step"](1.0, 6, every=2, factor=0.1)
    >>> [round(step.eta(epoch), 3) for epoch in range(1, 7)]
    [1.0, 1.0, 0.1, 0.1, 0.01, 0.01]
    """

    eta: Callable[[int], float | None]

    def observe(self, score: float | None) -> None:
        """Take note of the validation score after an epoch; higher is better."""


class _Halve(Schedule):
    """The book's schedule: halve η after `patience` epochs without improvement, end at η/stop."""

    def __init__(self, eta: float, epochs: int, *, patience: int, stop: int) -> None:
        super().__init__(lambda epoch: self._current if self._current > eta / stop else None)
        self._current, self._patience = eta, Patience(patience)

    def observe(self, score: float | None) -> None:
        if score is not None and self._patience.exhausted_by(score):
            self._current /= 2
            self._patience.waited = 0


# Name -> function of η, the number of epochs and the settings.
SCHEDULES: dict[str, Callable[..., Schedule]] = {
    "constant": lambda eta, epochs: Schedule(lambda epoch: eta),
    "step": lambda eta, epochs, every, factor: Schedule(
        lambda epoch: eta * factor ** ((epoch - 1) // every)
    ),
    "exponential": lambda eta, epochs, factor: Schedule(lambda epoch: eta * factor ** (epoch - 1)),
    # Loshchilov and Hutter 2017, eq. 5
    "cosine": lambda eta, n: Schedule(lambda epoch: eta * (1 + cos(pi * (epoch - 1) / n)) / 2),
    # η / 2^k after k times `patience` epochs without a better validation accuracy  (Nielsen)
    "halve": _Halve,
}
