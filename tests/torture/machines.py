"""Two machines and one folder, whose locks are missing or hold on one machine only."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from time import sleep

from scenes import ENDED, Figures, Scene, go_on, rows, time_is_up, visible

# flock is a call that fails, or that says yes and locks nothing.
LOCKS = ("errno = ENOLCK; return -1;", "return 0;")
SPEED = 4
# Each machine has another name; the heart may beat faster, so that nobody waits long.
NAMED = 'import platform; platform.node = lambda: "{}"; from nnexp.run import owner; \
owner.BEAT /= {}; owner.PATIENCE /= {}; import runpy; runpy.run_module("nnexp", \
run_name="__main__", alter_sys=True)'


@dataclass
class Machines(Figures):
    """What came of it.

    Attributes:
        pairs: of processes that resumed one run at once, after its owner died.
        living: processes that were refused a run while its owner lived.
        refused: processes of a pair that were refused.
    """

    pairs: int = 0
    living: int = 0
    refused: int = 0


def without_locks(scene: Scene, pairs: int) -> Machines | None:
    """Let processes without locks resume a living run, and two at once a dead one."""
    compiler = shutil.which("cc")
    if compiler is None:
        return None
    figures = Machines()
    for number in range(pairs):
        for i, body in enumerate(LOCKS):
            if time_is_up():
                return figures
            source, library = (scene.base / f"locks-{i}.{end}" for end in ("c", "so"))
            source.write_text(f"#include <errno.h>\nint flock(int file, int how) {{ {body} }}\n")
            subprocess.run([compiler, "-shared", "-fPIC", "-o", library, source], check=True)
            _attack(scene, library, number, figures)
    return figures


def _begin(library: Path, machine: str, *words: str | Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", NAMED.format(machine, SPEED, SPEED), *words],
        env={**os.environ, "LD_PRELOAD": str(library), "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def _attack(scene: Scene, library: Path, number: int, figures: Machines) -> None:
    runs = scene.place("machines")
    train = ("train", scene.path, "-q", "--runs-dir", runs)
    forever = [
        f"--set={word}" for word in ("epochs=100000", "early_stopping=null", "schedule=constant")
    ]
    first = _begin(library, "one", *train, *forever)
    try:
        while first.poll() is None and not (visible(runs) and rows(visible(runs)[0])):
            sleep(0.02)
        if first.poll() is not None:
            figures.problems.append(f"training ended: {first.communicate()[1]}")
            return
        (folder,) = visible(runs)
        with _begin(library, "two", "resume", folder, "-q", "--epochs", "100001") as second:
            answer = second.communicate()[1]
        alive = first.poll() is None
    finally:
        first.kill()
        first.communicate()
    if not alive or second.returncode != 1 or "is being written by another" not in answer:
        figures.problems.append(f"a living run: {alive}, exit code {second.returncode}: {answer}")
    figures.living += 1
    first = _begin(library, "one", *train)
    while first.poll() is None and len(visible(runs)) < 2:
        sleep(0.005)
    sleep(0.01 * number)
    first.kill()
    first.communicate()
    folder = visible(runs)[-1]
    seen = rows(folder)
    both = [_begin(library, name, "resume", folder, "-q") for name in ("two", "three")]
    notes = [process.communicate()[1] for process in both]
    codes = [process.returncode for process in both]
    figures.pairs += 1
    figures.refused += codes.count(1)
    words = ("being written by another process", "was written by another process", *ENDED)
    refusals = [note for note, code in zip(notes, codes, strict=True) if code]
    if sorted(codes) != [0, 1] or not any(word in refusals[0] for word in words):
        figures.problems.append(f"exit codes {codes}: {notes}")
    figures.problems += go_on(scene, folder, seen, figures)
