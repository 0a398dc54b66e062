"""A contender's process: one CPU, one thread, one warm-up, then a turn for every line it reads.

    python benchmarks/worker.py HIDDEN IMAGES TURN_SECONDS MODULE [SETTING ...]

It answers each line in JSON. Started by `race.py`.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from importlib import import_module
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from work import Trains


def pin() -> None:
    """Stay on the last CPU this process may use; threads started later stay there too."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def turn(contender: Trains, seconds: float) -> list[float]:
    """Time one epoch after the other, at least one, until so many seconds have passed."""
    times: list[float] = []
    after = start = perf_counter()
    while after < start + seconds:
        before = after
        counted = contender.epoch()
        after = perf_counter()
        times.append(after - before if counted is None else counted)
    return times


def main(hidden: int, images: int, seconds: float, module: str, *settings: str) -> None:
    """Warm up, say so, then take turns until the input ends."""
    pin()
    # Ctrl-C ends the driver, and the end of the input this process.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # What a library prints must not pass for an answer.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def answer(record: dict[str, Any]) -> None:
        answers.write(json.dumps(record) + "\n")
        answers.flush()

    from threadpoolctl import threadpool_info
    from work import Work

    work = Work.load(hidden, images)
    contender: Trains = import_module(f"contenders.{module}").Contender(work, *settings)
    contender.epoch()
    layers = contender.layers()
    answer(
        {
            "examples": contender.examples,
            "accuracy": None if layers is None else work.accuracy(layers),
            "pools": [
                {key: pool.get(key) for key in ("internal_api", "architecture", "num_threads")}
                for pool in threadpool_info()
            ],
        }
    )
    for _ in sys.stdin:
        times = turn(contender, seconds)
        answer({"seconds": median(times), "epochs": len(times)})


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), *sys.argv[4:])
