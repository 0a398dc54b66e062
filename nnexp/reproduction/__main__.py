"""`python -m nnexp.reproduction`: run what is not complete, then write the report."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

import click

import nnexp
from nnexp.cli import Group
from nnexp.cli.options import jobs_option
from nnexp.cli.outcomes import end_by_signal
from nnexp.cli.output import say
from nnexp.cli.progress import overview
from nnexp.config.loader import load
from nnexp.errors import RunError
from nnexp.reproduction.checks import Finding
from nnexp.reproduction.claims import CLAIMS, Claim
from nnexp.run.assembly import DataCache
from nnexp.run.reader import Run, open_run
from nnexp.stats.selection import groups
from nnexp.study.engine import Settings
from nnexp.study.jobs import Job, plan, split
from nnexp.study.sweep import run_jobs
from nnexp.views.plot import draw

ROOT_CONFIGS = ("quadratic_30", "quadratic_100", "xent_30", "xent_100")
QUICK = 15
PATH = click.Path(path_type=Path)
_VERDICTS = {True: "yes", False: "**no**", None: "–"}


@click.command(epilog="Example: python -m nnexp.reproduction --quick")
@click.option("--configs", type=PATH, default=Path("configs"), help="Folder of the configs.")
@click.option("--runs-dir", type=PATH, default=Path("runs/chapter3"), help="Folder of the runs.")
@click.option("--output", type=PATH, default=Path("docs/reproduction.md"), help="The report.")
@jobs_option
@click.option("--quick", is_flag=True, help="A fraction of the epochs, to see that all runs.")
def reproduce(configs: Path, runs_dir: Path, output: Path, jobs: int, quick: bool) -> None:
    """Run the experiments of chapter 3 and write what repeats."""
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
    folders = {one.job.key: one.folder for one in done if one.folder}
    if failed := len(done) - len(folders):
        raise RunError(f"{failed} experiments failed; see above, and run the command again")
    each = [Job(config, runs_dir, data.load(config).digest) for config in loaded]
    runs = {str(job.config.experiment.name): open_run(folders[job.key]) for job in each}
    yes, claims = write(runs, output, quick=quick)
    result = "QUICK: all ran, nothing is judged" if quick else f"{yes} of {claims} claims repeat"
    say(f"{result}: {output}")


def write(runs: Mapping[str, Run], path: Path, *, quick: bool) -> tuple[int, int]:
    """Write the report and its pictures; return how many claims repeat, of how many.

    Args:
        runs: the runs of all experiments, by name.
        path: the Markdown file; pictures go into a folder of the same stem beside it.
        quick: whether the runs had fewer epochs than the book's.
    """
    findings = [(claim, claim.check(*(runs[name] for name in claim.names))) for claim in CLAIMS]
    verdicts = [finding.repeats for _, finding in findings if finding.repeats is not None]
    pictures = path.with_suffix("")
    pictures.mkdir(parents=True, exist_ok=True)
    parts = [_head(runs, sum(verdicts), len(verdicts), quick=quick), _table(findings, quick=quick)]
    for claim, finding in findings:
        parts += [f"## {claim.title}", f"*The book:* {claim.says}", f"*Here:* {finding.sentence}"]
        if claim.criterion:
            parts.append(f"*Repeats if* {claim.criterion}.")
        if claim.curves:
            picture = f"{claim.names[-1]}.svg"
            drawn = groups([runs[name] for name in claim.names], claim.curves[0], per_run=True)
            draw(drawn, claim.curves, pictures / picture)
            parts.append(f"![{claim.title}]({pictures.name}/{picture})")
        parts.append(f"Configs: {', '.join(f'`{name}`' for name in claim.names)}")
    path.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    return sum(verdicts), len(verdicts)


def _head(runs: Mapping[str, Run], yes: int, claims: int, *, quick: bool) -> str:
    distinct = {run.id: run for run in runs.values()}
    epochs = sum(run.facts.done for run in distinct.values())
    lines = ["# Chapter 3, repeated"]
    if quick:
        lines.append(
            "**QUICK: every experiment had a fraction of its epochs. This only shows that "
            "everything runs; nothing here is a reproduction.**"
        )
    verdict = "Nothing is judged." if quick else f"Of {claims} claims, {yes} repeat."
    lines.append(
        "Each experiment of chapter 3 of Michael Nielsen's *Neural Networks and Deep Learning* "
        f"(and two of chapter 1), from its config in configs/chapter3/: {len(runs)} runs, "
        f"{epochs:,} epochs, seed 0, one run each, as in the book. `make chapter3` made this page "
        f"from the run folders. {verdict} A claim about two runs here is about these two runs, "
        "not yet about the methods."
    )
    made = sorted({_made_with(run) for run in distinct.values()})
    lines.append(f"Made with {'; '.join(made)}. Another processor rounds differently.")
    return "\n\n".join(lines)


def _made_with(run: Run) -> str:
    """Name the versions and BLAS kernels that a run was made with."""
    versions, blas = run.record.get("versions", {}), run.record.get("blas", [])
    keys = ("internal_api", "version", "architecture")
    kernels = {" ".join(str(library.get(key)) for key in keys) for library in blas}
    return f"nnexp {versions.get('nnexp')}, NumPy {versions.get('numpy')}, {', '.join(kernels)}"


def _table(findings: list[tuple[Claim, Finding]], *, quick: bool) -> str:
    lines = ["| experiment | the book says | measured | repeats |", "| --- | --- | --- | --- |"]
    lines += [
        f"| {claim.title} | {claim.says} | {finding.measured} | "
        f"{'quick' if quick else _VERDICTS[finding.repeats]} |"
        for claim, finding in findings
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    # A group of one command brings the messages and exit codes of the command line.
    Group(commands=[reproduce]).main(["reproduce", *sys.argv[1:]], prog_name="nnexp.reproduction")
