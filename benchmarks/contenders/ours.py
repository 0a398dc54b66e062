"""nnexp: the training loop that `nnexp train` runs, on the data as it keeps them (uint8)."""

from __future__ import annotations

from work import BATCH, ETA, Layers, Work

from nnexp.nn.training import train


class Contender:
    """One `next` is one epoch: permutation, gather, scaling, steps and the check for NaN."""

    def __init__(self, work: Work) -> None:
        self.examples = work.images
        self.network = work.network.copy()
        self.records = train(
            self.network,
            work.train,
            cost="cross_entropy",
            eta=ETA,
            epochs=1_000_000,
            batch_size=BATCH,
            shuffle=work.rng,
            monitored={},
        )

    def epoch(self) -> None:
        """Train one epoch."""
        next(self.records)

    def layers(self) -> Layers:
        """Return the parameters."""
        return list(zip(self.network.weights, self.network.biases, strict=True))
