"""One run: config -> data -> mathematics -> run folder. The only place where all four meet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any, Protocol

import numpy as np

from nnexp import blas
from nnexp.config.loader import Config, dump
from nnexp.config.schema import Experiment
from nnexp.data import Dataset
from nnexp.errors import RunError
from nnexp.evidence.summary import METRICS, Point, summarize
from nnexp.experiment.assembly import (
    early_stopping,
    initial_network,
    learning_rates,
    techniques,
    training_set,
)
from nnexp.experiment.interrupts import held_back
from nnexp.experiment.rows import Row, diagnostic_row, extra_columns, metric_row, parameter_row
from nnexp.nn.diagnostics import diagnose
from nnexp.nn.metrics import Evaluation, evaluate
from nnexp.nn.network import Network
from nnexp.nn.training import EpochRecord, streams, train, validation_score
from nnexp.store import provenance
from nnexp.store.writer import DIAGNOSTICS, MODEL, PARAMETERS, PREDICTIONS, RunWriter, now


class Progress(Protocol):
    """What a run tells whoever watches it."""

    def seen(self, examples: int) -> None:
        """Say that so many examples of the current epoch have been trained on."""

    def epoch(self, row: Row) -> None:
        """Say that an epoch has ended, with its row of metrics.csv."""


class Silence:
    """A Progress that shows nothing."""

    def seen(self, examples: int) -> None:
        """Show nothing."""

    def epoch(self, row: Row) -> None:
        """Show nothing."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended.

    Attributes:
        status: completed, diverged or interrupted.
        stopped: why it ended before its last epoch, by schedule or early stopping.
        rows: the rows of metrics.csv.
        summary: by metric, its last, best-validation and peak value.
    """

    folder: Path
    experiment: Experiment
    status: str
    rows: list[Row]
    seconds: float
    summary: Mapping[str, Mapping[str, Point]]
    stopped: str | None = None


def run(
    config: Config,
    dataset: Dataset,
    runs: Path | str,
    *,
    argv: Sequence[str] = (),
    progress: Progress | None = None,
) -> Outcome:
    """Train one experiment into a new run folder.

    BLAS runs on one thread meanwhile. A KeyboardInterrupt ends the run, with what has been
    logged so far and the status "interrupted".

    Raises:
        RunError: the run folder cannot be written.
    """
    experiment = config.experiment
    progress = progress or Silence()
    network = initial_network(experiment)
    record = {
        "name": experiment.name,
        "seed": experiment.seed,
        "data": {"name": dataset.name, "sha256": dataset.digest, "classes": dataset.classes}
        | {name: len(examples) for name, examples in dataset.sets.items()},
    }
    with blas.one_thread():
        record |= provenance.collect(list(argv))
        writer = RunWriter.create(
            Path(runs),
            str(experiment.name),
            experiment.seed,
            dump(experiment),
            record,
            extra_columns(experiment, dataset),
        )
        session = _Session(experiment, dataset, network, writer, progress)
        try:
            status = session.train()
        except KeyboardInterrupt:
            status = "interrupted"
        except BaseException:
            with suppress(RunError):
                writer.finish("failed")
            raise
        with held_back():
            return session.close(status)


class _Session:
    """A run in progress: its rows, and the parameters that were best on the validation set."""

    def __init__(
        self,
        experiment: Experiment,
        dataset: Dataset,
        network: Network,
        writer: RunWriter,
        progress: Progress,
    ) -> None:
        self.experiment = experiment
        self.dataset = dataset
        self.network = network
        self.writer = writer
        self.progress = progress
        self.rows: list[Row] = []
        self.best = _Best()
        self.stopped: str | None = None
        self.logged: Network | None = None
        self.last: Mapping[str, Evaluation] = {}
        self.started = perf_counter()

    def train(self) -> str:
        experiment, sets = self.experiment, self.dataset.sets
        extra = extra_columns(experiment, self.dataset)
        examples = training_set(experiment, self.dataset)
        clock = _Clock()
        records = train(
            self.network,
            examples,
            cost=experiment.cost,
            eta=experiment.eta,
            epochs=experiment.epochs,
            batch_size=experiment.batch_size,
            shuffle=streams(experiment.seed)["shuffle"],
            monitored={name: sets[name] for name in experiment.monitor if name in sets},
            monitor_every=experiment.monitor_every,
            techniques=techniques(experiment, self.dataset, len(examples)),
            schedule=learning_rates(experiment),
            stopping=early_stopping(experiment),
            on_trained=clock.trained,
            on_progress=self.progress.seen,
        )
        for record in records:
            with held_back():
                self._log_extras(record)
                row = metric_row(record, sets, extra) | clock.evaluated() | {"finished_at": now()}
                self.writer.append(row)
                self.rows.append(row)
                self.logged, self.last = self.network.copy(), record.evaluations
                self.best.offer(record, self.network)
                self.stopped = record.stopped
            self.progress.epoch(row)
            if not record.finite:
                return "diverged"
            clock.restart()
        return "completed"

    @np.errstate(over="ignore", invalid="ignore")
    def _log_extras(self, record: EpochRecord) -> None:
        if "parameters" in self.experiment.monitor:
            row = parameter_row(record.epoch, self.network, self.dataset.train)
            self.writer.append(row, PARAMETERS)
        if "diagnostics" in self.experiment.monitor:
            state = diagnose(self.network, self.experiment.cost, self.dataset.train)
            self.writer.append({"epoch": record.epoch} | diagnostic_row(state), DIAGNOSTICS)

    def close(self, status: str) -> Outcome:
        """Save the model and predictions, and record the outcome."""
        summary = {metric: found for metric in METRICS if (found := summarize(self.rows, metric))}
        if self.logged is not None:
            self.writer.save(MODEL, self._model())
            self._save_predictions(self.logged)
        self.writer.finish(
            status,
            epochs=len(self.rows),
            stopped=self.stopped,
            seconds=round(perf_counter() - self.started, 3),
            summary=plain_summary(summary),
        )
        seconds = perf_counter() - self.started
        return Outcome(
            self.writer.folder, self.experiment, status, self.rows, seconds, summary, self.stopped
        )

    def _model(self) -> dict[str, Any]:
        arrays: dict[str, Any] = {"sizes": np.array(self.network.sizes)}
        kept = {"last": self.logged, "best_validation": self.best.network}
        for name, network in kept.items():
            if network is not None:
                for i, (w, b) in enumerate(zip(network.weights, network.biases, strict=True), 1):
                    arrays |= {f"{name}_weights_{i}": w, f"{name}_biases_{i}": b}
        if self.best.network is not None:
            arrays["best_validation_epoch"] = np.array(self.best.epoch)
        return arrays

    def _save_predictions(self, network: Network) -> None:
        name = next(n for n in ("test", "validation", "train") if n in self.dataset.sets)
        examples = self.dataset.sets[name]
        found = self.last.get(name) or evaluate(network, self.experiment.cost, examples)
        if examples.labels is None or found.predicted is None:
            return
        small = np.min_scalar_type(len(self.dataset.classes or ()))
        arrays = {"labels": examples.labels, "predicted": found.predicted}
        self.writer.save(
            PREDICTIONS,
            {"set": np.array(name)} | {key: a.astype(small) for key, a in arrays.items()},
        )


class _Best:
    """Keeps the parameters with the best validation accuracy (or cost), the first of equals."""

    def __init__(self) -> None:
        self.network: Network | None = None
        self.epoch = 0
        self._score = -np.inf

    def offer(self, record: EpochRecord, network: Network) -> None:
        score = validation_score(record.evaluations, record.penalty)
        if score is not None and score > self._score:
            self._score, self.epoch, self.network = score, record.epoch, network.copy()


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
