"""The rules by which nnexp says better, worse, no practical difference or cannot tell."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnexp.stats.estimate import ALPHA, Estimate, Interval, seeds_for_margin, seeds_needed
from nnexp.stats.sample import Sample
from nnexp.stats.significance import sign_flip
from nnexp.stats.verdict import WORDS, Difference, Verdict, default_margin

HIGHER = Estimate(True, 10, 0.004, 0.003, Interval(0.002, 0.006), 0.004, 2 / 2**10)
UNSURE = Estimate(True, 10, 0.004, 0.008, Interval(-0.002, 0.01), 0.2, 2 / 2**10)


def case(
    estimate: Estimate | None,
    metric: str = "test_accuracy",
    margin: float | None = 0.001,
    fails_more: tuple[bool, bool] = (False, False),
) -> Difference:
    """Return a single comparison; which arm, or baseline, fails more often than the other."""
    # Of all its runs the arm fails more often; on the seeds of both, the baseline.
    cut = [dict.fromkeys(seeds, "cut") for seeds in (range(10, 14), [1])]
    failures = [those if more else {} for those, more in zip(cut, fails_more, strict=True)]
    arm = Sample("a", metric, {0: 0.5, 1: 0.5}, failures[0])
    base = Sample("b", metric, {0: 0.5}, failures[1])
    return Difference(arm, base, estimate, margin, estimate.p if estimate else 1.0)


def lower(estimate: Estimate) -> Estimate:
    """Return the estimate with the arms swapped."""
    i = estimate.interval
    return replace(estimate, mean=-estimate.mean, interval=i and Interval(-i.high, -i.low))


@pytest.mark.parametrize(
    ("estimate", "metric", "word"),
    [
        (HIGHER, "test_accuracy", "better"),
        (lower(HIGHER), "test_accuracy", "worse"),
        (HIGHER, "test_cost", "worse"),
        (lower(HIGHER), "test_cost", "better"),
        (HIGHER, "test_r2", "better"),
    ],
)
def test_the_direction_is_the_metrics(estimate: Estimate, metric: str, word: str) -> None:
    """A higher accuracy is better, a higher cost worse, once interval and p agree."""
    assert case(estimate, metric).verdict.word == word


def test_interval_and_corrected_p_must_agree() -> None:
    """One of them alone makes no claim."""
    corrected = replace(case(HIGHER), p_adjusted=0.051, comparisons=13)
    assert corrected.verdict.word == "cannot tell"
    assert "0.051 corrected for 13 comparisons" in corrected.verdict.reason
    split = replace(case(replace(HIGHER, interval=Interval(-0.001, 0.009))), p_adjusted=0.01)
    assert split.verdict.word == "cannot tell"
    assert "do not agree" in split.verdict.reason
    assert replace(case(HIGHER), p_adjusted=0.05).verdict.word == "better"


def test_a_difference_inside_the_margin_does_not_matter() -> None:
    """The whole interval must lie inside; where it excludes 0, real but small is said."""
    inside = replace(UNSURE, mean=0.0001, interval=Interval(-0.0008, 0.001))
    assert case(inside).verdict.word == "no practical difference"
    assert "real" not in case(inside).verdict.reason
    assert case(replace(inside, interval=Interval(-0.0011, 0.001))).verdict.word == "cannot tell"
    small = replace(HIGHER, mean=0.0005, interval=Interval(0.0002, 0.0008))
    assert case(small).verdict.word == "no practical difference"
    assert "a real difference, but too small to matter" in case(small).verdict.reason
    assert case(small, margin=None).verdict.word == "better"


def test_the_end_of_the_margin_belongs_to_it() -> None:
    """An interval that ends at 0.1 points is inside ±0.1 points, however digits were rounded."""
    d = [
        0.9511 - 0.9501,
        0.9521 - 0.9511,
        0.95 - 0.95,
        0.9503 - 0.9512,
        0.9507 - 0.9502,
        0.95 - 0.9498,
    ]
    found = sign_flip(d)
    assert found.interval is not None
    assert found.interval.high == pytest.approx(0.001)
    assert case(found).verdict.word == "no practical difference"


def test_only_accuracies_have_a_margin_of_their_own() -> None:
    """0.1 points for an accuracy; of a cost nobody knows what matters."""
    assert default_margin("validation_accuracy") == 0.001
    assert default_margin("test_cost") is None
    assert default_margin("test_r2") is None


@pytest.mark.parametrize("n", range(1, 6))
def test_fewer_than_six_pairs_claim_nothing(n: int) -> None:
    """Even if every seed agrees: p cannot fall below 2/2^n, and the reason says so."""
    found = case(sign_flip([0.1 + i / 100 for i in range(n)])).verdict
    assert found.word == "no claim possible"
    assert f"p cannot fall below 2/2^{n} = {2 / 2**n:.2g}" in found.reason
    assert found.seeds_needed == 6


def test_nothing_to_compare_claims_nothing() -> None:
    """Arms without runs get a verdict too, the humblest."""
    assert case(None).verdict.word == "no claim possible"


def test_six_pairs_that_all_agree_are_enough() -> None:
    """The least number of seeds with which a claim can be made, by its own figures."""
    assert case(sign_flip([0.01, 0.02, 0.015, 0.012, 0.011, 0.013])).verdict.word == "better"


def test_too_many_comparisons_claim_nothing() -> None:
    """Where the correction leaves no p at or below 0.05 it says so, and how many seeds would do."""
    found = replace(case(HIGHER), p_adjusted=0.055, p_reachable=0.0547, comparisons=28).verdict
    assert (found.word, found.seeds_needed) == ("no claim possible", 11)
    assert "28 comparisons" in found.reason
    small = replace(HIGHER, mean=0.0005, interval=Interval(0.0002, 0.0008))
    assert replace(case(small), p_reachable=0.06).verdict.word == "no practical difference"


def test_cannot_tell_says_how_many_seeds_would() -> None:
    """For a difference above the margin, to see it; below, to bring the interval inside."""
    found = case(UNSURE).verdict
    assert found.seeds_needed == seeds_needed(0.004, 0.008)
    assert f"about {found.seeds_needed} seeds to show a difference of this size" in found.reason
    small = replace(UNSURE, mean=0.0002, sd=0.002)
    found = case(small).verdict
    assert found.seeds_needed == seeds_for_margin(0.0002, 0.002, 0.001)
    assert "bring the interval inside ±0.10 points" in found.reason


def test_cannot_tell_never_asks_for_fewer_seeds_than_there_are() -> None:
    """Where p just fails, the advice is more seeds than were run, and enough for the correction."""
    assert case(replace(UNSURE, mean=0.03)).verdict.seeds_needed == 11
    many = replace(case(replace(UNSURE, mean=0.9)), comparisons=100)
    assert many.verdict.seeds_needed == 12


def test_cannot_tell_is_honest_about_tiny_differences() -> None:
    """No number of seeds shows a difference of nothing, and above 10,000 none is named."""
    equal = case(replace(UNSURE, mean=0.0), "test_cost", None).verdict
    assert (equal.word, equal.seeds_needed) == ("cannot tell", None)
    assert "no number of seeds" in equal.reason
    tiny = case(replace(UNSURE, mean=1e-6), "test_cost", None).verdict
    assert tiny.seeds_needed is None
    assert "more than 10,000 seeds" in tiny.reason


@pytest.mark.parametrize(
    ("estimate", "arm", "baseline", "word"),
    [
        (HIGHER, True, False, "cannot tell"),
        (HIGHER, False, True, "better"),
        (HIGHER, True, True, "cannot tell"),
        (lower(HIGHER), True, False, "worse"),
        (lower(HIGHER), False, True, "cannot tell"),
        (replace(UNSURE, interval=Interval(-0.0005, 0.0005)), True, False, "cannot tell"),
        (replace(UNSURE, interval=Interval(-0.0005, 0.0005)), False, True, "cannot tell"),
        (UNSURE, True, False, "cannot tell"),
    ],
)
def test_failures_never_flatter(estimate: Estimate, arm: bool, baseline: bool, word: str) -> None:
    """Who fails more often is not called better, nor as good; that it fails is always said."""
    difference = case(estimate, fails_more=(arm, baseline))
    assert difference.verdict.word == word
    failures = f"; {difference.arm.failure_count()}, {difference.baseline.failure_count()}"
    assert difference.verdict.reason.endswith(failures)


@st.composite
def cases(draw: st.DrawFn) -> Difference:
    """Return cases of all kinds."""
    d = draw(st.lists(st.integers(-20, 30).map(lambda x: x / 10_000), min_size=1, max_size=9))
    estimate = sign_flip(d)
    single = case(
        estimate,
        draw(st.sampled_from(["test_accuracy", "test_cost"])),
        draw(st.sampled_from([None, 0.001, 0.002])),
        draw(st.tuples(st.booleans(), st.booleans())),
    )
    p = min(1.0, estimate.p * draw(st.integers(1, 3)))
    return replace(single, p_adjusted=p, p_reachable=estimate.floor, comparisons=3)


def claims(found: Verdict) -> bool:
    """Tell whether a verdict claims a difference."""
    return found.word in ("better", "worse")


@given(cases())
def test_every_claim_has_its_grounds(given_case: Difference) -> None:
    """Better and worse exclude 0 with p ≤ 0.05; no practical difference is inside the margin."""
    found, estimate = given_case.verdict, given_case.estimate
    assert found.word in WORDS
    assert found.reason
    assert estimate is not None
    if claims(found):
        assert estimate.interval is not None
        assert estimate.interval.excludes_zero()
        assert given_case.p_adjusted <= ALPHA
        assert (found.word == "better") == (
            (estimate.mean > 0) == (given_case.metric == "test_accuracy")
        )
    if found.word == "no practical difference":
        assert given_case.margin is not None
        assert estimate.interval is not None
        assert estimate.interval.within(given_case.margin)


@given(cases())
def test_swapping_the_arms_swaps_the_verdict(given_case: Difference) -> None:
    """Better becomes worse, and every other word stays."""
    assert given_case.estimate is not None
    swapped = replace(
        given_case,
        arm=given_case.baseline,
        baseline=given_case.arm,
        estimate=lower(given_case.estimate),
    ).verdict
    turned = {"better": "worse", "worse": "better"}
    word = given_case.verdict.word
    assert swapped.word == turned.get(word, word)
    assert swapped.seeds_needed == given_case.verdict.seeds_needed
