"""`nnexp compare`: which runs differ in what, and by how much."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from statistics import fmean, stdev
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from run_folders import judged, strict, write_run

from nnexp.cli.compare import SORTS
from nnexp.run.find import folders
from nnexp.run.layout import STUDY
from nnexp.run.reader import open_all, open_run

if TYPE_CHECKING:
    from conftest import Nnexp


def rows_of(gallery: Path, name: str, metric: str) -> list[list[float]]:
    """Return a metric's values of each run of a name, read from metrics.csv."""
    found = []
    for path in sorted(gallery.glob(f"*-{name}-s*")):
        with (path / "metrics.csv").open(newline="") as stream:
            found.append([float(row[metric]) for row in csv.DictReader(stream)])
    return found


def test_runs_that_differ_only_in_seed_are_one_row(nnexp: Nnexp, gallery: Path) -> None:
    """Each config is a row, with the figures of its completed runs."""
    found = {row["name"]: row for row in strict(nnexp("compare", gallery, "--json").stdout)}
    assert set(found) == {"small", "quick", "cut", "wild"}
    assert (found["small"]["runs"], found["small"]["runs_completed"]) == (2, 2)
    assert (found["cut"]["runs"], found["cut"]["runs_completed"]) == (1, 0)


@pytest.mark.parametrize("metric", ["test_accuracy", "validation_cost", "train_accuracy"])
def test_the_figures_are_those_of_the_rows(nnexp: Nnexp, gallery: Path, metric: str) -> None:
    """Mean, standard deviation, lowest and highest, of last, best on validation and peak."""
    words: list[str | Path] = ["compare", gallery, "--metric", metric, "--json"]
    found = {row["name"]: row for row in strict(nnexp(*words).stdout)}["small"]
    values = rows_of(gallery, "small", metric)
    validation = rows_of(gallery, "small", "validation_accuracy")
    chosen = [v.index(max(v)) for v in validation]
    pick = max if metric.endswith("accuracy") else min
    expected = {
        "last": [v[-1] for v in values],
        "best-epoch": [v[i] for v, i in zip(values, chosen, strict=True)],
        "peak": [pick(v) for v in values],
    }
    for name, figures in expected.items():
        assert found[f"{metric}_{name}_mean"] == pytest.approx(fmean(figures))
        assert found[f"{metric}_{name}_sd"] == pytest.approx(stdev(figures))
        assert found[f"{metric}_{name}_min"] == min(figures)
        assert found[f"{metric}_{name}_max"] == max(figures)


def test_only_what_differs_is_a_column(nnexp: Nnexp, gallery: Path) -> None:
    """Keys with one value for all the compared runs are excluded; seeds never are a column."""
    row = strict(nnexp("compare", gallery, "--json").stdout)[0]
    assert {"eta", "cost", "output"} <= set(row)
    assert not {"layers", "epochs", "batch_size", "data.path", "seed", "tags"} & set(row)
    pair = [str(path) for path in gallery.glob("*-small-*")]
    assert "eta" not in strict(nnexp("compare", *pair, "--json").stdout)[0]


def test_the_table_marks_runs_that_did_not_complete(nnexp: Nnexp, gallery: Path) -> None:
    """The table counts completed runs, and says of others how they ended."""
    result = nnexp("compare", gallery)
    lines = result.stdout.splitlines()
    settings = lines[lines.index("test accuracy %, mean ± standard deviation over seeds.") :]
    small, cut, wild = (
        next(line for line in settings if line.startswith(f"{name} "))
        for name in ("small", "cut", "wild")
    )
    assert "±" in small
    assert "1 interrupted" in cut
    assert "1 diverged" in wild
    assert "interrupted" not in small
    assert "peak: chosen by looking at the test set, so it is optimistic." in settings
    assert result.stderr == ""


def test_a_published_figure_stands_beside_the_measured_ones(nnexp: Nnexp, gallery: Path) -> None:
    """The reference of a config is a column, with the statistic it is compared with."""
    found = {row["name"]: row for row in strict(nnexp("compare", gallery, "--json").stdout)}
    assert (found["small"]["published"], found["small"]["published_statistic"]) == (0.9, "peak")
    assert found["quick"]["published"] is None
    assert "90.00 (peak)" in nnexp("compare", gallery).stdout


def test_each_run_can_have_a_row(nnexp: Nnexp, gallery: Path) -> None:
    """`--per-run` shows every run by its id, with its status."""
    found = strict(nnexp("compare", gallery, "--per-run", "--json").stdout)
    assert {row["run"]: row["status"] for row in found} == {
        run.id: run.status for run in open_all(folders(gallery))[0]
    }
    assert {row["status"] for row in found} == {"completed", "interrupted", "diverged"}


def test_csv_and_json_hold_the_same(nnexp: Nnexp, gallery: Path) -> None:
    """Programs may read either: the same columns and values."""
    table = list(csv.DictReader(io.StringIO(nnexp("compare", gallery, "--format", "csv").stdout)))
    rows = strict(nnexp("compare", gallery, "--format", "json").stdout)
    assert [list(row) for row in table] == [list(row) for row in rows]
    for line, row in zip(table, rows, strict=True):
        assert line == {key: "" if value is None else str(value) for key, value in row.items()}


def test_markdown_is_a_table(nnexp: Nnexp, gallery: Path) -> None:
    """`--format md` can be pasted into a page as it is: three tables among lists."""
    text = nnexp("compare", gallery, "--format", "md").stdout
    tables = [part.splitlines() for part in text.split("\n\n") if part.startswith("|")]
    assert [len(table) for table in tables] == [2 + 2, 2 + 4, 2 + 4]
    for table in tables:
        assert len({line.count("|") for line in table}) == 1
        assert set(table[1]) <= set("|:- ")


@pytest.mark.parametrize("sort", SORTS)
def test_rows_can_be_sorted_the_best_first(nnexp: Nnexp, gallery: Path, sort: str) -> None:
    """Accuracies fall, costs, times and names rise, and the largest groups come first."""
    rows = strict(nnexp("compare", gallery, "--sort", sort, "--json").stdout)
    keys: dict[str, Any] = {
        "train-cost": lambda row: row["train_cost_mean"],
        "seconds": lambda row: row["seconds_per_epoch"],
        "runs": lambda row: -row["runs"],
        "name": lambda row: row["name"],
    }
    key = keys.get(sort, lambda row: -row[f"test_accuracy_{sort}_mean"])
    column = {"train-cost": "train_cost_mean"}.get(sort, f"test_accuracy_{sort}_mean")
    known = [row for row in rows if row.get(column, 0) is not None]
    assert [key(row) for row in known] == sorted(key(row) for row in known)
    assert rows[: len(known)] == known


def test_costs_are_sorted_the_lowest_first(nnexp: Nnexp, gallery: Path) -> None:
    """The best cost is the lowest one."""
    words: list[str | Path] = [
        "compare",
        gallery,
        "--metric",
        "train_cost",
        "--sort",
        "peak",
        "--json",
    ]
    costs = [row["train_cost_peak_mean"] for row in strict(nnexp(*words).stdout)]
    known = [cost for cost in costs if cost is not None]
    assert known == sorted(known)
    assert costs[: len(known)] == known


def test_a_metric_that_was_not_logged_is_refused(nnexp: Nnexp, gallery: Path) -> None:
    """An unknown metric is answered by those that there are."""
    said = nnexp("compare", gallery, "--metric", "test_acuracy", code=1).stderr
    assert said.startswith("nnexp: --metric test_acuracy: not logged by these runs; they have ")
    assert "; did you mean test_accuracy?" in said


def test_unsound_folders_are_named_and_the_others_compared(nnexp: Nnexp, copy: Path) -> None:
    """A foreign folder, a torn line: notes on stderr, figures on stdout, code 0."""
    Path("runs/foreign").mkdir()
    Path("runs/foreign/run.json").write_text('{"mine": ')
    (torn,) = copy.glob("*-quick-s0")
    with (torn / "metrics.csv").open("a") as stream:
        stream.write("5,2.0,0.1")
    result = nnexp("compare", "--json")
    assert {row["name"] for row in strict(result.stdout)} == {"small", "quick", "cut", "wild"}
    notes = result.stderr.splitlines()
    assert all(note.startswith("note: ") for note in notes)
    assert len(notes) == 2
    for name in ("foreign", torn.name):
        assert sum(name in note for note in notes) == 1


def test_words_that_stand_for_nothing_are_named_and_the_others_used(
    nnexp: Nnexp, copy: Path
) -> None:
    """One wrong word among several costs a note and not the comparison."""
    result = nnexp("compare", "runs/*quick*", "nonsense", "--json")
    assert [row["name"] for row in strict(result.stdout)] == ["quick"]
    assert result.stderr.startswith("note: nonsense: no run matches under runs")


def test_two_runs_are_compared_example_by_example(nnexp: Nnexp, gallery: Path) -> None:
    """With --mcnemar the examples that one run alone has right are counted, in every format."""
    paths = [next(gallery.glob(pattern)) for pattern in ("*-quick-s0", "*-small-s0")]
    words = ["compare", *map(str, paths), "--mcnemar", "--format"]
    record = strict(nnexp(*words, "json").stdout)
    archives = [open_run(path).predictions or {} for path in paths]
    quick, small = (archive["labels"] == archive["predicted"] for archive in archives)
    assert [record["first"], record["second"]] == [path.name for path in paths]
    assert record["n"] == len(quick)
    assert record["only_first"] == np.sum(quick & ~small)
    assert record["only_second"] == np.sum(small & ~quick)
    (row,) = csv.DictReader(io.StringIO(nnexp(*words, "csv").stdout))
    assert row["verdict"] == record["verdict"]
    for format_ in ("table", "md"):
        text = nnexp(*words, format_).stdout
        assert f"only {record['first']} is right on {record['only_first']}" in text
        assert "another seed gives another network" in " ".join(text.split())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "expected two runs, got 5"),
        (["runs/*quick*", "runs/*small-s0", "--sort", "name"], "of the options it takes only"),
        (["runs/*quick*", "runs/*wild*"], "has no readable predictions.npz"),
    ],
)
def test_what_cannot_be_compared_by_example_is_refused(
    nnexp: Nnexp, copy: Path, words: list[str], message: str
) -> None:
    """--mcnemar takes two runs with predictions, and no option of the other comparison."""
    for file in copy.glob("*-wild-s0/predictions.npz"):
        file.unlink()
    assert message in nnexp("compare", *words, "--mcnemar", code=1).stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "nnexp: runs: there are no runs yet; start one with: nnexp train"),
        (["latest"], "nnexp: latest: no run matches; there are no runs under runs"),
        (["mine"], "nnexp: mine: no run is in this folder"),
        (["mine/*"], "nnexp: mine/*: no run matches this pattern"),
    ],
)
def test_nothing_to_compare_is_exit_code_1(
    nnexp: Nnexp, folder: Path, words: list[str], said: str
) -> None:
    """Without a single run there is a message, and what to do where nothing has been run."""
    (folder / "mine").mkdir()
    result = nnexp("compare", *words, code=1)
    assert result.stderr.startswith(said)
    assert result.stdout == ""


def test_a_folder_of_unreadable_runs_alone_is_exit_code_1(nnexp: Nnexp, folder: Path) -> None:
    """If no run can be read the notes become the message."""
    Path("runs/torn").mkdir(parents=True)
    Path("runs/torn/run.json").write_text("{")
    assert "torn: not a readable run" in nnexp("compare", code=1).stderr


def test_runs_without_any_metric_cannot_be_compared(nnexp: Nnexp, small: Path) -> None:
    """Runs that monitored nothing say so."""
    nnexp("train", small, "--set", "monitor=[]")
    assert nnexp("compare", code=1).stderr == "nnexp: none of the runs has logged a metric\n"


def test_a_class_that_was_never_learned_is_named(nnexp: Nnexp, small: Path) -> None:
    """A mean hides a network that ignores a class, so the runs that do are listed below it."""
    stuck = "init={weights: [[[0, 0]], [[0], [0]]], biases: [[0], [9, -9]]}"
    nnexp("train", small, "-s", "layers=[2, 1, 2]", "-s", stuck, "-s", "eta=1e-9", "--seeds", "0-1")
    text = nnexp("compare").stdout
    assert "2 of 2 runs never learned a class: seed 0 (right), seed 1 (right)" in text


def make_study(folder: Path, metric: str = "test_accuracy") -> None:
    """Write a study of two arms of six runs that have logged test accuracies, and its record."""
    from nnexp.run.reader import open_run
    from nnexp.stats.selection import ArmPlan, StudyPlan
    from nnexp.study.record import claim_folder

    arms: dict[str, ArmPlan] = {}
    for name, eta in (("slow", 0.5), ("fast", 1.0)):
        for seed in range(6):
            rows = judged(0.9 + eta / 10 + seed / 1000, test_cost=1 / (eta + seed))
            path = write_run(folder / f"{name}-s{seed}", rows, seed=seed, eta=eta)
        arms[name] = ArmPlan((open_run(path).identity_v1,), name, {}, "slow" if arms else None)
    seeds = tuple(range(6))
    claim_folder(folder, StudyPlan("etas", "", arms, seeds, metric, "best-epoch", 0.2))


def test_the_margin_of_a_study_is_not_that_of_another_metric(nnexp: Nnexp, folder: Path) -> None:
    """A margin of accuracy says nothing of a cost: there the default holds, which is said."""
    make_study(folder / "runs/etas")
    assert {row["margin"] for row in strict(nnexp("compare", "runs/etas", "--json").stdout)} == {
        0.2
    }
    words = ("compare", "runs/etas", "--metric", "test_cost")
    assert {row["margin"] for row in strict(nnexp(*words, "--json").stdout)} == {None}
    assert "the margin of the study, 20.00 points, is of test accuracy" in nnexp(*words).stdout


@pytest.mark.parametrize("margin", ["50", "1", "nan", "inf"])
def test_a_margin_of_an_accuracy_is_a_fraction(nnexp: Nnexp, gallery: Path, margin: str) -> None:
    """Points or percent are refused; of a cost any number is a margin."""
    message = nnexp("compare", gallery, "--margin", margin, code=1).stderr
    assert message.startswith("nnexp: --margin")
    assert "expected a" in message
    nnexp("compare", gallery, "--metric", "test_cost", "--margin", "50")


def test_a_metric_of_a_study_that_was_not_logged_is_blamed_on_the_study(
    nnexp: Nnexp, folder: Path
) -> None:
    """The message names study.json and its key, not an option that was not used."""
    make_study(folder / "runs/etas", "test_r2")
    message = nnexp("compare", "runs/etas", code=1).stderr
    assert message.startswith(
        f"nnexp: runs/etas/{STUDY}: metric: test_r2: not logged by these runs"
    )
    assert nnexp("compare", "runs/etas", "--metric", "test_accuracy").stdout


def test_a_damaged_file_of_predictions_is_named_once(nnexp: Nnexp, copy: Path) -> None:
    """What turns out to be wrong while the page is made is one note."""
    (path,) = copy.glob("*-quick-*")
    record = json.loads((path / "run.json").read_text())
    record.pop("never_learned")
    (path / "run.json").write_text(json.dumps(record))
    (path / "predictions.npz").write_text("no archive")
    assert nnexp("compare").stderr.count("predictions.npz") == 1


def test_only_columns_that_are_there_are_explained(nnexp: Nnexp, folder: Path) -> None:
    """Without a validation set nothing is said of a best epoch, nor of a choice among epochs."""
    for seed in range(3):
        write_run(folder / f"runs/a-s{seed}", [0.9, 0.91], seed=seed)
    text = nnexp("compare").stdout
    assert "peak: chosen by looking at the test set" in text
    assert "best epoch" not in text
    assert "validation" not in text


def test_a_statistic_may_have_its_old_name(nnexp: Nnexp, gallery: Path) -> None:
    """`--at best-validation` is what `--at best-epoch` is."""
    old, new = (nnexp("compare", gallery, "--at", f"best-{x}") for x in ("validation", "epoch"))
    assert (old.stdout, old.stderr) == (new.stdout, "")
