"""Many processes at once: runs begun in one second, and two that resume one run."""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, tzinfo
from pathlib import Path
from time import sleep
from typing import Self

from children import begin, end
from fingerprints import differing, fingerprint
from scenes import ENDED, Figures, Scene, go_on, rows, time_is_up, visible

from nnexp.run import writer
from nnexp.run.reader import open_run


class _Frozen(datetime):
    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Self:
        return cls(2026, 11, 22, 8, 43, 23, 0, tz)


@contextmanager
def _one_second() -> Iterator[None]:
    """Let the time stand still for the names of run folders."""
    moving, writer.datetime = writer.datetime, _Frozen  # type: ignore[attr-defined]
    try:
        yield
    finally:
        writer.datetime = moving  # type: ignore[attr-defined]


@dataclass
class Crowd(Figures):
    """What came of runs begun in one second.

    Attributes:
        runs: processes that were begun.
        folders: run folders, each complete.
    """

    runs: int = 0
    folders: int = 0


def in_one_second(scene: Scene, runs: int) -> Crowd:
    """Begin so many runs of the same name in the same second, in one folder."""
    figures = Crowd(runs=runs)
    reference, place = scene.reference, scene.place("crowd")
    words: list[str | Path] = ["train", scene.path, "-q", "--runs-dir", place]
    with _one_second(), _gate() as gate:
        pids = [begin(*words, answer=scene.base / f"answer-{i}", gate=gate) for i in range(runs)]
    codes = [end(pid) for pid in pids]
    if any(codes):
        figures.problems.append(f"exit codes {Counter(codes)}")
    for folder in visible(place):
        result = open_run(folder)
        figures.folders += result.status == "completed" and not result.problems
        figures.bytes_differing += differing(reference, fingerprint(folder))
    if figures.folders != runs:
        figures.problems.append(f"{figures.folders} complete folders of {runs} runs")
    return figures


@contextmanager
def _gate() -> Iterator[int]:
    """Give a file that children read, and let all of them go on together at the end."""
    gate, key = os.pipe()
    try:
        yield gate
        # Children inherit the key as well: a byte for each, not the end of the file.
        os.write(key, bytes(1000))
    finally:
        os.close(gate)
        os.close(key)


@dataclass
class Owners(Figures):
    """What came of two processes that resume one run at once.

    Attributes:
        pairs: of processes.
        refused: processes that were told that the run has an owner, or is complete by now.
    """

    pairs: int = 0
    refused: int = 0


def two_owners(scene: Scene, pairs: int, seed: int = 0) -> Owners:
    """Let two processes resume the same run at the same time."""
    figures, rng = Owners(), random.Random(seed)  # noqa: S311 - no secret
    while figures.pairs < pairs and not time_is_up():
        figures.pairs += 1
        runs = scene.place("owners")
        pid = begin("train", scene.path, "-q", "--runs-dir", runs, answer=scene.base / "answer")
        while not visible(runs):
            sleep(rng.uniform(0, 0.03))
        end(pid, kill=True)
        (folder,) = visible(runs)
        seen = rows(folder)
        answers = [scene.base / f"answer-{i}" for i in range(2)]
        with _gate() as gate:
            pids = [begin("resume", folder, "-q", answer=answer, gate=gate) for answer in answers]
        codes = [end(pid) for pid in pids]
        refusals = [answer.read_text() for code, answer in zip(codes, answers, strict=True) if code]
        figures.refused += len(refusals)
        known = ("is being written by another process", *ENDED)
        if sorted(codes) != [0, 1] or not any(word in refusals[0] for word in known):
            figures.problems.append(f"exit codes {codes}: {refusals}")
        figures.problems += go_on(scene, folder, seen, figures)
    return figures
