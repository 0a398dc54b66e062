"""Groups, what tells them apart, and their spreads, against other implementations."""

from __future__ import annotations

from math import inf, nan
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnexp.stats.diagnosis import never_learned
from nnexp.stats.sample import Spread
from nnexp.stats.selection import differing, flatten

keys = st.sampled_from("abcd")
flats = st.dictionaries(keys, st.sampled_from([1, 2, "x", None, [1], 0.5]))
nested = st.recursive(
    st.integers(0, 3), lambda inner: st.dictionaries(keys, inner, max_size=3), max_leaves=8
)


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=20))
def test_a_spread_is_that_of_numpy(values: list[float]) -> None:
    """Mean, standard deviation with n - 1, lowest and highest."""
    found = Spread.of(values)
    assert found is not None
    assert found.n == len(values)
    assert found.mean == pytest.approx(np.mean(values), abs=1e-9)
    assert found.sd == pytest.approx(np.std(values, ddof=1), abs=1e-8)
    assert (found.low, found.high) == (min(values), max(values))


def test_a_spread_of_one_value_has_no_deviation() -> None:
    """One run says nothing about the spread, and nothing is made up."""
    assert Spread.of([0.5]) == Spread(1, 0.5, None, 0.5, 0.5)


@given(st.lists(st.sampled_from([0.25, 0.5, None, nan, inf, -inf])))
def test_a_spread_leaves_out_what_is_no_number(values: list[float | None]) -> None:
    """Missing and infinite values count neither in n nor in the mean."""
    kept = [value for value in values if value in (0.25, 0.5)]
    assert Spread.of(values) == Spread.of(kept)
    assert (Spread.of(values) is None) == (not kept)


@given(st.dictionaries(keys, nested))
def test_flattened_keys_lead_to_their_values(values: dict[str, Any]) -> None:
    """Each dotted key, followed step by step, leads to its value, and none is lost."""

    def leaves(tree: Any) -> int:
        return sum(map(leaves, tree.values())) if isinstance(tree, dict) else 1

    flat = flatten(values)
    assert len(flat) == leaves(values)
    for key, value in flat.items():
        found: Any = values
        for part in key.split("."):
            found = found[part]
        assert found == value


@given(st.lists(flats, max_size=5))
def test_differing_keys_are_those_with_more_than_one_value(found: list[dict[str, Any]]) -> None:
    """A key differs if some two have other values for it, a missing one being None."""
    every = {key for flat in found for key in flat}
    differ = {key for key in every if len({repr(flat.get(key)) for flat in found}) > 1}
    assert set(differing(found)) == differ
    assert len(differing(found)) == len(differ)


def test_nothing_differs_in_one() -> None:
    """A single config has no differing keys, and neither has none."""
    assert differing([{"a": 1}]) == []
    assert differing([]) == []


@pytest.mark.parametrize(
    ("labels", "predicted", "classes"),
    [
        ([0, 1, 2], [0, 1, 2], []),
        ([0, 1, 2, 2], [0, 1, 1, 0], [2]),
        ([0, 0, 1, 1], [1, 1, 1, 1], [0]),
        ([5, 5, 9], [5, 9, 5], [9]),
        ([0, 1], [1, 0], [0, 1]),
        ([], [], []),
    ],
)
def test_a_class_that_is_never_recognized_is_not_learned(
    labels: list[int], predicted: list[int], classes: list[int]
) -> None:
    """A class of which no example is right is named, unless it has too few to tell."""
    assert never_learned(labels * 10, predicted * 10) == classes
    assert never_learned(labels * 3, predicted * 3) == []


@pytest.mark.parametrize(("right", "classes"), [(0, [0]), (49, [0]), (50, []), (51, [])])
def test_a_class_is_not_learned_below_half_of_chance(right: int, classes: list[int]) -> None:
    """With ten classes chance recognizes 100 of 1,000; 49 are too few, 50 are not."""
    others = [label for label in range(1, 10) for _ in range(10)]
    labels = [0] * 1000 + others
    predicted = [0] * right + [1] * (1000 - right) + others
    assert never_learned(np.array(labels).tolist(), predicted) == classes
