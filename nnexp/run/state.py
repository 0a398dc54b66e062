"""All that training changes, and checkpoint.npz, from which it can be continued."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from nnexp.config.schema import Experiment
from nnexp.errors import DataError, LaterError, ResumeError
from nnexp.io.npz import open_archive
from nnexp.nn.network import Network
from nnexp.nn.schedules import Schedule
from nnexp.nn.training import (
    EarlyStopping,
    EpochRecord,
    Scores,
    streams,
    take_note,
    validation_score,
)
from nnexp.nn.types import Array
from nnexp.run.assembly import early_stopping, initial_network, learning_rates
from nnexp.run.layout import CHECKPOINT_FORMAT, later_format
from nnexp.run.log import Log, Row

# What versions before 0.2 call a stream of random numbers.
_OLD_STREAMS = {"augment": "expand"}
_STATE = "state"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The state of a run after an epoch, as checkpoint.npz has it: never pickled objects.

    Attributes:
        arrays: parameters and what else is large.
        state: everything else, as JSON values.
    """

    arrays: Mapping[str, Array]
    state: Mapping[str, Any]

    def to_bytes(self) -> bytes:
        """Return the contents of the file."""
        buffer = io.BytesIO()
        text = json.dumps(self.state, ensure_ascii=False).encode()
        arrays = {**self.arrays, _STATE: np.frombuffer(text, np.uint8)}
        np.savez(buffer, allow_pickle=False, **arrays)
        return buffer.getvalue()


def read_checkpoint(path: Path) -> Checkpoint | None:
    """Read a checkpoint; None where there is none.

    Raises:
        ResumeError: it is damaged, or not a checkpoint.
    """
    try:
        # It is not compressed: its arrays together are no larger than the file.
        size = path.stat(follow_symlinks=False).st_size
        with open_archive(path, size, follow=False) as archive:
            arrays = {name: archive.read(name) for name in archive.names}
        state = json.loads(arrays.pop(_STATE).tobytes())
    except FileNotFoundError:
        return None
    except (OSError, DataError, ValueError, KeyError, RecursionError) as error:
        reason = str(error).removeprefix(f"{path}: ")
        raise ResumeError(
            f"{path}: cannot be read, so the run cannot be resumed: {reason}"
        ) from error
    if not isinstance(state, dict):
        raise ResumeError(f"{path}: is not a checkpoint")
    # A version that changes what a checkpoint is will number it.
    if later := later_format(state.get("format", CHECKPOINT_FORMAT), CHECKPOINT_FORMAT):
        raise LaterError(f"{path}: {later}")
    return Checkpoint(arrays, state)


@dataclass
class Best:
    """The parameters with the best validation accuracy (or cost), the first of equals."""

    epoch: int = 0
    score: float = -np.inf
    parameters: Array | None = None

    def offer(self, epoch: int, scores: Scores, parameters: Array) -> None:
        """Keep a copy of an epoch's parameters if they are the best so far."""
        score = validation_score(scores)
        if score is not None and score > self.score:
            self.epoch, self.score, self.parameters = epoch, score, parameters.copy()


@dataclass
class State:
    """The state of a run.

    Attributes:
        network: its parameters are those of this moment, maybe in the middle of an epoch.
        velocity: of the momentum; None without it.
        random: the generator of each stream.
        schedule: it has observed the scores of all epochs so far, as has `stopping`.
        log: the rows of metrics.csv so far.
        epoch: the last epoch that was trained; 0 before the first.
        parameters: those after that epoch.
        best: the parameters that were best on the validation set.
        stopped: why the run ends here, or None.
        finite: False when it has diverged.
        clocks: seconds of training and of evaluation since the last row of the log.
        seconds: that the processes before this one took.
    """

    network: Network
    velocity: Array | None
    random: dict[str, np.random.Generator]
    schedule: Schedule
    stopping: EarlyStopping | None
    log: Log
    epoch: int = 0
    parameters: Array | None = None
    best: Best = field(default_factory=Best)
    stopped: str | None = None
    finite: bool = True
    clocks: tuple[float, float] = (0.0, 0.0)
    seconds: float = 0.0

    @classmethod
    def initial(cls, experiment: Experiment, columns: Sequence[str]) -> State:
        """Return the state a run begins in, with a log of these columns."""
        network = initial_network(experiment)
        return cls(
            network,
            np.zeros_like(network.parameters) if experiment.momentum else None,
            streams(experiment.seed),
            learning_rates(experiment),
            early_stopping(experiment),
            Log(columns),
        )

    @classmethod
    def restored(cls, experiment: Experiment, checkpoint: Checkpoint, log: Log) -> State:
        """Return the state after the epoch of a checkpoint, whose log has these rows.

        Raises:
            LookupError, TypeError, ValueError, ArithmeticError: it is not of this experiment.
        """
        state, arrays, values = cls.initial(experiment, ()), checkpoint.arrays, checkpoint.state
        state.log = log
        parameters = state.network.parameters
        parameters[...] = state.parameters = _like(parameters, arrays["parameters"])
        if state.velocity is not None:
            state.velocity[...] = _like(parameters, arrays["velocity"])
        for name, generator in state.random.items():
            old = _OLD_STREAMS.get(name, name)
            random = values["random"]
            generator.bit_generator.state = random[name if name in random else old]
        state.epoch, state.finite = int(values["epoch"]), bool(values["finite"])
        train, evaluate = values.get("clocks", (0.0, 0.0))
        state.clocks = float(train), float(evaluate)
        best = values["best"]
        if best:
            kept = _like(parameters, arrays["best_parameters"])
            state.best = Best(int(best["epoch"]), float(best["score"]), kept)
            if not 0 < state.best.epoch <= state.epoch:
                raise ValueError(f"best in epoch {state.best.epoch} of {state.epoch}")
        state.replay(experiment.epochs)
        return state

    def replay(self, epochs: int) -> None:
        """Tell schedule and early stopping the scores of all epochs so far, as training did."""
        rows = iter(self.log)
        row = next(rows, None)
        for epoch in range(1, min(self.epoch, epochs - 1) + 1):
            scores: Row = {}
            if row is not None and row["epoch"] == epoch:
                scores, row = row, next(rows, None)
            self.stopped = take_note(self.schedule, self.stopping, scores, epoch)

    def note(self, record: EpochRecord) -> None:
        """Take note that an epoch has ended and its parameters are those of the network."""
        self.epoch, self.finite, self.stopped = record.epoch, record.finite, record.stopped
        self.parameters = self.network.parameters.copy()
        self.best.offer(record.epoch, record.scores, self.network.parameters)

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
            arrays,
            {
                "epoch": self.epoch,
                "finite": self.finite,
                "best": best,
                "random": random,
                "clocks": self.clocks,
            },
        )


def _like(parameters: Array, array: Array) -> Array:
    if (array.shape, array.dtype) != (parameters.shape, parameters.dtype):
        raise ValueError(f"{array.shape} {array.dtype}, not {parameters.shape} {parameters.dtype}")
    return array
