"""Reading run folders: whatever is there is used, what is wrong is named.

A run is opened from run.json alone. Its logs and predictions are read when they are asked for, or
when run.json cannot vouch for the log: the run has not ended, is of an older format, or its log is
not the file that was written. A folder may come from a stranger: no link in it is followed, and no
file is read beyond its bound.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nnexp.config.identity import run_key
from nnexp.errors import ConfigError, DataError, NnexpError
from nnexp.io.files import open_regular, size_of
from nnexp.io.lock import is_held
from nnexp.names import MAX_CLASS_NAME, MAX_CLASSES, MAX_SEED, SETS, STATUSES
from nnexp.run.layout import CONFIG, MAX_LOG, MAX_PREDICTIONS, METRICS, PREDICTIONS, RUN
from nnexp.run.log import Log, Row, clip, read_log
from nnexp.run.record import (
    Record,
    Settings,
    config_of,
    identity_of,
    read_record,
    settings_of,
    without_seed,
)
from nnexp.stats.summary import Facts, Point, facts
from nnexp.text import quoted, sanitize_line, shorten

if TYPE_CHECKING:
    from nnexp.config.schema import Experiment

_PIECE = 1 << 20


@dataclass(frozen=True)
class Run:
    """A run folder as far as it can be read; see `open_run`.

    Attributes:
        folder: where it lies.
        record: run.json, without the entries that are of another type than they should be.
        status: how it stands; one of `names.STATUSES`.
        facts: what its log came to.
    """

    folder: Path
    record: Record
    status: str
    facts: Facts
    _problems: dict[str, None] = field(default_factory=dict, repr=False)
    _logs: dict[str, Log] = field(default_factory=dict, repr=False)

    @property
    def problems(self) -> tuple[str, ...]:
        """What is wrong with the files that have been read so far, for the user."""
        return tuple(self._problems)

    @property
    def id(self) -> str:
        """The folder's name, by which commands know the run."""
        return sanitize_line(self.folder.name)

    @cached_property
    def _packed(self) -> tuple[bytes, Any] | None:
        """Config and seed that run.json has or, of an older format, config.yaml; not validated."""
        recorded = self.record.config
        if recorded is not None and self.record.get("format") != 1:
            return recorded
        from nnexp.config import loader

        try:
            return without_seed(loader.from_file(self.folder / CONFIG))
        except ConfigError as error:
            first = str(error).splitlines()[0]
            self._note(first.removeprefix(sanitize_line(f"{self.folder}/")))
            return None

    @cached_property
    def _settings(self) -> Settings | None:
        """Its config with the seed 0; None where it cannot be read."""
        try:
            return None if self._packed is None else settings_of(self._packed[0])
        except ValueError as error:
            self._note(f"{RUN}: config.{error}")
            return None

    def _note(self, problem: str) -> None:
        self._problems[problem] = None

    @cached_property
    def config(self) -> Mapping[str, Any] | None:
        """Every key of its experiment, as JSON has them; None where they cannot be read."""
        if self._packed is None or self._settings is None:
            return None
        seed = self._packed[1]
        if type(seed) is not int or not 0 <= seed <= MAX_SEED:
            self._note(f"{RUN}: config.seed: expected an integer from 0, got {quoted(seed)}")
            return None
        return self._settings.config | {"seed": seed}

    @cached_property
    def experiment(self) -> Experiment | None:
        """Its experiment; None where its config cannot be read."""
        if self._settings is None or self.config is None:
            return None
        return self._settings.experiment.model_copy(update={"seed": self.config["seed"]})

    @cached_property
    def identity(self) -> str:
        """What it has in common with the other runs of its arm: settings and data."""
        return identity_of(self._settings.packed, self.digest) if self._settings else self.id

    @property
    def identity_v1(self) -> str:
        """The same as studies of format 1 have it."""
        return identity_of(self._settings.packed, None) if self._settings else self.id

    @property
    def key(self) -> str | None:
        """What two records of the same run have in common; None without a config."""
        return run_key(self.config, self.digest) if self.config else None

    def _own(self, key: str, expected: type) -> Any:
        """Return a value of the config, without validating the rest of it."""
        packed, seed = self._packed or (None, None)
        try:
            value = seed if key == "seed" or packed is None else config_of(packed).get(key)
        except ValueError:
            return None
        return value if type(value) is expected else None

    @property
    def name(self) -> str:
        """The experiment's name."""
        name = self._own("name", str) or self.record.get("name") or self.id
        return shorten(sanitize_line(name), 100)

    @property
    def seed(self) -> int | None:
        """The run's seed."""
        seed: int | None = self._own("seed", int)
        return self.record.get("seed") if seed is None else seed

    @property
    def tags(self) -> list[str]:
        """The run's tags."""
        return [tag for tag in self._own("tags", list) or () if isinstance(tag, str)]

    @property
    def epochs(self) -> int | None:
        """The epochs that its config asks for."""
        epochs: int | None = self._own("epochs", int)
        return epochs

    @property
    def stopped(self) -> str | None:
        """Why the run ended before its last epoch; None where it did not."""
        reason = self.record.get("stopped")
        return shorten(sanitize_line(reason), 200) if reason else None

    @cached_property
    def digest(self) -> str:
        """The sha256 of its data; empty where it was not recorded."""
        return str((self.record.get("data") or {}).get("sha256") or "")

    @property
    def classes(self) -> list[str]:
        """The names of the classes that run.json has."""
        data = self.record.get("data") or {}
        return [shorten(sanitize_line(name), MAX_CLASS_NAME) for name in data.get("classes") or ()]

    @property
    def metrics(self) -> list[str]:
        """The metrics that were logged at least once."""
        return list(self.facts.summary)

    @property
    def rows(self) -> Sequence[Row]:
        """metrics.csv: a row per logged epoch, None for a cell without a number."""
        return self.log(METRICS)

    def log(self, name: str) -> Sequence[Row]:
        """Return the rows of a .csv file of the folder, with infinity for values beyond 1e100.

        Without the file there are none.
        """
        return self.exact_log(name).clipped()

    def exact_log(self, name: str) -> Log:
        """Return the same rows with every value as it was written."""
        if name not in self._logs:
            self._logs[name] = _read(self.folder, name, self._problems)
        return self._logs[name]

    @cached_property
    def never_learned(self) -> tuple[int, ...]:
        """The classes that it never learned; older records leave it to the predictions."""
        recorded = self.record.get("never_learned")
        if recorded is not None:
            return tuple(recorded)
        from nnexp.stats.diagnosis import never_learned

        arrays = self.predictions
        return tuple(never_learned(arrays["labels"], arrays["predicted"])) if arrays else ()

    @cached_property
    def predictions(self) -> dict[str, Any] | None:
        """The set's name, labels and predicted classes after the last epoch, or None."""
        from nnexp.io.npz import open_archive

        path = self.folder / PREDICTIONS
        try:
            with open_archive(path, MAX_PREDICTIONS, follow=False) as archive:
                arrays: dict[str, Any] = {k: archive.read(k) for k in ("labels", "predicted")}
                arrays["set"] = archive.word("set")
            _check_predictions(arrays)
        except DataError as error:
            if not isinstance(error.__cause__, FileNotFoundError):
                message = str(error).removeprefix(f"{path}: ")
                self._note(f"{PREDICTIONS}: {message}")
            return None
        return arrays

    def check_config(self) -> None:
        """Name it as a problem where config.yaml has other settings than the run."""
        from nnexp.config import loader

        recorded = self.record.get("config_sha256")
        if not recorded or self.config is None:
            return
        path = self.folder / CONFIG
        try:
            if loader.digest(path) == recorded:
                return
            settings = loader.from_file(path)
            if _without_path(settings) != _without_path(self.config):
                self._note(f"{CONFIG}: has other settings than the run, whose are in {RUN}")
        except ConfigError:
            self._note(f"{CONFIG}: is damaged; the settings of the run are in {RUN}")
        except OSError as error:
            self._note(f"{CONFIG}: {error.strerror}")


def _without_path(config: Mapping[str, Any]) -> dict[str, Any]:
    data = {key: value for key, value in config["data"].items() if key != "path"}
    return {**config, "data": data}


def _check_predictions(arrays: Mapping[str, Any]) -> None:
    both = [arrays["labels"], arrays["predicted"]]
    sound = all(a.ndim == 1 and a.dtype.kind in "ui" for a in both)
    if not sound or len(both[0]) != len(both[1]) or arrays["set"] not in SETS:
        raise DataError("holds other arrays than predictions")
    low, high = (min(a.min(initial=0) for a in both), max(a.max(initial=0) for a in both))
    if low < 0 or high >= MAX_CLASSES:
        raise DataError(f"has classes from {low} to {high}; expected 0 to {MAX_CLASSES - 1}")


def open_run(folder: Path | str) -> Run:
    """Open a run folder.

    Raises:
        RunError: it is not a run folder at all: there is no run.json that can be read.
    """
    folder = folder if isinstance(folder, Path) else Path(folder)
    record = read_record(folder)
    status = record.get("status")
    if status == "running" and not _is_written(folder):
        # It may have ended since its record was read.
        record = read_record(folder)
        status = record.get("status")
        status = "interrupted" if status == "running" else status
    problems = record.problems
    if status not in STATUSES:
        problems[f"unknown status {quoted(status)}"] = None
        status = "failed"
    recorded = record.facts if _is_vouched(folder, record) else None
    if recorded is not None:
        return Run(folder, record, status, recorded, problems)
    log = _read(folder, METRICS, problems)
    # Old formats have a row for every epoch.
    expected = record.log[0] if record.log else record.get("epochs") or 0
    if status in ("completed", "diverged") and len(log) < expected:
        lost = f"{METRICS}: has {len(log):,} of the {expected:,} rows that were written"
        problems[lost] = None
        status = "interrupted" if status == "completed" else status
    return Run(folder, record, status, _facts(log), problems, {METRICS: log})


def open_all(folders: Iterable[Path]) -> tuple[list[Run], list[str]]:
    """Open run folders; return the runs, and a note on each folder that is not sound."""
    runs, notes = [], []
    for folder in folders:
        try:
            run = open_run(folder)
        except NnexpError as error:
            notes.append(str(error))
        else:
            runs.append(run)
            notes += [f"{folder}: {problem}" for problem in run.problems]
    return runs, notes


def _is_written(folder: Path) -> bool:
    """Tell whether a process is writing a run."""
    try:
        with open_regular(folder / METRICS, follow=False) as stream:
            held = is_held(stream.fileno())
    except OSError:
        return False
    if held:
        return True
    from nnexp.run import owner

    if owner.last(folder) is None:
        return held is None  # an older nnexp wrote it
    return owner.lives(folder, locked=held is False)


def _is_vouched(folder: Path, record: Record) -> bool:
    """Tell whether metrics.csv is the file that run.json has summarized.

    It is where its size is the recorded one, and it was not written later or has the same CRC-32.
    """
    log = record.log if record.get("status") == "completed" else None
    if log is None:
        return False
    _, size, crc = log
    path = f"{folder}/{METRICS}"
    try:
        there = os.lstat(path)
        if there.st_size != size:
            return False
        if there.st_mtime_ns <= record.written_ns:
            return True
        with open_regular(Path(path), follow=False) as stream:
            if size_of(stream) > MAX_LOG:
                return False
            checksum = 0
            while piece := stream.read(_PIECE):
                checksum = zlib.crc32(piece, checksum)
            return checksum == crc
    except OSError:
        return False


def _read(folder: Path, name: str, problems: dict[str, None]) -> Log:
    lines: list[str] = []
    log = Log()
    try:
        with open_regular(folder / name, follow=False) as stream:
            size = size_of(stream)
            if size <= MAX_LOG:
                log = read_log(name, stream, lines)
            else:
                lines.append(f"{name}: {size:,} bytes; at most {MAX_LOG:,} are read")
    except OSError as error:
        if name == METRICS or not isinstance(error, FileNotFoundError):
            lines.append(f"{name}: {error.strerror}")
    problems |= dict.fromkeys(lines)
    return log


def _facts(log: Log) -> Facts:
    """Summarize a log: the best epoch by exact values, what is shown of it clipped."""
    summary = {
        metric: {name: Point(clip(p.value), p.epoch) for name, p in points.items()}
        for metric, points in facts(log).summary.items()
    }
    seconds = log.seconds_per_epoch
    return Facts(log.epoch, None if seconds is None else clip(seconds), summary)
