"""`nnexp show`: all about one run."""

from __future__ import annotations

from pathlib import Path

import click

from nnexp.cli.options import complete_runs, runs_dir_option
from nnexp.cli.output import say, say_note


@click.command(epilog="Example: nnexp show latest")
@click.argument("run", shell_complete=complete_runs)
@runs_dir_option
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def show(run: str, runs_dir: Path, as_json: bool) -> None:
    """Show a RUN: config, summary, per-class accuracy, confusion, provenance.

    RUN is a run's folder, the unique beginning of its name, or `latest`.
    """
    from nnexp.run.find import resolve_one
    from nnexp.run.reader import open_run
    from nnexp.views.run import as_record, page
    from nnexp.views.table import json_text, terminal_width

    found = open_run(resolve_one(run, runs_dir))
    text = json_text(as_record(found)) if as_json else page(found, terminal_width()).rstrip("\n")
    for problem in found.problems:
        say_note(f"{found.folder}: {problem}")
    say(text)
