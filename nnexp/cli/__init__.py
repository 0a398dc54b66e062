"""The command line: Click in front, a few lines per command, heavy imports inside them.

stdout carries results, stderr progress and notes. Exit codes: 0 done, 1 input or data refused,
2 usage, 3 a run diverged, 130 interrupted.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
from io import TextIOWrapper
from traceback import walk_tb
from typing import Any

import click

from nnexp import __version__
from nnexp.cli.compare import compare
from nnexp.cli.outcomes import INTERRUPTED
from nnexp.cli.output import discard, say
from nnexp.cli.reference import explain, schema
from nnexp.cli.resume import resume
from nnexp.cli.runs import list_, plot, show
from nnexp.cli.studies import sweep, tune
from nnexp.cli.train import train
from nnexp.errors import NnexpError, did_you_mean

# Variables by which libraries change what nnexp prints and draws, or fail where they are wrong.
_FOREIGN = ("TQDM_", "MPLBACKEND", "SOURCE_DATE_EPOCH")


class Group(click.Group):
    """The one place where errors become messages and exit codes."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; where it cannot continue, end with a message and an exit code."""
        interrupt = signal.getsignal(signal.SIGINT)
        try:
            if interrupt is signal.SIG_DFL:  # which main set; now it can be answered
                signal.signal(signal.SIGINT, signal.default_int_handler)
            return super().invoke(ctx)
        except NnexpError as error:
            message, code = str(error), 1
        except MemoryError as error:
            reason = str(error) or "more than there is"
            message, code = f"out of memory: {reason[:1].lower()}{reason[1:]}", 1
        except KeyboardInterrupt:
            message, code = "interrupted", INTERRUPTED
        finally:
            if interrupt is signal.SIG_DFL:
                signal.signal(signal.SIGINT, interrupt)
        say(f"nnexp: {message}", err=True)
        return ctx.exit(code)

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        """Find a command; suggest one where the word is not quite its name."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            hint = did_you_mean(args[0], self.commands)
            raise click.UsageError(error.message.rstrip(".") + (hint or "."), ctx) from error


@click.group(
    cls=Group,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Start with: nnexp train configs/smoke.yaml",
)
@click.version_option(__version__, prog_name="nnexp")
def cli() -> None:
    """Run experiments on how neural networks learn.

    An experiment is a YAML file, a result is a folder, a claim is a comparison.
    """


for _command in (train, resume, sweep, tune, compare, list_, show, plot, schema, explain):
    cli.add_command(_command)


def main() -> None:
    """Run the command line; the entry point of the installed program."""
    for name in [name for name in os.environ if name.startswith(_FOREIGN)]:
        del os.environ[name]
    # Of thousands of runs all objects live until the end: look for garbage seldom.
    gc.set_threshold(100_000, 50, 50)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # which may not know every sign
            stream.reconfigure(errors="replace")
    try:
        cli(prog_name="nnexp")
    except OSError as error:
        *_, (frame, _line) = walk_tb(error.__traceback__)
        if frame.f_globals.get("__name__") != click.utils.__name__:
            raise
        # Help, the version and completions are printed by Click itself.
        discard(sys.stdout)
        say(f"nnexp: the output cannot be written: {error.strerror}", err=True)
        sys.exit(1)
