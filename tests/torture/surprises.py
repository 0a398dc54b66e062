"""Strangers' folders to train in: what lies there is neither run nor written to."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import strangers
from scenes import Figures, time_is_up

CONFIG = """\
data: {inline: {x: [[0.0], [1.0]], y: [[0.0], [1.0]]}}
layers: [1, 1]
eta: 1.0
epochs: 1
"""


@dataclass
class Surprises(Figures):
    """What came of training in strangers' trees.

    Attributes:
        trees: those that were trained in; the first by the worker processes of a sweep.
        modules: files that lay there with the names of Python's and other packages' modules.
        ran_by_git: those whose programs plain `git status` runs.
        ran_by_nnexp: those of which nnexp has run a program, or changed a file.
    """

    trees: int = 0
    modules: int = 0
    ran_by_git: int = 0
    ran_by_nnexp: int = 0


@contextmanager
def _tree(place: Path) -> Iterator[Path]:
    """Make a tree of one commit, and stand in it."""
    tree = place / "tree"
    tree.mkdir()
    with chdir(tree):
        strangers.call("init", "-q")
        (tree / "file").write_text("one\n")
        (tree / "experiment.yaml").write_text(CONFIG)
        (tree / "study.yaml").write_text("name: small\nbase: experiment.yaml\nseeds: 0-1\n")
        strangers.commit()
        yield tree


def trees(step: int = 1) -> Surprises:
    """Train in a tree of every trap, by the command line."""
    figures = Surprises()
    for trap in list(strangers.TRAPS)[::step]:
        if time_is_up():
            break
        with TemporaryDirectory() as place, _tree(Path(place)) as tree:
            marker = Path(place) / "ran"
            trap(tree, marker)
            figures.modules += len(strangers.modules(tree, marker))
            marker.unlink(missing_ok=True)
            before = strangers.contents(tree)
            words = ["train", "experiment.yaml"] if figures.trees else ["sweep", "study.yaml"]
            words += ["--runs-dir", str(Path(place) / "runs")]
            done = subprocess.run(
                [sys.executable, "-m", "nnexp", *words],
                capture_output=True,
                text=True,
                check=False,
                env=os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[2])},
            )
            figures.trees += 1
            if done.returncode:
                figures.problems.append(f"{trap.__name__}: {done.stderr[-500:]}")
            if marker.exists() or strangers.contents(tree) != before:
                figures.ran_by_nnexp += 1
                figures.problems.append(f"{trap.__name__}: a program ran, or a file was changed")
            strangers.call("status")
            if marker.exists():
                figures.ran_by_git += 1
            else:
                figures.problems.append(f"{trap.__name__}: git did not run it either")
    return figures
