"""One run: config -> data -> mathematics -> run folder. The only place where all four meet."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Any, Protocol

import numpy as np

from nnexp.config.loader import Config, dump
from nnexp.config.schema import Experiment
from nnexp.data import Dataset
from nnexp.errors import RunError
from nnexp.names import METRICS
from nnexp.nn.metrics import Evaluation, diagnose, evaluate
from nnexp.nn.training import EpochRecord, train
from nnexp.nn.types import Array
from nnexp.run import blas, provenance
from nnexp.run.assembly import techniques, training_set
from nnexp.run.interrupts import Interrupts
from nnexp.run.layout import DIAGNOSTICS, MODEL, PARAMETERS, PREDICTIONS
from nnexp.run.rows import Row, diagnostic_row, extra_columns, metric_row, parameter_row
from nnexp.run.state import State
from nnexp.run.writer import RunWriter, dated, now
from nnexp.stats.diagnosis import never_learned
from nnexp.stats.summary import Point, summarize


class Progress(Protocol):
    """What a run tells whoever watches it."""

    def begin(self, experiment: Experiment, done: int, examples: int) -> None:
        """Say what is to be trained, how many epochs are done, and how many examples one has."""

    def seen(self, examples: int) -> None:
        """Say that so many examples of the current epoch have been trained on."""

    def epoch(self, row: Row) -> None:
        """Say that an epoch has ended, with its row of metrics.csv."""


class Silence:
    """A Progress that shows nothing."""

    def begin(self, experiment: Experiment, done: int, examples: int) -> None:
        """Show nothing."""

    def seen(self, examples: int) -> None:
        """Show nothing."""

    def epoch(self, row: Row) -> None:
        """Show nothing."""


# Told the rows of metrics.csv so far, it says why the run is to end now, or None. It is a function
# of the rows alone, so that a run that is resumed ends where it would have ended undisturbed.
Ending = Callable[[Sequence[Mapping[str, Any]]], "str | None"]


def never(rows: Sequence[Mapping[str, Any]]) -> str | None:
    """Let a run go on."""
    return None


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended.

    Attributes:
        status: completed, diverged or interrupted.
        stopped: why it ended before its last epoch, by schedule, early stopping or its ending.
        rows: the rows of metrics.csv.
        seconds: of this process, in which it trained the last `trained` of the rows.
        summary: by metric, its last, best-epoch and peak value.
    """

    folder: Path
    experiment: Experiment
    status: str
    rows: list[Row]
    trained: int
    seconds: float
    summary: Mapping[str, Mapping[str, Point]]
    stopped: str | None = None


def run(
    config: Config,
    dataset: Dataset,
    runs: Path | str,
    *,
    folder: str | None = None,
    argv: Sequence[str] = (),
    progress: Progress | None = None,
    ending: Ending = never,
) -> Outcome:
    """Train one experiment into a new run folder.

    BLAS runs on one thread meanwhile. A KeyboardInterrupt ends the run, with what has been
    logged so far and the status "interrupted".

    Args:
        config: the experiment.
        dataset: its data.
        runs: the folder of runs.
        folder: name of the run's folder, which must be free; by default it is dated.
        argv: the command, for the record.
        progress: is told how the run goes on.
        ending: may end the run before its last epoch.

    Raises:
        FileExistsError: there is a run of the given name.
        RunError: the run folder cannot be written.
    """
    experiment = config.experiment
    record = {
        "name": experiment.name,
        "seed": experiment.seed,
        "config": experiment.model_dump(mode="json"),
        "data": {"name": dataset.name, "sha256": dataset.digest, "classes": dataset.classes}
        | {name: len(examples) for name, examples in dataset.sets.items()},
    }
    with blas.one_thread():
        state = State.initial(experiment)
        writer = RunWriter.create(
            Path(runs),
            folder or dated(str(experiment.name), experiment.seed),
            dump(experiment),
            record | provenance.collect(list(argv)),
            extra_columns(experiment, dataset),
            suffix=folder is None,
        )
        return proceed(experiment, dataset, state, writer, progress, ending=ending)


def proceed(
    experiment: Experiment,
    dataset: Dataset,
    state: State,
    writer: RunWriter,
    progress: Progress | None = None,
    rows: Sequence[Row] = (),
    ending: Ending = never,
) -> Outcome:
    """Train from a state to the end, into a folder that has the rows of the epochs so far."""
    progress = progress or Silence()
    session = _Session(experiment, dataset, state, writer, progress, list(rows), ending)
    with writer, blas.one_thread(), Interrupts() as interrupts:
        try:
            status = session.train(interrupts)
            with interrupts.held():
                return session.close(status)
        except KeyboardInterrupt:
            if interrupts.at_once or writer.finished:
                raise  # what is on the disk is enough to resume
            return session.close("interrupted")
        except BaseException as error:
            # A full disk is no fault of the run: it can be resumed, as when interrupted.
            status = "interrupted" if isinstance(error, RunError) else "failed"
            with suppress(RunError):
                writer.finish(status, error=str(error) or repr(error))
            raise


class _Session:
    """A run in progress."""

    def __init__(
        self,
        experiment: Experiment,
        dataset: Dataset,
        state: State,
        writer: RunWriter,
        progress: Progress,
        rows: list[Row],
        ending: Ending,
    ) -> None:
        self.experiment = experiment
        self.dataset = dataset
        self.state = state
        self.writer = writer
        self.progress = progress
        self.rows = rows
        self.ending = ending
        self.before = len(rows)
        self.last: Mapping[str, Evaluation] = {}
        self.started = perf_counter()

    def train(self, interrupts: Interrupts) -> str:
        experiment, sets, state = self.experiment, self.dataset.sets, self.state
        extra = extra_columns(experiment, self.dataset)
        examples = training_set(experiment, self.dataset)
        self.progress.begin(experiment, state.epoch, len(examples))
        self._end()
        clock = _Clock()
        records = train(
            state.network,
            examples,
            cost=experiment.cost,
            eta=experiment.eta,
            epochs=state.epoch if state.stopped or not state.finite else experiment.epochs,
            batch_size=experiment.batch_size,
            shuffle=state.random["shuffle"],
            monitored={name: sets[name] for name in experiment.monitor if name in sets},
            monitor_every=experiment.monitor_every,
            techniques=techniques(experiment, self.dataset, len(examples), state.random),
            schedule=state.schedule,
            stopping=state.stopping,
            after=state.epoch,
            velocity=state.velocity,
            on_trained=clock.trained,
            on_progress=self.progress.seen,
        )
        for record in records:
            with interrupts.held():
                self._log_extras(record)
                row = metric_row(record, sets, extra) | clock.evaluated() | {"finished_at": now()}
                self.writer.append(row)
                self.rows.append(row)
                self.last = record.evaluations
                state.note(record)
                self._end()
                self.writer.offer(state.checkpoint())
            self.progress.epoch(row)
            if state.stopped:
                break
            clock.restart()
        return "completed" if state.finite else "diverged"

    def _end(self) -> None:
        """Ask whether the run, if it is to go on, is to end before its last epoch."""
        state = self.state
        if not state.stopped and state.finite and 0 < state.epoch < self.experiment.epochs:
            state.stopped = self.ending(self.rows)

    @np.errstate(over="ignore", invalid="ignore")
    def _log_extras(self, record: EpochRecord) -> None:
        network = self.state.network
        if "parameters" in self.experiment.monitor:
            row = parameter_row(record.epoch, network, self.dataset.train)
            self.writer.append(row, PARAMETERS)
        if "diagnostics" in self.experiment.monitor:
            found = diagnose(network, self.experiment.cost, self.dataset.train)
            self.writer.append({"epoch": record.epoch} | diagnostic_row(found), DIAGNOSTICS)

    def close(self, status: str) -> Outcome:
        """Commit what is pending, save the model and predictions, and record the outcome."""
        self.writer.commit()
        summary = {metric: found for metric in METRICS if (found := summarize(self.rows, metric))}
        lost = None
        if self.state.parameters is not None:
            self.writer.save(MODEL, self._model(self.state.parameters))
            lost = self._save_predictions(self.state.parameters)
        seconds = perf_counter() - self.started
        self.writer.finish(
            status,
            epochs=len(self.rows),
            stopped=self.state.stopped,
            seconds=round(self.writer.record.get("seconds", 0) + seconds, 3),
            summary=plain_summary(summary),
            never_learned=lost,
        )
        return Outcome(
            self.writer.folder,
            self.experiment,
            status,
            self.rows,
            len(self.rows) - self.before,
            seconds,
            summary,
            self.state.stopped,
        )

    def _model(self, parameters: Array) -> dict[str, Any]:
        best = self.state.best
        arrays: dict[str, Any] = {"sizes": np.array(self.state.network.sizes)}
        for name, flat in (("last", parameters), ("best_validation", best.parameters)):
            if flat is not None:
                for i, layer in enumerate(self.state.network.split(flat), 1):
                    arrays[f"{name}_weights_{i}"] = layer[:, :-1]
                    arrays[f"{name}_biases_{i}"] = layer[:, -1]
        if best.epoch:
            arrays["best_validation_epoch"] = np.array(best.epoch)
        return arrays

    def _save_predictions(self, parameters: Array) -> list[int] | None:
        """Save the predicted classes, if there are any; return those that were never learned."""
        there = [name for name in ("test", "validation", "train") if name in self.dataset.sets]
        # A set that is not monitored is not looked at: a search leaves the test set alone.
        name = next((name for name in there if name in self.experiment.monitor), there[0])
        examples = self.dataset.sets[name]
        network = replace(self.state.network, parameters=parameters)
        found = self.last.get(name) or evaluate(network, self.experiment.cost, examples)
        if examples.labels is None or found.predicted is None:
            return None
        small = np.min_scalar_type(len(self.dataset.classes or ()))
        arrays = {"labels": examples.labels, "predicted": found.predicted}
        self.writer.save(
            PREDICTIONS,
            {"set": np.array(name)} | {key: a.astype(small) for key, a in arrays.items()},
        )
        return never_learned(examples.labels, found.predicted)


class _Clock:
    """Times the training and the evaluation of each epoch."""

    def __init__(self) -> None:
        self._mark = perf_counter()
        self._train = 0.0

    def restart(self) -> None:
        """Leave out the time since the last mark."""
        self._mark = perf_counter()

    def _lap(self) -> float:
        mark, self._mark = self._mark, perf_counter()
        return round(self._mark - mark, 6)

    def trained(self) -> None:
        self._train = self._lap()

    def evaluated(self) -> Row:
        return {"train_seconds": self._train, "evaluate_seconds": self._lap()}


def plain_summary(summary: Mapping[str, Mapping[str, Point]]) -> dict[str, Any]:
    """Return a summary as JSON values; JSON has no NaN, so a value that is none is null."""
    return {
        metric: {
            name: {"value": p.value if np.isfinite(p.value) else None, "epoch": p.epoch}
            for name, p in points.items()
        }
        for metric, points in summary.items()
    }
