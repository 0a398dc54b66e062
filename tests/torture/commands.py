"""The commands that are disturbed: training, resuming what was torn, extending what is complete."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from disk import Disk, Failing
from scenes import Scene, every_epoch_committed, nnexp, time_is_up, visible

Words = list[str | Path]
Way = TypeVar("Way")
_SHORT = 3


@dataclass(frozen=True)
class Command:
    """A command on a folder of runs.

    Attributes:
        begin: puts what it needs into the folder, and returns the command line.
        more: what `nnexp resume` is told besides the run, to go on with it.
    """

    begin: Callable[[Path], Words]
    more: Words


def commands(scene: Scene) -> list[Command]:
    """Return all of them; each comes to what an undisturbed run of the scene does."""
    torn, short = _torn(scene), _short(scene)
    extend: Words = ["--epochs", str(scene.config.experiment.epochs)]
    return [
        Command(lambda runs: training(scene, runs), []),
        Command(lambda runs: ["resume", _copied(torn, runs), "-q"], []),
        Command(lambda runs: ["resume", _copied(short, runs), "-q", *extend], extend),
    ]


def at_every_call(
    scene: Scene, ways: Iterable[Way], step: int, attack: Callable[[Command, Way, int], bool]
) -> None:
    """Attack every so many calls of each command in each way, until it makes no more calls."""
    with every_epoch_committed():
        disturbed = commands(scene)
        for number, way in enumerate(ways):
            for command in disturbed:
                at = 1 + number % step
                while not time_is_up() and attack(command, way, at):
                    at += step


def training(scene: Scene, runs: Path) -> Words:
    """Return the command that trains a scene."""
    return ["train", scene.path, "-q", "--runs-dir", runs]


def _copied(folder: Path, runs: Path) -> Path:
    return Path(shutil.copytree(folder, runs / folder.name))


def _torn(scene: Scene) -> Path:
    """Return a run that ended in the middle of a row, in the middle of training."""
    runs = scene.place("torn")
    names = calls(runs, training(scene, runs))
    for at in (at for at, name in enumerate(names, 1) if name == "write" and at > len(names) / 2):
        runs = scene.place("torn")
        with Failing(runs, at, errno.ENOSPC, lasting=True, short=True), suppress(Exception):
            nnexp(*training(scene, runs))
        (folder,) = visible(runs)
        if not (folder / "metrics.csv").read_bytes().endswith(b"\n"):
            return folder
    raise AssertionError


def _short(scene: Scene) -> Path:
    """Return a complete run with fewer epochs."""
    runs = scene.place("short")
    assert nnexp(*training(scene, runs), "--set", f"epochs={_SHORT}").code == 0
    return visible(runs)[0]


class _Noting(Disk):
    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.names: list[str] = []

    def before(self, name: str, path: str) -> None:
        self.names.append(name)


def calls(runs: Path, words: Words) -> list[str]:
    """Return the calls that a command makes below a folder, in their order."""
    with _Noting(runs) as noting:
        assert nnexp(*words).code == 0
    return noting.names
