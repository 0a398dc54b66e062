"""The commit of the tree around the working directory, and whether the tree has changes.

The tree may be a stranger's, and its configuration can name programs for git to run: filters,
hooks, a monitor of its files, helpers that fetch what a partial clone lacks. So only its commit,
its settings and its paths are read there; it is compared with the commit in a repository made for
that, which has the tree's objects and index, but no configuration, no hooks and no remotes.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from typing import Any

_SECONDS = 5.0
_FAILURES = (OSError, ValueError, subprocess.SubprocessError)
# The user's own configuration, and where a tree may begin. git's other variables would point it to
# another tree, or have it write logs or run programs.
_KEPT = ("GIT_CONFIG", "GIT_CEILING_DIRECTORIES", "GIT_DISCOVERY_ACROSS_FILESYSTEM")
# What decides whether a file equals the one that was committed.
_SETTINGS = (
    *(b"core.autocrlf", b"core.checkstat", b"core.eol", b"core.filemode", b"core.ignorecase"),
    *(b"core.precomposeunicode", b"core.symlinks", b"core.trustctime"),
)
_CHANGED, _SUBMODULE = b" M ", b"160000 "


@dataclass(frozen=True, slots=True)
class _Git:
    """The program git in an environment, until a point in time."""

    environment: Mapping[str, str]
    end: float

    def __call__(self, *words: str | bytes, given: bytes = b"") -> bytes:
        """Return what git prints.

        It is not looked for in the relative folders of PATH: they may be the tree's.
        """
        folders = [folder for folder in os.get_exec_path() if Path(folder).is_absolute()]
        program = shutil.which("git", path=os.pathsep.join(folders))
        if not program or not Path(program).is_absolute():
            raise FileNotFoundError("git")
        return subprocess.run(
            [program, *words],
            env=self.environment,
            input=given,
            capture_output=True,
            timeout=max(0.0, self.end - monotonic()),
            check=True,
        ).stdout


def state() -> dict[str, Any] | None:
    """Return `commit` and `dirty`; None outside a tree of git.

    `dirty` tells whether tracked files differ from the commit. It is None where only a program of
    the tree could tell, a filter or git in a submodule, and where it takes longer than seconds.
    """
    kept = {k: v for k, v in os.environ.items() if not k.startswith("GIT_") or k.startswith(_KEPT)}
    git = _Git(kept, monotonic() + _SECONDS)
    places = [w for place in ("objects", "index", "info/attributes") for w in ("--git-path", place)]
    try:
        answer = git("rev-parse", "--show-toplevel", *places, "HEAD")
        top, *paths, commit = map(os.fsdecode, answer.removesuffix(b"\n").split(b"\n"))
        objects, index, attributes = map(os.path.abspath, paths)
    except _FAILURES:
        return None
    try:
        dirty = _is_dirty(git, top, objects, index, attributes, commit)
    except _FAILURES:
        dirty = None
    return {"commit": commit, "dirty": dirty}


def _is_dirty(
    git: _Git, top: str, objects: str, index: str, attributes: str, commit: str
) -> bool | None:
    if not (Path(top) / ".git").exists():  # the tree's configuration points to a foreign folder
        return None
    listed = [e.partition(b"\n") for e in git("config", "--null", "--list").split(b"\0")]
    settings = {key: value if equals else b"true" for key, equals, value in listed}
    words: list[str | bytes]
    words = [w for key in _SETTINGS if key in settings for w in (b"-c", key + b"=" + settings[key])]
    drivers = {
        key.removeprefix(b"filter.").rpartition(b".")[0]
        for key in settings
        if key.startswith(b"filter.") and key.endswith((b".clean", b".process"))
    }
    with TemporaryDirectory(prefix="nnexp-git-") as folder:
        apart = _Git(_environment_apart(Path(folder), top, objects, index, commit), git.end)
        words += [b"-C", top, b"-c", f"core.attributesFile={attributes}"]
        options = ("--porcelain", "-z", "--no-renames", "--untracked-files=no")
        answer = apart(*words, "status", *options, "--ignore-submodules=dirty")
        changes = answer.split(b"\0")[:-1]
        if not all(change.startswith(_CHANGED) for change in changes):
            return True
        if changes:
            # path, "filter", its driver, each ended by a zero byte
            paths = b"".join(change.removeprefix(_CHANGED) + b"\0" for change in changes)
            answer = apart(*words, "check-attr", "--stdin", "-z", "filter", given=paths)
            return None if drivers.issuperset(answer.split(b"\0")[2::3]) else True
        entries = apart(*words, "ls-files", "--stage", "-z").split(b"\0")
        modules = [entry.partition(b"\t")[2] for entry in entries if entry.startswith(_SUBMODULE)]
        in_use = any(Path(top, os.fsdecode(module), ".git").exists() for module in modules)
        return None if in_use else False


def _environment_apart(
    folder: Path, top: str, objects: str, index: str, commit: str
) -> dict[str, str]:
    """Make the repository that a tree is compared in; return the environment that leads there."""
    (folder / "refs").mkdir()
    (folder / "HEAD").write_text(f"{commit}\n")
    sha256 = "[core]\nrepositoryFormatVersion = 1\n[extensions]\nobjectFormat = sha256\n"
    (folder / "config").write_text(sha256 if len(commit) == 64 else "")
    others = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    return others | {
        **dict.fromkeys(("GIT_DIR", "HOME", "XDG_CONFIG_HOME"), str(folder)),
        "GIT_WORK_TREE": top,
        "GIT_INDEX_FILE": index,
        "GIT_OBJECT_DIRECTORY": objects,
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_NO_LAZY_FETCH": "1",
    }
