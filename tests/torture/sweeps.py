"""Sweeps and searches that are killed again and again, doubled, or lose their folder."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from scenes import Figures, time_is_up

sys.path.insert(1, str(Path(__file__).resolve().parents[1] / "study"))

from sweeping import BOUND, STUDY, contents, finish, running, stamps, start, survive, write_study

# The same name, other arms: none of its folders is one of the other study's.
OTHER = STUDY.replace("slow: {eta: 0.1", "a: {eta: 0.2").replace("fast: {eta: 0.5", "b: {eta: 0.6")
SEARCH = """\
name: study
base: {data: {path: points.csv, target: kind}, layers: [2, 4, 2], batch_size: 4}
arms:
  slow: {cost: quadratic}
  fast: {}
tune: {space: {eta: {log: [0.01, 10]}}, trials: 7, epochs: 40}
confirm: {seeds: 100-101}
"""


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
        proper = contents(place / "undisturbed" / "study")
        survive(study, Path("killed"), Random(0), kills)  # noqa: S311
        names = ["killed"]
        for i in range(doubled):
            names.append(f"doubled-{i}")
            both = [start(study, "--runs-dir", names[-1]) for _ in range(2)]
            for process in both:
                finish(process)
        for name in names:
            outcome = contents(place / name / "study")
            figures.runs += len(outcome) - 1
            for key in sorted({*outcome, *proper}):
                if outcome.get(key) != proper.get(key):
                    figures.bytes_differing += 1
                    figures.problems.append(f"{name}: {key} is not as undisturbed")
    return figures


@dataclass
class Exchanged(Figures):
    """What came of sweeps that were stopped while their folder was exchanged.

    Attributes:
        stopped: sweeps that ended with the message that says so.
        touched: files that they made, changed or removed in what was there now.
    """

    stopped: int = 0
    touched: int = 0


def exchanged(times: int) -> Exchanged:
    """Stop a sweep at a random moment, put a study in its place, let it continue.

    What is put there is now another study of its name, now the same one as another sweep left it.
    """
    figures, chance = Exchanged(), Random(0)  # noqa: S311
    with TemporaryDirectory(prefix="nnexp-torture-") as root:
        place = Path(root)
        study, other = write_study(place), write_study(place, OTHER, "other.yaml")
        finish(start(other, "--runs-dir", "other"))
        finish(start(study, "--runs-dir", "same"))
        for i in range(times):
            if time_is_up():
                break
            folder = place / str(i) / "study"
            with running(study, "--runs-dir", folder.parent) as process:
                while process.poll() is None and not (folder / "study.json").exists():
                    time.sleep(0.01)
                time.sleep(chance.uniform(0, 1))
                if process.poll() is not None:  # it was faster
                    process.communicate()
                    continue
                os.killpg(process.pid, signal.SIGSTOP)
                shutil.rmtree(folder)
                shutil.copytree(place / ("other", "same")[i % 2] / "study", folder)
                before = stamps(folder)
                os.killpg(process.pid, signal.SIGCONT)
                _, err = process.communicate(timeout=BOUND)
            after = stamps(folder)
            differing = {path for path in before | after if before.get(path) != after.get(path)}
            figures.touched += len(differing)
            figures.problems += [f"{i}: {path.name} was touched" for path in sorted(differing)]
            # A sweep all of whose runs had ended has nothing to lose.
            if process.returncode == 1 and "moved, removed or replaced" in err:
                figures.stopped += 1
            elif process.returncode:
                figures.problems.append(f"{i}: exit code {process.returncode}: {err[-500:]}")
    return figures


@dataclass
class Engines(Figures):
    """What came of searches that were interrupted and continued by another engine.

    Attributes:
        interrupted: by SIGINT, or killed.
        runs: trials and confirming runs compared with those of an undisturbed search.
    """

    interrupted: int = 0
    runs: int = 0


def engines(times: int) -> Engines:
    """Interrupt or kill a search at random moments; continue it with the other engine."""
    figures, chance = Engines(), Random(0)  # noqa: S311
    with TemporaryDirectory(prefix="nnexp-torture-") as root:
        study = write_study(Path(root), SEARCH)

        def tune(runs: str, engine: str) -> subprocess.Popen[bytes]:
            words = [str(study), "--runs-dir", runs, "--jobs", "2", "--engine", engine, "--quiet"]
            return subprocess.Popen(
                [sys.executable, "-m", "nnexp", "tune", *words],
                cwd=root,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )

        def finished(runs: str, engine: str) -> dict[str, object]:
            process = tune(runs, engine)
            _, err = process.communicate(timeout=BOUND)
            if process.returncode:
                figures.problems.append(f"{engine}: exit code {process.returncode}: {err[-500:]!r}")
            folder = Path(root, runs, "study")
            return {
                f"{part}/{name}": files
                for part in ("trials", "confirm")
                for name, files in contents(folder / part).items()
            }

        def disturbed(runs: str, engine: str) -> bool:
            """Interrupt or kill a search after some more of its runs; tell whether it was."""
            folder = Path(root, runs)
            most = _begun(folder) + chance.randint(1, 4)
            with tune(runs, engine) as process:
                while process.poll() is None and _begun(folder) < most:
                    time.sleep(0.005)
                time.sleep(chance.uniform(0, 0.05))
                process.send_signal(chance.choice([signal.SIGINT, signal.SIGKILL]))
                process.communicate(timeout=BOUND)
            return process.returncode in (130, -signal.SIGKILL)

        expected = finished("undisturbed", "local")
        for i in range(times):
            if figures.interrupted == times or time_is_up():
                break
            name, order = f"disturbed-{i}", cycle(("local", "dask"))
            while figures.interrupted < times and disturbed(name, next(order)):
                figures.interrupted += 1
            result = finished(name, next(order))
            figures.runs += len(result) - 1  # without study.json
            for key in sorted({*result, *expected}):
                if result.get(key) != expected.get(key):
                    figures.bytes_differing += 1
                    figures.problems.append(f"{name}: {key} is not as undisturbed")
    return figures


def _begun(folder: Path) -> int:
    return sum(1 for _ in folder.rglob("[!.]*/run.json"))
