"""Groups of runs as a table: who counts, what is a column, what is said below."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from run_folders import record_of, write_run

from nnexp.run.find import folders
from nnexp.run.reader import Run, open_all, open_run
from nnexp.stats.judge import Question
from nnexp.stats.selection import Group, groups
from nnexp.views import compare
from nnexp.views.arm_tables import settings, sort_key
from nnexp.views.formats import FORMATS, Block, Page, text_page
from nnexp.views.plot import check_format, draw
from nnexp.views.run import Classes, page
from nnexp.views.table import Table

if TYPE_CHECKING:
    from conftest import Train

Make = Callable[..., Run]


@pytest.fixture(scope="module")
def runs(gallery: Path) -> list[Run]:
    """Give the runs of the gallery."""
    return open_all(folders(gallery))[0]


@pytest.fixture
def make(folder: Path) -> Make:
    """Give a function that makes a run from its status, seed and test accuracies."""
    made = count()

    def call(status: str, seed: int, accuracies: Sequence[float], **config: Any) -> Run:
        where = folder / f"run-{next(made)}"
        return open_run(write_run(where, accuracies, status=status, seed=seed, **config))

    return call


def titles(found: Sequence[Group]) -> list[str]:
    """Return the headings of the table."""
    return [column.title for column in settings(found).columns]


def test_only_completed_runs_are_counted_where_there_are_any(make: Make) -> None:
    """An interrupted run does not spoil the mean of those that were finished."""
    found = [
        make("completed", 0, [0.8]),
        make("completed", 1, [0.9]),
        make("interrupted", 2, [0.1]),
    ]
    (group,) = groups(found, "test_accuracy")
    assert group.figures["last"].n == 2
    assert group.figures["last"].mean == pytest.approx(0.85)
    assert group.figures["seconds"].mean == 1.5
    cells = dict(zip(titles([group]), settings([group]).cells()[0], strict=True))
    assert cells["runs"] == "2, 1 interrupted"


def test_without_completed_runs_the_others_are_counted_and_said_to_be(make: Make) -> None:
    """A group of interrupted runs shows what it has, marked as what it is."""
    (group,) = groups([make("interrupted", 0, [0.5]), make("diverged", 1, [0.7])], "test_accuracy")
    assert group.figures["last"].mean == pytest.approx(0.6)
    cells = dict(zip(titles([group]), settings([group]).cells()[0], strict=True))
    assert cells["runs"] == "1 interrupted, 1 diverged"


def test_a_group_is_a_config_whatever_it_is_called(make: Make) -> None:
    """Names, tags and seeds make no group; any other key does."""
    found = [make("completed", 0, [0.5]), make("completed", 1, [0.6], name="other", tags=["t"])]
    (group,) = groups(found, "test_accuracy")
    assert group.name == "a, other"
    found.append(make("completed", 0, [0.5], batch_size=11))
    assert len(groups(found, "test_accuracy")) == 2
    assert [g.name for g in groups(found, "test_accuracy", per_run=True)] == [
        "a",
        "other",
        "a",
    ]


def test_a_key_is_a_column_where_it_differs(make: Make) -> None:
    """Only what tells the groups apart is shown, layers as their sizes."""
    one, two = make("completed", 0, [0.5]), make("completed", 0, [0.5], layers=[784, 7, 10])
    found = groups([one, two], "test_accuracy")
    assert titles(found)[:3] == ["name", "layers", "runs"]
    assert [row[1] for row in settings(found).cells()] == ["784-30-10", "784-7-10"]
    assert "layers" not in titles(groups([one], "test_accuracy"))


def test_data_of_different_kinds_are_one_column(make: Make) -> None:
    """Data are told apart by a word, and by their keys only where they are of one kind."""
    own = make("completed", 0, [0.5])
    inline = make("completed", 0, [0.5], data={"inline": {"x": [[0, 0]], "y": [0]}})
    found = groups([own, inline], "test_accuracy")
    assert [row[1] for row in settings(found).cells()] == [
        "mnist",
        "inline",
    ]
    fewer = make("completed", 0, [0.5], data={"name": "mnist", "test": 100})
    found = groups([own, fewer], "test_accuracy")
    assert "data.test" in titles(found)


def test_runs_without_a_config_are_groups_of_their_own(make: Make) -> None:
    """What cannot be known to be equal is not averaged."""
    found = [replace(make("failed", seed, []), record=record_of(config={})) for seed in (0, 1)]
    assert len(groups(found, "test_accuracy")) == 2
    assert len(groups([*found, make("completed", 0, [0.5])], "test_accuracy")) == 3


def test_columns_without_any_value_are_excluded(make: Make) -> None:
    """Nothing published and nothing logged takes no room."""
    found = groups([make("completed", 0, [0.5])], "test_accuracy")
    assert titles(found) == ["name", "runs", "last", "peak", "s/epoch"]


def test_groups_without_the_value_sort_last(make: Make) -> None:
    """Whatever one sorts by, a group that lacks it stands at the end."""
    lacking, having = make("completed", 0, []), make("completed", 0, [0.5], eta=2.0)
    for name in ("last", "peak", "train-cost", "seconds"):
        found = sorted(groups([lacking, having], "test_accuracy"), key=sort_key(name))
        if name != "train-cost":
            assert found[-1].runs[0] is lacking, name


def test_the_caption_says_what_the_figures_are(make: Make) -> None:
    """Means are called so only where there are several runs, and peaks on the test optimistic."""
    one = [make("completed", 0, [0.5])]
    two = [make("completed", 0, [0.5]), make("completed", 1, [0.5])]

    def caption(runs: Sequence[Run], metric: str = "test_accuracy") -> Sequence[str]:
        return compare.page(runs, Question(metric)).blocks[-1].lines

    assert caption(one)[0] == "test accuracy %."
    assert "mean ± standard deviation over seeds" in caption(two)[0]
    assert "optimistic" in caption(one)[-1]
    assert "optimistic" not in "".join(caption(one, "validation_accuracy"))
    assert caption(one, "train_cost") == ["train cost."]


def test_classes_that_were_not_learned_are_named_by_their_names(train: Train) -> None:
    """The note says which runs of a group are stuck and on what, and nothing of the others."""
    stuck = "init={weights: [[[0, 0]], [[0], [0]]], biases: [[0], [9, -9]]}"
    train("layers=[2, 1, 2]", stuck, "eta=1e-9", "epochs=1")
    train("epochs=30", "eta=3", "name=good")
    found, _ = open_all(folders(Path("runs")))
    named = {group.name: group for group in groups(found, "test_accuracy")}
    stuck_group, good = named["small"], named["good"]
    (note,) = stuck_group.notes()
    assert note == "1 of 1 runs never learned a class: seed 0 (right)"
    assert good.notes() == []
    (run,) = [run for run in found if run.name == "small"]
    assert "Never learned: right" in text_page(page(run).blocks)
    classes = Classes.of(run)
    assert classes
    assert classes.names == ["left", "right"]


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_can_write_a_comparison_and_a_list(runs: list[Run], name: str) -> None:
    """A comparison of every kind of run is written in every format."""
    table = settings(groups(runs, "test_accuracy"))
    text = FORMATS[name].write(Page([Block(table=table)], table))
    assert all(word in text for word in ("small", "quick", "cut", "wild"))


def test_a_run_is_shown_whatever_its_record_says(runs: list[Run]) -> None:
    """A record without provenance costs the provenance and not the page."""
    run = next(run for run in runs if run.name == "quick")
    bare = replace(run, record=record_of())
    assert "completed, 4 of 4 epochs" in text_page(page(bare).blocks)
    values = [json.loads(FORMATS["json"].write(page(one))) for one in (bare, run)]
    assert values[0]["config"] == values[1]["config"]


def test_curves_of_runs_of_unequal_length_are_drawn(make: Make, tmp_path: Path) -> None:
    """Runs that ended at different epochs, or logged nothing, are a picture all the same."""
    runs = [
        make("completed", 0, [0.5, 0.6, 0.7], reference={"test_accuracy": 70.0}),
        make("interrupted", 1, [0.4]),
        make("diverged", 0, [0.5, float("nan")], eta=9.0),
        make("failed", 0, [], eta=8.0),
    ]
    path = tmp_path / "a.svg"
    draw(groups(runs, "test_accuracy"), ["test_accuracy", "test_accuracy"], path)
    text = path.read_text()
    assert "test accuracy (%)" in text
    assert "published last 70.00 %" in text
    assert check_format(Path("A.PDF")) == "pdf"


def test_a_seed_that_was_run_again_counts_once(make: Make) -> None:
    """Repeating a run is no new evidence: of each seed the latest counts, and that is said."""
    found = [make("completed", 0, [0.8]), make("completed", 0, [0.8]), make("completed", 1, [0.9])]
    (group,) = groups(found, "test_accuracy")
    assert group.figures["last"].n == 2
    assert len(group.runs) == 3
    assert "of seed 0 (2 times) the latest counts" in group.notes()[0]
    assert groups(found[1:], "test_accuracy")[0].notes() == []


def test_an_arm_with_nothing_to_compare_has_no_p(make: Make) -> None:
    """Neither a raw one nor a corrected one is made up, and it is not compared."""
    runs = [make("completed", seed, [0.8]) for seed in range(6)]
    runs += [make("diverged", seed, [0.8], eta=9.0) for seed in range(6)]
    data = compare.page(runs, Question("test_accuracy", "last")).data
    assert isinstance(data, Table)
    dead = data.raw()[1]
    assert (dead["verdict"], dead["failures"]) == ("no claim possible", 6)
    assert (dead["p"], dead["p_holm"], dead["difference"]) == (None, None, None)


def test_runs_on_changed_data_are_two_groups(make: Make) -> None:
    """The same config on a file that was edited in between is another experiment."""
    first, second = (
        replace(make("completed", seed, [0.8]), record=record_of(**record)) for seed, record in DATA
    )
    found = groups([first, second], "test_accuracy")
    assert len(found) == 2
    assert "data sha256" in titles(found)


DATA = ((0, {"data": {"sha256": "a" * 64}}), (1, {"data": {"sha256": "b" * 64}}))


@pytest.mark.parametrize(
    "record", [{"versions": None}, {"blas": [1]}, {"git": "x"}, {"argv": 3}, {"data": []}]
)
def test_foreign_types_in_a_record_are_passed_over(make: Make, record: dict[str, Any]) -> None:
    """What run.json should not hold does not keep the rest from being shown."""
    run = replace(make("completed", 0, [0.8]), record=record_of(**record))
    assert "completed, 1 of" in text_page(page(run).blocks)
    assert json.loads(FORMATS["json"].write(page(run)))["status"] == "completed"
