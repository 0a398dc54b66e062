"""`nnexp list`, `show` and `plot`: the runs that are there."""

from __future__ import annotations

import csv
import io
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from run_folders import strict

from nnexp.run.reader import open_run

if TYPE_CHECKING:
    from conftest import Nnexp


def test_all_runs_are_listed_the_newest_first(nnexp: Nnexp, copy: Path) -> None:
    """One line per run, in the opposite order of the times in their names."""
    later = copy / f"29991231-000000{next(copy.glob('*-small-s0')).name[15:]}"
    next(copy.glob("*-small-s0")).rename(later)
    names = [row["run"] for row in strict(nnexp("list", "--json").stdout)]
    assert names == sorted((path.name for path in copy.iterdir()), reverse=True)
    assert names[0] == later.name
    lines = nnexp("list").stdout.splitlines()
    assert [line.split()[0] for line in lines[2:]] == names


def test_a_listed_run_has_its_status_epochs_and_figures(nnexp: Nnexp, gallery: Path) -> None:
    """Each line says how far a run came and what it reached."""
    rows = {
        row["run"]: row for row in strict(nnexp("list", "--runs-dir", gallery, "--json").stdout)
    }
    for path in gallery.iterdir():
        run, row = open_run(path), rows[path.name]
        assert (row["status"], row["epochs_done"], row["epochs"]) == (run.status, len(run.rows), 4)
        # The outputs of a network that diverged are no numbers, and have no accuracy.
        expected = None if run.status == "diverged" else run.rows[-1]["test_accuracy"]
        assert row["metric"] == ("test_accuracy" if expected is not None else "test_cost")
        assert row["last"] == expected
    text = nnexp("list", "--runs-dir", gallery).stdout
    assert "2 of 4" in text
    assert "diverged" in text


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["--name", "small"], {"small"}),
        (["--name", "i"], {"quick", "wild"}),
        (["--tag", "fast"], {"quick"}),
        (["--tag", "fast", "--tag", "eta"], {"quick"}),
        (["--tag", "fast", "--tag", "slow"], set()),
        (["--status", "interrupted"], {"cut"}),
        (["--status", "completed", "--name", "w"], set()),
        (["--status", "running"], set()),
    ],
)
def test_filters_keep_the_runs_they_name(
    nnexp: Nnexp, gallery: Path, words: list[str], names: set[str]
) -> None:
    """Name, tags and status narrow the list, all of them together."""
    rows = strict(nnexp("list", "--runs-dir", gallery, *words, "--json").stdout)
    assert {row["run"].split("-")[2] for row in rows} == names
    if not names:
        result = nnexp("list", "--runs-dir", gallery, *words)
        assert result.stdout == ""
        assert result.stderr == f"none of the 5 runs under {gallery} matches\n"


@pytest.mark.parametrize("format_", ["csv", "json", "md", "table"])
def test_the_list_has_every_format(nnexp: Nnexp, gallery: Path, format_: str) -> None:
    """Each format names each run."""
    text = nnexp("list", "--runs-dir", gallery, "--format", format_).stdout
    assert all(path.name in text for path in gallery.iterdir())
    if format_ == "csv":
        assert len(list(csv.DictReader(io.StringIO(text)))) == 5


def test_a_list_of_nothing_says_how_to_begin(nnexp: Nnexp, folder: Path) -> None:
    """Before the first run there is nothing on stdout and a hint on stderr."""
    result = nnexp("list")
    assert result.stdout == ""
    assert result.stderr == "no runs under runs yet: nnexp train configs/smoke.yaml\n"
    assert strict(nnexp("list", "--json").stdout) == []


def test_runs_of_two_studies_are_told_apart(nnexp: Nnexp, copy: Path) -> None:
    """They are listed, and opened, by their path from the folder of runs."""
    one = next(copy.iterdir())
    for study in ("a", "b"):
        shutil.copytree(one, copy / study / "arm-s0")
    listed = [run["run"] for run in strict(nnexp("list", "--json").stdout)]
    assert {"a/arm-s0", "b/arm-s0", one.name} <= set(listed)
    assert "runs/a/arm-s0" in nnexp("show", "a/arm-s0", "--json").stdout.replace("\\", "")
    refused = nnexp("show", "arm-s0", code=1).stderr
    assert refused == "nnexp: arm-s0: holds 2 runs; name one of them:\n  a/arm-s0\n  b/arm-s0\n"
    assert "no run matches" not in nnexp("compare", "a", "b").stderr


def test_unsound_runs_are_named_beside_the_list(nnexp: Nnexp, copy: Path) -> None:
    """A folder that cannot be read is a note on stderr, and the list goes on."""
    (copy / "foreign").mkdir()
    (copy / "foreign" / "run.json").write_text("[]")
    result = nnexp("list", "--json")
    assert len(strict(result.stdout)) == 5
    assert result.stderr == "note: runs/foreign: not a run: run.json holds no mapping\n"


def test_show_tells_all_about_a_run(nnexp: Nnexp, copy: Path) -> None:
    """Config, figures with their epochs, classes and provenance, of the run that is named."""
    (path,) = copy.glob("*-quick-s0")
    text = nnexp("show", path.name).stdout
    run = open_run(path)
    assert text.startswith(path.name)
    assert "\neta: 2.0\n" in text
    assert "completed, 4 of 4 epochs" in text
    last = run.rows[-1]["test_accuracy"]
    assert last is not None
    assert f"{last * 100:.2f} % @4" in text
    for word in ("left", "right", "numpy ", "sha256", "started:", str(run.record["host"])):
        assert word in text
    assert nnexp("show", path).stdout == text
    assert nnexp("show", path.name[:-1]).stdout == text


def test_a_run_is_shown_as_markdown_that_its_texts_cannot_break(nnexp: Nnexp, small: Path) -> None:
    """Config and provenance are blocks of code, which no fence in a text of the config ends."""
    nnexp("train", small, "-q", "--set", 'description="a\\n```\\n# b"')
    lines = nnexp("show", "latest", "--format", "md").stdout.splitlines()
    first, second, third, fourth = (i for i, line in enumerate(lines) if set(line) == {"`"})
    assert lines[0].startswith("## ")
    assert [len(lines[i]) for i in (first, second, third, fourth)] == [4, 4, 3, 3]
    assert "eta: 0.5" in lines[first:second]
    assert any(line.startswith("folder: ") for line in lines[third:fourth])


def test_show_counts_what_each_class_was_taken_for(nnexp: Nnexp, copy: Path) -> None:
    """The confusion matrix and the accuracies of the classes are those of the predictions."""
    (path,) = copy.glob("*-quick-s0")
    record = strict(nnexp("show", path.name, "--json").stdout)
    with np.load(path / "predictions.npz") as archive:
        labels, predicted = archive["labels"], archive["predicted"]
    counts = [[int(np.sum((labels == i) & (predicted == j))) for j in (0, 1)] for i in (0, 1)]
    assert record["classes"]["names"] == ["left", "right"]
    assert record["classes"]["set"] == "test"
    assert record["classes"]["confusion"] == counts
    assert record["classes"]["accuracy"] == [counts[i][i] / sum(counts[i]) for i in (0, 1)]
    assert record["config"]["eta"] == 2.0
    assert record["record"] == json.loads((path / "run.json").read_text())


@pytest.mark.parametrize("name", ["cut", "wild", "small"])
def test_show_works_for_runs_however_they_ended(nnexp: Nnexp, copy: Path, name: str) -> None:
    """Interrupted and diverged runs are shown as far as they came, as text and as JSON."""
    path = min(copy.glob(f"*-{name}-s*"))
    run = open_run(path)
    assert f"{run.status}, {len(run.rows)} of 4 epochs" in nnexp("show", path).stdout
    assert strict(nnexp("show", path, "--json").stdout)["status"] == run.status


@pytest.mark.parametrize("lost", ["config.yaml", "metrics.csv", "predictions.npz"])
def test_show_works_without_a_file(nnexp: Nnexp, copy: Path, lost: str) -> None:
    """What is missing costs its part of the page; a lost config or metrics is a note."""
    (path,) = copy.glob("*-quick-s0")
    (path / lost).unlink()
    result = nnexp("show", path)
    status = "interrupted, 0 of" if lost == "metrics.csv" else "completed, "
    assert status in result.stdout
    assert (f"note: {path}: " in result.stderr) == (lost != "predictions.npz")
    strict(nnexp("show", path, "--json").stdout)


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("2", "2: matches 5 runs; name one of them:"),
        ("runs", "runs: holds 5 runs; name one of them:"),
        ("nonsense", "nonsense: no run matches under runs; `nnexp list` shows them"),
    ],
)
def test_show_asks_for_one_run(nnexp: Nnexp, copy: Path, word: str, message: str) -> None:
    """None or several runs are refused with what there is."""
    assert nnexp("show", word, code=1).stderr.startswith(f"nnexp: {message}")


@pytest.mark.parametrize(
    ("name", "magic"),
    [
        ("a.png", b"\x89PNG\r\n\x1a\n"),
        ("a.svg", b"<?xml"),
        ("a.pdf", b"%PDF-"),
        ("A.PNG", b"\x89PNG\r\n\x1a\n"),
    ],
)
def test_a_plot_is_a_picture_of_the_kind_its_name_says(
    nnexp: Nnexp, copy: Path, name: str, magic: bytes
) -> None:
    """The ending decides the format, and the name is printed."""
    assert nnexp("plot", "-o", name).stdout == f"{name}\n"
    assert Path(name).read_bytes().startswith(magic)


def test_a_plot_has_a_curve_for_each_group_and_a_panel_for_each_metric(
    nnexp: Nnexp, copy: Path
) -> None:
    """The words of the picture name the groups, the metrics, and what is published."""
    words = ["--metric", "test_accuracy", "--metric", "train_cost"]
    nnexp("plot", "runs/*small*", "runs/*quick*", *words, "-o", "a.svg")
    text = Path("a.svg").read_text()
    for word in ("test accuracy (%)", "train cost", "epoch", "quick", "2 seeds", "90.00"):
        assert f"<!-- {word}" in text or word in text, word
    assert "wild" not in text
    nnexp("plot", "runs/*small*", "runs/*quick*", *words, "-o", "b.svg")
    assert Path("b.svg").read_text() == text


@pytest.mark.parametrize("name", ["a.jpg", "picture", "a.svgz", ".png"])
def test_another_kind_of_picture_is_refused(nnexp: Nnexp, copy: Path, name: str) -> None:
    """An ending that cannot be written is refused before anything is read."""
    message = nnexp("plot", "-o", name, code=1).stderr
    assert message == f"nnexp: -o {name}: expected a file name that ends in .png, .svg or .pdf\n"
    assert not Path(name).exists()


@pytest.mark.parametrize("place", ["nowhere/a.png", "file/a.svg"])
def test_a_picture_that_cannot_be_written_is_named(nnexp: Nnexp, copy: Path, place: str) -> None:
    """A folder that is not there gives a message and no traceback."""
    Path("file").write_text("in the way")
    message = nnexp("plot", "-o", place, code=1).stderr
    assert message.startswith(f"nnexp: -o {place}: cannot be written: ")


@pytest.mark.parametrize(
    ("column", "log", "label"),
    [
        ("eta", "metrics.csv", "learning rate"),
        ("train_seconds", "metrics.csv", "train time (s)"),
        ("confidently_wrong", "diagnostics.csv", "confidently wrong outputs (fraction)"),
        ("saturated_1", "diagnostics.csv", "saturated neurons, layer 1 (fraction)"),
        ("a[0,0]", "parameters.csv", "output a[0,0] (example, neuron)"),
        ("w1[0,1]", "parameters.csv", "weight w1[0,1]"),
    ],
)
def test_any_column_of_the_three_logs_can_be_plotted(
    nnexp: Nnexp, small: Path, column: str, log: str, label: str
) -> None:
    """The learning rate, times, diagnostics and parameters are curves like any metric."""
    nnexp("train", small, "-q", "--set", "monitor=[train, test, diagnostics, parameters]")
    (folder,) = Path("runs").iterdir()
    assert column in next(csv.reader(io.StringIO((folder / log).read_text())))
    nnexp("plot", "--metric", column, "-o", "a.svg")
    assert label in Path("a.svg").read_text()


def test_the_legend_names_every_line_of_every_panel(nnexp: Nnexp, small: Path) -> None:
    """A group that has no line in the first panel is named for its line in the second."""
    words = ["--set", "monitor=[train, diagnostics]", "--set", "eta=1"]
    nnexp("train", small, "-q", "--name", "bare")
    nnexp("train", small, "-q", "--name", "full", *words)
    nnexp("plot", "--metric", "gradient_1", "--metric", "eta", "-o", "a.svg")
    text = Path("a.svg").read_text()
    assert "<!-- bare" in text
    assert "<!-- full" in text


def test_a_plot_of_an_unlogged_metric_is_refused(nnexp: Nnexp, copy: Path) -> None:
    """Each metric must be a column that these runs have; a near name or their columns are named."""
    words = ["--metric", "test_cost", "--metric", "test_costs", "-o", "a.png"]
    assert "did you mean test_cost?" in nnexp("plot", *words, code=1).stderr
    message = nnexp("plot", "--metric", "a[0,0]", "-o", "a.png", code=1).stderr
    assert "; metrics.csv has eta, train_cost, " in message
    assert not Path("a.png").exists()
