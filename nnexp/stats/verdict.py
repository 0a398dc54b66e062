"""The verdict on a comparison, in words, each by a written rule.

The rules are tried in order; the first that applies gives the verdict. They are also written in
docs/statistics.md, for users.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from nnexp.names import higher_is_better, is_accuracy
from nnexp.numbers import change, p_value, plural, size, span
from nnexp.stats.estimate import (
    ALPHA,
    LEAST,
    MOST,
    Estimate,
    least_pairs,
    seeds_for_margin,
    seeds_needed,
)

WORDS = ("better", "worse", "no practical difference", "cannot tell", "no claim possible")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What can be claimed of an arm and its baseline.

    Attributes:
        word: one of `WORDS`.
        reason: why, in a sentence or more.
        seeds_needed: with "cannot tell" and "no claim possible", how many seeds in each arm would
            be needed; None if that is above 10,000, or if more seeds cannot help.
    """

    word: str
    reason: str
    seeds_needed: int | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a verdict rests on.

    Attributes:
        margin: differences up to this size do not matter; None where there is none.
        estimate: None where there is nothing to compare.
        p_adjusted: after Holm's correction over all comparisons.
        p_reachable: the smallest that it could be with so many runs and comparisons.
        comparisons: how many were corrected for.
        arm_fails_more: whether the arm's runs fail more often than the baseline's.
        baseline_fails_more: the reverse.
        failures: a sentence about them.
    """

    metric: str
    margin: float | None
    estimate: Estimate | None
    p_adjusted: float = 1.0
    p_reachable: float = 0.0
    comparisons: int = 1
    arm_fails_more: bool = False
    baseline_fails_more: bool = False
    failures: str = ""


def default_margin(metric: str) -> float | None:
    """Return the difference that does not matter: 0.1 points of accuracy; None for a cost."""
    return 0.001 if is_accuracy(metric) else None


def decide(case: Evidence) -> Verdict:
    """Return the verdict of the first rule that applies.

    >>> from nnexp.stats.significance import sign_flip
    >>> costs = sign_flip([-0.2, -0.3, -0.25, -0.2, -0.1, -0.3])
    >>> case = Evidence("test_cost", None, costs, p_adjusted=0.03125)
    >>> decide(case).word
    'better'
    """
    if case.estimate is None:
        verdict = Verdict("no claim possible", "there is nothing to compare", LEAST)
    else:
        verdict = next(v for rule in RULES if (v := rule(case, case.estimate)) is not None)
    if case.arm_fails_more or case.baseline_fails_more:
        verdict = replace(verdict, reason=f"{verdict.reason}; {case.failures}")
    return verdict


def too_few(case: Evidence, estimate: Estimate) -> Verdict | None:
    """Fewer than six pairs, or unpaired fewer than six runs in an arm: no claim possible."""
    n = estimate.n
    if n >= LEAST:
        return None
    if estimate.paired:
        why = (
            f"{plural(n, 'pair')} of runs: even if every seed agrees, p cannot fall below "
            f"2/2^{n} = {p_value(2 / 2**n)}; six are the least (2/2^6 = 0.031)"
        )
    else:
        why = f"unpaired, and an arm has only {plural(n, 'run')}; six in each are the least"
    return Verdict("no claim possible", why, least_pairs(case.comparisons))


def uneven_failures(case: Evidence, estimate: Estimate) -> Verdict | None:
    """A claim that would flatter the arm whose runs fail more often is not made: cannot tell.

    Failed runs have no value, so that means and differences are those of the runs that survived.
    """
    claim = negligible(case, estimate) or real(case, estimate)
    if claim is None:
        return None
    flattered = {"better": case.arm_fails_more, "worse": case.baseline_fails_more}
    if not flattered.get(claim.word, case.arm_fails_more or case.baseline_fails_more):
        return None
    why = f"the figures exclude the runs that failed; of the others alone: {claim.reason}"
    return Verdict("cannot tell", why)


def negligible(case: Evidence, estimate: Estimate) -> Verdict | None:
    """The interval lies wholly inside ±margin: no practical difference.

    Also where it excludes 0: such a difference is real, and too small to matter.
    """
    interval, margin = estimate.interval, case.margin
    if interval is None or margin is None or not interval.within(margin):
        return None
    why = f"the interval lies inside ±{size(case.metric, margin)}: {_figures(case, estimate)}"
    if interval.excludes_zero() and case.p_adjusted <= ALPHA:
        why += "; a real difference, but too small to matter"
    return Verdict("no practical difference", why)


def too_many_comparisons(case: Evidence, _: Estimate) -> Verdict | None:
    """So few runs cannot give a p ≤ 0.05 after the correction: no claim possible."""
    if case.p_reachable <= ALPHA:
        return None
    needed = least_pairs(case.comparisons)
    why = (
        f"with {case.comparisons} comparisons and so few runs the corrected p cannot fall below "
        f"{p_value(case.p_reachable)}; {needed} seeds are the least, or fewer comparisons"
    )
    return Verdict("no claim possible", why, needed)


def real(case: Evidence, estimate: Estimate) -> Verdict | None:
    """The interval excludes 0 and the corrected p is at most 0.05: better or worse."""
    interval = estimate.interval
    if interval is None or not interval.excludes_zero() or case.p_adjusted > ALPHA:
        return None
    better = (estimate.mean > 0) == higher_is_better(case.metric)
    return Verdict("better" if better else "worse", _figures(case, estimate))


def undecided(case: Evidence, estimate: Estimate) -> Verdict:
    """None of the above: cannot tell, and how many seeds could."""
    needed, outlook = _outlook(case, estimate)
    split = case.p_adjusted <= ALPHA
    why = "the interval and p do not agree: " if split else ""
    return Verdict("cannot tell", f"{why}{_figures(case, estimate)}; {outlook}", needed)


RULES = (too_few, uneven_failures, negligible, too_many_comparisons, real, undecided)


def _figures(case: Evidence, estimate: Estimate) -> str:
    """Write the difference, its interval and p."""
    text = f"mean difference {change(case.metric, estimate.mean)}"
    if (ends := estimate.interval) is not None:
        text += f", 95 % interval {span(case.metric, ends.low, ends.high)}"
    text += f", p {p_value(estimate.p)}"
    if case.comparisons > 1:
        text += f" ({p_value(case.p_adjusted)} corrected for {case.comparisons} comparisons)"
    return text


def _outlook(case: Evidence, estimate: Estimate) -> tuple[int | None, str]:
    """Say how many seeds would decide, going by the spread that was measured."""
    difference, sd, margin = abs(estimate.mean), estimate.sd or 0.0, case.margin
    if margin is not None and difference < margin:
        needed = seeds_for_margin(difference, sd, margin)
        what = f"bring the interval inside ±{size(case.metric, margin)}, if that is the difference"
    elif difference == 0:
        return None, "the means are equal, and no number of seeds shows a difference of that size"
    else:
        needed = seeds_needed(difference, sd, ALPHA / case.comparisons)
        what = "show a difference of this size"
    if needed is None:
        return None, f"it would take more than {MOST:,} seeds to {what}"
    needed = max(needed, estimate.n + 1)
    return needed, f"it would take about {needed:,} seeds to {what} (power 80 %)"
