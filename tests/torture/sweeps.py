"""Sweeps that are killed again and again, and two sweeps over one study."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from scenes import Figures

sys.path.insert(1, str(Path(__file__).resolve().parents[1] / "study"))

from sweeping import contents, finish, start, survive, write_study


@dataclass
class Sweeps(Figures):
    """What came of sweeps that were disturbed.

    Attributes:
        kills: sweeps that were killed, each begun again.
        doubled: times that two sweeps were begun at once.
        runs: run folders compared with those of an undisturbed sweep.
    """

    kills: int = 0
    doubled: int = 0
    runs: int = 0


def disturbed(kills: int, doubled: int) -> Sweeps:
    """Kill a sweep so many times at random moments, and begin so many in two processes at once."""
    figures = Sweeps(kills=kills, doubled=doubled)
    with TemporaryDirectory(prefix="nnexp-torture-") as root:
        place = Path(root)
        study = write_study(place)
        finish(start(study, "--runs-dir", "undisturbed"))
        due = contents(place / "undisturbed" / "study")
        survive(study, Path("killed"), Random(0), kills)  # noqa: S311
        names = ["killed"]
        for i in range(doubled):
            names.append(f"doubled-{i}")
            both = [start(study, "--runs-dir", names[-1]) for _ in range(2)]
            for process in both:
                finish(process)
        for name in names:
            found = contents(place / name / "study")
            figures.runs += len(found) - 1
            for key in sorted({*found, *due}):
                if found.get(key) != due.get(key):
                    figures.bytes_differing += 1
                    figures.problems.append(f"{name}: {key} is not as undisturbed")
    return figures
