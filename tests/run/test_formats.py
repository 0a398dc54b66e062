"""A run folder of every format version stays readable."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nnexp import __version__
from nnexp.run.layout import CHECKPOINT_FORMAT, FORMAT
from nnexp.run.reader import open_run
from nnexp.run.state import Checkpoint, read_checkpoint
from nnexp.study.record import FORMAT as STUDY_FORMAT
from nnexp.study.record import TUNE_FORMAT

if TYPE_CHECKING:
    from conftest import Nnexp

GOLDEN = Path(__file__).parent / "golden"
FORMATS = range(1, FORMAT + 1)
NAMES = [f"format-{number}" for number in FORMATS]
INTERRUPTED = "format-2-interrupted"


@pytest.fixture
def runs(folder: Path) -> Path:
    """Give a copy of all golden runs."""
    shutil.copytree(GOLDEN, folder / "runs")
    return folder / "runs"


def test_there_is_a_golden_run_of_every_format() -> None:
    """Whoever changes the format keeps a run of the one before."""
    kept = sorted(path.name for path in GOLDEN.iterdir() if path.is_dir())
    assert kept == sorted([*NAMES, INTERRUPTED])
    found = [json.loads((GOLDEN / name / "run.json").read_text())["format"] for name in NAMES]
    assert found == list(FORMATS)


@pytest.mark.parametrize("name", NAMES)
def test_a_golden_run_is_read_whole(name: str) -> None:
    """Status, config, every row, predictions and diagnostics are those that were written."""
    found = open_run(GOLDEN / name)
    assert found.status == "completed"
    assert found.experiment is not None
    assert found.experiment.layers == [784, 2, 10]
    assert [row["epoch"] for row in found.rows] == [1, 2, 3]
    last = found.record["summary"]["test_accuracy"]["last"]["value"]
    assert found.rows[-1]["test_accuracy"] == last
    assert found.predictions is not None
    right = found.predictions["labels"] == found.predictions["predicted"]
    assert right.mean() == last
    assert len(found.log("diagnostics.csv")) == 3


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "words",
    [
        ["list"],
        ["list", "--json"],
        ["show", "RUN"],
        ["show", "RUN", "--json"],
        ["compare", "RUN"],
        ["compare", "RUN", "--json"],
        ["plot", "RUN"],
    ],
    ids=" ".join,
)
def test_every_command_reads_a_golden_run(
    nnexp: Nnexp, runs: Path, name: str, words: list[str]
) -> None:
    """It is listed, shown, compared and plotted as any other run, and nothing in it is changed."""
    before = [(path.name, path.read_bytes()) for path in sorted((runs / name).iterdir())]
    result = nnexp(*(word.replace("RUN", name) for word in words))
    assert re.search(r"golden|format-|nnexp\.png", result.stdout)
    assert [(path.name, path.read_bytes()) for path in sorted((runs / name).iterdir())] == before


def test_an_interrupted_run_of_the_version_before_is_resumed(nnexp: Nnexp, runs: Path) -> None:
    """Its epochs stay as they are, the others are trained, and run.json says which version did."""
    rows = (runs / INTERRUPTED / "metrics.csv").read_text().splitlines()
    nnexp("resume", INTERRUPTED)
    found = open_run(runs / INTERRUPTED)
    assert (found.status, found.facts.done, found.problems) == ("completed", 4, ())
    assert (runs / INTERRUPTED / "metrics.csv").read_text().splitlines()[:3] == rows
    assert found.record["format"] == FORMAT
    assert found.record["versions"]["nnexp"] == "0.1.0"
    assert found.record["resumed"][0]["versions"]["nnexp"] == __version__


LATER = {
    "run.json": FORMAT + 1,
    "study.json": STUDY_FORMAT + 1,
    "tune.json": TUNE_FORMAT + 1,
    "checkpoint.npz": CHECKPOINT_FORMAT + 1,
}


def make_later(path: Path) -> None:
    """Let a file be of the next format, as a later nnexp would write it."""
    if path.suffix == ".npz":
        checkpoint = read_checkpoint(path)
        assert checkpoint is not None
        later = Checkpoint(checkpoint.arrays, {**checkpoint.state, "format": LATER[path.name]})
        path.write_bytes(later.to_bytes())
    else:
        path.write_text(json.dumps(json.loads(path.read_text()) | {"format": LATER[path.name]}))


STUDY = """\
base: small.yaml
name: s
arms: {a: {}, b: {momentum: 0.5}}
seeds: 0-0
"""
TUNE = """\
tune: {space: {eta: [0.1, 0.2]}, trials: 1, epochs: 1}
confirm: {seeds: 9-9}
"""


@pytest.mark.parametrize(
    ("file", "words", "code"),
    [
        ("s/a-s0/run.json", ["list"], 0),
        ("s/a-s0/run.json", ["show", "s/a-s0"], 0),
        ("s/a-s0/run.json", ["compare", "runs/s"], 0),
        ("s/a-s0/run.json", ["plot", "s/a-s0"], 0),
        ("s/a-s0/run.json", ["resume", "s/a-s0"], 1),
        ("s/a-s0/run.json", ["sweep", "study.yaml"], 1),
        ("s/a-s0/checkpoint.npz", ["resume", "s/a-s0"], 1),
        ("s/a-s0/checkpoint.npz", ["sweep", "study.yaml"], 1),
        ("s/study.json", ["compare", "runs/s"], 0),
        ("s/study.json", ["sweep", "study.yaml"], 1),
        ("s/study.json", ["sweep", "study.yaml", "--dry-run"], 1),
        ("t/confirm/study.json", ["tune", "tuned.yaml"], 1),
        ("t/tune.json", ["tune", "tuned.yaml"], 1),
        ("t/tune.json", ["tune", "tuned.yaml", "--dry-run"], 1),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, list) else str(value),
)
def test_what_a_later_version_wrote_is_named_and_left_alone(
    nnexp: Nnexp, small: Path, file: str, words: list[str], code: int
) -> None:
    """Every command says which file, of which format, and how to upgrade; no byte is changed."""
    Path("study.yaml").write_text(STUDY)
    Path("tuned.yaml").write_text(STUDY.replace("name: s", "name: t") + TUNE)
    nnexp("sweep", "study.yaml")
    if "tune" in words:
        nnexp("tune", "tuned.yaml")
    record = Path("runs/s/a-s0/run.json")
    record.write_text(record.read_text().replace('"completed"', '"running"'))
    make_later(Path("runs") / file)
    before = {path: path.read_bytes() for path in Path("runs").rglob("*") if path.is_file()}
    result = nnexp(*words, code=code)
    name = Path(file).name
    assert f"{name}: written by a later nnexp (format {LATER[name]}; nnexp " in result.stderr
    assert "pip install --upgrade nnexp" in result.stderr
    assert {path: path.read_bytes() for path in Path("runs").rglob("*") if path.is_file()} == before
