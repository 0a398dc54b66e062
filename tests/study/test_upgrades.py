"""Studies that an earlier version made go on with this one."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nnexp.run.reader import open_run

if TYPE_CHECKING:
    from conftest import Nnexp

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture
def old(folder: Path) -> Path:
    """Give a copy of what version 0.1.0 made, in the working folder."""
    for name in ("study", "tuned"):
        shutil.copytree(GOLDEN / name, folder / "runs" / name)
        shutil.copy(GOLDEN / f"{name}.yaml", folder)
    return folder / "runs"


def contents(folder: Path) -> dict[Path, bytes]:
    """Return every file of the run folders below a folder."""
    return {path: path.read_bytes() for path in folder.glob("**/*-s*/*")}


def test_a_study_of_the_version_before_is_done_already(nnexp: Nnexp, old: Path) -> None:
    """Its runs count as those of the study, old words in the file and in the runs included."""
    before = contents(old)
    result = nnexp("sweep", "study.yaml")
    assert "4 runs, 4 of them done already" in result.output
    assert contents(old) == before


def test_a_seed_is_added_to_a_study_of_the_version_before(nnexp: Nnexp, old: Path) -> None:
    """The new seed is trained beside the old ones, and all of them are compared."""
    before = contents(old)
    nnexp("sweep", "study.yaml", "--seeds", "0-2", "--jobs", "1")
    assert {path: contents(old)[path] for path in before} == before
    versions = {
        path.name: open_run(path).record["versions"]["nnexp"] for path in old.glob("study/*-s*")
    }
    assert versions.pop("plain-s2") == versions.pop("expanded-s2") != "0.1.0"
    assert set(versions) == {"plain-s0", "plain-s1", "expanded-s0", "expanded-s1"}
    assert set(versions.values()) == {"0.1.0"}
    assert "expanded" in nnexp("compare", "runs/study").stdout


def test_a_search_of_the_version_before_is_done_already(nnexp: Nnexp, old: Path) -> None:
    """Its trials are those of this search, and its confirming runs are left alone."""
    before = contents(old)
    result = nnexp("tune", "tuned.yaml", "--jobs", "1")
    assert "Confirmed with 1 fresh seed (9)" in result.stdout
    assert contents(old) == before


def test_an_interrupted_run_of_such_a_study_is_resumed_by_its_sweep(
    nnexp: Nnexp, old: Path
) -> None:
    """A run whose rows were torn off is no complete run; the sweep brings them back."""
    run = old / "study" / "plain-s0"
    rows = (run / "metrics.csv").read_text()
    (run / "metrics.csv").write_text(rows[: rows.rindex("\n", 0, -1) + 1])
    nnexp("sweep", "study.yaml", "--jobs", "1")
    assert open_run(run).status == "completed"
    assert (run / "metrics.csv").read_text() == rows
