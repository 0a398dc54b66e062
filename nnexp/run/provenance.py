"""Where a result comes from: versions, machine, BLAS, git. Never the environment."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np

import nnexp
from nnexp.run import git
from nnexp.run.layout import MAX_ARGV


@contextmanager
def one_thread() -> Iterator[None]:
    """Run BLAS on one thread: faster for small matrices, and repeatable."""
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1, user_api="blas"):
        yield


@cache
def one_thread_for_good() -> None:
    """Run BLAS on one thread until the process ends.

    The limit is the process's: where several threads train, the first to end its `one_thread`
    would lift it for the others.
    """
    from threadpoolctl import threadpool_limits

    threadpool_limits(limits=1, user_api="blas")


def collect(argv: list[str]) -> dict[str, Any]:
    """Return what is recorded in run.json about program, machine and source tree."""
    return {
        "argv": argv[:MAX_ARGV],
        "versions": {
            "nnexp": nnexp.__version__,
            "python": platform.python_version(),
            "numpy": np.__version__,
        },
        "blas": blas(),
        "host": platform.node(),
        "platform": platform.platform(),
        "git": git.state(),
    }


def blas() -> list[dict[str, Any]]:
    """Return the name, version, kernel and threads of each BLAS that is loaded."""
    from threadpoolctl import threadpool_info

    keys = ("internal_api", "version", "architecture", "num_threads")
    return [
        {key: library[key] for key in keys if key in library}
        for library in threadpool_info()
        if library.get("user_api") == "blas"
    ]
