"""A sweep comes to the same folders, whatever is done to it."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Any

import pytest
from sweeping import STUDY, contents, finish, stamps, start, survive, wait_until, write_study

Contents = dict[str, dict[str, Any]]
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


def test_jobs_order_and_repetition_change_no_byte(root: Path, undisturbed: Contents) -> None:
    """Two jobs, arms and seeds the other way round, and the same command again: the same bytes."""
    text = STUDY.replace(FAST, "").replace("arms:\n", f"arms:\n{FAST}")
    text = text.replace("seeds: 0-2", "seeds: [2, 1, 0]\nbaseline: slow")
    study = write_study(root, text, "reversed.yaml")
    finish(start(study, "--runs-dir", "reversed"))
    folder = root / "reversed" / "study"
    found = contents(folder)
    del found["study.json"]
    assert found == {name: run for name, run in undisturbed.items() if name != "study.json"}
    before = stamps(folder)
    out, err = finish(start(study, "--runs-dir", "reversed"))
    assert stamps(folder) == before
    assert "6 completed; nothing was due" in out
    assert "6 runs, 6 of them there already" in err


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


def test_arms_and_seeds_that_are_added_are_all_that_is_run(
    root: Path, undisturbed: Contents
) -> None:
    """A study that grows leaves what is complete alone and comes to the whole study's folders."""
    few = write_study(root, STUDY.replace(FAST, "").replace("0-2", "1"), "few.yaml")
    finish(start(few, "--runs-dir", "grown"))
    (there,) = (root / "grown" / "study").glob("*-s*")
    before = stamps(there)
    _, err = finish(start(root / "study.yaml", "--runs-dir", "grown"))
    assert "6 runs, 1 of them there already" in err
    assert stamps(there) == before
    assert contents(root / "grown" / "study") == undisturbed


def test_an_interrupted_run_is_resumed(root: Path) -> None:
    """run.json says after which epoch a run was taken up again; it is not begun anew."""
    study = write_study(root, STUDY.replace("epochs: 60", "epochs: 400"), "long.yaml")
    folder = root / "resumed" / "study"
    with start(study, "--runs-dir", "resumed") as process:
        wait_until(lambda: len(list(folder.glob("*/checkpoint.npz"))) >= 2)
        process.kill()
        process.communicate()
    finish(start(study, "--runs-dir", "resumed"))
    records = [json.loads(path.read_text()) for path in folder.glob("*/run.json")]
    resumed = [record["resumed"][0]["after_epoch"] for record in records if "resumed" in record]
    assert len(records) == 6
    assert resumed
    assert min(resumed) > 0
