"""Sweeps in processes of their own: started, killed, repeated, and what they leave behind."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from fingerprints import rows

from nnexp.config.loader import load

BOUND = 120.0
# Six runs, long enough to be hit in the middle and short enough to be repeated often.
STUDY = """\
name: study
base:
  data: {path: points.csv, target: kind}
  layers: [2, 4, 2]
  batch_size: 4
  epochs: 60
  dropout: 0.2
  momentum: 0.5
  schedule: {name: halve, patience: 2}
  monitor: [train, validation, test, diagnostics]
arms:
  slow: {eta: 0.1}
  fast: {eta: 0.5, cost: quadratic}
seeds: 0-2
"""


def write_study(folder: Path, text: str = STUDY, name: str = "study.yaml") -> Path:
    """Write a study and its data. Their folder stands in config.yaml, so it is to be the same."""
    lines = [f"{i / 40},{(i * 7 % 11) / 10},{'ab'[i * i % 3 % 2]}" for i in range(60)]
    (folder / "points.csv").write_text("\n".join(["x,y,kind", *lines]) + "\n")
    path = folder / name
    path.write_text(text)
    return path


@contextmanager
def running(study: Path, *words: str | Path) -> Iterator[subprocess.Popen[str]]:
    """Give a sweep that is running; what is left of it in the end is killed."""
    with start(study, *words) as process:
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def start(study: Path, *words: str | Path) -> subprocess.Popen[str]:
    """Begin a sweep in a session of its own, so that all of it can be killed."""
    return subprocess.Popen(
        [sys.executable, "-m", "nnexp", "sweep", study, "--jobs", "2", *words],
        cwd=study.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def finish(process: subprocess.Popen[str]) -> tuple[str, str]:
    """Wait for a sweep that is to end well; return what it wrote to stdout and stderr."""
    out, err = process.communicate(timeout=BOUND)
    assert process.returncode == 0, err
    return out, err


def wait_until(true: Callable[[], Any]) -> None:
    """Wait for something to come true."""
    end = time.monotonic() + BOUND
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


def workers(process: subprocess.Popen[str]) -> list[int]:
    """Return the worker processes of a sweep, by /proc."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = stat.read_text().rpartition(")")[2].split()[1]
            line = stat.with_name("cmdline").read_bytes()
        except OSError:  # it has ended
            continue
        if parent == str(process.pid) and b"spawn_main" in line:
            found.append(int(stat.parent.name))
    return found


def kill_somewhere(study: Path, runs: Path, random: Random, within: float) -> None:
    """Begin a sweep and kill it at a random moment: all of it, its parent alone or one worker."""
    process = start(study, "--runs-dir", runs)
    with process:
        time.sleep(random.uniform(0.0, within))
        whom = random.choice(["all", "all", "parent", "worker"])
        victims = workers(process) if whom == "worker" else []
        if victims:
            os.kill(random.choice(victims), signal.SIGKILL)
        elif whom == "parent":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=BOUND)


def survive(study: Path, runs: Path, random: Random, kills: int, within: float = 2.0) -> None:
    """Kill a sweep so many times, each time beginning it again, then let it end."""
    for _ in range(kills):
        kill_somewhere(study, runs, random, within)
    finish(start(study, "--runs-dir", runs))


def contents(folder: Path) -> dict[str, dict[str, Any]]:
    """Return what is in each run folder, and study.json: all but clocks and run.json's details.

    Hidden names are passed over: a killed process may leave a file that was not to be seen yet.
    """
    found: dict[str, dict[str, Any]] = {}
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        if path.is_file():
            found[path.name] = {"": path.read_bytes()}
            continue
        files = {f.name: f.read_bytes() for f in path.iterdir() if not f.name.startswith(".")}
        files["run.json"] = json.loads(files["run.json"])["status"].encode()
        files["metrics.csv"] = repr(rows(path)).encode()
        # The path of data is as seen from the run, where both lie in one project.
        files["config.yaml"] = repr(load(path / "config.yaml").values()).encode()
        found[path.name] = files | {"checkpoint.npz": _checkpoint(files["checkpoint.npz"])}
    return found


def stamps(folder: Path) -> dict[Path, tuple[int, int]]:
    """Return which files are in a folder and when they were written."""
    found = {path: path.lstat() for path in folder.rglob("*")}
    return {path: (stat.st_ino, stat.st_mtime_ns) for path, stat in found.items()}


def _checkpoint(data: bytes) -> Any:
    """Return the arrays and the state, without the rows that were committed last."""
    with np.load(io.BytesIO(data)) as archive:
        arrays = {name: archive[name] for name in archive.files}
    state = json.loads(arrays.pop("state").tobytes())
    del state["logs"]
    return state, {name: array.tobytes() for name, array in arrays.items()}
