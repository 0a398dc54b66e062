"""What durability costs: the share of commits in the time of an epoch on MNIST."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median
from time import perf_counter
from typing import Any

from scenes import Scene, scene

from nnexp.run.assembly import load_data
from nnexp.run.session import run
from nnexp.run.state import State
from nnexp.run.writer import RunWriter

LAYERS = ([784, 30, 10], [784, 100, 10])
# A call of commit that had nothing to do.
_NOTHING = 1e-5
MNIST = "data: mnist\nlayers: {}\nepochs: {}\nbatch_size: 10\neta: 0.5\ncost: cross_entropy\n"


@dataclass(frozen=True, slots=True)
class Price:
    """The time of an epoch and what of it went into commits, medians over runs.

    Attributes:
        epoch: seconds of training and evaluation.
        commit: seconds a commit.
        share: all commits over the time of all epochs.
        commits: of a run, and how many epochs it has.
    """

    layers: str
    epoch: float
    commit: float
    share: float
    commits: str


@contextmanager
def _timed(owner: type, name: str) -> Iterator[list[float]]:
    """Note how long each call of a method takes."""
    times: list[float] = []
    method = getattr(owner, name)

    def timed(*words: Any) -> Any:
        began = perf_counter()
        result = method(*words)
        times.append(perf_counter() - began)
        return result

    setattr(owner, name, timed)
    try:
        yield times
    finally:
        setattr(owner, name, method)


def measure(rounds: int, epochs: int) -> list[Price]:
    """Train both networks on MNIST in turns, all sets monitored, on a disk."""
    result: dict[str, list[tuple[float, float, float, int]]] = {
        str(layers): [] for layers in LAYERS
    }
    for _ in range(rounds):
        for layers in LAYERS:
            with scene(MNIST.format(layers, epochs), on_disk=True) as mnist:
                result[str(layers)].append(_one(mnist))
    return [_price(layers, runs, epochs) for layers, runs in result.items()]


def _one(mnist: Scene) -> tuple[float, float, float, int]:
    dataset = load_data(mnist.config)
    with _timed(State, "checkpoint") as copies, _timed(RunWriter, "commit") as commits:
        outcome = run(mnist.config, dataset, mnist.base / "runs")
    each = [row["train_seconds"] + row["evaluate_seconds"] for row in outcome.rows]
    done = [seconds for seconds in commits if seconds > _NOTHING]
    return median(each), median(done), sum(copies + commits) / sum(each), len(done)


def _price(layers: str, runs: list[tuple[float, float, float, int]], epochs: int) -> Price:
    epoch, commit, share, commits = (median(column) for column in zip(*runs, strict=True))
    return Price(layers, epoch, commit, share, f"{commits:g} in {epochs} epochs")
