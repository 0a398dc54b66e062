"""Progress on stderr: bars on a terminal, lines elsewhere, with --quiet only what went wrong."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cached_property
from shutil import get_terminal_size
from typing import Any

from tqdm import tqdm

from nnexp import names, numbers
from nnexp.cli.output import is_live, say, say_note
from nnexp.config.schema import Experiment
from nnexp.config.space import flow
from nnexp.run.control import Progress
from nnexp.run.log import Row
from nnexp.study.engine import Watcher
from nnexp.study.jobs import Done, Job
from nnexp.study.search import Search
from nnexp.text import sanitize

_WIDE = 60


def _draw(form: str, **settings: Any) -> Any:
    """Draw a bar; a terminal that is too narrow cuts its end off."""
    return tqdm(bar_format=form, dynamic_ncols=True, leave=False, file=sys.stderr, **settings)


@contextmanager
def bar(*, quiet: bool) -> Iterator[Progress]:
    """Show the progress of one run for as long as the context lasts."""
    if quiet or not is_live(sys.stderr):
        yield Progress()
        return
    with _draw("{desc} {bar:10} {percentage:3.0f} % {elapsed}<{remaining}{postfix}") as drawn:
        yield _Bar(drawn)


class _Bar(Progress):
    """A bar of the examples of a run."""

    def __init__(self, drawn: Any) -> None:
        self._drawn = drawn
        self._name, self._epochs, self._done, self._examples = "", 1, 0, 0

    def begin(self, experiment: Experiment, done: int, examples: int) -> None:
        self._name = f"{experiment.name} s{experiment.seed} epoch"
        self._epochs, self._done, self._examples = experiment.epochs, done, examples
        self._drawn.reset(total=experiment.epochs * examples)
        self._drawn.initial = self._drawn.n = done * examples
        self._label()

    def _label(self) -> None:
        epoch = min(self._done + 1, self._epochs)
        self._drawn.set_description_str(f"{self._name} {epoch}/{self._epochs}", refresh=False)

    def advance(self, examples: int) -> None:
        self._drawn.update(self._done * self._examples + examples - self._drawn.n)

    def epoch(self, row: Row) -> None:
        self._done += 1
        self._label()
        values = []
        if row.get("train_cost") is not None:
            values.append(f"cost {numbers.number('train_cost', row['train_cost'])}")
        accuracies = [m for m in row if m.endswith("accuracy") and row[m] is not None]
        if metric := names.default_metric(accuracies):
            values.append(f"{metric.partition('_')[0]} {numbers.quantity(metric, row[metric])}")
        self._drawn.set_postfix_str(", ".join(values))

    def note(self, text: str) -> None:
        self._drawn.clear()
        say_note(text)


@dataclass(frozen=True, slots=True)
class _Scope:
    """What many runs are, when their progress is shown; work is in the unit of `size`."""

    noun: str
    total: int
    work: float
    size: Callable[[Job], float]
    words: Callable[[Done], str]  # how a run ended
    notable: Callable[[Done], bool]  # whether that is printed where not every end is
    ended: int = 0  # before the command
    ended_work: float = 0


def overview(jobs: Sequence[Job], lines: int, *, quiet: bool) -> AbstractContextManager[Watcher]:
    """Show the progress of many runs for as long as the context lasts.

    On a terminal there are bars; elsewhere a line for each run that has ended. What did not end
    well is named in any case.
    """

    def words(done: Done) -> str:
        error = f": {done.error}" if done.error else ""
        return f"{done.status} {done.folder or done.job.name}{error}"

    def is_bad(done: Done) -> bool:
        return done.status != "completed"

    work = sum(job.cost() for job in jobs)
    return _shown(_Scope("runs", len(jobs), work, Job.cost, words, is_bad), lines, quiet=quiet)


def trials(
    searches: Sequence[Search], lines: int, *, quiet: bool
) -> AbstractContextManager[Watcher]:
    """Show the progress of the trials of searches; one that was pruned counts whole."""

    def words(done: Done) -> str:
        of = ((s, t) for s in searches for t in s.trials if t.folder == done.folder)
        search, trial = next(of)
        metric, point = search.tune.metric, trial.best(search.tune.metric)
        best = f", {names.label(metric)} {numbers.quantity(metric, point.value)}" if point else ""
        settings = ", ".join(f"{key} {flow(value)}" for key, value in trial.settings.items())
        epochs = numbers.plural(trial.epochs, "epoch")
        return f"{search.arm.name}: {settings}: {trial.state} after {epochs}{best}"

    scope = _Scope(
        "trials",
        total=sum(search.tune.trials for search in searches),
        work=sum(search.tune.trials * search.epochs for search in searches),
        size=lambda job: job.config.experiment.epochs,
        words=words,
        notable=lambda done: not quiet,
        ended=sum(len(search.trials) for search in searches),
        ended_work=sum(len(search.trials) * search.epochs for search in searches),
    )
    return _shown(scope, lines, quiet=quiet)


@contextmanager
def _shown(scope: _Scope, lines: int, *, quiet: bool) -> Iterator[Watcher]:
    if quiet or not is_live(sys.stderr):
        yield _Lines(scope, quiet=quiet)
        return
    bars = _Bars(scope, lines)
    try:
        yield bars
    finally:
        bars.close()


class _Lines(Watcher):
    """A line for each end."""

    def __init__(self, scope: _Scope, *, quiet: bool) -> None:
        self._scope, self._quiet = scope, quiet
        self._ended, self._waits = scope.ended, False

    def waiting(self, jobs: int) -> None:
        if not (self._quiet or self._waits):
            say(f"{_elsewhere(jobs)}: waiting for them", err=True)
        self._waits = True

    def ended(self, done: Done) -> None:
        self._ended += 1
        if not self._quiet or self._scope.notable(done):
            place = "" if self._quiet else f"{self._ended}/{self._scope.total} "
            say(f"{place}{self._scope.words(done)}", err=True)

    def note(self, text: str) -> None:
        say_note(text)


class _Bars(Watcher):
    """A bar for the whole, and one for each running job below it."""

    def __init__(self, scope: _Scope, lines: int) -> None:
        self._scope, self._ended = scope, scope.ended
        self._parts: dict[str, float] = {}
        self._lines: dict[str, Any] = {}
        self._free = list(range(lines, 0, -1))

    @cached_property
    def _whole(self) -> Any:
        """The first bar; a line that is written before a job runs stands above it."""
        length = 20 if get_terminal_size().columns >= _WIDE else 6
        return _draw(
            f"{{desc}} {{bar:{length}}} {{percentage:3.0f}} % {{elapsed}}<{{remaining}}{{postfix}}",
            total=self._scope.work,
            initial=self._scope.ended_work,
            smoothing=0,
            desc=self._label,
        )

    @property
    def _label(self) -> str:
        return f"{self._ended} of {self._scope.total} {self._scope.noun}"

    def _advance(self, job: Job, part: float, *, now: bool) -> None:
        """Move the whole to what a job has done: now, or before it was first seen."""
        done = self._scope.size(job) * part
        work = done - self._parts.get(job.name, 0.0)
        self._parts[job.name] = done
        if not now:  # it says nothing about the time that is left
            self._whole.initial += work
        self._whole.update(work)

    def running(self, job: Job, epochs: int) -> None:
        total = job.config.experiment.epochs
        self._whole.set_postfix_str("", refresh=False)
        self._advance(job, epochs / total, now=job.name in self._parts)
        if job.name not in self._lines and self._free:
            self._lines[job.name] = _draw(
                "  {bar:10} {n_fmt}/{total_fmt} {desc}",
                desc=job.name,
                total=total,
                initial=epochs,
                position=self._free.pop(),
            )
        elif job.name in self._lines:
            self._lines[job.name].update(epochs - self._lines[job.name].n)

    def waiting(self, jobs: int) -> None:
        self._whole.set_postfix_str(_elsewhere(jobs))

    def ended(self, done: Done) -> None:
        self._ended += 1
        self._whole.set_description_str(self._label)
        self._advance(done.job, 1.0, now=done.epochs > 0)
        line = self._lines.pop(done.job.name, None)
        if line is not None:
            self._free.append(abs(line.pos))
            line.close()
        if self._scope.notable(done):
            self._whole.write(sanitize(self._scope.words(done)), file=sys.stderr)

    def note(self, text: str) -> None:
        self._whole.write(f"note: {sanitize(text)}", file=sys.stderr)

    def close(self) -> None:
        for line in self._lines.values():
            line.close()
        if "_whole" in self.__dict__:
            self._whole.close()


def _elsewhere(jobs: int) -> str:
    return f"{jobs} being trained by another process"
