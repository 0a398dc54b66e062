"""Arms and their differences from their baselines: every figure and the verdict, as plain data."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from nnexp.names import is_accuracy
from nnexp.numbers import name_seeds, plural
from nnexp.stats.estimate import (
    LEAST,
    Estimate,
    Wins,
    count_wins,
    error_reduction,
    probability_of_improvement,
)
from nnexp.stats.sample import Sample, SampleSummary, summarize_sample
from nnexp.stats.significance import holm, sign_flip, unpaired
from nnexp.stats.verdict import Evidence, Verdict, decide

UNRELIABLE = (
    "some runs lie far from the others; where one arm alone gets stuck in 15 % of its runs, "
    "95 % intervals cover only 72 % of the time with 8 pairs and 90 % with 20"
)


@dataclass(frozen=True, slots=True)
class Difference:
    """An arm compared with its baseline.

    Attributes:
        estimate: difference, sd, interval, p; None where there is nothing to compare.
        p_adjusted: after Holm's correction over all differences of the comparison.
        seeds: those that both arms have a value for.
        wins: over the seeds that both arms were run with; a failed run loses to one that is not.
        improvement: probability that a run of the arm is better than one of the baseline, over all
            pairs of runs, failed ones last; None where an arm has no runs.
        error_reduction: fraction of the baseline's errors that are gone, over the same runs as the
            difference; None for other metrics than accuracies.
        notes: what else must be known, in sentences.
    """

    arm: str
    baseline: str
    estimate: Estimate | None
    p_adjusted: float | None
    seeds: tuple[int, ...]
    wins: Wins
    improvement: float | None
    error_reduction: float | None
    verdict: Verdict
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Arms and the differences between them, judged together."""

    metric: str
    margin: float | None
    arms: tuple[SampleSummary, ...]
    differences: tuple[Difference, ...]


def compare(
    arms: Sequence[Sample],
    *,
    metric: str,
    margin: float | None,
    pairs: Sequence[tuple[str, str]] | None = None,
) -> Comparison:
    """Compare arms with their baselines.

    Runs are paired by seed where at least six seeds are shared; otherwise, where each arm has six
    runs, they are compared unpaired, and a note says so. Holm's correction is over all differences.

    Args:
        arms: with different names.
        metric: decides whether higher is better, and how amounts are worded.
        margin: differences up to this size do not matter; see `default_margin`.
        pairs: names (arm, baseline); by default each other arm and the first.

    Raises:
        ValueError: two arms have one name, or a pair is not of two of the arms.

    >>> a = Sample("a", {seed: 0.95 + seed / 1000 for seed in range(8)})
    >>> b = Sample("b", {seed: 0.96 + seed / 999 for seed in range(8)})
    >>> compare([a, b], metric="test_accuracy", margin=0.001).differences[0].verdict.word
    'better'
    """
    named = {arm.name: arm for arm in arms}
    if len(named) < len(arms):
        raise ValueError("two arms have the same name")
    if pairs is None:
        pairs = [(arm.name, arms[0].name) for arm in arms[1:]]
    if any(a == b or not {a, b} <= named.keys() for a, b in pairs):
        raise ValueError(f"expected pairs of two of {', '.join(named)}, got {pairs}")
    summaries = {name: summarize_sample(arm, metric) for name, arm in named.items()}
    matches = [_match(named[a], named[b]) for a, b in pairs]
    adjusted = _holm(matches, lambda estimate: estimate.p)
    reachable = _holm(matches, lambda estimate: estimate.floor)
    differences = []
    for match, p, floor in zip(matches, adjusted, reachable, strict=True):
        evidence = Evidence(
            metric=metric,
            margin=margin,
            estimate=match.estimate,
            p_adjusted=p,
            p_reachable=floor,
            comparisons=sum(match.estimate is not None for match in matches),
            arm_fails_more=match.arm.fails_more(match.baseline),
            baseline_fails_more=match.baseline.fails_more(match.arm),
            failures=f"{match.arm.failure_count()}, {match.baseline.failure_count()}",
        )
        differences.append(_difference(match, evidence, summaries))
    return Comparison(metric, margin, tuple(summaries.values()), tuple(differences))


@dataclass(frozen=True, slots=True)
class _Match:
    """An arm, its baseline, and the values that the estimate is of."""

    arm: Sample
    baseline: Sample
    shared: tuple[int, ...]
    values: Sequence[float]
    baseline_values: Sequence[float]
    estimate: Estimate | None


def _match(arm: Sample, baseline: Sample) -> _Match:
    """Pair runs by seed where enough are shared; where too few are, but enough in all, do not."""
    a, b = arm.finite, baseline.finite
    shared = tuple(sorted(a.keys() & b.keys()))
    if len(shared) >= LEAST or (shared and min(len(a), len(b)) < LEAST):
        x, y = [a[seed] for seed in shared], [b[seed] for seed in shared]
        estimate = sign_flip([u - v for u, v in zip(x, y, strict=True)])
        return _Match(arm, baseline, shared, x, y, estimate)
    x, y = list(a.values()), list(b.values())
    return _Match(arm, baseline, shared, x, y, unpaired(x, y) if x and y else None)


def _holm(matches: Sequence[_Match], pick: Callable[[Estimate], float]) -> list[float]:
    """Adjust a p of each estimate; a pair without one is no member of the family and gets 1."""
    adjusted = iter(holm([pick(m.estimate) for m in matches if m.estimate is not None]))
    return [1.0 if match.estimate is None else next(adjusted) for match in matches]


def _difference(
    match: _Match, evidence: Evidence, summaries: Mapping[str, SampleSummary]
) -> Difference:
    a, b = (sample.scores(evidence.metric) for sample in (match.arm, match.baseline))
    reduction = None
    if match.estimate and is_accuracy(evidence.metric):
        reduction = error_reduction(fmean(match.values), fmean(match.baseline_values))
    apart = [name for name in (match.arm.name, match.baseline.name) if summaries[name].apart]
    return Difference(
        arm=match.arm.name,
        baseline=match.baseline.name,
        estimate=match.estimate,
        p_adjusted=evidence.p_adjusted if match.estimate else None,
        seeds=match.shared,
        wins=count_wins((a[seed], b[seed]) for seed in a.keys() & b.keys()),
        improvement=probability_of_improvement([*a.values()], [*b.values()]) if a and b else None,
        error_reduction=reduction,
        verdict=decide(evidence),
        notes=tuple(_notes(match, apart)),
    )


def _notes(match: _Match, apart: Sequence[str]) -> Iterator[str]:
    if match.estimate is not None and not match.estimate.paired:
        shared = len(match.shared)
        few = f"only {plural(shared, 'seed')}, fewer than {LEAST}" if shared else "no seed"
        yield f"unpaired: the arms share {few}"
    elif alone := match.arm.seeds ^ match.baseline.seeds:
        yield f"{name_seeds(alone)}: run in one arm only, and excluded from the difference"
    if apart:
        yield f"{' and '.join(apart)}: {UNRELIABLE}"
