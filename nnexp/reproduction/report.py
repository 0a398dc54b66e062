"""docs/reproduction.md, made from run folders alone."""

from __future__ import annotations

from pathlib import Path

from nnexp.reproduction.checks import Finding, Runs
from nnexp.reproduction.claims import CLAIMS, Claim
from nnexp.reproduction.figures import draw
from nnexp.run.reader import Run

_LIBRARY = ("internal_api", "version", "architecture")
_VERDICTS = {True: "yes", False: "**no**", None: "–"}


def write(runs: Runs, path: Path, *, quick: bool) -> tuple[int, int]:
    """Write the report and its pictures; return how many claims repeat, of how many.

    Args:
        runs: the runs of all experiments, by name.
        path: the Markdown file; pictures go into a folder of the same stem beside it.
        quick: whether the runs had fewer epochs than the book's.
    """
    found = [(claim, claim.check(runs)) for claim in CLAIMS]
    verdicts = [finding.repeats for _, finding in found if finding.repeats is not None]
    pictures = path.with_suffix("")
    pictures.mkdir(parents=True, exist_ok=True)
    parts = [_head(runs, sum(verdicts), len(verdicts), quick=quick), _table(found, quick=quick)]
    for claim, finding in found:
        parts += [f"## {claim.title}", f"*The book:* {claim.says}", f"*Here:* {finding.sentence}"]
        if claim.criterion:
            parts.append(f"*Repeats if* {claim.criterion}.")
        if claim.figure:
            draw(claim.figure, runs, pictures / f"{claim.figure}.svg")
            parts.append(f"![{claim.title}]({pictures.name}/{claim.figure}.svg)")
        parts.append(f"Configs: {', '.join(f'`{name}`' for name in claim.names)}")
    path.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    return sum(verdicts), len(verdicts)


def _head(runs: Runs, yes: int, claims: int, *, quick: bool) -> str:
    distinct = {run.id: run for run in runs.values()}
    epochs = sum(len(run.rows) for run in distinct.values())
    lines = ["# Chapter 3, repeated"]
    verdict = "Nothing is judged." if quick else f"Of {claims} claims, {yes} repeat."
    if quick:
        lines.append(
            "**QUICK: every experiment had a fraction of its epochs. This only shows that "
            "everything "
            "runs; nothing here is a reproduction.**"
        )
    lines.append(
        "Each experiment of chapter 3 of Michael Nielsen's *Neural Networks and Deep Learning* "
        "(and two "
        f"of chapter 1), from its config in configs/chapter3/: {len(runs)} runs, {epochs:,} "
        "epochs, "
        "seed 0, one run each, as in the book. `make chapter3` made this page from the run "
        "folders. "
        f"{verdict} A claim about two runs here is about these two runs, "
        "not yet "
        "about the methods."
    )
    lines.append(_made_with(list(distinct.values())))
    return "\n\n".join(lines)


def _made_with(runs: list[Run]) -> str:
    """Say with what versions and BLAS kernels the runs were made."""
    said = []
    for run in runs:
        versions, blas = run.record.get("versions", {}), run.record.get("blas", [])
        kernels = {
            f"{b.get('internal_api')} {b.get('version')} {b.get('architecture')}" for b in blas
        }
        said.append(
            f"nnexp {versions.get('nnexp')}, NumPy {versions.get('numpy')}, {', '.join(kernels)}"
        )
    return f"Made with {'; '.join(sorted(set(said)))}. Another processor rounds differently."


def _table(found: list[tuple[Claim, Finding]], *, quick: bool) -> str:
    lines = ["| experiment | the book says | measured | repeats |", "| --- | --- | --- | --- |"]
    lines += [
        f"| {claim.title} | {claim.says} | {finding.measured} | "
        f"{'quick' if quick else _VERDICTS[finding.repeats]} |"
        for claim, finding in found
    ]
    return "\n".join(lines)
