"""Arms compared with their baselines: every figure, and the verdict in words by written rules.

The rules are tried in order; the first that applies gives the verdict. They are also written in
docs/statistics.md, for users.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from statistics import fmean

from nnexp.names import higher_is_better, is_accuracy
from nnexp.numbers import change, name_seeds, p_value, plural, size, span
from nnexp.stats.estimate import (
    ALPHA,
    LEAST,
    MOST,
    Estimate,
    Wins,
    count_wins,
    error_reduction,
    least_pairs,
    probability_of_improvement,
    seeds_for_margin,
    seeds_needed,
)
from nnexp.stats.sample import Sample
from nnexp.stats.significance import holm, sign_flip, unpaired

WORDS = ("better", "worse", "no practical difference", "cannot tell", "no claim possible")
UNRELIABLE = (
    "some runs lie far from the others; where one arm alone gets stuck in 15 % of its runs, "
    "95 % intervals cover only 72 % of the time with 8 pairs and 90 % with 20"
)


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


@dataclass(frozen=True)
class Difference:
    """An arm compared with its baseline.

    Attributes:
        estimate: difference, sd, interval, p; None where there is nothing to compare.
        margin: differences up to this size do not matter; None where there is none.
        p_adjusted: after Holm's correction over all comparisons.
        p_reachable: the smallest that it could be with so many runs and comparisons.
        comparisons: how many were corrected for.
    """

    arm: Sample
    baseline: Sample
    estimate: Estimate | None
    margin: float | None = None
    p_adjusted: float = 1.0
    p_reachable: float = 0.0
    comparisons: int = 1

    @property
    def metric(self) -> str:
        """What the values are of."""
        return self.arm.metric

    @property
    def seeds(self) -> list[int]:
        """Those that both arms have a value for."""
        return [seed for seed in self.arm.finite if seed in self.baseline.finite]

    @property
    def wins(self) -> Wins:
        """Over the seeds that both arms were run with; a failed run loses to one that is not."""
        a, b = self.arm.scores, self.baseline.scores
        return count_wins((a[seed], b[seed]) for seed in a.keys() & b.keys())

    @property
    def improvement(self) -> float | None:
        """Probability that a run of the arm is better than one of the baseline.

        Over all pairs of runs, failed ones last; None where an arm has no runs.
        """
        a, b = [*self.arm.scores.values()], [*self.baseline.scores.values()]
        return probability_of_improvement(a, b) if a and b else None

    @property
    def error_reduction(self) -> float | None:
        """Fraction of the baseline's errors that are gone, over the same runs as the difference.

        None for other metrics than accuracies.
        """
        if self.estimate is None or not is_accuracy(self.metric):
            return None
        arms = self.arm.finite, self.baseline.finite
        if self.estimate.paired:
            return error_reduction(*(fmean(arm[seed] for seed in self.seeds) for arm in arms))
        return error_reduction(*(fmean(arm.values()) for arm in arms))

    @cached_property
    def verdict(self) -> Verdict:
        """The verdict of the first rule that applies, and what failed.

        >>> costs = (dict(enumerate(range(start, 40, 5))) for start in (1, 2))
        >>> arm, baseline = (Sample(name, "test_cost", c) for name, c in zip("ab", costs))
        >>> compare([(arm, baseline)])[0].verdict.word
        'better'
        """
        if self.estimate is None:
            verdict = Verdict("no claim possible", "there is nothing to compare", LEAST)
        else:
            verdict = next(v for rule in RULES if (v := rule(self, self.estimate)) is not None)
        a, b = self.arm, self.baseline
        if not (a.fails_more(b) or b.fails_more(a)):
            return verdict
        failures = f"{a.failure_count()}, {b.failure_count()}"
        return replace(verdict, reason=f"{verdict.reason}; {failures}")

    def notes(self) -> list[str]:
        """Say what else must be known, in sentences."""
        notes, shared = [], len(self.seeds)
        if self.estimate is not None and not self.estimate.paired:
            few = f"only {plural(shared, 'seed')}, fewer than {LEAST}" if shared else "no seed"
            notes.append(f"unpaired: the arms share {few}")
        elif alone := self.arm.seeds ^ self.baseline.seeds:
            seeds = name_seeds(alone)
            notes.append(f"{seeds}: run in one arm only, and excluded from the difference")
        if apart := [arm.name for arm in (self.arm, self.baseline) if arm.apart]:
            notes.append(f"{' and '.join(apart)}: {UNRELIABLE}")
        return notes


def compare(
    pairs: Sequence[tuple[Sample, Sample]], margin: float | None = None
) -> list[Difference]:
    """Compare arms with their baselines: pairs (arm, baseline) of values of one metric.

    Runs are paired by seed where at least six seeds are shared; otherwise, where each arm has six
    runs, they are compared unpaired, and a note says so. Holm's correction is over all differences;
    a pair with nothing to compare is no member of the family.

    >>> a = Sample("a", "test_accuracy", {seed: 0.95 + seed / 1000 for seed in range(8)})
    >>> b = Sample("b", "test_accuracy", {seed: 0.96 + seed / 999 for seed in range(8)})
    >>> compare([(b, a)], margin=0.001)[0].verdict.word
    'better'
    """
    estimates = [_estimate(arm.finite, baseline.finite) for arm, baseline in pairs]
    family = [estimate for estimate in estimates if estimate is not None]
    adjusted = iter(holm([estimate.p for estimate in family]))
    reachable = iter(holm([estimate.floor for estimate in family]))
    return [
        Difference(*pair, estimate, margin)
        if estimate is None
        else Difference(*pair, estimate, margin, next(adjusted), next(reachable), len(family))
        for pair, estimate in zip(pairs, estimates, strict=True)
    ]


def _estimate(a: Mapping[int, float], b: Mapping[int, float]) -> Estimate | None:
    """Pair runs by seed where enough are shared; where too few are, but enough in all, do not."""
    shared = a.keys() & b.keys()
    if len(shared) >= LEAST or (shared and min(len(a), len(b)) < LEAST):
        return sign_flip([a[seed] - b[seed] for seed in shared])
    return unpaired([*a.values()], [*b.values()]) if a and b else None


def default_margin(metric: str) -> float | None:
    """Return the difference that does not matter: 0.1 points of accuracy; None for a cost."""
    return 0.001 if is_accuracy(metric) else None


def too_few(case: Difference, estimate: Estimate) -> Verdict | None:
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


def uneven_failures(case: Difference, estimate: Estimate) -> Verdict | None:
    """A claim that would flatter the arm whose runs fail more often is not made: cannot tell.

    Failed runs have no value, so that means and differences are those of the runs that survived.
    """
    claim = negligible(case, estimate) or real(case, estimate)
    if claim is None:
        return None
    a, b = case.arm.fails_more(case.baseline), case.baseline.fails_more(case.arm)
    if not {"better": a, "worse": b}.get(claim.word, a or b):
        return None
    why = f"the figures exclude the runs that failed; of the others alone: {claim.reason}"
    return Verdict("cannot tell", why)


def negligible(case: Difference, estimate: Estimate) -> Verdict | None:
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


def too_many_comparisons(case: Difference, _: Estimate) -> Verdict | None:
    """So few runs cannot give a p ≤ 0.05 after the correction: no claim possible."""
    if case.p_reachable <= ALPHA:
        return None
    needed = least_pairs(case.comparisons)
    why = (
        f"with {case.comparisons} comparisons and so few runs the corrected p cannot fall below "
        f"{p_value(case.p_reachable)}; {needed} seeds are the least, or fewer comparisons"
    )
    return Verdict("no claim possible", why, needed)


def real(case: Difference, estimate: Estimate) -> Verdict | None:
    """The interval excludes 0 and the corrected p is at most 0.05: better or worse."""
    interval = estimate.interval
    if interval is None or not interval.excludes_zero() or case.p_adjusted > ALPHA:
        return None
    better = (estimate.mean > 0) == higher_is_better(case.metric)
    return Verdict("better" if better else "worse", _figures(case, estimate))


def undecided(case: Difference, estimate: Estimate) -> Verdict:
    """None of the above: cannot tell, and how many seeds could."""
    needed, outlook = _outlook(case, estimate)
    split = "the interval and p do not agree: " * (case.p_adjusted <= ALPHA)
    return Verdict("cannot tell", f"{split}{_figures(case, estimate)}; {outlook}", needed)


RULES = (too_few, uneven_failures, negligible, too_many_comparisons, real, undecided)


def _figures(case: Difference, estimate: Estimate) -> str:
    """Write the difference, its interval and p."""
    text = f"mean difference {change(case.metric, estimate.mean)}"
    if (ends := estimate.interval) is not None:
        text += f", 95 % interval {span(case.metric, ends.low, ends.high)}"
    text += f", p {p_value(estimate.p)}"
    if case.comparisons > 1:
        text += f" ({p_value(case.p_adjusted)} corrected for {case.comparisons} comparisons)"
    return text


def _outlook(case: Difference, estimate: Estimate) -> tuple[int | None, str]:
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
