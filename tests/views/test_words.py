"""How numbers are worded."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnexp import numbers
from nnexp.numbers import NONE
from nnexp.stats.sample import Spread
from nnexp.stats.summary import Point, Published
from nnexp.views.arm_tables import published
from nnexp.views.run import against_published, summary_lines


@pytest.mark.parametrize(
    ("metric", "value", "text"),
    [
        ("test_accuracy", 0.9659, "96.59 %"),
        ("test_accuracy", 1.0, "100.00 %"),
        ("test_accuracy", None, NONE),
        ("train_cost", 0.0123456, "0.0123"),
        ("train_cost", 1234.5, "1234"),
        ("train_cost", 0.64, "0.640"),
        ("train_cost", -0.0, "0"),
        ("test_accuracy", -0.0, "0.00 %"),
        ("train_cost", float("nan"), "nan"),
    ],
)
def test_accuracies_are_percents_and_costs_have_three_digits(
    metric: str, value: float | None, text: str
) -> None:
    """A fraction is shown in percent with two decimals, a cost with three digits."""
    assert numbers.quantity(metric, value) == text


@pytest.mark.parametrize(
    ("metric", "spread", "text"),
    [
        ("test_accuracy", Spread(3, 0.9676, 0.0008, 0.967, 0.968), "96.76 ± 0.08"),
        ("test_accuracy", Spread(1, 0.5, None, 0.5, 0.5), "50.00"),
        ("train_cost", Spread(2, 0.691, 0.0021, 0.69, 0.693), "0.691 ± 0.002"),
        ("train_cost", Spread(2, 0.64, 0.02, 0.62, 0.66), "0.640 ± 0.020"),
    ],
)
def test_a_mean_stands_with_its_deviation_to_the_same_place(
    metric: str, spread: Spread, text: str
) -> None:
    """Mean ± standard deviation, of one run the value alone."""
    assert numbers.spread(metric, spread.mean, spread.sd) == text


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        ([0.64, 0.643, 1.2], ["0.640", "0.643", "1.200"]),
        ([0.0987, 0.123], ["0.0987", "0.1230"]),
        ([12.3, 0.0, 45.0], ["12.3", "0.0", "45.0"]),
        ([1e-6, 0.5], ["1.00e-06", "0.500"]),
        ([float("nan"), 0.5], ["nan", "0.500"]),
    ],
)
def test_the_costs_of_a_column_share_their_decimals(values: list[float], texts: list[str]) -> None:
    """Points stand below points, zeros are kept; where sizes differ too much each has its own."""
    decimals = numbers.shared_decimals("test_cost", values)
    assert [numbers.number("test_cost", value, decimals) for value in values] == texts


@given(st.floats(allow_nan=False, allow_infinity=False), st.sampled_from(["test_cost", "test_r2"]))
def test_zero_has_no_sign(value: float, metric: str) -> None:
    """Whatever is rounded to zero is written as zero, alone, as a change and in an interval."""
    texts = [numbers.number(name, value * 1e-3) for name in (metric, "test_accuracy")]
    texts += [numbers.change("test_accuracy", value), numbers.span(metric, value, abs(value))]
    words = [word for text in texts for word in text.split()]
    assert not [word for word in words if word[0] in "+-" and not word.strip("+-0.")]


def test_a_published_figure_is_shown_with_its_statistic() -> None:
    """What is published is a last value or a peak, and says which."""
    reference = Published.of({"reference": {"test_accuracy": 96.59, "statistic": "peak"}})
    assert published(reference, "test_accuracy") == "96.59 (peak)"
    assert published(reference, "test_cost") == NONE
    assert published(Published.of({"reference": None}), "test_accuracy") == NONE
    assert Published.of({"reference": {"output": 0.1}}).statistic == "last"


def test_a_run_is_compared_with_what_is_published() -> None:
    """The statistic that is published is the one it is compared with, in percentage points."""
    figures = {"test_accuracy": 96.59, "test_cost": 0.2, "train_cost": None}
    reference = Published.of({"reference": figures | {"statistic": "peak", "source": "a book"}})
    summary = {
        "test_accuracy": {"last": Point(0.90, 3), "peak": Point(0.9609, 2)},
        "test_cost": {"last": Point(0.5, 3), "peak": Point(0.25, 1)},
    }
    accuracy, cost = against_published(reference, summary)
    assert "peak test accuracy 96.59 % (a book)" in accuracy
    assert "here 96.09 %, -0.50 points" in accuracy
    assert "0.200 (a book); here 0.250" in cost
    assert "points" not in cost
    assert against_published(Published.of(None), summary) == []
    assert "here" not in against_published(reference, {})[0]


def test_a_summary_says_which_figure_was_chosen_on_the_test_set() -> None:
    """Last, best epoch and peak are different, and the optimistic one says so."""
    points = {"last": Point(0.8, 9), "best-epoch": Point(0.85, 4), "peak": Point(0.9, 7)}
    assert summary_lines({"test_accuracy": points}, "test_accuracy") == [
        "test accuracy, last: 80.00 % after epoch 9",
        "test accuracy, best epoch (validation): 85.00 % after epoch 4",
        "test accuracy, peak: 90.00 % after epoch 7 (chosen on the test set)",
    ]
    assert "chosen" not in summary_lines({"train_cost": {"peak": Point(0.1, 2)}}, "train_cost")[0]
    assert summary_lines({}, "train_cost") == []
