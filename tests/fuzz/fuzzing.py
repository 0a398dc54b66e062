"""Fuzz at length: `python tests/fuzz/fuzzing.py [--cases N] [--seed N] [TARGET]...`.

Prints a line of JSON for each target: how many cases were run, accepted and refused. A defect ends
it with its traceback and the case that shows it.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import sys
import warnings
from pathlib import Path

import click

sys.path[:0] = [str(Path(__file__).parents[i]) for i in (0, 1, 2)]

from targets import TARGETS, each  # noqa: E402


def main() -> None:
    """Fuzz the targets that are named, or all."""
    parser = argparse.ArgumentParser(prog="python tests/fuzz/fuzzing.py", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(TARGETS))
    cases = int(os.environ.get("NNEXP_FUZZ_CASES", "200"))
    parser.add_argument("--cases", type=int, default=cases)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(2**31))
    given = parser.parse_args()
    warnings.simplefilter("error")
    if unknown := set(given.targets) - set(TARGETS):
        parser.error(f"no target {', '.join(unknown)}; there are {', '.join(TARGETS)}")
    click.echo(f"seed {given.seed}", err=True)
    for figures in each(given.targets, given.cases, given.seed):
        click.echo(json.dumps(figures))


if __name__ == "__main__":
    main()
