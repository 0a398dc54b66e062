"""Runs that lie far from the others of their arm."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnexp.stats.sample import FAR, find_apart

GOOD = [0.9651, 0.9668, 0.9659, 0.9662, 0.9671, 0.9655, 0.9664]
values = st.lists(st.integers(0, 1000).map(float), max_size=12)


def seeds(x: list[float]) -> tuple[int, ...]:
    """Return the seeds that are found."""
    found = find_apart(dict(enumerate(x)))
    return found.seeds if found else ()


@pytest.mark.parametrize(
    ("stuck", "kind"),
    [([0.765], "outlier"), ([0.765, 0.870], "two groups"), ([0.87, 0.872, 0.866], "two groups")],
)
def test_stuck_runs_are_named(stuck: list[float], kind: str) -> None:
    """One run far below is an outlier, several are a group, scattered or not."""
    found = find_apart(dict(enumerate([*stuck, *GOOD])))
    assert found is not None
    assert (found.kind, found.below, found.seeds) == (kind, True, tuple(range(len(stuck))))
    assert (found.few, found.others) == ((min(stuck), max(stuck)), (min(GOOD), max(GOOD)))


def test_a_sentence_names_seeds_and_values() -> None:
    """What is said holds how many of how many, which, and where both parts lie."""
    found = find_apart(dict(enumerate([0.765, *GOOD, 0.87])))
    assert found is not None
    assert found.sentence("test_accuracy", 9) == (
        "2 of 9 runs lie far below the others: seeds 0, 8 at 76.50 % to 87.00 %, "
        "the others at 96.51 % to 96.71 %"
    )
    one = find_apart(dict(enumerate([0.1, 0.11, 0.12, 0.1, 0.13, 0.12, 0.11, 0.9])))
    assert one is not None
    assert one.sentence("test_cost", 8) == (
        "1 of 8 runs lies far above the others: seed 7 at 0.900, the others at 0.100 to 0.130"
    )


def test_runs_that_escaped_are_named_where_most_are_stuck() -> None:
    """The few may lie above: most runs at chance, two that learned."""
    found = find_apart(dict(enumerate([0.098, 0.098, 0.98, 0.101, 0.098, 0.971, 0.1])))
    assert found is not None
    assert (found.seeds, found.below) == ((2, 5), False)


@pytest.mark.parametrize("x", [[], [1.0], [1.0] * 9, [0.0, 0.0, 0.0, 9.0], [1, 2, 1, 2, 1, 2]])
def test_nothing_is_found_in_equal_or_few_runs(x: list[float]) -> None:
    """Equal runs, fewer than five, and two values that alternate have no shape to speak of."""
    assert seeds(x) == ()


@pytest.mark.parametrize(("value", "found"), [(1 + 6.5, ()), (1 + 6.6, (4,)), (-1 - 6.6, (4,))])
def test_far_is_eight_deviations_of_the_others(value: float, found: tuple[int, ...]) -> None:
    """Of -1, 0, 0, 1 the deviation is 0.816, so that a gap of 6.53 is the least that counts."""
    assert seeds([-1.0, 0.0, 0.0001, 1.0, value]) == found


def test_steps_of_a_small_test_set_are_no_gap() -> None:
    """On 20 examples accuracies come in steps of 0.05; one step away is not far."""
    assert seeds([0.95, 0.95, 0.95, 0.95, 0.95, 0.90]) == ()
    assert seeds([0.95, 0.95, 0.90, 0.95, 0.95, 0.25]) == (5,)


@given(values)
def test_the_few_lie_beyond_a_gap_of_eight_deviations(x: list[float]) -> None:
    """What is found is at most half, beyond all others, and as far away as the rule says."""
    found = find_apart(dict(enumerate(x)))
    if found is None:
        return
    few = [x[seed] for seed in found.seeds]
    others = [value for seed, value in enumerate(x) if seed not in found.seeds]
    gap = min(others) - max(few) if found.below else min(few) - max(others)
    assert 0 < len(few) <= len(others)
    assert len(others) >= 4
    assert gap >= FAR * np.std(others, ddof=1) * (1 - 1e-12)


@given(values, st.sampled_from([0.5, 3.0]), st.sampled_from([-7.0, 100.0]))
def test_units_and_direction_do_not_matter(x: list[float], scale: float, shift: float) -> None:
    """The same runs are found after scaling, moving and turning the values upside down."""
    assert seeds([value * scale + shift for value in x]) == seeds(x)
    mirrored = find_apart({seed: -value for seed, value in enumerate(x)})
    assert (mirrored.gap if mirrored else None) == (
        found.gap if (found := find_apart(dict(enumerate(x)))) else None
    )


def test_alarms_are_rare_without_stuck_runs_and_sure_with_them() -> None:
    """In normal noise under 2 % of arms raise an alarm; with 15 % stuck, 20 deviations low, all."""
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(1000, 10))
    alarms = sum(seeds(row) != () for row in noise.tolist())
    assert alarms < 20
    stuck = rng.random(noise.shape) < 0.15
    few = (stuck.sum(axis=1) > 0) & (stuck.sum(axis=1) <= 5)
    right = [
        seeds(row) == tuple(np.flatnonzero(which))
        for row, which in zip((noise - 20 * stuck)[few].tolist(), stuck[few], strict=True)
    ]
    assert np.mean(right) > 0.97
