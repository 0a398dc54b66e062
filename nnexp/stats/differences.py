"""Arms against their baselines: every figure and the verdict, as plain data."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from nnexp.errors import OptionError, did_you_mean, one_of
from nnexp.names import is_accuracy
from nnexp.numbers import name_seeds, plural
from nnexp.stats.effect import LEAST, Wins, count_wins, error_reduction, probability_of_improvement
from nnexp.stats.estimate import Estimate
from nnexp.stats.sample import Sample, SampleSummary, summarize_sample
from nnexp.stats.significance import holm, sign_flip, unpaired
from nnexp.stats.verdict import Evidence, Verdict, decide

UNRELIABLE = (
    "some runs lie far from the others; where one arm alone gets stuck in 15 % of its runs, "
    "95 % intervals cover only 72 % of the time with 8 pairs and 90 % with 20"
)


@dataclass(frozen=True, slots=True)
class Difference:
    """An arm against its baseline.

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
    baseline: str | None = None,
    pairs: Sequence[tuple[str, str]] | None = None,
) -> Comparison:
    """Compare arms with their baselines.

    Runs are paired by seed where at least six seeds are shared; otherwise, where each arm has six
    runs, they are compared unpaired, and a note says so. Holm's correction is over all differences.

    Args:
        arms: with different names.
        metric: decides whether higher is better, and how amounts are worded.
        margin: differences up to this size do not matter; see `default_margin`.
        baseline: the arm that each other one is compared with; the first if not given.
        pairs: names (arm, baseline) to compare instead, so that arms may have baselines of their
            own.

    Raises:
        OptionError: a name is not that of an arm.
        ValueError: two arms have one name, or an arm is its own baseline.

    >>> a = Sample("a", {seed: 0.95 + seed / 1000 for seed in range(8)})
    >>> b = Sample("b", {seed: 0.96 + seed / 999 for seed in range(8)})
    >>> compare([a, b], metric="test_accuracy", margin=0.001).differences[0].verdict.word
    'better'
    """
    named = {arm.name: arm for arm in arms}
    if len(named) < len(arms):
        raise ValueError("two arms have the same name")
    summaries = {name: summarize_sample(arm, metric) for name, arm in named.items()}
    matches = [_match(named[a], named[b]) for a, b in _pairs(list(named), baseline, pairs)]
    compared = sum(match.estimate is not None for match in matches)
    adjusted = _holm(matches, lambda estimate: estimate.p)
    reachable = _holm(matches, lambda estimate: estimate.floor)
    cases = [
        Evidence(
            metric=metric,
            margin=margin,
            estimate=match.estimate,
            p_adjusted=p,
            p_reachable=floor,
            comparisons=compared,
            arm_fails_more=match.arm.fails_more(match.baseline),
            baseline_fails_more=match.baseline.fails_more(match.arm),
            failures=f"{match.arm.failure_count()}, {match.baseline.failure_count()}",
        )
        for match, p, floor in zip(matches, adjusted, reachable, strict=True)
    ]
    differences = [
        _difference(match, case, summaries) for match, case in zip(matches, cases, strict=True)
    ]
    return Comparison(metric, margin, tuple(summaries.values()), tuple(differences))


def _pairs(
    names: Sequence[str], baseline: str | None, pairs: Sequence[tuple[str, str]] | None
) -> Sequence[tuple[str, str]]:
    """Return who is compared with whom."""
    if pairs is None:
        chosen = baseline or next(iter(names), "")
        pairs = [(name, chosen) for name in names if name != chosen]
    for name in [*([baseline] if baseline else []), *(name for pair in pairs for name in pair)]:
        if name not in names:
            close = did_you_mean(name, names)
            raise OptionError(f"no arm {name!r}: {one_of(names)} is allowed{close}")
    if any(arm == other for arm, other in pairs):
        raise ValueError("an arm cannot be its own baseline")
    return pairs


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
    """Adjust a p of each estimate; what has none is no member of the family and gets 1."""
    adjusted = iter(holm([pick(m.estimate) for m in matches if m.estimate is not None]))
    return [1.0 if match.estimate is None else next(adjusted) for match in matches]


def _difference(
    match: _Match, case: Evidence, summaries: Mapping[str, SampleSummary]
) -> Difference:
    """Put together all that is known of a difference."""
    a, b = match.arm.scores(case.metric), match.baseline.scores(case.metric)
    known = match.estimate is not None
    reduction = None
    if known and is_accuracy(case.metric):
        reduction = error_reduction(fmean(match.values), fmean(match.baseline_values))
    apart = [name for name in (match.arm.name, match.baseline.name) if summaries[name].apart]
    return Difference(
        arm=match.arm.name,
        baseline=match.baseline.name,
        estimate=match.estimate,
        p_adjusted=case.p_adjusted if known else None,
        seeds=match.shared,
        wins=count_wins((a[seed], b[seed]) for seed in a.keys() & b.keys()),
        improvement=probability_of_improvement([*a.values()], [*b.values()]) if a and b else None,
        error_reduction=reduction,
        verdict=decide(case),
        notes=tuple(_notes(match, apart)),
    )


def _notes(match: _Match, apart: Sequence[str]) -> Iterator[str]:
    """Say what else must be known of a difference."""
    if match.estimate is not None and not match.estimate.paired:
        shared = len(match.shared)
        few = f"only {plural(shared, 'seed')}, fewer than {LEAST}" if shared else "no seed"
        yield f"unpaired: the arms share {few}"
    elif alone := match.arm.seeds ^ match.baseline.seeds:
        yield f"{name_seeds(alone)}: run in one arm only, and left out of the difference"
    if apart:
        yield f"{' and '.join(apart)}: {UNRELIABLE}"
