"""Power cuts, simulated: what was not synchronized is dropped, zeroed or mixed, at every point.

The calls of a command are noted with what they did. After each of them the disk may hold less than
a reader sees: of a file only what was there when it was synchronized, of a folder only the names
that were. Every state that may be left is built, and the run resumed from there.
"""

from __future__ import annotations

import hashlib
import os
import random
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from commands import Words, commands
from disk import Disk
from scenes import (
    LOGS,
    Figures,
    Scene,
    every_epoch_committed,
    go_on,
    nnexp,
    time_is_up,
    visible,
    whole,
)

PAGE = 64
_NO_CHANCE = random.Random()  # noqa: S311 - no secret
# How what was not synchronized is left: content of files, names in folders.
WAYS = {
    "all is lost": ("kept", "kept"),
    "zeros in place of data": ("zeros", "seen"),
    "names without data": ("kept", "seen"),
    "data without names": ("seen", "kept"),
    "any of it": ("mixed", "mixed"),
    "any of it, once more": ("mixed", "mixed"),
}


@dataclass
class Cuts(Figures):
    """What came of power cuts.

    Attributes:
        cuts: points in the sequence of calls, each with a way to lose what was not synchronized.
        states: different states of the disk among them, each of which was resumed.
    """

    cuts: int = 0
    states: int = 0


@dataclass(eq=False)
class File:
    """A file's bytes: as they are seen, as they were synchronized, and the writes since."""

    seen: bytes = b""
    kept: bytes = b""
    writes: list[tuple[int, bytes]] = field(default_factory=list)

    def write(self, position: int, data: bytes) -> None:
        """Write into what is seen."""
        self.writes.append((position, data))
        self.seen = _patched(self.seen, position, data)

    def sync(self) -> None:
        """Let the disk have all of it."""
        self.kept, self.writes = self.seen, []

    def left(self, how: str, rng: random.Random) -> bytes:
        """Return what a power cut leaves."""
        if how in {"seen", "kept"}:
            return self.seen if how == "seen" else self.kept
        content = self.kept
        for position, data in self.writes:
            for i in range(0, len(data), PAGE):
                page = data[i : i + PAGE]
                fate = rng.choice(("written", "zero", "lost")) if how == "mixed" else "zero"
                if fate != "lost":
                    there = page if fate == "written" else bytes(len(page))
                    content = _patched(content, position + i, there)
        return content


def _patched(content: bytes, position: int, data: bytes) -> bytes:
    return content[:position].ljust(position, b"\0") + data + content[position + len(data) :]


Names = dict[str, "File | Folder"]


@dataclass(eq=False)
class Folder:
    """A folder's names: as they are seen, as they were synchronized, and the changes since."""

    seen: Names = field(default_factory=dict)
    kept: Names = field(default_factory=dict)
    changes: list[dict[str, File | Folder | None]] = field(default_factory=list)

    def change(self, change: dict[str, File | Folder | None]) -> None:
        """Put names in, or take them out, all at once."""
        self.changes.append(change)
        self.seen = _changed(self.seen, change)

    def sync(self) -> None:
        """Let the disk have all of it."""
        self.kept, self.changes = self.seen, []

    def left(self, how: str, rng: random.Random) -> Names:
        """Return what a power cut leaves."""
        if how in {"seen", "kept"}:
            return self.seen if how == "seen" else self.kept
        names = self.kept
        for change in self.changes:
            if rng.random() < 0.5:
                names = _changed(names, change)
        return names


def _changed(names: Names, change: dict[str, File | Folder | None]) -> Names:
    return {name: item for name, item in {**names, **change}.items() if item is not None}


def read(path: Path) -> File | Folder:
    """Return what is on the disk, all of it synchronized."""
    if path.is_dir():
        names = {p.name: read(p) for p in path.iterdir()}
        return Folder(names, names)
    return File(path.read_bytes(), path.read_bytes())


class Recorder(Disk):
    """Notes the calls that succeeded."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.events: list[tuple[Any, ...]] = []

    def after(self, name: str, path: str, *details: Any) -> None:
        """Note a call."""
        self.events.append((name, path, *details))


class Model:
    """A folder as calls leave it, one after the other."""

    def __init__(self, root: Path) -> None:
        self._root = root.resolve()
        top = read(root)
        assert isinstance(top, Folder)
        self.top = top
        self._files: dict[int, File | Folder] = {}
        self._positions: dict[int, int] = {}

    def _find(self, path: str) -> tuple[Folder, str]:
        *parents, last = Path(path).relative_to(self._root).parts
        folder = self.top
        for name in parents:
            below = folder.seen[name]
            assert isinstance(below, Folder)
            folder = below
        return folder, last

    def apply(self, name: str, path: str, *details: Any) -> bool:
        """Do what a call did; return whether the disk may have changed by it."""
        if name == "open":
            return self._open(path, *details)
        if name == "write":
            file, data = details
            self._written(file, data)
        elif name == "lseek":
            self._positions[details[0]] = details[1]
            return False
        elif name == "fsync":
            self._files[details[0]].sync()
        elif name == "mkdir":
            folder, last = self._find(path)
            folder.change({last: Folder()})
        elif name in {"unlink", "rmdir"}:
            folder, last = self._find(path)
            folder.change({last: None})
        elif name in {"rename", "replace"}:
            self._moved(path, details[0])
        else:
            assert name in {"close", "pread"}
            return False
        return True

    def _open(self, path: str, file: int, flags: int, there: bool) -> bool:
        self._positions[file] = 0
        if Path(path) == self._root:
            self._files[file] = self.top
            return False
        assert not there or not flags & os.O_TRUNC
        folder, last = self._find(path)
        if not there:
            folder.change({last: File()})
        self._files[file] = folder.seen[last]
        return not there

    def _written(self, file: int, data: bytes) -> None:
        item = self._files[file]
        assert isinstance(item, File)
        item.write(self._positions[file], data)
        self._positions[file] += len(data)

    def _moved(self, source: str, target: str) -> None:
        folder, name = self._find(source)
        other, wanted = self._find(target)
        assert folder is other
        folder.change({name: None, wanted: folder.seen[name]})

    def left(self, way: str, rng: random.Random) -> dict[str, bytes | None]:
        """Return the files, by path, that a power cut leaves now; None is a folder."""
        files, names = WAYS[way]
        return dict(_walk(self.top, "", files, names, rng))

    def seen(self) -> dict[str, bytes | None]:
        """Return the files as they are seen."""
        return dict(_walk(self.top, "", "seen", "seen", _NO_CHANCE))


def _walk(
    folder: Folder, path: str, files: str, names: str, rng: random.Random
) -> Iterator[tuple[str, bytes | None]]:
    for name, item in folder.left(names, rng).items():
        if isinstance(item, Folder):
            yield path + name, None
            yield from _walk(item, f"{path}{name}/", files, names, rng)
        else:
            yield path + name, item.left(files, rng)


def _put(files: dict[str, bytes | None], place: Path) -> None:
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    for name, content in files.items():
        if content is None:
            (place / name).mkdir(parents=True)
        else:
            (place / name).write_bytes(content)


def _seen_rows(files: dict[str, bytes | None]) -> dict[str, bytes]:
    """Return the whole lines of the logs of the run that is seen, with at least one row."""
    result = {}
    for path, content in files.items():
        *folders, name = path.split("/")
        if name in LOGS and content and not any(f.startswith(".") for f in folders):
            lines = whole(content)
            if b"\n" in lines:
                result[name] = lines
    return result


def cut(scene: Scene, step: int = 1, seed: int = 0) -> Cuts:
    """Cut the power after every call of training, of resuming what a cut has left, of extending.

    Args:
        scene: what is trained.
        step: only after every so many calls.
        seed: of what is left where that is a matter of chance.
    """
    figures, rng = Cuts(), random.Random(seed)  # noqa: S311 - no secret
    with every_epoch_committed():
        disk = scene.place("disk")
        runs = disk / "new" / "runs"
        words: list[str | Path] = ["train", scene.path, "-q", "--runs-dir", runs]
        for files in _cut(scene, disk, words, figures, step, rng):
            _put(files, disk)
            (folder,) = visible(runs)
            _cut(scene, disk, ["resume", folder, "-q"], figures, 2 * step, rng)
        disk = scene.place("disk")
        runs.mkdir(parents=True)
        extending = commands(scene)[-1]
        _cut(scene, disk, extending.begin(runs), figures, step, rng, extending.more)
    return figures


def _cut(
    scene: Scene,
    disk: Path,
    words: list[str | Path],
    figures: Cuts,
    step: int,
    rng: random.Random,
    more: Words | None = None,
) -> list[dict[str, bytes | None]]:
    """Cut the power after every call of a command; return two states from the middle of it."""
    model = Model(disk)
    with Recorder(disk) as recorder:
        answer = nnexp(*words)
    assert answer.code == 0, answer.err
    done: set[bytes] = set()
    middle: list[dict[str, bytes | None]] = []
    for number, event in enumerate(recorder.events):
        if not model.apply(*event) or number % step or time_is_up():
            continue
        seen = _seen_rows(model.seen())
        for way in WAYS:
            files = model.left(way, rng)
            figures.cuts += 1
            state = hashlib.sha256(repr((sorted(files.items(), key=str), seen)).encode()).digest()
            if state in done:
                continue
            done.add(state)
            figures.states += 1
            problems = list(_resume(scene, files, seen, figures, more or []))
            figures.problems += [
                f"{words[0]}, after call {number} ({event[:2]}), {way}: {p}" for p in problems
            ]
            if (
                way == "any of it"
                and seen
                and not problems
                and number > len(recorder.events) * (len(middle) + 1) / 3
            ):
                middle.append(files)
    assert model.seen() == dict(_walk_disk(disk)), "a call was missed"
    return middle[:2]


def _walk_disk(disk: Path) -> Iterator[tuple[str, bytes | None]]:
    for path in sorted(disk.rglob("*")):
        yield str(path.relative_to(disk)), None if path.is_dir() else path.read_bytes()


def _resume(
    scene: Scene,
    files: dict[str, bytes | None],
    seen: dict[str, bytes],
    figures: Figures,
    more: Words,
) -> Iterator[str]:
    """Resume from a state of the disk; yield what is wrong."""
    place = scene.base / "cut"
    _put(files, place)
    runs = place / "new" / "runs"
    folders = visible(runs) if runs.is_dir() else []
    if len(folders) != 1:
        if seen or folders:
            yield f"the runs {folders}, where there were rows of {list(seen)}"
        return
    yield from go_on(scene, folders[0], seen, figures, more)
