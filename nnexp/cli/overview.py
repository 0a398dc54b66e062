"""The live overview of many runs: one bar for the whole, one line a running job."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from nnexp.cli.output import say
from nnexp.text import printable

if TYPE_CHECKING:
    from nnexp.study.jobs import Done, Job
    from nnexp.study.pool import Watcher


@contextmanager
def overview(jobs: Sequence[Job], lines: int, *, quiet: bool) -> Iterator[Watcher]:
    """Show how jobs go on for as long as the context lasts.

    On a terminal there are bars; elsewhere a line for each run that has ended.
    """
    if quiet:
        from nnexp.study.pool import Unwatched

        yield Unwatched()
    elif not sys.stderr.isatty():
        yield _Lines(len(jobs))
    else:
        bars = _Bars(jobs, lines)
        try:
            yield bars
        finally:
            bars.close()


def _said(done: Done) -> str:
    what = f": {done.error}" if done.error else ""
    return f"{done.status} {done.folder or done.job.name}{what}"


class _Lines:
    """A line for each end."""

    def __init__(self, total: int) -> None:
        self._total, self._ended = total, 0

    def running(self, job: Job, epochs: int) -> None:
        """Say nothing before the end."""

    def waiting(self, jobs: int) -> None:
        """Say nothing before the end."""

    def ended(self, done: Done) -> None:
        self._ended += 1
        say(f"{self._ended}/{self._total} {_said(done)}", err=True)


class _Bars:
    """A bar for the whole, and one for each running job below it."""

    def __init__(self, jobs: Sequence[Job], lines: int) -> None:
        from tqdm import tqdm

        self._tqdm = tqdm
        self._work = {job.key: job.config.experiment.epochs * job.epoch for job in jobs}
        self._seen: dict[str, int] = {}
        self._lines: dict[str, Any] = {}
        self._free = list(range(lines, 0, -1))
        self._ended, self._total = 0, len(jobs)
        self._whole = tqdm(
            total=sum(self._work.values()),
            bar_format="{desc} {bar:20} {percentage:3.0f} % {elapsed}<{remaining}{postfix}",
            dynamic_ncols=True,
            leave=False,
            file=sys.stderr,
        )
        self._label()

    def _label(self) -> None:
        self._whole.set_description_str(f"{self._ended} of {self._total} runs")

    def _advance(self, job: Job, seen: int) -> None:
        self._whole.update(seen - self._seen.get(job.key, 0))
        self._seen[job.key] = seen

    def running(self, job: Job, epochs: int) -> None:
        self._advance(job, epochs * job.epoch)
        if job.key not in self._lines and self._free:
            self._lines[job.key] = self._tqdm(
                desc=f"  {job.name}",
                total=job.config.experiment.epochs,
                position=self._free.pop(),
                bar_format="{desc} {bar:10} {n_fmt}/{total_fmt} epochs",
                dynamic_ncols=True,
                leave=False,
                file=sys.stderr,
            )
        if job.key in self._lines:
            self._lines[job.key].update(epochs - self._lines[job.key].n)

    def waiting(self, jobs: int) -> None:
        self._whole.set_postfix_str(f", {jobs} being trained by another process")

    def ended(self, done: Done) -> None:
        job = done.job
        self._ended += 1
        self._label()
        self._advance(job, self._work[job.key])
        line = self._lines.pop(job.key, None)
        if line is not None:
            self._free.append(abs(line.pos))
            line.close()
        if done.status != "completed":
            self._whole.write(printable(_said(done)), file=sys.stderr)

    def close(self) -> None:
        for line in self._lines.values():
            line.close()
        self._whole.close()
