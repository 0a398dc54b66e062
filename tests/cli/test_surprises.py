"""What lies in the current folder is neither run nor read by surprise."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import strangers

ROOT = Path(__file__).resolve().parents[2]
STUDY = "name: small\nbase: small.yaml\nseeds: 0-1\ngrid: {eta: [0.5, 1.0]}\n"
PROGRAM = "from nnexp.cli import main\nif __name__ == '__main__':\n    main()\n"


@pytest.fixture
def command(tmp_path: Path) -> list[str]:
    """The installed program: a script in a folder that holds nothing else."""
    (tmp_path / "bin").mkdir()
    script = tmp_path / "bin" / "nnexp"
    script.write_text(PROGRAM)
    return [sys.executable, str(script)]


def run(words: list[str]) -> None:
    """Run a command in the current folder, with the tree's own nnexp."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    environment.pop("PYTHONSAFEPATH", None)
    done = subprocess.run(
        words, capture_output=True, text=True, check=False, env=environment, timeout=120
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ["train", "small.yaml"],
        ["sweep", "study.yaml", "--jobs", "2"],
        ["sweep", "study.yaml", "--jobs", "2", "--engine", "dask"],
        ["plot", "runs"],
    ],
    ids=lambda words: "-".join(words[::4]),
)
def test_no_module_of_the_current_folder_is_run(
    small: Path, tmp_path: Path, command: list[str], words: list[str]
) -> None:
    """Neither the program nor its workers take signal.py there for Python's."""
    Path("study.yaml").write_text(STUDY)
    if words[0] == "plot":
        run([*command, "train", str(small)])
    planted = strangers.modules(Path(), tmp_path / "ran")
    assert {"signal", "numpy", "click"} <= planted
    run([*command, *words])
    assert not (tmp_path / "ran").exists()


def test_python_m_runs_none_either(small: Path, tmp_path: Path) -> None:
    """`python -m nnexp` takes the current folder off the path before it imports anything."""
    strangers.modules(Path(), tmp_path / "ran")
    run([sys.executable, "-m", "nnexp", "train", str(small)])
    assert not (tmp_path / "ran").exists()


def test_a_planted_module_would_run(folder: Path, tmp_path: Path) -> None:
    """The modules of these tests work: Python runs them where the current folder is on its path."""
    strangers.modules(Path(), tmp_path / "ran")
    subprocess.run([sys.executable, "-c", "import click"], capture_output=True, check=False)
    assert "click" in (tmp_path / "ran").read_text()


def test_a_matplotlibrc_of_the_current_folder_changes_no_picture(
    folder: Path, small: Path, command: list[str]
) -> None:
    """Matplotlib would obey it, and have LaTeX run for the labels."""
    run([*command, "train", str(small)])
    run([*command, "plot", "runs", "-o", "before.svg"])
    (folder / "matplotlibrc").write_text("text.usetex: True\naxes.facecolor: red\n")
    run([*command, "plot", "runs", "-o", "after.svg"])
    assert (folder / "after.svg").read_bytes() == (folder / "before.svg").read_bytes()
