"""Going on with a run as if it had never been interrupted, or refusing to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

import nnexp
from nnexp.config.loader import Config, dump, load
from nnexp.config.schema import Experiment
from nnexp.errors import ResumeError
from nnexp.evidence.groups import differing, flatten
from nnexp.experiment.assembly import DataCache
from nnexp.experiment.session import Outcome, Progress, proceed
from nnexp.experiment.state import State
from nnexp.store.checkpoint import Checkpoint
from nnexp.store.layout import CONFIG
from nnexp.store.reader import Run, open_run
from nnexp.store.writer import RunWriter, now


def resume(
    folder: Path,
    *,
    epochs: int | None = None,
    argv: Sequence[str] = (),
    progress: Progress | None = None,
    data: DataCache | None = None,
) -> Outcome:
    """Train an interrupted run to its end: to the same bytes as if it had not been interrupted.

    Args:
        folder: the run's.
        epochs: a new number of epochs, for a run that may be complete; recorded as an extension.
        argv: the command, for the record.
        progress: is told how the run goes on.
        data: keeps data sets that several runs share.

    Raises:
        ResumeError: the run is complete, its config, data or the version of nnexp have changed, or
            its files are not what was written.
        BusyError: another process writes it.
        ConfigError: its data cannot be read.
    """
    with RunWriter.reopen(folder) as writer:
        run = open_run(folder)
        writer.record = dict(run.record)
        config = _unchanged_config(run)
        _check_version(run)
        experiment = _extended(run, config, epochs)
        dataset = (data or DataCache()).load(Config(experiment, config.document))
        _check_data(run, dataset.digest)
        checkpoint = writer.checkpoint
        state = _state(experiment, checkpoint, run)
        writer.update(
            status="running", resumed=[*run.record.get("resumed", []), _resumption(run, argv)]
        )
        if experiment != config.experiment:
            extension = {"from": config.experiment.epochs, "to": experiment.epochs, "at": now()}
            writer.extend(
                dump(experiment),
                config=experiment.model_dump(mode="json"),
                extended=[*run.record.get("extended", []), extension],
            )
        return proceed(experiment, dataset, state, writer, progress, run.rows)


def _resumption(run: Run, argv: Sequence[str]) -> dict[str, Any]:
    return {"at": now(), "after_epoch": len(run.rows), "argv": list(argv)}


def _state(experiment: Experiment, checkpoint: Checkpoint | None, run: Run) -> State:
    if checkpoint is None:
        return State.initial(experiment)
    try:
        state = State.restored(experiment, checkpoint, run.rows)
    except (KeyError, TypeError, ValueError) as error:
        message = f"{run.folder}: its checkpoint does not fit its config: {error!r}"
        raise ResumeError(message) from error
    if state.epoch != len(run.rows):
        raise ResumeError(
            f"{run.folder}: metrics.csv has {len(run.rows)} readable rows where the checkpoint is "
            f"of epoch {state.epoch}: the run cannot be resumed"
        )
    return state


def _anew(run: Run) -> str:
    return f"begin anew: nnexp train {run.folder / CONFIG}"


def _unchanged_config(run: Run) -> Config:
    """Return the config the run was begun with."""
    known = run.record.get("config")
    if not isinstance(known, dict):
        raise ResumeError(
            f"{run.folder}: was made by a version of nnexp that kept no checkpoints; {_anew(run)}"
        )
    config = load(run.folder / CONFIG)
    try:
        experiment = Experiment.model_validate(known)
    except ValidationError as error:
        raise ResumeError(f"{run.folder}: run.json: config is damaged; {_anew(run)}") from error
    before, after = (flatten(e.model_dump()) for e in (experiment, config.experiment))
    changed = differing([before, after])
    if changed == ["epochs"] and _was_extended(run.record, after["epochs"]):
        # It was killed between the replacement of run.json and that of config.yaml.
        return Config(experiment, config.document)
    if changed:
        lines = [f"  {key}: {before.get(key)} -> {after.get(key)}" for key in changed]
        raise ResumeError(
            "\n".join([f"{run.folder / CONFIG}: was changed since the run began:", *lines])
            + f"\nput it back, or {_anew(run)}"
        )
    return config


def _was_extended(record: Mapping[str, Any], epochs: int) -> bool:
    extended = record.get("extended") or [{}]
    return isinstance(extended[-1], dict) and extended[-1].get("from") == epochs


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


def _extended(run: Run, config: Config, epochs: int | None) -> Experiment:
    """Return the experiment with its new number of epochs; refuse where nothing is left to do."""
    experiment, done = config.experiment, len(run.rows)
    status = run.record.get("status")
    if status == "diverged":
        raise ResumeError(f"{run.folder}: diverged in epoch {done}: there is nothing to go on from")
    if status == "completed" and run.record.get("stopped"):
        raise ResumeError(f"{run.folder}: ended in epoch {done}: {run.record['stopped']}")
    if epochs is None:
        if status == "completed":
            raise ResumeError(
                f"{run.folder}: is complete, {done} epochs; for more: "
                f"nnexp resume {run.folder} --epochs N"
            )
        return experiment
    if epochs <= done:
        raise ResumeError(f"{run.folder}: --epochs {epochs}: {done} epochs are done already")
    if experiment.schedule == "cosine" and epochs != experiment.epochs:
        raise ResumeError(
            f"{run.folder}: --epochs {epochs}: the cosine schedule falls to 0 at epoch "
            f"{experiment.epochs}; with more epochs it would be another run: nnexp train "
            f"{run.folder / CONFIG} --set epochs={epochs}"
        )
    return experiment.model_copy(update={"epochs": epochs})
