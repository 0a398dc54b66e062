"""`nnexp show`: all about one run."""

from __future__ import annotations

from pathlib import Path

import click

from nnexp.cli.options import complete_runs, runs_dir_option
from nnexp.cli.output import say, say_note


@click.command(epilog="Example: nnexp show latest")
@click.argument("run", shell_complete=complete_runs)
@runs_dir_option
@click.option("--json", "as_json", is_flag=True, help="Print the run as JSON.")
def show(run: str, runs_dir: Path, as_json: bool) -> None:
    """Show a RUN: config, summary, recall and confusion matrix, provenance, diagnosis.

    RUN is a run's folder, the unique beginning of its name, or `latest`.
    """
    from nnexp.run.find import resolve_one
    from nnexp.run.reader import open_run
    from nnexp.views.run import as_record, page
    from nnexp.views.table import json_text, terminal_width

    opened = open_run(resolve_one(run, runs_dir))
    opened.check_config()
    text = json_text(as_record(opened)) if as_json else page(opened, terminal_width()).rstrip("\n")
    for problem in opened.problems:
        say_note(f"{opened.folder}: {problem}")
    say(text)
