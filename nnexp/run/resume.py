"""Continuing a run as if it had never been interrupted, or refusing to."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import nnexp
from nnexp.config.loader import Config, load
from nnexp.config.schema import Experiment
from nnexp.errors import ConfigError, LaterError, Problem, ResumeError
from nnexp.run import provenance
from nnexp.run.assembly import DataCache
from nnexp.run.control import Ending, Progress, never
from nnexp.run.layout import CONFIG, FORMAT, MAX_RESUMED, METRICS, RUN, later_format
from nnexp.run.log import Log
from nnexp.run.reader import Run, open_run
from nnexp.run.session import Outcome, metric_columns, proceed
from nnexp.run.state import Checkpoint, State
from nnexp.run.writer import RunWriter, config_text, now
from nnexp.stats.selection import differing, flatten
from nnexp.text import command

# Versions whose arithmetic is the same to the last bit, and whose checkpoints this one reads.
_SAME_BYTES = ("0.1.0", "0.2.0")
_OLDEST_FORMAT = 2
# What run.json says of an end that is none any more.
_ENDING = (
    *("error", "finished_at", "stopped", "epochs", "log", "summary"),
    *("seconds_per_epoch", "never_learned"),
)


def resume(
    folder: Path,
    *,
    epochs: int | None = None,
    data_path: str | None = None,
    argv: Sequence[str] = (),
    progress: Progress | None = None,
    data: DataCache | None = None,
    ending: Ending = never,
) -> Outcome:
    """Train an interrupted run to its end: to the same bytes as if it had not been interrupted.

    Args:
        folder: the run's.
        epochs: a new number of epochs, for a run that may be complete; recorded as an extension.
        data_path: where the data are now, if they have moved; their digest must be the same.
        argv: the command, for the record.
        progress: follows the run.
        data: keeps data sets that several runs share.
        ending: may end the run before its last epoch, as when it was begun.

    Raises:
        ResumeError: the run is complete, its config, data or the version of nnexp have changed, or
            its files are not what was written.
        BusyError: another process writes it.
        ConfigError: its data cannot be read.
    """
    with RunWriter.reopen(folder) as writer:
        run = open_run(folder)
        _check_origin(run)
        before, config = _unchanged_config(run, data_path)
        if epochs == before.epochs and run.record.get("status") != "completed":
            epochs = None  # asked for earlier, and not reached
        _check_status(run, epochs)
        experiment = _extended(run, before, config.experiment, epochs)
        dataset = _load(run, Config(experiment, config.document), data or DataCache())
        columns = metric_columns(experiment, dataset)
        writer.redo(columns)
        run = open_run(folder)  # with the rows that were written again
        state = _state(experiment, writer.checkpoint, run, columns)
        _check_epochs(run, state, epochs)
        changed = experiment != config.experiment or data_path is not None
        text = config_text(experiment, folder.parent) if changed else None
        writer.resume(_record(run, before, experiment, state, argv), text)
        return proceed(experiment, dataset, state, writer, progress, ending)


def _anew(run: Run) -> str:
    return f"train it anew: {command('nnexp', 'train', run.folder / CONFIG)}"


def _check_origin(run: Run) -> None:
    """Refuse a run of another format or version than can be continued to the same bytes."""
    written = run.record.get("format")
    if later := later_format(written, FORMAT):
        raise LaterError(f"{run.folder / RUN}: {later}")
    if written not in range(_OLDEST_FORMAT, FORMAT + 1):
        raise ResumeError(
            f"{run.folder}: is of format {written!r}; this version of nnexp resumes formats "
            f"{_OLDEST_FORMAT} to {FORMAT}; {_anew(run)}"
        )
    version = (run.record.get("versions") or {}).get("nnexp")
    if version != nnexp.__version__ and not {version, nnexp.__version__} <= {*_SAME_BYTES}:
        raise ResumeError(
            f"{run.folder}: was begun by nnexp {version}; this is {nnexp.__version__}, which may "
            f"not continue to the same numbers; install nnexp {version}, or {_anew(run)}"
        )


def _unchanged_config(run: Run, data_path: str | None) -> tuple[Experiment, Config]:
    """Return the experiment as run.json has it, and config.yaml, which says the same.

    The path of the data is no setting: it is that of config.yaml, or `data_path`.
    """
    before = run.experiment
    if before is None:
        problems = "; ".join(run.problems)
        raise ResumeError(f"{run.folder}: its config is damaged: {problems}; {_anew(run)}")
    overrides = [] if data_path is None else [_relocation(data_path)]
    config = load(run.folder / CONFIG, overrides)
    was, path = (getattr(e.data, "path", None) for e in (before, config.experiment))
    if not overrides and path and was and Path(was).exists() and not Path(path).exists():
        # The run was moved without its data.
        config = load(run.folder / CONFIG, [_relocation(was)])
    first, second = (flatten(e.model_dump()) for e in (before, config.experiment))
    changed = [key for key in differing([first, second]) if key != "data.path"]
    # A run may be killed between the replacement of run.json and that of config.yaml.
    if changed and not (changed == ["epochs"] and _was_extended(run.record, second["epochs"])):
        lines = [f"  {key}: {first.get(key)} -> {second.get(key)}" for key in changed]
        raise ResumeError(
            "\n".join([f"{run.folder / CONFIG}: was changed since the run began:", *lines])
            + f"\nundo that, or {_anew(run)}"
        )
    return before, config


def _relocation(path: str) -> str:
    return f"data.path={json.dumps(str(Path(path).expanduser().absolute()))}"


def _was_extended(record: Mapping[str, Any], epochs: int) -> bool:
    extended = record.get("extended") or []
    return bool(extended) and isinstance(extended[-1], dict) and extended[-1].get("from") == epochs


def _check_status(run: Run, epochs: int | None) -> None:
    status, stopped = run.record.get("status"), run.record.get("stopped")
    if status == "completed" and run.status == "interrupted":
        return  # it has lost rows, which the checkpoint may have
    if status == "diverged":
        raise _diverged(run)
    if status == "completed" and stopped:
        raise _ended(run, stopped)
    if status == "completed" and epochs is None:
        raise ResumeError(
            f"{run.folder}: is complete, {run.facts.done} epochs; for more: "
            f"{command('nnexp', 'resume', run.folder)} --epochs N"
        )


def _diverged(run: Run) -> ResumeError:
    done = run.facts.done
    return ResumeError(f"{run.folder}: diverged in epoch {done}: there is nothing to resume from")


def _ended(run: Run, stopped: object) -> ResumeError:
    return ResumeError(f"{run.folder}: ended in epoch {run.facts.done}: {stopped}")


def _extended(
    run: Run, before: Experiment, experiment: Experiment, epochs: int | None
) -> Experiment:
    """Return the experiment with its new number of epochs."""
    if epochs is None or epochs == before.epochs:
        return experiment.model_copy(update={"epochs": before.epochs})
    if before.schedule == "cosine":
        raise ResumeError(
            f"{run.folder}: --epochs {epochs}: the cosine schedule falls to 0 at epoch "
            f"{before.epochs}; with more epochs it would be another run: "
            + command("nnexp", "train", run.folder / CONFIG, "--set", f"epochs={epochs}")
        )
    return experiment.model_copy(update={"epochs": epochs})


def _load(run: Run, config: Config, data: DataCache) -> Any:
    try:
        dataset = data.load(config)
    except ConfigError as error:
        if not hasattr(config.experiment.data, "path"):
            raise
        hint = (
            f"if the data have moved: {command('nnexp', 'resume', run.folder)} --set data.path=PATH"
        )
        raise ConfigError([*error.problems, Problem(str(run.folder), "", hint)]) from error
    if run.digest != dataset.digest:
        raise ResumeError(
            f"{run.folder}: its data have changed since it began: sha256 {run.digest[:12]} then, "
            f"{dataset.digest[:12]} now; restore them, or {_anew(run)}"
        )
    return dataset


def _state(
    experiment: Experiment, checkpoint: Checkpoint | None, run: Run, columns: Sequence[str]
) -> State:
    if checkpoint is None:
        return State.initial(experiment, columns)
    log = run.exact_log(METRICS)
    try:
        state = State.restored(experiment, checkpoint, log)
    except (LookupError, TypeError, ValueError, ArithmeticError) as error:
        message = f"{run.folder}: its checkpoint does not fit its config: {error!r}"
        raise ResumeError(message) from error
    _check_rows(run, log, state, experiment)
    state.seconds = _seconds(run, log)
    return state


def _check_rows(run: Run, log: Log, state: State, experiment: Experiment) -> None:
    """Refuse a log that has not the rows of every epoch that was to be measured."""
    every = experiment.monitor_every
    epochs = {int(epoch) for epoch in log.column("epoch")}
    missing = set(range(every, state.epoch + 1, every)) - epochs
    if missing or log.epoch > state.epoch:
        raise ResumeError(
            f"{run.folder}: {METRICS} has {len(log):,} readable rows, up to epoch {log.epoch}, "
            f"where the checkpoint is of epoch {state.epoch}: the run cannot be resumed"
        )


def _check_epochs(run: Run, state: State, epochs: int | None) -> None:
    """Refuse to extend a run that has come to its end, whatever its record says of it."""
    if epochs is None:
        return
    if not state.finite:
        raise _diverged(run)
    if state.stopped:
        raise _ended(run, state.stopped)
    if epochs <= state.epoch:
        raise ResumeError(f"{run.folder}: --epochs {epochs}: {state.epoch} epochs are done already")


def _record(
    run: Run, before: Experiment, experiment: Experiment, state: State, argv: Sequence[str]
) -> dict[str, Any]:
    """Return run.json for a run that continues."""
    here = provenance.collect(list(argv)) | {"pid": os.getpid()}
    changed = {key: value for key, value in here.items() if value != run.record.get(key)}
    ended = {key: run.record[key] for key in ("status", "error") if key in run.record}
    resumption = {"at": now(), "after_epoch": state.epoch, "after": ended} | changed
    record = {key: value for key, value in run.record.items() if key not in _ENDING} | {
        "status": "running",
        "seconds": state.seconds,
        "resumed": [*(run.record.get("resumed") or ()), resumption][-MAX_RESUMED:],
        "config": experiment.model_dump(mode="json"),
    }
    if experiment.epochs != before.epochs:
        extension = {"from": before.epochs, "to": experiment.epochs, "at": now()}
        record["extended"] = [*(run.record.get("extended") or ()), extension]
    return record


def _seconds(run: Run, log: Log) -> float:
    """Return how long a run has taken so far: a process that was killed did not say."""
    recorded = run.record.get("seconds")
    logged = (log.seconds_per_epoch or 0) * log.epoch
    return round(max(logged, recorded if isinstance(recorded, int | float) else 0), 3)
