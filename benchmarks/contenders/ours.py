"""nnexp: the training loop that `nnexp train` runs, on the data as it keeps them (uint8)."""

from __future__ import annotations

from program import CONFIG, ROOT
from work import BATCH, ETA, INPUTS, OUTPUTS, Layers, Work

from nnexp.config.loader import load
from nnexp.nn.training import streams, train
from nnexp.run import assembly


class Contender:
    """One `next` is one epoch: permutation, gather, scaling, steps and the check for NaN.

    Settings are as `nnexp train --set` takes them; without any it is plain and not evaluated.
    """

    def __init__(self, work: Work, *settings: str) -> None:
        layers = f"layers=[{INPUTS}, {work.hidden}, {OUTPUTS}]"
        plain = [layers, f"batch_size={BATCH}", f"eta={ETA}", "monitor=[]"]
        self.experiment = experiment = load(ROOT / CONFIG, [*plain, *settings]).experiment
        examples = assembly.training_set(experiment, work.dataset)
        self.examples = len(examples)
        self.network = work.network.copy()
        self.records = train(
            self.network,
            examples,
            cost=experiment.cost,
            eta=experiment.eta,
            epochs=1_000_000,
            batch_size=experiment.batch_size,
            shuffle=work.rng,
            monitored={name: work.dataset.sets[name] for name in experiment.monitor},
            techniques=assembly.techniques(
                experiment, work.dataset, self.examples, streams(experiment.seed)
            ),
        )

    def epoch(self) -> None:
        """Train one epoch."""
        next(self.records)

    def layers(self) -> Layers:
        """Return the parameters."""
        return list(zip(self.network.weights, self.network.biases, strict=True))
