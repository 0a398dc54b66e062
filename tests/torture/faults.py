"""A file system that fails at every call in turn: what was committed stays, and the run goes on."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from commands import Command, at_every_call, training
from disk import ERRORS, Failing
from scenes import (
    Figures,
    Scene,
    attempt,
    go_on,
    listing,
    lost,
    nnexp,
    rows,
    visible,
)

OTHER = "20200101-000000-other-s0"


@dataclass
class Faults(Figures):
    """What came of faults.

    Attributes:
        injected: faults, each in a command of its own.
        refused: commands that ended with a message and exit code 1.
        harmless: commands that came to their end all the same.
    """

    injected: int = 0
    refused: int = 0
    harmless: int = 0


@dataclass(frozen=True)
class Fault:
    """A way to fail: an errno, once or from there on, maybe after half a write; or no more folder.

    Without an errno, half a write is all that happens.
    """

    error: int | None = None
    lasting: bool = False
    short: bool = False
    gone: bool = False

    def __str__(self) -> str:
        error = errno.errorcode[self.error] if self.error else "short write" * self.short
        return (
            error
            + " from there on" * self.lasting
            + " after half a write" * (self.short and self.error is not None)
            + "folder gone" * self.gone
        )


ALL = (
    *(Fault(error, lasting) for error in ERRORS for lasting in (False, True)),
    Fault(errno.ENOSPC, lasting=True, short=True),
    Fault(short=True),
    Fault(errno.EAGAIN),
    Fault(gone=True),
)


def inject(scene: Scene, step: int = 1) -> Faults:
    """Let every call of training, resuming and extending fail, in every way.

    Args:
        scene: what is trained.
        step: only every so many calls.
    """
    figures = Faults()
    runs = scene.place("faults")
    assert nnexp(*training(scene, runs)).code == 0
    visible(runs)[0].rename(runs / OTHER)

    def attack(command: Command, fault: Fault, at: int) -> bool:
        return _attack(scene, runs, command, fault, at, figures)

    at_every_call(scene, ALL, step, attack)
    return figures


def _attack(
    scene: Scene, runs: Path, command: Command, fault: Fault, at: int, figures: Faults
) -> bool:
    """Let one call of a command fail; return False where it makes no such call."""
    other = listing(runs / OTHER)
    words = command.begin(runs)
    seen: dict[Path, dict[str, bytes]] = {}

    def look() -> None:
        seen.update((f, rows(f)) for f in visible(runs) if f.name != OTHER)
        if fault.gone:
            runs.rename(runs.with_suffix(".gone"))

    # The folder goes with a call that does no harm: closing or not, it has been done.
    disk = Failing(
        runs,
        at,
        fault.error,
        lasting=fault.lasting,
        short=fault.short,
        silent=fault.gone,
        on_fault=look,
    )
    with disk:
        answer, problems = attempt(*words)
    if fault.gone and disk.faults:
        problems += _brought_back(runs)
    if disk.calls < at:
        _clear(runs)
        return False
    if disk.faults:
        figures.injected += 1
        figures.refused += answer.code == 1
        figures.harmless += answer.code == 0
        if answer.code == 1 and not answer.err.startswith("nnexp: "):
            problems.append(f"no message: {answer.err!r}")
        if listing(runs / OTHER) != other:
            problems.append("another run was touched")
        problems += _mend(scene, runs, command, seen, figures)
        figures.problems += [f"{words[0]}, call {at}, {fault}: {problem}" for problem in problems]
    _clear(runs)
    return True


def _brought_back(runs: Path) -> Iterator[str]:
    """Put the folder of runs back; yield what has been made in its place."""
    if runs.exists():
        yield f"{runs} was made again: {list(runs.iterdir())}"
        shutil.rmtree(runs)
    runs.with_suffix(".gone").rename(runs)


def _mend(
    scene: Scene,
    runs: Path,
    command: Command,
    seen: dict[Path, dict[str, bytes]],
    figures: Figures,
) -> Iterator[str]:
    """Let the run go on, now that the disk is sound again; yield what is wrong with it."""
    folders = [folder for folder in visible(runs) if folder.name != OTHER]
    if len(folders) > 1 or not set(seen) <= set(folders):
        yield f"the runs {folders} where there were {list(seen)}"
    for folder in folders:
        if away := lost(seen.get(folder, {}), folder):
            yield f"rows that were seen are gone from {away}"
        yield from go_on(scene, folder, seen.get(folder, {}), figures, command.more)


def _clear(runs: Path) -> None:
    for folder in runs.iterdir():
        if folder.name != OTHER:
            shutil.rmtree(folder)
