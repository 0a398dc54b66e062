"""Files that other programs have on lease: every command waits until it has them back."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from commands import commands
from fingerprints import differing, fingerprint
from leases import lent, permitted
from scenes import Figures, Scene, nnexp, time_is_up, visible

READING: Sequence[tuple[str, ...]] = (
    ("list", "--json"),
    ("show", "--json"),
    ("compare", "--json"),
)


@dataclass
class Lent(Figures):
    """What came of files on lease.

    Attributes:
        commands: each with all files of its runs and its data on lease.
        returned: files that were given back because a command opened them.
    """

    commands: int = 0
    returned: int = 0


def files_on_lease(scene: Scene, rounds: int) -> Lent | None:
    """Read, train, resume and extend runs so; None where there are no leases."""
    if not permitted(scene.base):
        return None
    figures = Lent()
    reference, disturbed = scene.reference, commands(scene)
    runs = scene.place("lent")
    for _ in range(rounds):
        for command in disturbed:
            if time_is_up():
                return figures
            words = command.begin(runs)
            answer = _with_leases(scene, runs, words, figures)
            for folder in visible(runs):
                differ = differing(reference, fingerprint(folder))
                figures.bytes_differing += differ
                if differ:
                    figures.problems.append(f"{words[0]}: {differ} bytes differ: {answer}")
            _read(scene, runs, figures)
            shutil.rmtree(runs)
            runs.mkdir()
    return figures


def _read(scene: Scene, runs: Path, figures: Lent) -> None:
    (folder,) = visible(runs)
    for name, *more in READING:
        where = ("--runs-dir", runs) if name == "list" else (folder,)
        words = [name, *where, *more]
        expected = nnexp(*words).out
        if not expected or _with_leases(scene, runs, words, figures) != expected:
            figures.problems.append(f"{name}: not what it prints without leases")


def _with_leases(scene: Scene, runs: Path, words: Sequence[str | Path], figures: Lent) -> str:
    with lent(runs, scene.base / "points.csv", scene.path) as leases:
        answer = nnexp(*words)
    figures.commands += 1
    figures.returned += leases.returned
    if answer.code or not leases.returned:
        figures.problems.append(
            f"{words[0]}: {answer.code}, {leases.returned} given back: {answer.err}"
        )
    return answer.out
