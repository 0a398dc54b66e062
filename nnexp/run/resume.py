"""Going on with a run as if it had never been interrupted, or refusing to."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

import nnexp
from nnexp.config.loader import Config, dump, load
from nnexp.config.schema import Experiment
from nnexp.errors import ResumeError
from nnexp.run import provenance
from nnexp.run.assembly import DataCache
from nnexp.run.checkpoint import Checkpoint
from nnexp.run.layout import CONFIG, FORMAT, RUN
from nnexp.run.reader import Run, open_run
from nnexp.run.rows import extra_columns
from nnexp.run.session import Ending, Outcome, Progress, never, proceed
from nnexp.run.state import State
from nnexp.run.writer import CLOCK_COLUMNS, RunWriter, now
from nnexp.stats.selection import differing, flatten

# What run.json says of an end that is none any more.
_ENDING = ("error", "finished_at", "stopped", "epochs", "summary", "never_learned")


def resume(
    folder: Path,
    *,
    epochs: int | None = None,
    argv: Sequence[str] = (),
    progress: Progress | None = None,
    data: DataCache | None = None,
    ending: Ending = never,
) -> Outcome:
    """Train an interrupted run to its end: to the same bytes as if it had not been interrupted.

    Args:
        folder: the run's.
        epochs: a new number of epochs, for a run that may be complete; recorded as an extension.
        argv: the command, for the record.
        progress: is told how the run goes on.
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
        _check_format(run)
        begun, config = _unchanged_config(run)
        _check_version(run)
        if epochs == begun.epochs and run.record.get("status") != "completed":
            epochs = None  # asked for before, and not come to
        _check_status(run, epochs)
        experiment = _extended(run, begun, epochs)
        dataset = (data or DataCache()).load(Config(experiment, config.document))
        _check_data(run, dataset.digest)
        writer.redo(extra_columns(experiment, dataset))
        run = open_run(folder)
        state = _state(experiment, writer.checkpoint, run)
        _check_epochs(run, state, epochs)
        writer.record = {key: value for key, value in run.record.items() if key not in _ENDING}
        entries = _entries(run, begun, experiment, argv)
        if experiment == config.experiment:
            writer.update(**entries)
        else:
            writer.extend(dump(experiment), **entries)
        return proceed(experiment, dataset, state, writer, progress, run.rows, ending)


def _check_format(run: Run) -> None:
    if run.record.get("format") != FORMAT:
        raise ResumeError(
            f"{run.folder}: is of format {run.record.get('format')!r}; this version of nnexp goes "
            f"on with format {FORMAT} alone; {_anew(run)}"
        )
    try:
        json.dumps(run.record, allow_nan=False)
    except ValueError as error:
        raise ResumeError(f"{run.folder / RUN}: is damaged: {error}; {_anew(run)}") from error


def _anew(run: Run) -> str:
    return f"begin anew: nnexp train {run.folder / CONFIG}"


def _unchanged_config(run: Run) -> tuple[Experiment, Config]:
    """Return the experiment as it was begun, or extended to, and its config.yaml."""
    try:
        begun = Experiment.model_validate(run.record.get("config"))
    except ValidationError as error:
        raise ResumeError(f"{run.folder / RUN}: its config is damaged; {_anew(run)}") from error
    config = load(run.folder / CONFIG)
    before, after = (flatten(e.model_dump()) for e in (begun, config.experiment))
    changed = differing([before, after])
    # A run may be killed between the replacement of run.json and that of config.yaml.
    if changed and not (changed == ["epochs"] and _was_extended(run.record, after["epochs"])):
        lines = [f"  {key}: {before.get(key)} -> {after.get(key)}" for key in changed]
        raise ResumeError(
            "\n".join([f"{run.folder / CONFIG}: was changed since the run began:", *lines])
            + f"\nput it back, or {_anew(run)}"
        )
    return begun, config


def _was_extended(record: Mapping[str, Any], epochs: int) -> bool:
    extended = _list(record.get("extended"))
    return bool(extended) and isinstance(extended[-1], dict) and extended[-1].get("from") == epochs


def _check_version(run: Run) -> None:
    versions = run.record.get("versions")
    began = versions.get("nnexp") if isinstance(versions, dict) else None
    if began != nnexp.__version__:
        raise ResumeError(
            f"{run.folder}: was begun by nnexp {began}; this is {nnexp.__version__}, which may "
            f"not go on to the same figures; install that version, or {_anew(run)}"
        )


def _check_data(run: Run, digest: str) -> None:
    data = run.record.get("data")
    began = data.get("sha256") if isinstance(data, dict) else None
    if began != digest:
        raise ResumeError(
            f"{run.folder}: its data have changed since it began: sha256 {str(began)[:12]} then, "
            f"{digest[:12]} now; put them back, or {_anew(run)}"
        )


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
            f"{run.folder}: is complete, {len(run.rows)} epochs; for more: "
            f"nnexp resume {run.folder} --epochs N"
        )


def _diverged(run: Run) -> ResumeError:
    done = len(run.rows)
    return ResumeError(f"{run.folder}: diverged in epoch {done}: there is nothing to go on from")


def _ended(run: Run, stopped: object) -> ResumeError:
    return ResumeError(f"{run.folder}: ended in epoch {len(run.rows)}: {stopped}")


def _extended(run: Run, begun: Experiment, epochs: int | None) -> Experiment:
    """Return the experiment with its new number of epochs."""
    if epochs is None or epochs == begun.epochs:
        return begun
    if begun.schedule == "cosine":
        raise ResumeError(
            f"{run.folder}: --epochs {epochs}: the cosine schedule falls to 0 at epoch "
            f"{begun.epochs}; with more epochs it would be another run: nnexp train "
            f"{run.folder / CONFIG} --set epochs={epochs}"
        )
    return begun.model_copy(update={"epochs": epochs})


def _state(experiment: Experiment, checkpoint: Checkpoint | None, run: Run) -> State:
    if checkpoint is None:
        return State.initial(experiment)
    try:
        state = State.restored(experiment, checkpoint, run.rows)
    except (LookupError, TypeError, ValueError, ArithmeticError) as error:
        message = f"{run.folder}: its checkpoint does not fit its config: {error!r}"
        raise ResumeError(message) from error
    if state.epoch != len(run.rows):
        raise ResumeError(
            f"{run.folder}: metrics.csv has {len(run.rows)} readable rows where the checkpoint is "
            f"of epoch {state.epoch}: the run cannot be resumed"
        )
    return state


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


def _entries(
    run: Run, begun: Experiment, experiment: Experiment, argv: Sequence[str]
) -> dict[str, Any]:
    """Return what run.json is to say of a run that goes on."""
    here = provenance.collect(list(argv)) | {"pid": os.getpid()}
    changed = {key: value for key, value in here.items() if value != run.record.get(key)}
    ended = {key: run.record[key] for key in ("status", "error") if key in run.record}
    resumption = {"at": now(), "after_epoch": len(run.rows), "after": ended} | changed
    entries: dict[str, Any] = {
        "status": "running",
        "seconds": _seconds(run),
        "resumed": [*_list(run.record.get("resumed")), resumption],
    }
    if experiment != begun:
        extension = {"from": begun.epochs, "to": experiment.epochs, "at": now()}
        entries["extended"] = [*_list(run.record.get("extended")), extension]
        entries["config"] = experiment.model_dump(mode="json")
    return entries


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _seconds(run: Run) -> float:
    """Return how long a run has taken so far: a process that was killed did not say."""
    known = run.record.get("seconds")
    logged = sum(row.get(name) or 0 for row in run.rows for name in CLOCK_COLUMNS[:2])
    return round(max(logged, known if isinstance(known, int | float) else 0), 3)
