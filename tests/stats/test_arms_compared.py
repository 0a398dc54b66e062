"""Arms against their baselines: what is paired, counted, corrected, and said."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict, replace
from math import inf, nan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnexp.stats.estimate import Wins
from nnexp.stats.sample import Sample
from nnexp.stats.significance import holm, sign_flip, unpaired
from nnexp.stats.verdict import Difference, compare

METRIC = "test_accuracy"


def arm(name: str, values: list[float], first: int = 0, **failures: str) -> Sample:
    """Return an arm with the seeds from `first` up; failures by seed as in s3="diverged"."""
    failed = {int(seed[1:]): why for seed, why in failures.items()}
    return Sample(name, METRIC, dict(enumerate(values, first)), failed)


def drawn(name: str, seed: int, n: int = 8, shift: float = 0.0, first: int = 0) -> Sample:
    """Return an arm of accuracies as a test set of 10,000 gives them."""
    noise = np.random.default_rng(seed).normal(0.95 + shift, 0.002, n)
    return arm(name, np.round(noise, 4).tolist(), first)


def against(base: Sample, *arms: Sample) -> list[Difference]:
    """Compare arms with one baseline, without a margin."""
    return compare([(each, base) for each in arms])


def test_runs_are_paired_by_seed() -> None:
    """The difference is that of the runs with the same seed, in whatever order they come."""
    a, b = drawn("a", 1), drawn("b", 2)
    shuffled = Sample("b", METRIC, dict(sorted(b.values.items(), reverse=True)))
    (found,) = against(a, shuffled)
    assert found.estimate == sign_flip([b.values[s] - a.values[s] for s in range(8)])
    assert (found.arm, found.baseline, found.seeds) == (shuffled, a, [*range(8)])
    assert found.p_adjusted == found.estimate.p


def test_a_seed_in_one_arm_only_is_excluded_and_named() -> None:
    """Nothing is dropped in silence."""
    (found,) = against(drawn("a", 1, 10), drawn("b", 2, 8))
    assert found.seeds == [*range(8)]
    assert found.notes() == ["seeds 8, 9: run in one arm only, and excluded from the difference"]


def test_arms_without_common_seeds_are_compared_unpaired() -> None:
    """With six runs each there is a verdict, and the note says that it is unpaired."""
    a, b = drawn("a", 1), drawn("b", 2, shift=0.02, first=100)
    (found,) = against(a, b)
    assert found.estimate == unpaired([*b.values.values()], [*a.values.values()])
    assert found.verdict.word == "better"
    assert found.notes() == ["unpaired: the arms share no seed"]
    (found,) = against(a, drawn("b", 2, shift=0.02, first=5))
    assert found.estimate is not None
    assert not found.estimate.paired
    assert found.notes() == ["unpaired: the arms share only 3 seeds, fewer than 6"]


@pytest.mark.parametrize(("n", "first"), [(5, 0), (5, 100), (3, 3), (0, 0)])
def test_too_few_runs_claim_nothing(n: int, first: int) -> None:
    """However far apart the arms are."""
    (found,) = against(drawn("a", 1), drawn("b", 2, n, 0.5, first))
    assert found.verdict.word == "no claim possible"


def test_the_correction_is_over_all_comparisons() -> None:
    """Holm's over every difference, also where arms have baselines of their own."""
    a, b, c, d = [drawn(name, i, shift=i / 1000) for i, name in enumerate("abcd")]
    for pairs in ([(b, a), (c, a), (d, a)], [(b, a), (d, c)]):
        found = compare(pairs)
        assert [(each.arm, each.baseline) for each in found] == pairs
        raw = [each.estimate.p for each in found if each.estimate]
        assert [each.p_adjusted for each in found] == holm(raw)
        words = f"corrected for {len(pairs)} comparisons"
        assert all(words in each.verdict.reason for each in found)


def test_six_seeds_cannot_carry_many_comparisons() -> None:
    """With six pairs and two arms the smallest corrected p is 0.0625, and the verdict says so."""
    base, *others = drawn("a", 0, 6), drawn("b", 1, 6, 0.1), drawn("c", 2, 6, 0.2)
    found = against(base, *others)
    assert [each.verdict.word for each in found] == ["no claim possible"] * 2
    assert "cannot fall below 0.062" in found[0].verdict.reason
    assert against(base, others[0])[0].verdict.word == "better"


def test_an_arm_with_nothing_to_compare_weighs_on_nobody() -> None:
    """An arm all of whose runs failed has no p, and is not corrected for."""
    dead = Sample("dead", METRIC, {}, dict.fromkeys(range(8), "diverged"))
    none, other = against(drawn("a", 1), dead, drawn("b", 2, shift=0.01))
    assert (none.estimate, none.verdict.word) == (None, "no claim possible")
    assert (none.wins, none.improvement) == (Wins(0, 8, 0), 0.0)
    assert other.estimate is not None
    assert other.p_adjusted == other.estimate.p


def test_failed_runs_lose_and_are_named() -> None:
    """They are no part of the mean, lose to runs that ended, and tie with each other."""
    a = arm("a", [0.9] * 8, s8="diverged", s9="diverged")
    b = arm("b", [0.8] * 7, s7="diverged in epoch 3", s8="cut", s9="diverged")
    (found,) = against(a, b)
    assert found.wins == Wins(0, 8, 2)
    assert found.seeds == [*range(7)]
    assert found.improvement == pytest.approx((2 * 3 / 2 + 7 * 2) / 100)
    assert found.verdict.word == "worse"
    assert "3 of 10 runs of b failed, 2 of 10 runs of a failed" in found.verdict.reason
    assert b.notes() == [
        "3 of 10 runs of b failed: seed 7 (diverged in epoch 3), seed 8 (cut), seed 9 (diverged)",
    ]


def test_a_fragile_arm_is_not_called_better() -> None:
    """Its surviving runs are better, but it failed more often: on all runs, or on common seeds."""
    base, failed = drawn("base", 1, 10), dict.fromkeys((7, 8, 9), "diverged")
    fragile = replace(drawn("fragile", 2, 7, 0.05), failures=failed)
    (found,) = against(base, fragile)
    assert found.verdict.word == "cannot tell"
    assert "exclude the runs that failed" in found.verdict.reason
    failing_elsewhere = replace(base, failures=dict.fromkeys(range(20, 40), "diverged"))
    assert fragile.fails_more(failing_elsewhere)
    assert failing_elsewhere.fails_more(fragile)
    assert against(fragile, base)[0].verdict.word == "cannot tell"


@pytest.mark.parametrize("wild", [nan, inf, -inf, 1e200])
def test_a_value_that_is_no_number_is_a_failure(wild: float) -> None:
    """It is counted and named, not averaged."""
    found = arm("a", [0.9, wild, 0.8])
    assert (found.finite, found.failed) == ({0: 0.9, 2: 0.8}, {1: f"ended at {wild:g}"})
    assert found.spread is not None
    assert found.spread.mean == pytest.approx(0.85)


def test_an_arm_has_its_best_and_worst_seed() -> None:
    """By the direction of the metric; the first of equals."""
    accuracy = arm("a", [0.2, 0.1, 0.3, 0.1])
    cost = replace(accuracy, metric="test_cost")
    assert (accuracy.best, accuracy.worst) == (2, 1)
    assert (cost.best, cost.worst) == (1, 2)
    empty = arm("a", [])
    assert (empty.spread, empty.interval, empty.best, empty.worst) == (None, None, None, None)


def test_error_reduction_is_of_the_runs_compared() -> None:
    """Half of the errors gone on the shared seeds; not stated for a cost."""
    pair = (arm("better", [0.9] * 6), arm("base", [0.8] * 6 + [0.1]))
    assert compare([pair])[0].error_reduction == pytest.approx(0.5)
    a, b = (replace(each, metric="test_cost") for each in pair)
    assert compare([(a, b)])[0].error_reduction is None


def test_stuck_runs_are_named_with_the_difference() -> None:
    """A note on the arm names the seeds, one on the difference what they do to intervals."""
    base, stuck = drawn("a", 1), arm("b", [0.951, 0.952, 0.95, 0.76, 0.951, 0.87, 0.953, 0.952])
    assert "seeds 3, 5" in stuck.notes()[0]
    assert base.notes() == []
    assert any(note.startswith("b: some runs lie far") for note in against(base, stuck)[0].notes())


def test_no_pairs_have_no_differences() -> None:
    """There is nothing to compare, and that is no error."""
    assert compare([]) == []


arms = st.lists(
    st.dictionaries(
        st.integers(0, 9),
        st.integers(9_400, 9_600).map(lambda x: x / 10_000) | st.sampled_from([nan, 9e99, -1e150]),
        max_size=10,
    ),
    min_size=2,
    max_size=3,
)


@given(arms, st.sampled_from(["test_accuracy", "test_cost"]), st.sampled_from([None, 0.001]))
def test_every_comparison_is_plain_data(
    values: list[dict[int, float]], metric: str, margin: float | None
) -> None:
    """Whatever the runs, its figures can be written as JSON, without infinities or NaN."""
    base, *others = [Sample(str(i), metric, v) for i, v in enumerate(values)]
    for found in compare([(other, base) for other in others], margin):
        parts = [found.estimate, found.verdict, found.arm.spread, found.arm.interval]
        figures = [found.p_adjusted, found.wins, found.improvement, found.error_reduction]
        json.dumps([asdict(p) for p in parts if p] + figures, allow_nan=False)


@given(arms)
def test_swapping_arm_and_baseline_mirrors_the_figures(values: list[dict[int, float]]) -> None:
    """Differences change sign, wins and losses swap, probabilities add up to 1, words turn."""
    a, b = Sample("a", METRIC, values[0]), Sample("b", METRIC, values[1])
    ((found,), (swapped,)) = compare([(a, b)], 0.001), compare([(b, a)], 0.001)
    turned = {"better": "worse", "worse": "better"}
    word = found.verdict.word
    assert swapped.verdict.word == turned.get(word, word)
    assert swapped.wins == Wins(found.wins.losses, found.wins.wins, found.wins.ties)
    if found.estimate and swapped.estimate:
        assert swapped.estimate.mean == -found.estimate.mean
        assert swapped.p_adjusted == found.p_adjusted
    if found.improvement is not None and swapped.improvement is not None:
        assert found.improvement + swapped.improvement == pytest.approx(1)


NOISE = {
    "normal": lambda rng, n: rng.normal(size=n),
    "skewed": lambda rng, n: -np.exp(rng.normal(size=n)),
    "bimodal": lambda rng, n: rng.normal(size=n) - 20 * (rng.random(n) < 0.15),
}


@pytest.mark.parametrize("noise", NOISE)
def test_false_claims_are_rare(noise: str) -> None:
    """Of 2,000 comparisons of equal arms over 8 seeds, at most 5 % are called better or worse.

    The intervals exclude 0, the true difference, in exactly these: they cover it in 95 %.
    """
    rng = np.random.default_rng(0)
    claimed = excluded = 0
    for _ in range(2_000):
        a, b = (
            arm(name, np.round(0.95 + 0.002 * NOISE[noise](rng, 8), 4).tolist()) for name in "ab"
        )
        found = against(a, b)[0]
        claimed += found.verdict.word in ("better", "worse")
        assert found.estimate is not None
        assert found.estimate.interval is not None
        excluded += found.estimate.interval.excludes_zero()
    assert 40 < claimed <= 100
    assert excluded == claimed


def test_comparing_does_not_wait_for_scipy() -> None:
    """It takes a fifth of a second to import, and is not needed."""
    code = "import sys, nnexp.stats.verdict; print('scipy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
