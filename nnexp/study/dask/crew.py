"""The workers of a cluster: which are there, which cannot train, what the user is told of it."""

from __future__ import annotations

import pkgutil
import platform
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from shlex import join
from threading import Event, Thread
from time import monotonic
from typing import Any

from distributed import Client

import nnexp
from nnexp.errors import RunError
from nnexp.numbers import duration, plural
from nnexp.study.engine import Settings
from nnexp.study.remote import unfit

PATIENCE = 10.0
_LOOK = 2.0
_GRACE = 5.0  # a nanny starts its worker again meanwhile
_NAMED = 3


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a task returns where its worker can do no job of this command."""

    worker: str  # its address
    reason: str


class Crew:
    """The workers of a cluster, looked at every two seconds in a thread.

    A worker that cannot train is excluded: it is named once, and jobs that are submitted later go
    to the others as long as there are any.
    """

    def __init__(self, client: Client, settings: Settings) -> None:
        """Look at the workers.

        Raises:
            RunError: there are none, or the scheduler or all of them have other software.
        """
        self._client, self._settings = client, settings
        self._excluded: dict[str, str] = {}
        self._notes: SimpleQueue[str] = SimpleQueue()
        self._over = Event()
        self._since: float | None = None  # when the last worker had gone
        self._waits = False
        self._present = self._begin()
        Thread(target=self._look, daemon=True).start()

    def _begin(self) -> set[str]:
        address = self._settings.address
        try:
            self._client.wait_for_workers(1, timeout=PATIENCE)
        except TimeoutError as error:
            raise RunError(
                f"{address}: the scheduler has no workers: start some with `dask worker {address} "
                "--nworkers 4 --nthreads 1`"
            ) from error
        present = self._addresses()
        reasons = self._ask()
        if scheduler := _unlike_scheduler(self._client):
            raise RunError(unfit({"the scheduler": scheduler}))
        if reasons and present <= reasons.keys():
            raise RunError(unfit({f"worker {name}": why for name, why in reasons.items()}))
        for worker, reason in reasons.items():
            self.exclude(worker, reason)
        return present

    def _addresses(self) -> set[str]:
        return set(self._client.ncores())

    def _ask(self, workers: list[str] | None = None) -> dict[str, str]:
        """Return why workers cannot train, by the address of each."""

        def ask(question: Callable[..., Any], *words: str) -> dict[str, Any]:
            answers: dict[str, Any] = self._client.run(
                question, *words, workers=workers, on_error="return"
            )
            return answers

        return unlike(ask(platform.python_version), ask(*_VERSION))

    def _look(self) -> None:
        asked = set(self._present)
        while not self._over.wait(_LOOK):
            try:
                present = self._addresses()
                if new := present - asked:
                    for worker, reason in self._ask(sorted(new)).items():
                        self.exclude(worker, reason)
            except Exception:  # noqa: S112 - the engine says it when the scheduler is lost
                continue
            asked |= present
            self._present = present

    def exclude(self, worker: str, reason: str) -> None:
        """Give a worker no more jobs, and name it, once."""
        if worker not in self._excluded:
            self._excluded[worker] = reason
            self._notes.put(f"worker {worker} is excluded, its runs go to the others: {reason}")

    def preference(self) -> dict[str, Any]:
        """Return options of a task that keep it from excluded workers while there are others."""
        fit = sorted(self._present - self._excluded.keys())
        if not self._excluded or not fit:
            return {}
        return {"workers": fit, "allow_other_workers": True}

    def notes(self) -> Iterator[str]:
        """Yield what is new; called again and again while jobs run.

        Raises:
            RunError: no worker that is there can train, or there was none for too long.
        """
        self._judge()
        while True:
            try:
                yield self._notes.get_nowait()
            except Empty:
                return

    def _judge(self) -> None:
        present, excluded = self._present, dict(self._excluded)
        where = self._settings.address or "this machine"
        again = f"what is complete is kept; continue with `{join(self._settings.argv)}`"
        if present and present <= excluded.keys():
            reasons = [f"worker {name}: {excluded[name]}" for name in sorted(present)]
            more = f"; and {len(reasons) - _NAMED} more" if len(reasons) > _NAMED else ""
            raise RunError(
                f"{where}: no worker can train ({'; '.join(reasons[:_NAMED])}{more}); {again}"
            )
        if present:
            if self._waits:
                self._notes.put(f"{where}: {plural(len(present), 'worker')} there again")
            self._since, self._waits = None, False
            return
        now, limit = monotonic(), self._settings.wait
        self._since = self._since or now
        if now - self._since >= limit:
            raise RunError(
                f"{where}: there have been no workers for {duration(limit)}: start some with "
                f"`dask worker {where} --nworkers 4 --nthreads 1`; {again}"
            )
        if not self._waits and now - self._since >= _GRACE:
            self._waits = True
            self._notes.put(
                f"{where}: all workers have gone; waiting for others until {duration(limit)} have "
                "passed (--wait-for-workers)"
            )

    def close(self) -> None:
        """Look no more."""
        self._over.set()


_VERSION = (pkgutil.resolve_name, "nnexp:__version__")


def _unlike_scheduler(client: Client) -> str:
    def ask(question: Callable[..., Any], *words: str) -> dict[str, Any]:
        try:
            return {"": client.run_on_scheduler(question, *words)}
        except Exception as error:
            return {"": error}

    return unlike(ask(platform.python_version), ask(*_VERSION)).get("", "")


def unlike(pythons: dict[str, Any], versions: dict[str, Any]) -> dict[str, str]:
    """Say which processes of a cluster have other software than this one, and what they have.

    Args:
        pythons: the version of Python by process, or an error.
        versions: the version of nnexp by process, or the error of importing it.
    """
    here = _minor(platform.python_version())
    reasons = {}
    for name, python in pythons.items():
        if isinstance(python, str) and _minor(python) != here:
            reasons[name] = f"has Python {python}, where this is {platform.python_version()}"
    for name, version in versions.items():
        if isinstance(version, OSError):  # it has gone meanwhile
            continue
        if isinstance(version, BaseException):
            reasons.setdefault(name, f"cannot import nnexp ({version})")
        elif version != nnexp.__version__:
            reasons.setdefault(name, f"has nnexp {version}, where this is {nnexp.__version__}")
    return reasons


def _minor(version: str) -> list[str]:
    return version.split(".")[:2]
