"""What somebody else does to a run folder while it is written: before every call of the writer.

The folder is moved and another run, or a link to it, put in its place; its files are linked into a
backup; its log is cut or grows. Nothing but the run's own files may change.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from commands import Command, at_every_call, training
from disk import Failing
from scenes import (
    Figures,
    Scene,
    attempt,
    go_on,
    listing,
    nnexp,
    visible,
)

LOST = "was moved, removed or replaced while nnexp was writing in it"
OTHER, AWAY, BACKUP = "20200101-000000-other-s0", "away", "backup"
LOGS = ("hard links", "cut", "grown")
WAYS = ("another run", "a link", "nothing", *LOGS)
# Between two appends: an append looks at its log, and writes to it at once.
BETWEEN = (".checkpoint.npz.new", ".model.npz.new", ".predictions.npz.new")


@dataclass
class Exchanges(Figures):
    """What came of it.

    Attributes:
        exchanges: folders and files that were exchanged or changed, each in a command of its own.
        stopped: commands that noticed that their folder was gone, and ended with words.
        healed: commands that came to their end, with all rows.
    """

    exchanges: int = 0
    stopped: int = 0
    healed: int = 0


class _Exchanging(Failing):
    """Knows the path of the call."""

    path = ""

    def before(self, name: str, path: str) -> None:
        """Note the path."""
        if self.calls == self.at:
            self.path = f"{name} {path}"
        super().before(name, path)


def exchange(scene: Scene, step: int = 1) -> Exchanges:
    """Exchange the folder at every call of training, resuming and extending, in every way."""
    figures = Exchanges()
    runs = scene.place("other")
    assert nnexp(*training(scene, runs)).code == 0
    (other,) = visible(runs)

    def attack(command: Command, way: str, at: int) -> bool:
        return _attack(scene, other, command, way, at, figures)

    at_every_call(scene, WAYS, step, attack)
    return figures


def _attack(
    scene: Scene, other: Path, command: Command, way: str, at: int, figures: Exchanges
) -> bool:
    """Exchange the folder before one call of a command; return False where there is none."""
    runs, elsewhere = scene.place("runs"), scene.place("elsewhere")
    place = shutil.copytree(other, elsewhere / OTHER)
    words = command.begin(runs)
    before = listing(place)
    backup: list[tuple[str, bytes, int]] = []
    mine: list[Path] = []

    def act() -> None:
        if way in LOGS and not disk.path.endswith(BETWEEN):
            return
        mine.extend(visible(runs))
        if not mine or disk.path == f"look {mine[0]}":  # which comes before all else
            mine.clear()
            return
        folder = mine[0]
        if way == "hard links":
            (elsewhere / BACKUP).mkdir()
            for path in folder.glob("[!.]*"):
                os.link(path, elsewhere / BACKUP / path.name)
            backup.extend(listing(elsewhere / BACKUP))
        elif way in {"cut", "grown"}:
            size = (folder / "metrics.csv").stat().st_size
            os.truncate(folder / "metrics.csv", size // 2 if way == "cut" else size + 20)
        else:
            folder.rename(elsewhere / AWAY)
            if way == "another run":
                place.rename(folder)
            elif way == "a link":
                folder.symlink_to(place)

    disk = _Exchanging(runs, at, silent=True, on_fault=act)
    with disk:
        answer, problems = attempt(*words)
    if disk.calls < at:
        return False
    if mine:
        figures.exchanges += 1
        figures.stopped += answer.code == 1 and LOST in answer.err
        figures.healed += answer.code == 0
        if answer.code not in {0, 1}:
            problems.append(f"exit code {answer.code}: {answer.err}")
        there = mine[0] if way == "another run" else place
        if listing(there) != before:
            problems.append("another run was touched")
        if backup and listing(elsewhere / BACKUP) != backup:
            problems.append("the backup was touched")
        away = elsewhere / AWAY
        folder = away if away.exists() else mine[0]
        problems += go_on(scene, folder, {}, figures, command.more)
        figures.problems += [
            f"{words[0]}, call {at} ({disk.path}), {way}: {problem}" for problem in problems
        ]
    return True
