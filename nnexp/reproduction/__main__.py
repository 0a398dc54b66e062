"""`python -m nnexp.reproduction`: run what is not complete, then write the report."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from nnexp.cli import Group
from nnexp.cli.options import jobs_option
from nnexp.cli.outcomes import end_by_signal
from nnexp.cli.output import say

ROOT_CONFIGS = ("quadratic_30", "quadratic_100", "xent_30", "xent_100")
QUICK = 15
PATH = click.Path(path_type=Path)


@click.command(epilog="Example: python -m nnexp.reproduction --quick")
@click.option("--configs", type=PATH, default=Path("configs"), help="Folder of the configs.")
@click.option("--runs-dir", type=PATH, default=Path("runs/chapter3"), help="Folder of the runs.")
@click.option("--output", type=PATH, default=Path("docs/reproduction.md"), help="The report.")
@jobs_option
@click.option("--quick", is_flag=True, help="A fraction of the epochs, to see that all runs.")
def reproduce(configs: Path, runs_dir: Path, output: Path, jobs: int, quick: bool) -> None:
    """Run the experiments of chapter 3 and write what repeats."""
    import nnexp
    from nnexp.cli.progress import overview
    from nnexp.config.identity import run_key
    from nnexp.config.loader import load
    from nnexp.errors import RunError
    from nnexp.reproduction.report import write
    from nnexp.run.assembly import DataCache
    from nnexp.run.reader import open_run
    from nnexp.study.engine import Settings
    from nnexp.study.jobs import plan, split
    from nnexp.study.sweep import run_jobs

    end_by_signal()
    if quick:
        runs_dir = runs_dir.with_name(f"{runs_dir.name}-quick")
        output = runs_dir / output.name
    # What another version of nnexp has trained may not be what this one would.
    runs_dir = runs_dir / nnexp.__version__
    paths = [*sorted((configs / "chapter3").glob("*.yaml"))]
    paths += [configs / f"{name}.yaml" for name in ROOT_CONFIGS]
    loaded = [load(path) for path in paths]
    if quick:
        loaded = [config.shortened(QUICK) for config in loaded]
    data = DataCache()
    done, missing = split(plan(loaded, runs_dir, data), runs_dir)
    say(f"{len(loaded)} experiments; {len(missing)} runs to train in {runs_dir}", err=True)
    settings = Settings(jobs, runs_dir, data, ("python", "-m", "nnexp.reproduction"))
    with overview(missing, jobs, quiet=False) as watcher:
        done += run_jobs(missing, settings, watcher=watcher)
    failed = [one for one in done if one.status == "failed"]
    if failed:
        raise RunError(f"{len(failed)} experiments failed; see above, and run the command again")
    folders = {one.job.key: one.folder for one in done}
    keys = {c.experiment.name: run_key(c.values(), data.load(c).digest) for c in loaded}
    named = {str(name): open_run(folder) for name, key in keys.items() if (folder := folders[key])}
    yes, claims = write(named, output, quick=quick)
    result = "QUICK: all ran, nothing is judged" if quick else f"{yes} of {claims} claims repeat"
    say(f"{result}: {output}")


if __name__ == "__main__":
    # A group of one command brings the messages and exit codes of the command line.
    Group(commands=[reproduce]).main(["reproduce", *sys.argv[1:]], prog_name="nnexp.reproduction")
