"""Write docs/evidence.md from the studies that `make evidence` has run.

Everything but the first lines is what the commands print.
"""

from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path

import numpy as np

import nnexp

DOCS = Path(__file__).parent
HEAD = """\
# Evidence

In chapter 3 of *Neural Networks and Deep Learning*, Michael Nielsen compares costs by one run
each, with learning rates found by hand. He says himself that this proves little. This page asks
the same question with ten seeds per arm: first with the book's learning rates, then with settings
that were searched with equal effort for each arm. `make evidence` trains the runs and writes this
page: it is what the commands print. [comparing.md](comparing.md) says how to read it,
[statistics.md](statistics.md) how it is computed.

Made by nnexp {nnexp} with NumPy {numpy} on Python {python}, {machine}.
"""
SECTIONS = (
    (
        "The costs, with the book's learning rates",
        "configs/studies/cost_as_published.yaml",
        ("sweep", "configs/studies/cost_as_published.yaml"),
        ("compare", "runs/cost_as_published", "--format", "md"),
    ),
    (
        "The costs, each with its own best settings",
        "configs/studies/cost_tuned.yaml",
        None,
        ("tune", "configs/studies/cost_tuned.yaml", "--format", "md"),
    ),
)


def printed(*words: str) -> str:
    """Return what a command prints."""
    command = [sys.executable, "-m", "nnexp", *words]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def main() -> None:
    """Run the studies, as far as they are not complete, and write the page."""
    parts = [
        HEAD.format(
            nnexp=nnexp.__version__,
            numpy=np.__version__,
            python=platform.python_version(),
            machine=f"{platform.system()} {platform.machine()}",
        )
    ]
    for title, study, before, command in SECTIONS:
        if before:
            printed(*before)
        text = printed(*command)
        shown = " ".join(("nnexp", *command)).removesuffix(" --format md")
        commands = [" ".join(("nnexp", *before))] if before else []
        lines = "\n".join(f"    {line}" for line in [*commands, shown])
        source = (DOCS.parent / study).read_text(encoding="utf-8").rstrip()
        parts.append(f"## {title}\n\n{lines}\n\n```yaml\n# {study}\n{source}\n```\n\n{text}")
    (DOCS / "evidence.md").write_text("\n".join(parts), encoding="utf-8")


if __name__ == "__main__":
    main()
