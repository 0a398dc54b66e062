"""SIGKILL at random moments and before every call of the file system; then the run goes on."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter, sleep

from children import Deadly, begin, end
from commands import Command, Words, calls, commands, training
from disk import Disk
from scenes import (
    ENDED,
    Figures,
    Scene,
    every_epoch_committed,
    go_on,
    lost,
    rows,
    time_is_up,
    visible,
)

from nnexp.run.layout import CHECKPOINT
from nnexp.run.state import read_checkpoint

KILLED = -9


@dataclass
class Kills(Figures):
    """What came of kills.

    Attributes:
        kills: processes that were killed, and survived by the run.
        runs: runs among which they were, each resumed to its end.
        unborn: kills before there was a run folder.
        in_commit: kills that left a file half replaced, or rows that only the checkpoint has.
        in_training: the other kills with epochs logged.
        before_epoch: kills of a run without an epoch.
    """

    kills: int = 0
    runs: int = 0
    unborn: int = 0
    before_epoch: int = 0
    in_commit: int = 0
    in_training: int = 0


def at_random(scene: Scene, kills: int, seed: int = 0) -> Kills:
    """Kill training, resume, kill again, until so many were killed and the last run has ended."""
    rng = random.Random(seed)  # noqa: S311 - no secret
    figures = Kills()
    scene.reference  # noqa: B018 - made before the first child
    began = perf_counter()
    runs = scene.place("timing")
    assert end(begin(*training(scene, runs), answer=scene.base / "answer")) == 0
    seconds = perf_counter() - began
    while figures.kills < kills and not time_is_up():
        runs = scene.place("kills")
        figures.runs += 1
        seen: dict[str, bytes] = {}
        code = KILLED
        while code == KILLED and figures.kills < kills:
            folders = visible(runs)
            words: Words = ["resume", folders[0], "-q"] if folders else training(scene, runs)
            pid = begin(*words, answer=scene.base / "answer")
            moment = rng.uniform(0, 1)
            # Logs are redone in the first milliseconds.
            sleep(seconds * (moment if not folders or rng.random() < 0.5 else 10 ** (-3 * moment)))
            code = end(pid, kill=True)
            if code == KILLED:
                figures.kills += 1
                figures.problems += _look(visible(runs), seen, figures)
        answer = (scene.base / "answer").read_text()
        if code not in {0, KILLED} and not any(word in answer for word in ENDED):
            figures.problems.append(f"exit code {code}: {answer}")
        for folder in visible(runs):
            figures.problems += go_on(scene, folder, seen, figures)
    return figures


def at_every_call(scene: Scene, step: int = 1) -> Kills:
    """Kill every command before each of its calls, and halfway through each of its writes.

    What goes on with the run is killed as well, at a call further on each time.
    """
    figures = Kills()
    scene.reference  # noqa: B018 - made before the first child
    with every_epoch_committed():
        for command in commands(scene):
            runs = scene.place("kills")
            names = calls(runs, command.begin(runs))
            for at in range(1, len(names) + 1, step):
                for halfway in (False, True)[: 1 + (names[at - 1] == "write")]:
                    if time_is_up():
                        return figures
                    _kill_twice(scene, command, at, halfway, figures)
    return figures


def _kill_twice(scene: Scene, command: Command, at: int, halfway: bool, figures: Kills) -> None:
    runs = scene.place("kills")
    seen: dict[str, bytes] = {}
    figures.runs += 1
    if not _killed(scene, command.begin(runs), Deadly(runs, at, halfway=halfway), figures):
        figures.problems.append(f"call {at} was not made")
    figures.problems += _look(visible(runs), seen, figures)
    for folder in visible(runs):
        words: Words = ["resume", folder, "-q", *command.more]
        if _killed(scene, words, Deadly(runs, 1 + at % 89, halfway=halfway), figures):
            figures.problems += _look([folder], seen, figures)
        figures.problems += go_on(scene, folder, seen, figures, command.more)


def _killed(scene: Scene, words: Words, disk: Disk, figures: Kills) -> bool:
    killed = end(begin(*words, answer=scene.base / "answer", disk=disk)) == KILLED
    figures.kills += killed
    return killed


def _look(folders: list[Path], seen: dict[str, bytes], figures: Kills) -> Iterator[str]:
    """Note where a kill has hit and what a reader sees now; yield what is gone."""
    if not folders:
        figures.unborn += 1
        return
    if len(folders) > 1:
        yield f"the runs {folders}"
    (folder,) = folders
    if away := lost(seen, folder):
        yield f"rows that were seen are gone from {away}"
    seen.update(rows(folder))
    epochs, checkpoint = seen["metrics.csv"].count(b"\n"), read_checkpoint(folder / CHECKPOINT)
    behind = checkpoint is not None and checkpoint.state["epoch"] > epochs
    if behind or any(not p.name.startswith(".owner-") for p in folder.glob(".*")):
        figures.in_commit += 1
    elif epochs:
        figures.in_training += 1
    else:
        figures.before_epoch += 1
