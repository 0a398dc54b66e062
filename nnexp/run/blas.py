"""The BLAS behind NumPy: one thread in a run, and what is recorded of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any


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


def describe() -> list[dict[str, Any]]:
    """Return the name, version, kernel and threads of each BLAS that is loaded."""
    from threadpoolctl import threadpool_info

    keys = ("internal_api", "version", "architecture", "num_threads")
    return [
        {key: library[key] for key in keys if key in library}
        for library in threadpool_info()
        if library.get("user_api") == "blas"
    ]
