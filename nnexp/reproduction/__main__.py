"""`python -m nnexp.reproduction`: run what is not complete, then write the report."""

from __future__ import annotations

import os
from pathlib import Path

import click

ROOT_CONFIGS = ("quadratic_30", "quadratic_100", "xent_30", "xent_100")
QUICK = 15


@click.command()
@click.option("--configs", type=click.Path(path_type=Path), default=Path("configs"))
@click.option("--runs-dir", type=click.Path(path_type=Path), default=Path("runs/chapter3"))
@click.option("--output", type=click.Path(path_type=Path), default=Path("docs/reproduction.md"))
@click.option("--jobs", type=click.IntRange(min=1), default=os.cpu_count() or 1)
@click.option("--quick", is_flag=True, help="A fraction of the epochs, to see that all runs.")
def main(configs: Path, runs_dir: Path, output: Path, jobs: int, quick: bool) -> None:
    """Run the experiments of chapter 3 and write what repeats."""
    from tqdm import tqdm

    from nnexp.config.loader import load
    from nnexp.errors import NnexpError
    from nnexp.reproduction.report import write
    from nnexp.study.pool import Done, complete, due, key, run_all

    if quick:
        runs_dir = runs_dir.with_name(f"{runs_dir.name}-quick")
        output = runs_dir / output.name
    paths = [*sorted((configs / "chapter3").glob("*.yaml"))]
    paths += [configs / f"{name}.yaml" for name in ROOT_CONFIGS]
    loaded = [load(path) for path in paths]
    if quick:
        loaded = [config.shortened(QUICK) for config in loaded]
    missing, _ = due(loaded, runs_dir)
    click.echo(f"{len(loaded)} experiments; {len(missing)} runs are due in {runs_dir}", err=True)
    work = sum(job.work for job in missing)
    failed: list[Done] = []
    with tqdm(total=work, unit="examples", unit_scale=True, disable=None) as bar:

        def advance(examples: int) -> None:
            bar.update(examples)

        def ended(done: Done) -> None:
            if done.status not in ("completed", "diverged"):
                failed.append(done)
            bar.write(f"{done.status:<10} {done.job.config.experiment.name} {done.error}")

        run_all(missing, processes=jobs, on_examples=advance, on_done=ended)
    if failed:
        raise NnexpError(f"{len(failed)} experiments did not end; run the command again")
    runs = complete(runs_dir)
    named = {str(c.experiment.name): runs[key(c.experiment)] for c in loaded}
    yes, claims = write(named, output, quick=quick)
    said = "QUICK: all ran, nothing is judged" if quick else f"{yes} of {claims} claims repeat"
    click.echo(f"{said}: {output}")


if __name__ == "__main__":
    main()
