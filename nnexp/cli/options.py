"""Options and arguments that several commands share."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.shell_completion import CompletionItem

from nnexp.cli.output import say_note
from nnexp.errors import OptionError, RunError, did_you_mean, one_of
from nnexp.names import METRICS, default_metric
from nnexp.text import command
from nnexp.views.formats import FORMATS, Format

if TYPE_CHECKING:
    from nnexp.run.reader import Run

F = TypeVar("F", bound=Callable[..., Any])
# A bound beyond this is no bound for people.
_ANY = 1e15


class UserPath(click.Path):
    """A path in which ~ is the home folder: no shell expands it behind --option=."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """Return the path."""
        path = Path(os.fsdecode(super().convert(value, param, ctx)))
        try:
            return path.expanduser()
        except RuntimeError as error:  # no user of this name
            self.fail(f"{str(path)!r}: {error}", param, ctx)


def _range(low: float | None, high: float | None) -> str:
    """Return the words for bounds, in help and messages, where Click has `1<=x<=9`."""
    return f"{low} or more" if high is None or high > _ANY else f"{low} to {high}"


class Integer(click.IntRange):
    """An integer within bounds."""

    name = "integer"

    def _describe_range(self) -> str:
        return _range(self.min, self.max)


class Number(click.FloatRange):
    """A number within bounds."""

    name = "number"

    def _describe_range(self) -> str:
        return _range(self.min, self.max)


runs_dir_option = click.option(
    "--runs-dir",
    type=UserPath(),
    default=Path("runs"),
    envvar="NNEXP_RUNS_DIR",
    show_default=True,
    show_envvar=True,
    help="Folder that holds the runs.",
)


# The processors this process may use.
_CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
jobs_option = click.option(
    "-j",
    "--jobs",
    type=Integer(1, 1024),
    default=_CORES,
    show_default="number of cores",
    help="How many runs to train at once.",
)


def complete_runs(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Offer the ids of the runs, the newest first, and folders."""
    from nnexp.run.find import LATEST, by_age, folders

    runs = by_age(folders(Path(ctx.params.get("runs_dir") or "runs")))
    names = [LATEST, *(folder.name for folder in reversed(runs))]
    # A shell puts a name into the command line as it is: no name may be more than a word there.
    plain = [n for n in names if n.startswith(incomplete) and n[:1].isalnum() and command(n) == n]
    items = [CompletionItem(name) for name in plain]
    return items or [CompletionItem(incomplete, type="file")]


def _format_options(formats: Mapping[str, Format]) -> Callable[[F], F]:
    """Return what adds --format, and --json, its short form, to a command."""
    words = ", ".join(f"{name} ({format_.words})" for name, format_ in formats.items())
    option = click.option(
        "--format",
        "format_",
        type=click.Choice(list(formats)),
        default="table",
        show_default=True,
        help=f"How to print the result: {words}.",
    )
    short = click.option("--json", "format_", flag_value="json", help="The same as --format json.")
    return lambda command: short(option(command))


format_options = _format_options(FORMATS)
# For results that are more than one table.
page_format_options = _format_options({n: f for n, f in FORMATS.items() if not f.flat})


def find_runs(names: tuple[str, ...], runs_dir: Path) -> list[Run]:
    """Return the runs that words of the command line name; without words, all runs.

    What cannot be read becomes a note on stderr.

    Raises:
        RunError: no run is left.
    """
    from nnexp.run.find import folders, resolve
    from nnexp.run.reader import open_all

    paths: list[Path] = []
    notes: list[str] = []
    for name in names:
        try:
            paths += resolve(name, runs_dir)
        except RunError as error:
            notes.append(str(error))
    runs, problems = open_all(dict.fromkeys(paths) if names else folders(runs_dir))
    notes += problems
    if not runs:
        start = "start one with: nnexp train configs/smoke.yaml"
        raise RunError("\n".join(notes) or f"{runs_dir}: there are no runs yet; {start}")
    say_note(*notes)
    return runs


class _Logged:
    """The metrics that any of the runs has logged; each is looked for when it is asked for."""

    def __init__(self, runs: list[Run]) -> None:
        self._runs = runs

    def __contains__(self, metric: object) -> bool:
        return any(metric in run.facts.summary for run in self._runs)


def choose_metric(runs: list[Run], metric: str | None, option: str = "--metric") -> str:
    """Return the metric asked for, or the one the runs are judged by.

    Raises:
        OptionError: no run has logged it.
        RunError: no run has logged anything.
    """
    logged = _Logged(runs)
    chosen = metric or default_metric(logged)
    if chosen is None:
        raise RunError("none of the runs has logged a metric")
    if chosen not in logged:
        names = [name for name in METRICS if name in logged]
        allowed = one_of(names) if names else "nothing"
        hint = did_you_mean(chosen, names)
        raise OptionError(f"{option} {chosen}: not logged by these runs; they have {allowed}{hint}")
    return chosen
