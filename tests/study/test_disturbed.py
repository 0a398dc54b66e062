"""A sweep comes to the same folders, whatever is done to it."""

from __future__ import annotations

import os
import shutil
import signal
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import pytest
from sweeping import (
    BOUND,
    STUDY,
    contents,
    finish,
    running,
    stamps,
    start,
    survive,
    wait_until,
    write_study,
)

Contents = dict[str, dict[str, Any]]
OTHER = STUDY.replace("slow: {eta: 0.1", "a: {eta: 0.2").replace("fast: {eta: 0.5", "b: {eta: 0.6")
FAST = next(line for line in STUDY.splitlines(keepends=True) if "fast" in line)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the folder that all studies of this module are in, with the study."""
    folder = tmp_path_factory.mktemp("studies")
    write_study(folder)
    return folder


@pytest.fixture(scope="module")
def undisturbed(root: Path) -> Contents:
    """Give the contents of the folders of a sweep with one job that nobody disturbed."""
    finish(start(root / "study.yaml", "--jobs", "1", "--runs-dir", "undisturbed"))
    found = contents(root / "undisturbed" / "study")
    runs = [f"{arm}-s{seed}" for arm in ("fast", "slow") for seed in range(3)]
    assert list(found) == [*runs, "study.json"]
    assert all(found[run]["run.json"] == b"completed" for run in runs)
    return found


def test_a_study_may_grow_and_be_repeated_in_any_order(root: Path, undisturbed: Contents) -> None:
    """What is complete stays untouched and only the rest is run: to the same bytes, with two jobs.

    Arms and seeds are added, and stand the other way round; then the same command is given again.
    """
    few = write_study(root, STUDY.replace(FAST, "").replace("0-2", "1"), "few.yaml")
    finish(start(few, "--runs-dir", "grown"))
    folder = root / "grown" / "study"
    (there,) = folder.glob("*-s*")
    before = stamps(there)
    text = STUDY.replace(FAST, "").replace("arms:\n", f"arms:\n{FAST}")
    text = text.replace("seeds: 0-2", "seeds: [2, 1, 0]\nbaseline: slow")
    study = write_study(root, text, "reversed.yaml")
    _, err = finish(start(study, "--runs-dir", "grown"))
    assert "6 runs, 1 of them done already" in err
    assert stamps(there) == before
    found = contents(folder)
    del found["study.json"]
    assert found == {name: run for name, run in undisturbed.items() if name != "study.json"}
    before = stamps(folder)
    out, err = finish(start(study, "--runs-dir", "grown"))
    assert stamps(folder) == before
    assert "6 completed; nothing to train" in out
    assert "6 runs, 6 of them done already" in err


def test_two_sweeps_at_once_share_the_work(root: Path, undisturbed: Contents) -> None:
    """Two terminals on one study: both end well, each run is there once, with the same bytes."""
    both = [start(root / "study.yaml", "--runs-dir", "both") for _ in range(2)]
    for process in both:
        finish(process)
    assert contents(root / "both" / "study") == undisturbed


def test_a_sweep_that_is_killed_and_repeated_comes_to_the_same(
    root: Path, undisturbed: Contents
) -> None:
    """SIGKILL at random moments, the command again each time: names and bytes are the same."""
    survive(root / "study.yaml", root / "killed", Random(8), kills=3)  # noqa: S311 - no secret
    assert contents(root / "killed" / "study") == undisturbed


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="no job control")
@pytest.mark.parametrize("there_now", ["nothing", "another study", "the same study"])
def test_a_sweep_whose_folder_was_exchanged_stops_and_touches_nothing(
    root: Path, tmp_path: Path, there_now: str
) -> None:
    """Stopped by Ctrl-Z, its folder removed, a study swept into it, continued: it ends.

    The new folder stays as the second sweep left it, to the byte and the time.
    """
    other = write_study(root, OTHER, "other.yaml")
    for wait in (0, 2, 4):
        folder = tmp_path / str(wait) / "study"
        logs = partial(folder.glob, "[!.]*/metrics.csv")
        with running(root / "study.yaml", "--runs-dir", folder.parent) as stopped:
            wait_until(lambda: len(list(logs())) > wait)  # noqa: B023 - called here
            os.killpg(stopped.pid, signal.SIGSTOP)
            shutil.rmtree(folder)
            if there_now != "nothing":
                study = other if there_now == "another study" else root / "study.yaml"
                finish(start(study, "--runs-dir", folder.parent))
                (folder / ".data").mkdir()
                (folder / ".data" / "of another sweep").touch()
            before = stamps(folder.parent)
            os.killpg(stopped.pid, signal.SIGCONT)
            out, err = stopped.communicate(timeout=BOUND)
        assert (stopped.returncode, out) == (1, ""), err
        assert stamps(folder.parent) == before
        assert err.splitlines()[-1] == (
            f"nnexp: {folder}: was moved, removed or replaced while nnexp was writing in it; what "
            "is there now is left as it is; what was moved can be continued where it is"
        )
        assert "resumes it" not in err
