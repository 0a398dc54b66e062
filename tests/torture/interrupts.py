"""Ctrl-C at a random moment of the first second, most of them while the program starts."""

from __future__ import annotations

import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from time import sleep

from numpy.random import default_rng
from scenes import Figures, time_is_up

_COMMANDS = (["list"], ["compare"], ["--help"], ["explain"], ["plot"])
# Killed by the signal and ended by it are one to a shell: 130. Without runs, compare refuses.
_CODES = {-signal.SIGINT, 130, 0, 1}


@dataclass
class Interrupts(Figures):
    """What came of Ctrl-C at the start.

    Attributes:
        shots: commands that were interrupted.
        interrupted: those that ended by it; the others had ended.
        pythons: those hit while Python itself started, before it runs a line of nnexp.
    """

    shots: int = 0
    interrupted: int = 0
    pythons: int = 0


def early(shots: int) -> Interrupts:
    """Interrupt commands."""
    figures, draw = Interrupts(), default_rng(1)
    root = str(Path(__file__).resolve().parents[2])
    with TemporaryDirectory() as place:
        while figures.shots < shots and not time_is_up():
            words = _COMMANDS[draw.integers(len(_COMMANDS))]
            child = subprocess.Popen(
                [sys.executable, "-m", "nnexp", *words],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                cwd=place,
                env={"PYTHONPATH": root},
            )
            sleep(draw.uniform(0, 0.1) if figures.shots % 2 else draw.uniform(0, 1))
            child.send_signal(signal.SIGINT)
            _, stderr = child.communicate()
            figures.shots += 1
            figures.interrupted += child.returncode in (-signal.SIGINT, 130)
            if "Traceback" not in stderr and child.returncode in _CODES:
                continue
            if f"{root}/nnexp/" in stderr or "Traceback" not in stderr:
                figures.problems.append(f"{words}: {child.returncode}: {stderr[-500:]}")
            else:
                figures.pythons += 1
    return figures
