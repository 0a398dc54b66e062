"""One run: config -> data -> mathematics -> run folder. The only place where all four meet."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from nnexp.config.loader import Config
from nnexp.config.schema import Experiment
from nnexp.data import Dataset
from nnexp.errors import RunError
from nnexp.nn.metrics import Evaluation, diagnose, evaluate
from nnexp.nn.training import EpochRecord, train
from nnexp.nn.types import Array
from nnexp.run import provenance
from nnexp.run.assembly import (
    diagnostic_row,
    extra_columns,
    metric_row,
    parameter_row,
    techniques,
    training_set,
)
from nnexp.run.control import Ending, Interrupts, Progress, never
from nnexp.run.layout import (
    CLOCK_COLUMNS,
    COLUMNS,
    DIAGNOSTICS,
    MAX_PREDICTIONS,
    MODEL,
    PARAMETERS,
    PREDICTIONS,
)
from nnexp.run.log import Row
from nnexp.run.state import State
from nnexp.run.writer import RunWriter, config_text, dated, now
from nnexp.stats.diagnosis import never_learned
from nnexp.stats.summary import Point, facts


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended.

    Attributes:
        status: completed, diverged or interrupted.
        stopped: why it ended before its last epoch, by schedule, early stopping or its ending.
        rows: the rows of metrics.csv.
        epochs: how many it has behind it, of which this process trained the last `trained`.
        seconds: of this process.
        summary: by metric, its last, best-epoch and peak value.
    """

    folder: Path
    experiment: Experiment
    status: str
    rows: Sequence[Row]
    epochs: int
    trained: int
    seconds: float
    summary: Mapping[str, Mapping[str, Point]]
    stopped: str | None = None


def metric_columns(experiment: Experiment, dataset: Dataset) -> tuple[str, ...]:
    """Return the columns of a run's metrics.csv."""
    return (*COLUMNS, *extra_columns(experiment, dataset), *CLOCK_COLUMNS)


def run(
    config: Config,
    dataset: Dataset,
    runs: Path | str,
    *,
    folder: str | None = None,
    argv: Sequence[str] = (),
    progress: Progress | None = None,
    ending: Ending = never,
    check: Callable[[], None] = lambda: None,
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
        progress: follows the run.
        ending: may end the run before its last epoch.
        check: raises where the folder of runs is no longer the right one.

    Raises:
        FileExistsError: there is a run of this name.
        RunError: the run folder cannot be written.
    """
    experiment = config.experiment
    record = {
        "name": experiment.name,
        "seed": experiment.seed,
        "config": config.values(),
        "data": {"name": dataset.name, "sha256": dataset.digest, "classes": dataset.classes}
        | {name: len(examples) for name, examples in dataset.sets.items()},
    }
    columns = metric_columns(experiment, dataset)
    with provenance.one_thread():
        state = State.initial(experiment, columns)
        writer = RunWriter.create(
            Path(runs),
            folder or dated(str(experiment.name), experiment.seed),
            config_text(experiment, Path(runs)),
            record | provenance.collect(list(argv)),
            columns,
            suffix=folder is None,
            check=check,
        )
        return proceed(experiment, dataset, state, writer, progress, ending)


def proceed(
    experiment: Experiment,
    dataset: Dataset,
    state: State,
    writer: RunWriter,
    progress: Progress | None,
    ending: Ending,
) -> Outcome:
    """Train from a state to the end."""
    session = _Session(experiment, dataset, state, writer, progress or Progress(), ending)
    with writer, provenance.one_thread(), Interrupts() as interrupts:
        try:
            status = session.train(interrupts)
            with interrupts.deferred():
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
        ending: Ending,
    ) -> None:
        self.experiment = experiment
        self.dataset = dataset
        self.state = state
        self.writer = writer
        self.progress = progress
        self.ending = ending
        self.before = state.epoch
        self.noted = 0
        self.last: Mapping[str, Evaluation] = {}
        self.started = perf_counter()

    def train(self, interrupts: Interrupts) -> str:
        experiment, sets, state = self.experiment, self.dataset.sets, self.state
        extra = extra_columns(experiment, self.dataset)
        examples = training_set(experiment, self.dataset)
        self.progress.begin(experiment, state.epoch, len(examples))
        self._end()
        clock = _Clock(*state.clocks)
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
            on_progress=self.progress.advance,
        )
        for record in records:
            with interrupts.deferred():
                row = metric_row(record, sets, extra)
                state.note(record)
                self.last = record.evaluations
                logged = self._is_logged(record)
                if logged:
                    self._log_extras(record)
                clock.evaluated()
                if logged:
                    row |= clock.row() | {"finished_at": now()}
                    self.writer.append(row)
                    state.log.add(row)
                    self._end()
                state.clocks = clock.train, clock.evaluate
                self.writer.offer(state.checkpoint())
                self._note()
            self.progress.epoch(row)
            if state.stopped:
                break
            clock.restart()
        return "completed" if state.finite else "diverged"

    def _note(self) -> None:
        for note in self.writer.notes[self.noted :]:
            self.progress.note(note)
            self.noted += 1

    def _is_logged(self, record: EpochRecord) -> bool:
        """Tell whether an epoch has a row: one that was to be measured, or the last."""
        measured = record.epoch % self.experiment.monitor_every == 0
        last = record.epoch == self.experiment.epochs or record.stopped or not record.finite
        return measured or bool(last)

    def _end(self) -> None:
        """Ask whether the run, if it has epochs left, ends here."""
        state = self.state
        if not state.stopped and state.finite and 0 < state.epoch < self.experiment.epochs:
            state.stopped = self.ending(state.log)

    @np.errstate(over="ignore", invalid="ignore")
    def _log_extras(self, record: EpochRecord) -> None:
        network = self.state.network
        if "parameters" in self.experiment.monitor:
            row = parameter_row(record.epoch, network, self.dataset.train)
            self.writer.append(row, PARAMETERS)
        if "diagnostics" in self.experiment.monitor:
            diagnostics = diagnose(network, self.experiment.cost, self.dataset.train)
            self.writer.append({"epoch": record.epoch} | diagnostic_row(diagnostics), DIAGNOSTICS)

    def close(self, status: str) -> Outcome:
        """Commit what is pending, save the model and predictions, and record the outcome."""
        state = self.state
        self.writer.commit()
        self._note()
        summary = facts(state.log).summary
        lost = None
        if state.parameters is not None:
            self.writer.save(MODEL, self._model(state.parameters))
            lost = self._save_predictions(state.parameters)
        seconds = perf_counter() - self.started
        self.writer.finish(
            status,
            epochs=state.epoch,
            stopped=state.stopped,
            seconds=round(state.seconds + seconds, 3),
            seconds_per_epoch=state.log.seconds_per_epoch,
            summary=plain_summary(summary),
            never_learned=lost,
        )
        return Outcome(
            self.writer.folder,
            self.experiment,
            status,
            state.log,
            state.epoch,
            state.epoch - self.before,
            seconds,
            summary,
            state.stopped,
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
        result = self.last.get(name) or evaluate(network, self.experiment.cost, examples)
        if examples.labels is None or result.predicted is None:
            return None
        small = np.min_scalar_type(len(self.dataset.classes or ()))
        arrays = {"labels": examples.labels, "predicted": result.predicted}
        if 2 * len(examples) * small.itemsize <= MAX_PREDICTIONS:
            self.writer.save(
                PREDICTIONS,
                {"set": np.array(name)} | {key: a.astype(small) for key, a in arrays.items()},
            )
        return never_learned(examples.labels, result.predicted)


class _Clock:
    """Times training and evaluation since the last row of the log."""

    def __init__(self, train: float, evaluate: float) -> None:
        self.train, self.evaluate = train, evaluate
        self._mark = perf_counter()

    def restart(self) -> None:
        """Leave out the time since the last mark."""
        self._mark = perf_counter()

    def _lap(self) -> float:
        mark, self._mark = self._mark, perf_counter()
        return self._mark - mark

    def trained(self) -> None:
        self.train += self._lap()

    def evaluated(self) -> None:
        self.evaluate += self._lap()

    def row(self) -> Row:
        """Return both as cells of a row, and begin anew."""
        cells = dict(zip(CLOCK_COLUMNS, map(_rounded, (self.train, self.evaluate)), strict=False))
        self.train = self.evaluate = 0.0
        return cells


def _rounded(seconds: float) -> float:
    return round(seconds, 6)


def plain_summary(summary: Mapping[str, Mapping[str, Point]]) -> dict[str, Any]:
    """Return a summary as JSON values; JSON has no NaN, so a value that is none is null."""
    return {
        metric: {
            name: {"value": p.value if np.isfinite(p.value) else None, "epoch": p.epoch}
            for name, p in points.items()
        }
        for metric, points in summary.items()
    }
