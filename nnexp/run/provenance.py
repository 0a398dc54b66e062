"""Where a result comes from: versions, machine, BLAS, git. Never the environment."""

from __future__ import annotations

import platform
import subprocess
from pathlib import Path
from typing import Any

import numpy as np

import nnexp
from nnexp.run import blas


def collect(argv: list[str]) -> dict[str, Any]:
    """Return what is recorded in run.json about program, machine and source tree."""
    return {
        "argv": argv,
        "versions": {
            "nnexp": nnexp.__version__,
            "python": platform.python_version(),
            "numpy": np.__version__,
        },
        "blas": blas.describe(),
        "host": platform.node(),
        "platform": platform.platform(),
        "git": _git(Path.cwd()),
    }


def _git(folder: Path) -> dict[str, Any] | None:
    """Return the commit of the tree a folder is in and whether it has changes, or None."""

    def run(*words: str) -> str:
        return subprocess.run(
            # By this setting a stranger's repository would have git start a program.
            ["git", "-c", "core.fsmonitor=false", "-C", str(folder), *words],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=5,
            check=True,
        ).stdout.strip()

    try:
        commit = run("rev-parse", "HEAD")
        dirty = bool(run("status", "--porcelain", "--untracked-files=no"))
    except (OSError, subprocess.SubprocessError):
        return None
    return {"commit": commit, "dirty": dirty}
