"""Shared fixtures: an empty folder to work in, the command line, and small experiments."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import numpy as np
import pytest
from click.testing import CliRunner, Result
from hypothesis import settings

from nnexp.cli import cli
from nnexp.config.loader import Config, load
from nnexp.run.assembly import load_data
from nnexp.run.control import Progress
from nnexp.run.log import Row
from nnexp.run.session import Outcome, run

# The same cases each time; tests/fuzz and tests/torture look for new ones.
settings.register_profile("nnexp", deadline=None, derandomize=True, max_examples=50)
settings.load_profile("nnexp")

SMALL = """\
description: two kinds of points in the plane
data: {path: points.csv, target: kind}
layers: [2, 3, 2]
eta: 0.5
epochs: 4
dtype: float64
"""


class Nnexp(Protocol):
    """The command line, run in this process."""

    def __call__(self, *words: str | Path, code: int = 0) -> Result:
        """Run it in the working folder and hold it to an exit code."""


class LoadText(Protocol):
    """Loads the text of a config, written to a file of the working folder."""

    def __call__(self, text: str, *overrides: str, name: str = "a.yaml") -> Config:
        """Return the config or raise what `load` raises."""


class Train(Protocol):
    """Trains the small experiment."""

    def __call__(
        self, *overrides: str, progress: Progress | None = None, stop_after: int | None = None
    ) -> Outcome:
        """Return how the run ended; it is interrupted after so many epochs."""


class Stopper(Progress):
    """Interrupts a run, as Ctrl-C would, in the middle of the epoch after `epochs`."""

    def __init__(self, epochs: int) -> None:
        self.left = epochs

    def advance(self, examples: int) -> None:
        """Interrupt once enough epochs have ended."""
        if self.left == 0:
            raise KeyboardInterrupt

    def epoch(self, row: Row) -> None:
        """Count an epoch."""
        self.left -= 1


def write_small(folder: Path) -> Path:
    """Write the small experiment and its data: 60 points, 36 to train, 12 and 12 to test."""
    rng = np.random.default_rng(1)
    lines = ["x,y,kind"]
    for i in range(60):
        x, y = rng.normal(0.5 if i % 2 else -0.5, 0.6, 2)
        lines.append(f"{x:.4f},{y:.4f},{'right' if i % 2 else 'left'}")
    (folder / "points.csv").write_text("\n".join(lines) + "\n")
    config = folder / "small.yaml"
    config.write_text(SMALL)
    return config


def train_config(
    path: Path, *overrides: str, runs: Path | str = "runs", progress: Progress | None = None
) -> Outcome:
    """Train a config file with overrides."""
    config = load(path, overrides)
    return run(config, load_data(config), runs, progress=progress)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NNEXP_RUNS_DIR", raising=False)
    return tmp_path


@pytest.fixture
def nnexp(folder: Path) -> Iterator[Nnexp]:
    """Give the command line; an error that is a bug is raised, with its traceback."""
    before = signal.getsignal(signal.SIGTERM)

    def call(*words: str | Path, code: int = 0) -> Result:
        result = CliRunner().invoke(cli, [str(word) for word in words], prog_name="nnexp")
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == code, result.output
        return result

    yield call
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def load_text(folder: Path) -> LoadText:
    """Load configs from text."""

    def call(text: str, *overrides: str, name: str = "a.yaml") -> Config:
        path = Path(name)
        path.write_text(text, encoding="utf-8")
        return load(path, overrides)

    return call


@pytest.fixture
def small(folder: Path) -> Path:
    """Give the small experiment's config, by its path in the working folder."""
    return write_small(folder).relative_to(folder)


@pytest.fixture
def train(small: Path) -> Train:
    """Give a function that trains the small experiment into the working folder."""

    def call(
        *overrides: str, progress: Progress | None = None, stop_after: int | None = None
    ) -> Outcome:
        stopper = None if stop_after is None else Stopper(stop_after)
        return train_config(small, *overrides, progress=progress or stopper)

    return call


@pytest.fixture(scope="session")
def gallery(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder of five runs, to read only.

    `small` with two seeds, `quick` (tagged fast, eta 2) completed; `cut` was interrupted after two
    epochs; `wild` diverged.
    """
    root = tmp_path_factory.mktemp("gallery")
    config, runs = write_small(root), root / "runs"
    reference = "reference={test_accuracy: 90.0, statistic: peak, source: a book}"
    train_config(config, reference, runs=runs)
    train_config(config, reference, "seed=1", runs=runs)
    train_config(config, "name=quick", "eta=2", "tags=[fast, eta]", runs=runs)
    train_config(config, "name=cut", "eta=0.1", runs=runs, progress=Stopper(2))
    train_config(config, "name=wild", "eta=1e200", "cost=quadratic", "output=linear", runs=runs)
    return runs


@pytest.fixture
def copy(gallery: Path, folder: Path) -> Path:
    """Give a copy of the runs, to damage, as the default runs folder."""
    return Path(shutil.copytree(gallery, folder / "runs")).relative_to(folder)
