"""`nnexp tune`: one page that says what each arm was given, what it chose, and the verdict."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from nnexp.config.study import Study, load_study
from nnexp.run.assembly import DataCache
from nnexp.stats.summary import Point
from nnexp.study.search import Search, State, Trial
from nnexp.study.tuning import confirmation, prepare
from nnexp.views.formats import FORMATS, Page, text_page
from nnexp.views.tune import page

if TYPE_CHECKING:
    from conftest import Nnexp

PAGE = Path(__file__).parent / "pages" / "tuned.txt"
REWRITE = bool(os.environ.get("NNEXP_REWRITE_GOLDEN"))
STUDY = """\
description: does momentum help when the learning rate of each arm is tuned?
base:
  data: {path: points.csv, target: kind}
  layers: [1, 3, 2]
  epochs: 5
arms:
  without: {}
  with_momentum: {momentum: 0.5}
baseline: without
tune:
  space: {eta: {log: [0.01, 10]}, batch_size: [1, 2, 4]}
  trials: 6
  epochs: 4
confirm: {seeds: 100-101}
"""


@pytest.fixture
def study(folder: Path) -> Path:
    """Write a study of two arms, and its data."""
    points = "".join(f"{i / 40},{'ab'[i > 20]}\n" for i in range(40))
    Path("points.csv").write_text(f"x,kind\n{points}")
    Path("momentum.yaml").write_text(STUDY)
    return Path("momentum.yaml")


def trial(search: Search, number: int, eta: float, reached: list[float], state: State) -> Trial:
    """Return a trial that reached some accuracies."""
    points = [Point(value, epoch) for epoch, value in enumerate(reached, 1)]
    settings = {"eta": eta, "batch_size": (4, 2, 1)[number % 3]}
    folder = search.runs / f"{search.arm.name}-t{number}-s0"
    return Trial(settings, state, points, number, folder, len(reached))


def tuned(study: Path) -> Page:
    """Make up what two searches came to."""
    loaded = load_study(study)
    searches = prepare(loaded, Path("runs"), DataCache())
    without, with_momentum = searches
    etas = (0.5, 9.4, 0.031, 2.0, 0.1, 0.5)
    reached = [[0.5, 0.91], [0.5, 0.9345], [0.2, 0.2], [0.1, 0.9335], [0.3], [0.7, 0.925]]
    states: list[State] = ["complete", "complete", "diverged", "complete", "pruned", "complete"]
    without.trials[:] = [
        trial(without, n, eta, values, state)
        for n, (eta, values, state) in enumerate(zip(etas, reached, states, strict=True))
    ]
    with_momentum.trials[:] = [trial(with_momentum, n, 3.0, [0.1], "diverged") for n in range(6)]
    return page(loaded, searches, [], "test_accuracy")


def test_the_page_is_that_of_its_golden_file(study: Path) -> None:
    """At 80 columns, with what was pruned, what diverged, and an optimum at the edge."""
    said = text_page(tuned(study).blocks, 80)
    if REWRITE:
        PAGE.write_text(said, encoding="utf-8")
    assert said == PAGE.read_text(encoding="utf-8")
    assert max(map(len, said.splitlines())) <= 80


def test_every_format_has_the_whole_page(study: Path) -> None:
    """Markdown has the words and cells of the text, JSON the values behind them."""
    described = tuned(study)
    words = text_page(described.blocks, 1000).replace("─", "").split()
    assert set(words) <= set(FORMATS["md"].write(described).replace("\\", "").split())
    found = json.loads(FORMATS["json"].write(described))
    assert found["tune"]["space"] == {"eta": {"log": [0.01, 10]}, "batch_size": [1, 2, 4]}
    without, with_momentum = found["arms"]
    assert without["chosen"] == {"eta": 9.4, "batch_size": 2}
    assert (without["run"], without["epoch"]) == ("without-t1-s0", 2)
    assert (without["best"], without["median"], without["worst"]) == (0.9345, 0.9175, None)
    assert (without["near_best"], without["nearby_best"]) == (2, 3)
    assert (without["complete"], without["pruned"], without["diverged"]) == (4, 1, 1)
    assert (without["trials"], without["epochs_trained"]) == (6, 11)
    assert with_momentum["chosen"] is with_momentum["best"] is None
    assert found["confirmed"] is None


def test_a_search_is_one_page_on_stdout_and_is_not_made_twice(nnexp: Nnexp, study: Path) -> None:
    """Trials, confirming runs and their comparison; repeated, it prints the same and begins none.

    Optuna has nothing to say on either stream, and no warning escapes.
    """
    short = STUDY.replace("trials: 6", "trials: 2").replace("100-101", "100")
    study.write_text(short)
    words = ["tune", str(study), "--format", "json", "--jobs", "2"]
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "nnexp", *words],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stderr.splitlines()) == 1 + 4 + 2
    found = json.loads(done.stdout)
    assert [arm["trials"] for arm in found["arms"]] == [2, 2]
    assert found["confirmed"]["seeds"] == [100]
    assert [arm["runs"] for arm in found["confirmed"]["arms"]] == [1, 1]
    folders = {path: path.stat().st_mtime_ns for path in Path("runs").rglob("run.json")}
    assert len(folders) == 6
    again = nnexp(*words, "--quiet")
    assert (json.loads(again.stdout), again.stderr) == (found, "")
    assert {p: p.stat().st_mtime_ns for p in Path("runs").rglob("run.json")} == folders

    text = " ".join(nnexp("tune", study, "-q").stdout.split())
    assert "Confirmed with 1 fresh seed (100) and 5 epochs. The settings were chosen for 4" in text
    assert text.startswith("does momentum help when the learning rate of each arm is tuned? ")
    planned = nnexp("tune", study, "--dry-run").stdout
    assert [line.split()[:3] for line in planned.splitlines()[5:7]] == [
        ["without", "2", "2"],
        ["with_momentum", "2", "2"],
    ]


def test_a_dry_run_begins_nothing(nnexp: Nnexp, study: Path, folder: Path) -> None:
    """It prints the space, the trials and runs of each arm and a time, and makes no file."""
    before = sorted(folder.rglob("*"))
    planned = nnexp("tune", study, "--dry-run").stdout
    assert planned.startswith("eta: 0.01 to 10, on a logarithmic scale\nbatch_size: 1, 2 or 4\n")
    assert "with_momentum       6     0       4" in planned
    assert "2 x 5" in planned
    assert "less where trials are pruned" in planned
    assert sorted(folder.rglob("*")) == before


def test_where_no_setting_can_be_trained_the_page_says_so(nnexp: Nnexp, study: Path) -> None:
    """All trials of both arms diverge: exit code 3, no confirming run, and a hint."""
    wild = "[1, 3, 2]\n  output: linear\n  cost: quadratic\n  dtype: float64"
    text = STUDY.replace("[1, 3, 2]", wild).replace("trials: 6", "trials: 1")
    study.write_text(text.replace("{log: [0.01, 10]}", "[1.0e+200]"))
    said = nnexp("tune", study, "-q", "--jobs", "1", code=3).stdout
    assert said.count("there are no settings to confirm") == 2
    assert "Confirmed" not in said
    assert not Path("runs/momentum/confirm").exists()


def test_a_study_whose_folder_was_exchanged_meanwhile_is_not_confirmed(
    nnexp: Nnexp, study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the folder is another when the trials have ended, nothing is written into that."""
    study.write_text(STUDY.replace("trials: 6", "trials: 1"))

    def exchange(*words: Any) -> Study:
        Path("runs/momentum").rename("away")
        Path("runs/momentum").mkdir()
        return confirmation(*words)

    monkeypatch.setattr("nnexp.study.tuning.confirmation", exchange)
    result = nnexp("tune", study, code=1)
    assert result.stderr.splitlines()[-1].startswith("nnexp: runs/momentum: was moved, removed")
    assert list(Path("runs/momentum").iterdir()) == []


def test_a_refusal_is_a_line_with_its_place(nnexp: Nnexp, study: Path) -> None:
    """As for any config: exit code 1, nothing on stdout, nothing begun."""
    study.write_text(STUDY.replace("eta: {log", "etta: {log"))
    result = nnexp("tune", study, code=1)
    assert result.stdout == ""
    assert result.stderr == (
        "nnexp: momentum.yaml:11: tune.space.etta: unknown key; did you mean eta?\n"
    )
    assert not Path("runs").exists()


def test_optuna_is_imported_by_this_command_alone(folder: Path) -> None:
    """Neither the help of `tune` nor a sweep's code needs it."""
    code = (
        "import sys\nfrom nnexp.cli import cli\n"
        "try: cli(['tune', '--help'])\nexcept SystemExit: pass\n"
        "assert 'numpy' not in sys.modules\n"
        "import nnexp.study.search, nnexp.study.tuning, nnexp.study.engine\n"
        "assert 'optuna' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
