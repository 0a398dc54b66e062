"""nnexp's diagnostics: what is counted is the diagnosis, not the epoch of training before it."""

from __future__ import annotations

from time import perf_counter

from work import Work

from contenders import ours
from nnexp.nn.metrics import diagnose


class Contender:
    """An epoch as it comes, then gradients and saturation of the network by the clock."""

    def __init__(self, work: Work, *settings: str) -> None:
        self.trained = ours.Contender(work, *settings)
        self.examples, self.layers = self.trained.examples, self.trained.layers
        self.cost, self.train = self.trained.experiment.cost, work.train

    def epoch(self) -> float:
        """Train one epoch and return the seconds of the diagnosis."""
        self.trained.epoch()
        before = perf_counter()
        diagnose(self.trained.network, self.cost, self.train)
        return perf_counter() - before
