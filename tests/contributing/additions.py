"""Follow CONTRIBUTING.md to the letter on a copy of the tree: the steps of its sections "Add ...".

    python tests/contributing/additions.py          every addition, all tests on the copy (minutes)
    python tests/contributing/additions.py cost     one addition

A step is a sentence and a code block. The sentence says where the code goes: "Create `PATH`",
"In `PATH`, above `NAME`" or "In `PATH`, add to `NAME`". A block of shell commands is run.
"""

from __future__ import annotations

import argparse
import ast
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from textwrap import dedent, indent
from time import monotonic

import click

ROOT = Path(__file__).resolve().parents[2]
TREE = (
    *("nnexp", "tests", "docs", "configs", "benchmarks"),
    *("runs/.gitkeep", "pyproject.toml", "constraints.txt"),
)
_SECTION = re.compile(r"^## Add an? (.+?)$(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
_BLOCK = re.compile(r"^( *)```(\w+)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
_STEP = re.compile(
    r"Create `(?P<new>[^`]+)`"
    r"|In `(?P<file>[^`]+)`,\s+(?:above\s+`(?P<above>\w+)`|add\s+to\s+`(?P<table>\w+)`)"
)


@dataclass(frozen=True, slots=True)
class Step:
    """What one step of a section does.

    Attributes:
        code: the block.
        commands: whether it is commands to run.
        path: the file it goes into.
        new: whether the file is new.
        above: the name whose definition it goes above.
        table: the name of the table it is the last entry of.
    """

    code: str
    commands: bool = False
    path: str = ""
    new: bool = False
    above: str = ""
    table: str = ""


def additions(text: str) -> dict[str, list[Step]]:
    """Return the steps of each section "Add a ...", by its last words."""
    return {title: list(_steps(title, body)) for title, body in _SECTION.findall(text)}


def _steps(title: str, body: str) -> Iterator[Step]:
    start = 0
    for block in _BLOCK.finditer(body):
        sentence, start = body[start : block.start()], block.end()
        code = dedent(block[3])
        if block[2] == "sh":
            yield Step(code, commands=True)
            continue
        match = list(_STEP.finditer(sentence))
        if len(match) != 1:
            raise ValueError(f"{title}: no place for the block after {sentence.strip()!r}")
        place = match[0].groupdict("")
        path, new = place["new"] or place["file"], bool(place["new"])
        yield Step(code, path=path, new=new, above=place["above"], table=place["table"])


def perform(step: Step, tree: Path) -> None:
    """Make the change of a step, or run its commands."""
    if step.commands:
        call(tree, "sh", "-ec", f'nnexp() {{ "{sys.executable}" -m nnexp "$@"; }}\n{step.code}')
        return
    path = tree / step.path
    if step.new:
        assert not path.exists(), step.path
        path.write_text(step.code, encoding="utf-8")
        return
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    module = ast.parse("".join(lines))
    if step.above:
        at = _definition(module, step.above).lineno - 1
        lines[at:at] = [step.code, "\n", "\n"]
    else:  # before the line that closes the table
        at = _table(module, step.table) - 1
        margin = len(lines[at]) - len(lines[at].lstrip()) + 4
        lines[at:at] = [indent(step.code, " " * margin)]
    path.write_text("".join(lines), encoding="utf-8")


def _definition(module: ast.Module, name: str) -> ast.Assign | ast.AnnAssign:
    for node in module.body:
        if isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if any(isinstance(target, ast.Name) and target.id == name for target in targets):
                return node
    raise ValueError(f"nothing is named {name}")


def _table(module: ast.Module, name: str) -> int:
    """Return the last line of a table: a display, or what a comprehension goes over."""
    value = _definition(module, name).value
    if isinstance(value, ast.DictComp):
        value = value.generators[0].iter
    if isinstance(value, ast.Name):
        return _table(module, value.id)
    assert isinstance(value, ast.Dict | ast.Tuple | ast.List), name
    return value.end_lineno or 0


def copy(tree: Path) -> None:
    """Copy what the tests need."""
    for name in TREE:
        source = ROOT / name
        if source.is_dir():
            ignore = shutil.ignore_patterns("__pycache__", ".*_cache")
            shutil.copytree(source, tree / name, ignore=ignore)
        else:
            (tree / name).parent.mkdir(exist_ok=True)
            shutil.copy(source, tree / name)


def call(tree: Path, *words: str) -> None:
    """Run a command in the copy; its output is shown if it fails."""
    environment = {**os.environ, "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        words,
        cwd=tree,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{shlex.join(words)}\n{done.stdout[-6000:]}")


def run(tree: Path, *words: str) -> None:
    """Run Python in the copy."""
    call(tree, sys.executable, *words)


def follow(names: Sequence[str], tests: Sequence[str], *, lint: bool = False) -> float:
    """Follow sections on one copy, then format it, make its docs and run tests; return seconds.

    Raises:
        RuntimeError: a command or a test fails, with its output.
    """
    began = monotonic()
    sections = additions((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"))
    with TemporaryDirectory(prefix="nnexp-additions-") as folder:
        tree = Path(folder)
        copy(tree)
        for name in names:
            for step in sections[name]:
                perform(step, tree)
        run(tree, "-m", "ruff", "check", "--fix", "--quiet", "--no-cache", "nnexp")
        run(tree, "-m", "ruff", "format", "--quiet", "--no-cache", "nnexp")
        run(tree, "docs/generate.py")
        run(tree, "-m", "pytest", "-q", "-m", "not slow", "-p", "no:cacheprovider", *tests)
        if lint:
            run(tree, "-m", "mypy", "nnexp")
    return monotonic() - began


def main() -> None:
    """Follow the sections that are named, or all, and run every test after it."""
    sections = additions((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"))
    parser = argparse.ArgumentParser(description="Follow CONTRIBUTING.md on a copy of the tree.")
    parser.add_argument("names", nargs="*", metavar="ADDITION", help=", ".join(sections))
    names = parser.parse_args().names or list(sections)
    if unknown := set(names) - set(sections):
        parser.error(f"{', '.join(sorted(unknown))}: expected one of {', '.join(sections)}")
    try:
        seconds = follow(names, ["--ignore=tests/contributing"], lint=True)
    except RuntimeError as error:
        sys.exit(str(error))
    click.echo(f"{', '.join(names)}: make docs and all tests pass, {seconds:.0f} s")


if __name__ == "__main__":
    main()
