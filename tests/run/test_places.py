"""A run wherever it lies: moved projects, other line ends, the home folder."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nnexp.config.loader import load
from nnexp.run.reader import open_run

if TYPE_CHECKING:
    from conftest import Nnexp, Train

STUDY = "base: small.yaml\narms: {fast: {eta: 0.5}, slow: {eta: 0.1}}\nseeds: 0-1\n"


@pytest.fixture
def project(train: Train, nnexp: Nnexp, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a project with a study and an interrupted run, moved, as the working folder."""
    Path("study.yaml").write_text(STUDY)
    nnexp("sweep", "study.yaml", "-j", "1")
    train("name=cut", stop_after=1)
    there = Path.cwd() / "there"
    there.mkdir()
    for name in ("points.csv", "small.yaml", "study.yaml", "runs"):
        shutil.move(name, there / name)
    monkeypatch.chdir(there)
    return there


def test_a_moved_project_keeps_its_runs(nnexp: Nnexp, project: Path) -> None:
    """Its sweep is complete, its interrupted run resumes, config.yaml repeats a run from there."""
    assert "4 of them done already" in nnexp("sweep", "study.yaml", "-j", "1").stderr
    (cut,) = Path("runs").glob("*-cut-s0")
    assert nnexp("resume").exit_code == 0
    assert open_run(cut).status == "completed"
    nnexp("train", cut / "config.yaml", "-q")
    assert {row["runs"] for row in json.loads(nnexp("compare", "runs", "--json").stdout)} >= {2}


def test_data_that_have_moved_alone_are_named_and_found_with_set(
    nnexp: Nnexp, train: Train
) -> None:
    """The digest decides whether they are the same; the new place is recorded."""
    cut = train(stop_after=1).folder
    Path("elsewhere").mkdir()
    Path("points.csv").rename("elsewhere/points.csv")
    assert "nnexp resume" in nnexp("resume", cut, code=1).stderr
    nnexp("resume", cut, "--set", "data.path=elsewhere/points.csv")
    assert open_run(cut).status == "completed"
    moved = str(Path("elsewhere/points.csv").resolve())
    assert load(cut / "config.yaml").values()["data"]["path"] == moved
    assert json.loads((cut / "run.json").read_text())["config"]["data"]["path"] == moved
    nnexp("resume", cut, "--epochs", "5")


def test_other_data_in_the_place_are_refused(nnexp: Nnexp, train: Train) -> None:
    """Relocated or not, a run goes on with the data it was begun with."""
    cut = train(stop_after=1).folder
    Path("other.csv").write_text(Path("points.csv").read_text().replace("0.5", "0.6"))
    result = nnexp("resume", cut, "--set", "data.path=other.csv", code=1)
    assert "its data have changed" in result.stderr
    assert "expected data.path=PATH" in nnexp("resume", cut, "--set", "eta=1", code=1).stderr


def test_a_run_folder_moved_without_its_data_is_resumed(nnexp: Nnexp, train: Train) -> None:
    """Where the path as seen from the run leads nowhere, that of run.json is tried."""
    cut = train(stop_after=1).folder
    moved = Path("archive/deep/cut")
    moved.parent.mkdir(parents=True)
    cut.rename(moved)
    nnexp("resume", moved)
    assert open_run(moved).status == "completed"


def with_crlf(folder: Path) -> None:
    """Convert the line ends of the text files, as git may on Windows."""
    for name in ("config.yaml", "metrics.csv", "run.json"):
        path = folder / name
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))


def test_a_run_with_other_line_ends_is_the_same_run(nnexp: Nnexp, train: Train) -> None:
    """No note about it, the same facts, and a resume says what is to be undone, which works."""
    folder = train().folder
    before = nnexp("list", "--json").stdout
    with_crlf(folder)
    for words in (["list", "--json"], ["compare"], ["show", "latest"]):
        assert nnexp(*words).stderr == ""
    assert nnexp("list", "--json").stdout == before
    refusal = nnexp("resume", folder, "--epochs", "5", code=1).stderr
    assert f"sed -i 's/\\r$//' {folder}/metrics.csv" in refusal
    log = folder / "metrics.csv"
    log.write_bytes(log.read_bytes().replace(b"\r\n", b"\n"))
    nnexp("resume", folder, "--epochs", "5")
    assert open_run(folder).facts.done == 5


@pytest.mark.parametrize("by", ["option", "variable"])
def test_the_home_folder_is_meant_by_its_sign(
    nnexp: Nnexp, small: Path, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    """Behind --runs-dir= and in NNEXP_RUNS_DIR, which no shell expands, as in data.path."""
    monkeypatch.setenv("HOME", str(small.absolute().parent / "home"))
    words = ["--runs-dir=~/mine"] if by == "option" else []
    if by == "variable":
        monkeypatch.setenv("NNEXP_RUNS_DIR", "~/mine")
    nnexp("train", small, "--set", "epochs=1", *words)
    assert not Path("~").exists()
    assert len(list(Path("home/mine").iterdir())) == 1
