"""Finding runs: by folder, folder of folders, glob, unique prefix, or as `latest`."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from time import gmtime, strftime

from nnexp.errors import RunError, did_you_mean
from nnexp.run.layout import CONFIG, METRICS, RUN
from nnexp.text import sanitize_line

LATEST = "latest"
_DEPTH = 4
_DATED = re.compile("[0-9]{8}-[0-9]{6}")


def is_run(folder: Path) -> bool:
    """Tell whether a folder looks like a run's."""
    at = os.fspath(folder)
    return os.path.lexists(f"{at}/{RUN}") or os.path.lexists(f"{at}/{METRICS}")


def folders(root: Path, depth: int = _DEPTH) -> Iterator[Path]:
    """Yield the run folders at or below a folder, oldest first.

    Hidden folders and links are passed over. A folder that may not be looked into is yielded as
    well, so that to open it says why.
    """
    if is_run(root):
        yield root
        return
    try:
        with os.scandir(root) as listing:
            entries = sorted(e.name for e in listing if e.is_dir(follow_symlinks=False))
    except PermissionError:
        yield root
        return
    except (OSError, ValueError):
        return
    for name in entries:
        folder = root / name
        if depth and not name.startswith("."):
            yield from (folder,) if is_run(folder) else folders(folder, depth - 1)


def by_age(paths: Iterable[Path]) -> list[Path]:
    """Sort run folders by the time they were begun, wherever they lie.

    The time is that of the name, or else of the config, which is written first and not again.
    Numbers count as such: of one second's runs, s2 comes before s10.
    """
    return sorted(paths, key=_age)


def _age(folder: Path) -> tuple[str, list[str | int]]:
    name = folder.name
    parts: list[str | int] = [*re.split("([0-9]+)", name)]
    parts[1::2] = map(int, parts[1::2])
    dated = _DATED.match(name)
    return dated[0] if dated else _written(folder), parts


def _written(folder: Path) -> str:
    try:
        written = os.lstat(f"{folder}/{CONFIG}").st_mtime
        return strftime("%Y%m%d-%H%M%S", gmtime(written))
    except (OSError, ValueError, OverflowError):
        return ""


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError):  # too long for a file's name
        return False


def resolve(name: str, runs: Path) -> list[Path]:
    """Return the run folders a word of the command line stands for.

    Raises:
        RunError: it stands for none, or is a prefix of several.
    """
    path = Path(name)
    if _is_folder(path):
        matches = list(folders(path))
        if not matches:
            raise RunError(f"{name}: no run is in this folder")
        return matches
    if any(c in name for c in "*?["):
        pattern = Path(name)
        root = Path(pattern.anchor or ".")
        try:
            paths = sorted(root.glob(str(pattern.relative_to(pattern.anchor))))
        except (OSError, ValueError, RecursionError) as error:
            raise RunError(f"{name}: not a valid pattern: {error}") from error
        matches = [run for match in paths if _is_folder(match) for run in folders(match)]
        if not matches:
            raise RunError(f"{name}: no run matches this pattern")
        return matches
    there = by_age(folders(runs))
    if name == LATEST and there:
        return [next(filter(is_run, reversed(there)), there[-1])]
    if _is_folder(runs / name):
        inside = list(folders(runs / name))
        if inside:
            return inside
    matches = [folder for folder in there if folder.name.startswith(name)]
    exact = [folder for folder in matches if folder.name == name]
    if exact or len(matches) == 1:
        return exact or matches
    if matches:
        raise _several(f"{name}: matches", matches, runs)
    if not there:
        raise RunError(f"{name}: no run matches; there are no runs under {runs}")
    hint = did_you_mean(name, [folder.name for folder in there])
    raise RunError(f"{name}: no run matches under {runs}{hint or '; `nnexp list` shows them'}")


def resolve_one(name: str, runs: Path) -> Path:
    """Return the one run folder a word stands for; raise RunError where it is none or several."""
    matches = resolve(name, runs)
    if len(matches) > 1:
        raise _several(f"{name}: holds", matches, runs)
    return matches[0]


def _several(words: str, matches: list[Path], runs: Path) -> RunError:
    names = "\n".join(f"  {name_in(folder, runs)}" for folder in matches[:10])
    return RunError(f"{words} {len(matches)} runs; name one of them:\n{names}")


def name_in(folder: Path, runs: Path) -> str:
    """Return the name by which a run is found under a folder of runs: its path from there.

    >>> name_in(Path("runs/study/arm-s0"), Path("runs"))
    'study/arm-s0'
    """
    return sanitize_line(str(folder).removeprefix(f"{runs}/"))
