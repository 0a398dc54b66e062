"""`nnexp resume`: interrupted runs, to their end."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nnexp.cli.options import complete_runs, runs_dir_option
from nnexp.cli.outcomes import end_by_signal, finish, report
from nnexp.cli.output import say, say_note
from nnexp.cli.progress import bar

if TYPE_CHECKING:
    from nnexp.run.assembly import DataCache
    from nnexp.run.session import Outcome


@click.command(epilog="Example: nnexp resume latest")
@click.argument("runs", metavar="[RUN]...", nargs=-1, shell_complete=complete_runs)
@runs_dir_option
@click.option(
    "--epochs", type=click.IntRange(1), help="Go on to so many epochs; extends a complete run."
)
@click.option("-q", "--quiet", is_flag=True, help="No progress; print only the run folders.")
@click.option("--json", "as_json", is_flag=True, help="Print the outcomes as JSON.")
@click.pass_context
def resume(
    ctx: click.Context,
    runs: tuple[str, ...],
    runs_dir: Path,
    epochs: int | None,
    quiet: bool,
    as_json: bool,
) -> None:
    """Go on with interrupted RUNs: all under the runs folder, if none is named.

    A resumed run ends with the same bytes as one that was never interrupted. It is refused where
    its config, its data or the version of nnexp have changed.
    """
    from nnexp.errors import NnexpError, OptionError
    from nnexp.run.assembly import DataCache
    from nnexp.run.find import resolve

    if epochs is not None and not runs:
        raise OptionError("--epochs: say which runs are to be extended")
    named = [folder for name in runs for folder in resolve(name, runs_dir)]
    folders = list(dict.fromkeys(named)) if runs else _interrupted(runs_dir)
    if not folders:
        say(f"no run under {runs_dir} is interrupted", err=True)
    end_by_signal()
    data, outcomes, refused = DataCache(), [], False
    for folder in folders:
        try:
            outcomes.append(_resume_one(folder, epochs, data, quiet=quiet, as_json=as_json))
        except NnexpError as error:
            if len(folders) == 1:
                raise
            say(f"nnexp: {error}", err=True)
            refused = True
            continue
        if outcomes[-1].status == "interrupted":
            break
    finish(ctx, outcomes, as_json=as_json)
    if refused:
        ctx.exit(1)


def _interrupted(runs_dir: Path) -> list[Path]:
    from nnexp.run.find import by_age, folders
    from nnexp.run.index import open_all

    found, notes = open_all(by_age(folders(runs_dir)))
    for note in notes:
        say_note(note)
    return [run.folder for run in found if run.status == "interrupted"]


def _resume_one(
    folder: Path, epochs: int | None, data: DataCache, *, quiet: bool, as_json: bool
) -> Outcome:
    from nnexp.run.resume import resume

    with bar(quiet=quiet) as progress:
        outcome = resume(
            folder, epochs=epochs, argv=["nnexp", *sys.argv[1:]], progress=progress, data=data
        )
    report(outcome, quiet=quiet, as_json=as_json)
    return outcome
