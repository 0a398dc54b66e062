"""The runs that are tortured: every technique switched on, and data so small that they are fast."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from math import inf
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np
from click.testing import CliRunner
from fingerprints import differing, fingerprint

from nnexp.cli import cli
from nnexp.config.loader import Config, load
from nnexp.run import writer

IMAGES = """\
data: {name: mnist, train: 60, validation: 30, test: 30}
layers: [784, 8, 6, 10]
eta: 0.1
momentum: 0.5
l2: 0.1
dropout: 0.2
augment: {shifts: true, rotate: 10}
schedule: {name: halve, patience: 1, stop: 64}
early_stopping: {patience: 9}
monitor: [train, validation, test, diagnostics]
epochs: 14
"""
POINTS = """\
data: {path: points.csv, target: kind}
layers: [2, 4, 3, 2]
eta: 0.5
batch_size: 4
dtype: float64
momentum: 0.5
nesterov: true
l1: 0.01
l2: 0.1
dropout: [0.2, 0.1]
schedule: {name: halve, patience: 2, stop: 64}
early_stopping: {patience: 9}
monitor: [train, validation, test, diagnostics, parameters]
epochs: 6
"""
LOGS = ("metrics.csv", "diagnostics.csv", "parameters.csv")
# A run that ended just before it was killed has nothing to resume.
ENDED = ("is complete", "ended in epoch", "are done already")


@dataclass(frozen=True)
class Scene:
    """An experiment, and what an undisturbed run of it leaves."""

    path: Path
    base: Path

    @cached_property
    def config(self) -> Config:
        """The experiment's config."""
        return load(self.path)

    @cached_property
    def reference(self) -> dict[str, bytes]:
        """The fingerprint of a run that nobody disturbed."""
        runs = self.place("reference")
        assert nnexp("train", self.path, "-q", "--runs-dir", runs).code == 0
        (folder,) = runs.iterdir()
        return fingerprint(folder)

    def place(self, name: str) -> Path:
        """Return an empty folder for runs."""
        runs = self.base / name
        shutil.rmtree(runs, ignore_errors=True)
        runs.mkdir()
        return runs


@contextmanager
def scene(text: str, *, on_disk: bool = False) -> Iterator[Scene]:
    """Write an experiment into a folder of its own, in memory where that can be had and may be."""
    memory = Path("/dev/shm")  # noqa: S108 - only the parent of a new folder
    parent = memory if memory.is_dir() and not on_disk else None
    with tempfile.TemporaryDirectory(prefix="nnexp-", dir=parent) as name:
        base = Path(name)
        rng = np.random.default_rng(1)
        lines = ["x,y,kind"]
        for i in range(60):
            x, y = rng.normal(0.5 if i % 2 else -0.5, 0.6, 2)
            lines.append(f"{x:.4f},{y:.4f},{'right' if i % 2 else 'left'}")
        (base / "points.csv").write_text("\n".join(lines) + "\n")
        (base / "torture.yaml").write_text(text)
        yield Scene(base / "torture.yaml", base)


_end = inf


def stop_at(end: float) -> None:
    """Let attacks end by this time, on the monotonic clock, with what they have come to."""
    global _end  # noqa: PLW0603 - a process has one end
    _end = end


def time_is_up() -> bool:
    """Tell whether an attack has to end."""
    return monotonic() > _end


@contextmanager
def known_once(module: Any, name: str) -> Iterator[None]:
    """Let a function be called once for each of its arguments: the time is for what matters."""
    function, known = getattr(module, name), dict[str, Any]()

    def once(*words: Any, **settings: Any) -> Any:
        key = repr((words, settings))
        if key not in known:
            known[key] = function(*words, **settings)
        return known[key]

    setattr(module, name, once)
    try:
        yield
    finally:
        setattr(module, name, function)


@contextmanager
def every_epoch_committed() -> Iterator[None]:
    """Let no two epochs share a commit, so that each can be disturbed."""
    pace, writer._PACE = writer._PACE, 0
    try:
        yield
    finally:
        writer._PACE = pace


@dataclass(frozen=True, slots=True)
class Answer:
    """How a command ended."""

    code: int
    out: str
    err: str


def nnexp(*words: str | Path) -> Answer:
    """Run the command line in this process; what is a bug is raised."""
    result = CliRunner().invoke(cli, [str(word) for word in words], prog_name="nnexp")
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Answer(result.exit_code, result.stdout, result.stderr)


def attempt(*words: str | Path) -> tuple[Answer, list[str]]:
    """Run the command line; what is a bug is a problem, and the exit code -1."""
    try:
        return nnexp(*words), []
    except Exception as error:
        return Answer(-1, "", ""), [f"a traceback: {error!r}"]


@dataclass
class Figures:
    """What came of an attack.

    Attributes:
        bytes_differing: between runs that were disturbed and one that was not.
        problems: broken promises, in words.
    """

    bytes_differing: int = 0
    problems: list[str] = field(default_factory=list)


def go_on(
    scene: Scene,
    folder: Path,
    seen: dict[str, bytes],
    figures: Figures,
    more: Sequence[str | Path] = (),
) -> Iterator[str]:
    """Resume a run to its end; yield what is wrong with it.

    Args:
        scene: what is trained.
        folder: the run's.
        seen: the rows that a reader had seen before it was disturbed.
        figures: count the bytes that differ.
        more: what `nnexp resume` is told besides the run.
    """
    answer = nnexp("resume", folder, "-q", *more)
    if answer.code and not any(word in answer.err for word in ENDED):
        yield f"it cannot be resumed: {answer.err}"
        return
    if away := lost(seen, folder):
        yield f"rows that were seen are gone from {away}"
    differ = differing(scene.reference, fingerprint(folder))
    figures.bytes_differing += differ
    if differ:
        yield f"{differ} bytes differ"


def visible(runs: Path) -> list[Path]:
    """Return the run folders that a reader sees."""
    return sorted(path for path in runs.iterdir() if not path.name.startswith("."))


def rows(folder: Path) -> dict[str, bytes]:
    """Return the whole lines of each log, header and rows, as a reader sees them."""
    logs = [folder / name for name in LOGS]
    return {log.name: whole(log.read_bytes()) for log in logs if log.exists()}


def whole(log: bytes) -> bytes:
    """Return the whole lines of a log; what follows zeros, from a power cut, is none."""
    return log.partition(b"\0")[0].rpartition(b"\n")[0]


def lost(before: dict[str, bytes], folder: Path) -> list[str]:
    """Name the logs that do not begin with what a reader had seen of them."""
    after = rows(folder)
    return [name for name, seen in before.items() if not after.get(name, b"").startswith(seen)]


def listing(folder: Path) -> list[tuple[str, bytes, int]]:
    """Return names, contents and times of a folder's files, to tell whether it was touched."""
    return [(p.name, p.read_bytes(), p.stat().st_mtime_ns) for p in sorted(folder.iterdir())]
