"""`nnexp resume`: interrupted runs, to their end."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nnexp.cli.options import Integer, complete_runs, runs_dir_option
from nnexp.cli.outcomes import argv, end_by_signal, exit_by_status, train_each
from nnexp.cli.output import say, say_note

if TYPE_CHECKING:
    from nnexp.run.control import Progress
    from nnexp.run.session import Outcome


@click.command(epilog="Example: nnexp resume latest")
@click.argument("runs", metavar="[RUN]...", nargs=-1, shell_complete=complete_runs)
@runs_dir_option
@click.option("--epochs", type=Integer(1), help="Train up to this epoch; extends a complete run.")
@click.option("-s", "--set", "override", metavar="data.path=PATH", help="Where moved data are now.")
@click.option("-q", "--quiet", is_flag=True, help="No progress; print only the run folders.")
@click.option("--json", "as_json", is_flag=True, help="Print the outcomes as JSON.")
@click.pass_context
def resume(
    ctx: click.Context,
    runs: tuple[str, ...],
    runs_dir: Path,
    epochs: int | None,
    override: str | None,
    quiet: bool,
    as_json: bool,
) -> None:
    """Continue interrupted RUNS.

    If none is named, all under the runs folder are continued.

    A resumed run ends with the same bytes as one that was never interrupted. It is refused where
    its config, its data or the version of nnexp have changed. Data may have moved: see --set.
    """
    from nnexp.errors import OptionError
    from nnexp.run import resume as module
    from nnexp.run.assembly import DataCache
    from nnexp.run.find import resolve

    if epochs is not None and not runs:
        raise OptionError("--epochs: name the runs to extend")
    key, _, path = (override or "").partition("=")
    if override is not None and not (key == "data.path" and path):
        raise OptionError(
            f"--set {override}: expected data.path=PATH: a resumed run keeps its other settings"
        )
    named = [folder for name in runs for folder in resolve(name, runs_dir)]
    folders = list(dict.fromkeys(named)) if runs else _interrupted(runs_dir)
    if not folders:
        say(f"no run under {runs_dir} is interrupted", err=True)
    data = DataCache()

    def train(folder: Path, progress: Progress) -> Outcome:
        return module.resume(
            folder, epochs=epochs, data_path=path or None, argv=argv(), progress=progress, data=data
        )

    end_by_signal()
    outcomes, refused = train_each(
        (partial(train, folder) for folder in folders),
        quiet=quiet,
        as_json=as_json,
        skip=len(folders) > 1,
    )
    exit_by_status(ctx, [*(outcome.status for outcome in outcomes), *["failed"] * refused])


def _interrupted(runs_dir: Path) -> list[Path]:
    from nnexp.run.find import by_age, folders
    from nnexp.run.reader import open_all

    runs, notes = open_all(by_age(folders(runs_dir)))
    for note in notes:
        say_note(note)
    return [run.folder for run in runs if run.status == "interrupted"]
