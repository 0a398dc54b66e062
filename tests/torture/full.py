"""A disk that is really full: a small tmpfs, where one may be mounted; limits on file sizes."""

from __future__ import annotations

import resource
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from scenes import Figures, Scene, every_epoch_committed, go_on, nnexp, rows, time_is_up, visible

PAGE = 4096


@dataclass
class Full(Figures):
    """What came of disks that were full.

    Attributes:
        disks: sizes that were tried.
        refused: commands that ended with a message and exit code 1.
        resumed: runs that went on once there was room.
    """

    disks: int = 0
    refused: int = 0
    resumed: int = 0


def tmpfs(scene: Scene, step: int = 1) -> Full | None:
    """Train on file systems of every size, a page more each time, until one is large enough.

    Returns:
        None where mounting is not permitted.
    """
    figures, place = Full(), scene.place("tmpfs")
    scene.reference  # noqa: B018 - made before
    with every_epoch_committed():
        for pages in range(1, 1000, step):
            if time_is_up():
                return figures
            try:
                with _mounted(place, pages) as grow:
                    if _fill(scene, place / "runs", grow, figures):
                        return figures
            except (OSError, subprocess.CalledProcessError):
                if pages == 1:
                    return None
                raise
    raise AssertionError


@contextmanager
def _mounted(place: Path, pages: int) -> Iterator[Callable[[], None]]:
    """Mount a file system of so many pages; yield what makes it larger."""

    def mount(*words: str) -> None:
        subprocess.run(["mount", *words, str(place)], check=True, capture_output=True)

    mount("-t", "tmpfs", "-o", f"size={pages * PAGE}", "tmpfs")
    try:
        yield lambda: mount("-o", "remount,size=16m")
    finally:
        subprocess.run(["umount", str(place)], check=True, capture_output=True)


def file_sizes(scene: Scene, step: int) -> Full:
    """Train where no file may grow beyond a limit: the system then takes only part of a write."""
    figures = Full()
    scene.reference  # noqa: B018 - made before
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    grow = partial(resource.setrlimit, resource.RLIMIT_FSIZE, before)
    runs = scene.place("sizes")
    with every_epoch_committed():
        for limit in range(1, 1 << 20, step):
            if time_is_up():
                return figures
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
            try:
                if _fill(scene, runs, grow, figures):
                    return figures
            finally:
                grow()
            shutil.rmtree(runs)
    raise AssertionError


def _fill(scene: Scene, runs: Path, grow: Callable[[], None], figures: Full) -> bool:
    """Train, and go on once there is room; return whether there was room at once."""
    answer = nnexp("train", scene.path, "-q", "--runs-dir", runs)
    if answer.code == 0:
        return True
    figures.disks += 1
    figures.refused += answer.code == 1
    if not answer.err.startswith("nnexp: "):
        figures.problems.append(f"no message: {answer.err!r}")
    folders = visible(runs) if runs.is_dir() else []
    seen = [rows(folder) for folder in folders]
    grow()
    for folder, before in zip(folders, seen, strict=True):
        figures.problems += go_on(scene, folder, before, figures)
        figures.resumed += 1
    return False
