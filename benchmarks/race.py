"""The epochs: every contender in a process of its own, taking turns, round after round."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Self

EPOCH = 50_000
# The module of each and the settings it is built with.
Contenders = Mapping[str, Sequence[str]]
# In the order of their turns: those whose ratio matters most stand side by side.
CONTENDERS: Contenders = {
    "floor": ["floor"],
    "nnexp": ["ours"],
    "JAX, jit + scan": ["jax_scan"],
    "scikit-learn": ["sklearn_mlp"],
    "PyTorch, eager": ["pytorch"],
    "network2": ["per_example"],
}
_EVALUATED = "monitor=[train, validation, test]"
TECHNIQUES: Contenders = {
    "shifts": ["ours", "augment.shifts=true"],
    "plain": ["ours"],
    "l2": ["ours", "l2=5.0"],
    "momentum": ["ours", "momentum=0.9", "eta=0.05"],
    "dropout": ["ours", "dropout=0.5"],
    "nesterov": ["ours", "momentum=0.9", "nesterov=true", "eta=0.05"],
    "l1": ["ours", "l1=2.0"],
    "rotate": ["ours", "augment.rotate=10"],
    "affine": ["ours", "augment.affine=0.1"],
    "elastic": ["ours", "augment.elastic={alpha: 34, sigma: 4}"],
    "evaluation": ["ours", _EVALUATED],
    "diagnosis": ["diagnosis", _EVALUATED],
}
# A fraction of an epoch teaches less.
LEAST_ACCURACY, LEAST_AFTER_FRACTION = 0.85, 0.6


class BenchError(Exception):
    """A measurement that cannot be trusted, or not be made."""


@dataclass
class Entry:
    """A contender's result.

    Attributes:
        examples: how many were trained on at a time; the seconds are scaled to `EPOCH`.
        accuracy: on the test set after the warm-up; None for the floor.
        pools: its thread pools and kernels, as threadpoolctl sees them.
        seconds: an epoch's, of each round.
    """

    examples: int
    accuracy: float | None
    pools: list[dict[str, Any]]
    seconds: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        """The median of all rounds."""
        return median(self.seconds)


Race = dict[str, Entry]


class Worker:
    """A contender's process; see `worker.py`."""

    def __init__(self, name: str, arguments: Sequence[str], env: Mapping[str, str]) -> None:
        self.name = name
        script = Path(__file__).with_name("worker.py")
        self.process = subprocess.Popen(
            [sys.executable, script, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=env,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.communicate()

    def answer(self) -> dict[str, Any]:
        """Wait for an answer."""
        assert self.process.stdout  # noqa: S101 - for the type checker
        line = self.process.stdout.readline()
        if not line:
            raise BenchError(f"{self.name} ended with exit code {self.process.wait()}")
        return dict(json.loads(line))

    def go(self) -> float:
        """Give it its turn and return its seconds for a whole epoch's worth of examples."""
        assert self.process.stdin  # noqa: S101 - for the type checker
        with suppress(BrokenPipeError):
            print("go", file=self.process.stdin, flush=True)
        return float(self.answer()["seconds"])


def run(
    contenders: Contenders,
    hidden: int,
    *,
    images: int,
    rounds: int,
    turn_seconds: float,
    env: Mapping[str, str],
    say: Callable[[str], None],
) -> Race:
    """Start the contenders, check that they learn, and time `rounds` turns of each.

    Raises:
        BenchError: a contender failed, or did not do the work.
    """
    race: Race = {}
    with ExitStack() as stack:
        workers = []
        for name, words in contenders.items():
            say(f"784-{hidden}-10: warming up {name}")
            arguments = [str(hidden), str(images), str(turn_seconds), *words]
            workers.append(stack.enter_context(Worker(name, arguments, env)))
            race[name] = Entry(**workers[-1].answer())
            _check(name, race[name])
        for i in range(rounds):
            say(f"784-{hidden}-10: round {i + 1} of {rounds}")
            for worker in workers:
                entry = race[worker.name]
                entry.seconds.append(worker.go() * EPOCH / entry.examples)
    return race


def _check(name: str, entry: Entry) -> None:
    threads = max((pool["num_threads"] for pool in entry.pools), default=1)
    if threads > 1:
        raise BenchError(f"{name} would use {threads} threads, 1 is due")
    least = LEAST_ACCURACY if entry.examples >= EPOCH else LEAST_AFTER_FRACTION
    if entry.accuracy is not None and not entry.accuracy > least:
        raise BenchError(f"{name} did not learn: accuracy {entry.accuracy}, over {least} is due")


def ratio(race: Race, name: str, to: str) -> float:
    """Return the median over the rounds of `name`'s seconds divided by those of `to`."""
    pairs = zip(race[name].seconds, race[to].seconds, strict=True)
    return median(a / b for a, b in pairs)
