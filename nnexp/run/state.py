"""All that training changes, so that it can be put away after an epoch and taken up again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from nnexp.config.schema import Experiment
from nnexp.nn.network import Network
from nnexp.nn.schedules import Schedule
from nnexp.nn.training import EarlyStopping, EpochRecord, streams, take_note, validation_score
from nnexp.nn.types import Array
from nnexp.run.assembly import early_stopping, initial_network, learning_rates
from nnexp.run.checkpoint import Checkpoint
from nnexp.stats.summary import Row


@dataclass
class Best:
    """The parameters with the best validation accuracy (or cost), the first of equals."""

    epoch: int = 0
    score: float = -np.inf
    parameters: Array | None = None

    def offer(self, record: EpochRecord, parameters: Array) -> None:
        """Keep a copy of an epoch's parameters if they are the best so far."""
        found = validation_score(record.scores)
        if found is not None and found > self.score:
            self.epoch, self.score, self.parameters = record.epoch, found, parameters.copy()


@dataclass
class State:
    """The state of a run.

    Attributes:
        network: its parameters are those of this moment, maybe in the middle of an epoch.
        velocity: of the momentum; None without it.
        random: the generator of each stream.
        schedule: told the scores of all epochs so far, as is `stopping`.
        epoch: the last epoch that was logged; 0 before the first.
        parameters: those after that epoch.
        best: the parameters that were best on the validation set.
        stopped: why the run is not to go on, or None.
        finite: False when it has diverged.
    """

    network: Network
    velocity: Array | None
    random: dict[str, np.random.Generator]
    schedule: Schedule
    stopping: EarlyStopping | None
    epoch: int = 0
    parameters: Array | None = None
    best: Best = field(default_factory=Best)
    stopped: str | None = None
    finite: bool = True

    @classmethod
    def initial(cls, experiment: Experiment) -> State:
        """Return the state a run begins in."""
        network = initial_network(experiment)
        return cls(
            network,
            np.zeros_like(network.parameters) if experiment.momentum else None,
            streams(experiment.seed),
            learning_rates(experiment),
            early_stopping(experiment),
        )

    @classmethod
    def restored(cls, experiment: Experiment, checkpoint: Checkpoint, rows: Sequence[Row]) -> State:
        """Return the state after the epoch of a checkpoint, whose log has these rows.

        Raises:
            LookupError, TypeError, ValueError, ArithmeticError: it is not of this experiment.
        """
        state, arrays, known = cls.initial(experiment), checkpoint.arrays, checkpoint.state
        parameters = state.network.parameters
        parameters[...] = state.parameters = _like(parameters, arrays["parameters"])
        if state.velocity is not None:
            state.velocity[...] = _like(parameters, arrays["velocity"])
        for name, generator in state.random.items():
            generator.bit_generator.state = known["random"][name]
        state.epoch, state.finite = int(known["epoch"]), bool(known["finite"])
        best = known["best"]
        if best:
            kept = _like(parameters, arrays["best_parameters"])
            state.best = Best(int(best["epoch"]), float(best["score"]), kept)
            if not 0 < state.best.epoch <= state.epoch:
                raise ValueError(f"best in epoch {state.best.epoch} of {state.epoch}")
        for epoch, row in enumerate(rows, 1):
            if epoch < experiment.epochs:
                state.stopped = take_note(state.schedule, state.stopping, row, epoch)
        return state

    def note(self, record: EpochRecord) -> None:
        """Take note that an epoch has ended and its parameters are those of the network."""
        self.epoch, self.finite, self.stopped = record.epoch, record.finite, record.stopped
        self.parameters = self.network.parameters.copy()
        self.best.offer(record, self.network.parameters)

    def checkpoint(self) -> Checkpoint:
        """Return what `restored` needs; to be called at the end of an epoch."""
        arrays: dict[str, Array] = {"parameters": self.network.parameters.copy()}
        if self.velocity is not None:
            arrays["velocity"] = self.velocity.copy()
        if self.best.parameters is not None:
            arrays["best_parameters"] = self.best.parameters
        best = {"epoch": self.best.epoch, "score": self.best.score} if self.best.epoch else None
        random: dict[str, Any] = {
            name: generator.bit_generator.state for name, generator in self.random.items()
        }
        return Checkpoint(
            arrays, {"epoch": self.epoch, "finite": self.finite, "best": best, "random": random}
        )


def _like(parameters: Array, found: Array) -> Array:
    if (found.shape, found.dtype) != (parameters.shape, parameters.dtype):
        raise ValueError(f"{found.shape} {found.dtype}, not {parameters.shape} {parameters.dtype}")
    return found
