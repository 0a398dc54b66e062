"""The live overview of many runs: one bar for the whole, one line a running job."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from shutil import get_terminal_size
from typing import TYPE_CHECKING, Any

from nnexp.cli.output import is_live, say
from nnexp.text import sanitize

if TYPE_CHECKING:
    from nnexp.study.jobs import Done, Job
    from nnexp.study.pool import Watcher

_WIDE = 60


@contextmanager
def overview(jobs: Sequence[Job], lines: int, *, quiet: bool) -> Iterator[Watcher]:
    """Show how jobs go on for as long as the context lasts.

    On a terminal there are bars; elsewhere a line for each run that has ended. What did not end
    well is said in any case.
    """
    if quiet or not is_live(sys.stderr):
        yield _Lines(len(jobs), quiet=quiet)
    else:
        bars = _Bars(jobs, lines)
        try:
            yield bars
        finally:
            bars.close()


def _said(done: Done) -> str:
    what = f": {done.error}" if done.error else ""
    return f"{done.status} {done.folder or done.job.name}{what}"


def _awaited(jobs: int) -> str:
    return f"{jobs} being trained by another process"


class _Lines:
    """A line for each end."""

    def __init__(self, total: int, *, quiet: bool) -> None:
        self._total, self._quiet = total, quiet
        self._ended, self._waits = 0, False

    def running(self, job: Job, epochs: int) -> None:
        """Say nothing before the end."""

    def waiting(self, jobs: int) -> None:
        if not (self._quiet or self._waits):
            say(f"{_awaited(jobs)}: waiting for them", err=True)
        self._waits = True

    def ended(self, done: Done) -> None:
        self._ended += 1
        if not self._quiet:
            say(f"{self._ended}/{self._total} {_said(done)}", err=True)
        elif done.status != "completed":
            say(_said(done), err=True)


class _Bars:
    """A bar for the whole, and one for each running job below it."""

    def __init__(self, jobs: Sequence[Job], lines: int) -> None:
        from tqdm import tqdm

        self._tqdm = tqdm
        self._seen: dict[str, float] = {}
        self._lines: dict[str, Any] = {}
        self._free = list(range(lines, 0, -1))
        self._ended, self._total = 0, len(jobs)
        self._cost = sum(job.cost() for job in jobs)

    @cached_property
    def _whole(self) -> Any:
        """The first bar; what is said before a job runs stands above it."""
        length = 20 if get_terminal_size().columns >= _WIDE else 6
        return self._bar(
            f"{{desc}} {{bar:{length}}} {{percentage:3.0f}} % {{elapsed}}<{{remaining}}{{postfix}}",
            total=self._cost,
            smoothing=0,
            desc=self._label,
        )

    def _bar(self, form: str, **settings: Any) -> Any:
        """Return a bar; a terminal that is too narrow cuts its end off."""
        return self._tqdm(
            bar_format=form, dynamic_ncols=True, leave=False, file=sys.stderr, **settings
        )

    @property
    def _label(self) -> str:
        return f"{self._ended} of {self._total} runs"

    def _advance(self, job: Job, part: float, *, now: bool) -> None:
        """Move the whole by what a job has done, since it was last seen: now or before."""
        work = job.cost() * part - self._seen.get(job.key, 0.0)
        self._seen[job.key] = job.cost() * part
        if not now:  # it says nothing of the time that is left
            self._whole.initial += work
        self._whole.update(work)

    def running(self, job: Job, epochs: int) -> None:
        total = job.config.experiment.epochs
        self._whole.set_postfix_str("", refresh=False)
        self._advance(job, epochs / total, now=job.key in self._seen)
        if job.key not in self._lines and self._free:
            self._lines[job.key] = self._bar(
                "  {bar:10} {n_fmt}/{total_fmt} {desc}",
                desc=job.name,
                total=total,
                initial=epochs,
                position=self._free.pop(),
            )
        elif job.key in self._lines:
            self._lines[job.key].update(epochs - self._lines[job.key].n)

    def waiting(self, jobs: int) -> None:
        self._whole.set_postfix_str(_awaited(jobs))

    def ended(self, done: Done) -> None:
        self._ended += 1
        self._whole.set_description_str(self._label)
        self._advance(done.job, 1.0, now=done.epochs > 0)
        line = self._lines.pop(done.job.key, None)
        if line is not None:
            self._free.append(abs(line.pos))
            line.close()
        if done.status != "completed":
            self._whole.write(sanitize(_said(done)), file=sys.stderr)

    def close(self) -> None:
        for line in self._lines.values():
            line.close()
        if "_whole" in self.__dict__:
            self._whole.close()
