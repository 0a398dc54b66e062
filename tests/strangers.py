"""Folders of strangers, full of what would run there: whatever runs leaves a marker."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import packages_distributions
from itertools import count
from pathlib import Path

ME = ("-c", "user.name=me", "-c", "user.email=me@example.org", "-c", "commit.gpgsign=false")
MOMENTS = count(1_000_000_000)


def call(*words: str, **variables: str) -> str:
    """Run git as a user does."""
    done = subprocess.run(
        ["git", *ME, *words],
        env=os.environ | variables,
        check=False,
        capture_output=True,
        text=True,
        timeout=20,
    )
    return done.stdout.strip()


def commit() -> None:
    """Commit all files; then let git have to look into them again."""
    call("add", ".")
    call("commit", "-q", "-m", "one")
    touch()


def touch() -> None:
    """Give the tracked files another time: what git remembers of them no longer tells."""
    moment = next(MOMENTS)
    for path in Path().rglob("*"):
        if ".git" not in path.parts and path.is_file() and not path.is_symlink():
            os.utime(path, (moment, moment))


def script(marker: Path, rest: str = "exec cat") -> str:
    """Write a program that leaves a marker; return its path."""
    program = marker.with_name(f"{marker.name}.sh")
    program.write_text(f"#!/bin/sh\necho ran >> '{marker}'\n{rest}\n")
    program.chmod(0o755)
    return str(program)


def head() -> str:
    return call("rev-parse", "HEAD")


Trap = Callable[[Path, Path], None]


def filters(tree: Path, marker: Path) -> None:
    (tree / ".gitattributes").write_text("file filter=trap\n")
    commit()
    call("config", "filter.trap.clean", script(marker))
    call("config", "filter.trap.required", "true")


def a_filter_process(tree: Path, marker: Path) -> None:
    (tree / ".gitattributes").write_text("file filter=trap\n")
    commit()
    call("config", "filter.trap.process", script(marker))


def private_attributes(tree: Path, marker: Path) -> None:
    (tree / ".git" / "info").mkdir(exist_ok=True)
    (tree / ".git" / "info" / "attributes").write_text("file filter=trap\n")
    call("config", "filter.trap.clean", script(marker))


def an_include(tree: Path, marker: Path) -> None:
    (tree / ".gitattributes").write_text("file filter=trap\n")
    (tree / "included").write_text(f'[filter "trap"]\nclean = {script(marker)}\n')
    commit()
    call("config", "include.path", "../included")


def configuration_of_a_worktree(tree: Path, marker: Path) -> None:
    call("config", "extensions.worktreeConfig", "true")
    call("config", "--worktree", "core.fsmonitor", script(marker))


def a_file_monitor(tree: Path, marker: Path) -> None:
    call("config", "core.fsmonitor", script(marker))


def a_hook(tree: Path, marker: Path) -> None:
    (tree / ".git" / "hooks").mkdir(exist_ok=True)
    shutil.copy(script(marker), tree / ".git" / "hooks" / "post-index-change")


def a_hooks_folder(tree: Path, marker: Path) -> None:
    (tree / "hooks").mkdir()
    shutil.copy(script(marker), tree / "hooks" / "post-index-change")
    call("config", "core.hooksPath", "hooks")


def a_partial_clone(tree: Path, marker: Path) -> None:
    call("config", "core.repositoryFormatVersion", "1")
    call("config", "extensions.partialClone", "origin")
    call("config", "remote.origin.promisor", "true")
    call("config", "remote.origin.url", f"ext::{script(marker, 'exit 1')}")
    call("config", "protocol.ext.allow", "always")
    folder = call("rev-parse", "HEAD^{tree}")
    (tree / ".git" / "objects" / folder[:2] / folder[2:]).unlink()


def a_submodule(tree: Path, marker: Path) -> None:
    inner = tree / "inner"
    call("init", "-q", str(inner))
    (inner / "file").write_text("inner\n")
    call("-C", "inner", "add", ".")
    call("-C", "inner", "commit", "-q", "-m", "inner")
    commit()
    call("-C", "inner", "config", "core.fsmonitor", script(marker))


TRAPS: dict[Trap, bool | None] = {
    filters: False,
    a_filter_process: False,
    private_attributes: False,
    an_include: False,
    configuration_of_a_worktree: False,
    a_file_monitor: False,
    a_hook: False,
    a_hooks_folder: False,
    a_partial_clone: None,
    a_submodule: None,
}


def contents(tree: Path) -> dict[str, tuple[int, bytes]]:
    """Return time and content of every file of the tree and of its .git."""
    return {
        str(path): (path.stat().st_mtime_ns, path.read_bytes())
        for path in sorted(tree.rglob("*"))
        if path.is_file()
    }


# What Python loads for `python -m` before it runs the program: nothing can be done about those.
_OF_RUNPY = "import runpy, sys; print(*{name.partition('.')[0] for name in sys.modules})"


def modules(folder: Path, marker: Path) -> set[str]:
    """Write a module of every name that Python or an installed package has; each leaves a mark.

    Returns:
        Their names.
    """
    own = subprocess.run([sys.executable, "-c", _OF_RUNPY], capture_output=True, check=True)
    names = {*sys.stdlib_module_names, *packages_distributions(), "sitecustomize", "usercustomize"}
    planted = {name for name in names - {"nnexp"} if name.isidentifier()}
    planted -= set(own.stdout.decode().split())
    for name in planted:
        text = f"with open({str(marker)!r}, 'a') as f:\n    f.write('{name}\\n')\n"
        (folder / f"{name}.py").write_text(f"{text}raise ImportError('planted')\n")
    return planted
