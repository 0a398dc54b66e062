"""A folder appears whole: it is made ready under a hidden name, and renamed."""

from __future__ import annotations

import os
from contextlib import suppress
from itertools import chain, count
from pathlib import Path

from nnexp.errors import RunError


def hide(runs: Path, stem: str) -> Path:
    """Make a folder that only this process knows."""
    for i in count():
        hidden = runs / f".{stem}.{os.getpid()}-{i}.new"
        try:
            hidden.mkdir()
        except FileExistsError:
            continue
        return hidden
    raise AssertionError


def claim(hidden: Path, wanted: Path, *, suffix: bool) -> Path:
    """Rename a folder to the first free name: to rename onto a folder that holds files fails."""
    suffixes = chain([""], (f"-{i}" for i in range(2, 10_000)))
    for folder in (wanted.with_name(wanted.name + suffix) for suffix in suffixes):
        try:
            if not folder.is_symlink():
                hidden.rename(folder)
                return folder
        except OSError:
            if not folder.exists():
                raise
        if not suffix:
            raise FileExistsError(f"{folder} is there already")
    raise RunError(f"{wanted}: 9,999 runs of this name are there already")


def discard(hidden: Path) -> None:
    """Remove what was made ready for a run that did not come to be."""
    with suppress(OSError):
        for path in hidden.iterdir():
            path.unlink()
        hidden.rmdir()
