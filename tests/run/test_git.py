"""What a run records of git, and that a stranger's tree runs nothing and is not written in."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

import pytest
from strangers import (
    TRAPS,
    Trap,
    a_filter_process,
    an_include,
    call,
    commit,
    contents,
    filters,
    head,
    private_attributes,
    script,
    touch,
)

from nnexp.run import git

if TYPE_CHECKING:
    from conftest import Nnexp, Train


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tree with one commit, in which the test stands; and a git of nobody's configuration."""
    home = tmp_path / "home"
    home.mkdir()
    for name in [name for name in os.environ if name.startswith(("GIT_", "XDG_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    folder = tmp_path / "tree"
    folder.mkdir()
    monkeypatch.chdir(folder)
    call("init", "-q")
    (folder / "file").write_text("one\n")
    commit()
    return folder


def test_the_commit_and_whether_there_are_changes(tree: Path) -> None:
    """A changed, a staged, a deleted and a chmodded file are changes; times and new files none."""
    assert git.state() == {"commit": head(), "dirty": False}
    (tree / "new").write_text("untracked")
    assert git.state() == {"commit": head(), "dirty": False}
    (tree / "file").write_text("two\n")
    assert git.state() == {"commit": head(), "dirty": True}
    call("add", "file")
    assert git.state() == {"commit": head(), "dirty": True}
    call("reset", "-q", "--hard")
    (tree / "file").chmod(0o755)
    assert git.state() == {"commit": head(), "dirty": True}
    call("config", "core.fileMode", "false")
    assert git.state() == {"commit": head(), "dirty": False}
    (tree / "file").unlink()
    assert git.state() == {"commit": head(), "dirty": True}


@pytest.mark.parametrize("kind", ["packed", "worktree", "sha256", "folder", "symlink"])
def test_trees_of_every_layout_are_read(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Packed, linked, with the longer hash, from a folder inside, through a symbolic link."""
    if kind == "packed":
        call("gc", "-q")
    elif kind == "worktree":
        call("worktree", "add", "-q", str(tmp_path / "linked"))
        monkeypatch.chdir(tmp_path / "linked")
    elif kind == "sha256":
        shutil.rmtree(tree / ".git")
        call("init", "-q", "--object-format=sha256")
        commit()
        assert len(head()) == 64
    elif kind == "folder":
        (tree / "a" / "b").mkdir(parents=True)
        monkeypatch.chdir(tree / "a" / "b")
    else:
        (tmp_path / "link").symlink_to(tree)
        monkeypatch.chdir(tmp_path / "link")
    assert git.state() == {"commit": head(), "dirty": False}
    (Path(call("rev-parse", "--show-toplevel")) / "file").write_text("two\n")
    assert git.state() == {"commit": head(), "dirty": True}


def test_line_ends_that_git_converts_are_no_changes(tree: Path) -> None:
    """What the configuration or the attributes say of line ends counts."""
    call("config", "core.autocrlf", "true")
    (tree / "file").unlink()
    call("checkout", "-q", "file")
    assert (tree / "file").read_bytes() == b"one\r\n"
    touch()
    assert git.state() == {"commit": head(), "dirty": False}
    call("config", "--unset", "core.autocrlf")
    assert git.state() == {"commit": head(), "dirty": True}
    (tree / ".git" / "info").mkdir(exist_ok=True)
    (tree / ".git" / "info" / "attributes").write_text("* text eol=crlf\n")
    assert git.state() == {"commit": head(), "dirty": False}


def test_no_tree_no_commit_and_no_program_are_null(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a commit, outside a tree, in a deleted folder and without git the record is null."""
    (tree / ".git" / "HEAD").write_text("ref: refs/heads/empty\n")
    assert git.state() is None
    monkeypatch.chdir(tmp_path)
    assert git.state() is None
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert git.state() is None
    monkeypatch.chdir(tree)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert git.state() is None


@pytest.mark.parametrize("trap", TRAPS, ids=lambda trap: trap.__name__)
def test_a_strangers_tree_runs_nothing_and_is_not_written_in(
    tree: Path, tmp_path: Path, trap: Trap
) -> None:
    """Each trap runs its program under plain `git status`, and none when nnexp looks."""
    marker = tmp_path / "ran"
    trap(tree, marker)
    marker.unlink(missing_ok=True)
    before = contents(tree)
    commit_now = head()
    found = git.state()
    assert not marker.exists()
    assert contents(tree) == before
    assert found == {"commit": commit_now, "dirty": TRAPS[trap]}
    call("status")
    assert marker.exists(), "the trap does not work: nothing was proved"


@pytest.mark.parametrize("trap", [filters, a_filter_process, private_attributes, an_include])
def test_where_a_filter_could_decide_the_answer_is_unknown(
    tree: Path, tmp_path: Path, trap: Trap
) -> None:
    """A file that only its filter could compare is null; another file that changed is a change."""
    (tree / "other").write_text("one\n")
    trap(tree, tmp_path / "ran")
    touch()
    (tree / "file").write_text("two\n")
    (tmp_path / "ran").unlink(missing_ok=True)
    assert git.state() == {"commit": head(), "dirty": None}
    call("add", "other")
    call("commit", "-q", "-m", "other", "--", "other")
    (tree / "other").write_text("two\n")
    (tmp_path / "ran").unlink(missing_ok=True)
    assert git.state() == {"commit": head(), "dirty": True}
    assert not (tmp_path / "ran").exists()


def test_an_attribute_without_its_program_decides_nothing(tree: Path) -> None:
    """Where a filter is named and not configured, git compares the bytes; so does nnexp."""
    (tree / ".gitattributes").write_text("file filter=lfs\n")
    commit()
    (tree / "file").write_text("two\n")
    assert git.state() == {"commit": head(), "dirty": True}


def test_a_program_named_git_in_the_current_folder_is_not_run(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PATH's relative and empty entries are passed over."""
    shutil.copy(script(tmp_path / "ran"), tree / "git")
    expected = {"commit": head(), "dirty": False}
    for entry in ("", ".", "../tree"):
        monkeypatch.setenv("PATH", entry + os.pathsep + os.environ["PATH"])
    subprocess.run(["git", "version"], check=True, capture_output=True)
    assert (tmp_path / "ran").exists()
    (tmp_path / "ran").unlink()
    assert git.state() == expected
    assert not (tmp_path / "ran").exists()


def test_variables_do_not_point_git_elsewhere(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither another tree, nor a log, nor a program comes in by the environment."""
    expected = {"commit": head(), "dirty": False}
    trap = script(tmp_path / "ran")
    call("init", "-q", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere" / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(tmp_path))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "index"))
    for name in ("TRACE", "TRACE2", "TRACE2_EVENT"):
        monkeypatch.setenv(f"GIT_{name}", str(tmp_path / "log"))
    for name in ("EXTERNAL_DIFF", "PAGER", "EDITOR", "SSH_COMMAND", "ASKPASS"):
        monkeypatch.setenv(f"GIT_{name}", trap)
    assert git.state() == expected
    assert not (tmp_path / "ran").exists()
    assert not (tmp_path / "log").exists()


def test_a_tree_whose_files_are_said_to_be_elsewhere_is_not_compared(
    tree: Path, tmp_path: Path
) -> None:
    """With core.worktree pointing to a foreign folder around it, changes are unknown."""
    expected = head()
    call("config", "core.worktree", str(tmp_path))
    assert git.state() == {"commit": expected, "dirty": None}


@pytest.mark.parametrize("place", [".gitattributes", ".git/info/attributes", ".git/index"])
def test_a_tree_that_keeps_git_waiting_is_given_up(
    tree: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """A pipe where git expects a file costs the bounded time, not for ever; changes are unknown."""
    monkeypatch.setattr(git, "_SECONDS", 0.5)
    expected = head()
    (tree / ".git" / "info").mkdir(exist_ok=True)
    (tree / place).unlink(missing_ok=True)
    os.mkfifo(tree / place)
    (tree / "file").write_text("other\n")
    began = monotonic()
    assert git.state() == {"commit": expected, "dirty": None}
    assert monotonic() - began < 10


def test_a_filter_that_sleeps_is_not_waited_for(tree: Path, tmp_path: Path) -> None:
    """The filter of a tree is not started, however long it would take."""
    (tree / ".gitattributes").write_text("file filter=slow\n")
    commit()
    call("config", "filter.slow.clean", script(tmp_path / "ran", "sleep 600"))
    assert git.state() == {"commit": head(), "dirty": False}
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("dirty", "words"), [(True, ", with changes"), (False, ""), (None, ", changes unknown")]
)
def test_the_page_of_a_run_says_what_is_known(
    train: Train, nnexp: Nnexp, dirty: bool | None, words: str
) -> None:
    """Changes, no changes, and changes unknown are three different things."""
    folder = train().folder
    record = json.loads((folder / "run.json").read_text())
    record["git"] = {"commit": "0" * 40, "dirty": dirty}
    (folder / "run.json").write_text(json.dumps(record))
    shown = nnexp("show", folder.name).stdout
    assert re.search(f"git: +{'0' * 12}{words}\n", shown)
