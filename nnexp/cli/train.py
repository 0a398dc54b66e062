"""`nnexp train`: configs in, run folders out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

from nnexp.cli.options import Integer, runs_dir_option
from nnexp.cli.outcomes import argv, end_by_signal, exit_by_status, train_each
from nnexp.cli.output import say, say_note
from nnexp.names import MAX_SEED
from nnexp.text import command

if TYPE_CHECKING:
    from nnexp.config.loader import Config
    from nnexp.data import Dataset
    from nnexp.run.control import Progress
    from nnexp.run.session import Outcome

_FEW = 4
_MOST_NAMED = 10


def _complete_keys(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    from nnexp.config.schema import Experiment

    return [
        CompletionItem(f"{name}=", help=field.description)
        for name, field in Experiment.model_fields.items()
        if name.startswith(incomplete)
    ]


@click.command(
    epilog="Example: nnexp train configs/xent_100.yaml --seeds 0-2 --set eta=0.25 --tag eta"
)
@click.argument(
    "configs", metavar="CONFIG...", nargs=-1, required=True, type=click.Path(path_type=Path)
)
@click.option(
    "-s",
    "--set",
    "overrides",
    metavar="KEY=VALUE",
    multiple=True,
    shell_complete=_complete_keys,
    help="Override a key, as in eta=0.1 or layers.1=50; repeat for more.",
)
@click.option("--seed", type=Integer(0, MAX_SEED), help="The run's seed.")
@click.option("--seeds", metavar="SEEDS", help="One run per seed, as in 0-9 or 0,3,5.")
@runs_dir_option
@click.option("--name", metavar="WORD", help="Name of the run; by default the config's.")
@click.option("--tag", "tags", metavar="WORD", multiple=True, help="Tag the run; repeat for more.")
@click.option("--dry-run", is_flag=True, help="Print the resolved configs and train nothing.")
@click.option("-q", "--quiet", is_flag=True, help="No progress; print only the run folders.")
@click.option("--json", "as_json", is_flag=True, help="Print the outcomes as JSON.")
@click.pass_context
def train(
    ctx: click.Context,
    configs: tuple[Path, ...],
    overrides: tuple[str, ...],
    seed: int | None,
    seeds: str | None,
    runs_dir: Path,
    name: str | None,
    tags: tuple[str, ...],
    dry_run: bool,
    quiet: bool,
    as_json: bool,
) -> None:
    """Train each CONFIG and write a run folder for each run.

    All configs and their data are checked before the first run begins.
    """
    from nnexp.config.loader import dump
    from nnexp.config.study_file import parse_seeds
    from nnexp.errors import OptionError
    from nnexp.run.session import run

    if seed is not None and seeds is not None:
        raise OptionError("--seed and --seeds: only one of the two is allowed")
    chosen = parse_seeds(seeds) if seeds is not None else None if seed is None else [seed]
    words = [] if name is None else [f"name={json.dumps(name)}"]
    words += [f"tags={json.dumps(tags)}"] if tags else []
    runs = _load(configs, [*overrides, *words], chosen)
    if dry_run:
        say("---\n".join(dump(config.experiment) for config, _ in runs), nl=False)
        return

    def train_one(one: tuple[Config, Dataset], progress: Progress) -> Outcome:
        return run(*one, runs_dir, argv=argv(), progress=progress)

    end_by_signal()
    outcomes, _ = train_each(
        (partial(train_one, one) for one in runs), quiet=quiet, as_json=as_json
    )
    left = [f"{c.experiment.name} s{c.experiment.seed}" for c, _ in runs[len(outcomes) :]]
    if left:
        more = f" and {len(left) - _MOST_NAMED} more" if len(left) > _MOST_NAMED else ""
        say(f"nnexp: not begun: {', '.join(left[:_MOST_NAMED])}{more}", err=True)
    exit_by_status(ctx, (outcome.status for outcome in outcomes))
    if 1 < len(outcomes) <= _FEW and not (quiet or as_json):
        folders = [outcome.folder for outcome in outcomes]
        say(f"compare them: {command('nnexp', 'compare', *folders)}", err=True)


def _load(
    paths: Sequence[Path], overrides: Sequence[str], seeds: Sequence[int] | None
) -> list[tuple[Config, Dataset]]:
    """Load all configs and data; runs on the same data share one copy of them."""
    from nnexp.config.loader import load
    from nnexp.errors import ConfigError, Problem
    from nnexp.run.assembly import DataCache

    configs: list[Config] = []
    problems: list[Problem] = []
    for path in paths:
        try:
            configs.append(load(path, overrides))
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(list(dict.fromkeys(problems)))
    for note in dict.fromkeys(note for config in configs for note in config.document.notes):
        say_note(note)
    cache = DataCache()
    return [
        (seeded, cache.load(seeded))
        for config in configs
        for seeded in ([config] if seeds is None else map(config.with_seed, seeds))
    ]
