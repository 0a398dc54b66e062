"""The figures of a comparison: a row an arm, for people and for programs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from nnexp import names, numbers
from nnexp.numbers import NONE, change, quantity, span
from nnexp.stats.differences import Difference
from nnexp.stats.estimate import Estimate, Interval
from nnexp.stats.sample import SampleSummary, Scored
from nnexp.stats.summary import Target, TimeToTarget, time_to_target
from nnexp.views.compare import Group
from nnexp.views.table import Column, Table
from nnexp.views.verdicts import Judged


def _shown(title: str, show: Callable[[Any], str], *, left: bool = False) -> Column[Any]:
    """Return a column for people alone."""
    return Column(title, show, lambda record: {}, left)


def _p(value: float | None) -> str:
    return NONE if value is None else f"{value:.2g}"


def _difference_columns(metric: str) -> list[Column[Difference]]:
    def of(show: Callable[[Estimate], str]) -> Callable[[Difference], str]:
        return lambda d: NONE if d.estimate is None else show(d.estimate)

    def interval(estimate: Estimate) -> str:
        found = estimate.interval
        return NONE if found is None else span(metric, found.low, found.high)

    def points(show: Callable[[Estimate], str]) -> Callable[[Estimate], str]:
        return lambda estimate: show(estimate).removesuffix(" points")

    return [
        _shown("difference", of(points(lambda e: change(metric, e.mean)))),
        _shown("95 % interval", of(points(interval))),
        _shown("p", of(lambda e: _p(e.p))),
    ]


def _wins(d: Difference) -> str:
    wins = d.wins
    pairs = wins.wins + wins.losses + wins.ties
    ties = f", {wins.ties} equal" if wins.ties else ""
    return f"{wins.wins} of {pairs}{ties}" if pairs else NONE


def differences(judged: Judged, order: Sequence[str]) -> Table[Difference]:
    """Lay out each arm against its baseline, the verdict first."""
    found, metric = judged.against, judged.comparison.metric
    shown = [found[name] for name in order if name in found]
    columns = [
        _shown("arm", lambda d: d.arm, left=True),
        _shown("verdict", lambda d: d.verdict.word, left=True),
    ]
    if len({d.baseline for d in shown}) > 1:
        columns.append(_shown("against", lambda d: d.baseline, left=True))
    columns += _difference_columns(metric)
    if len(shown) > 1:
        columns.append(_shown("p, Holm", lambda d: _p(d.p_adjusted)))
    columns.append(_shown("wins", _wins))
    columns.append(
        _shown("P(better)", lambda d: NONE if d.improvement is None else f"{d.improvement:.2f}")
    )
    if names.is_accuracy(metric):
        columns.append(
            _shown(
                "errors removed",
                lambda d: NONE if d.error_reduction is None else f"{d.error_reduction * 100:.0f} %",
            )
        )
    if any(d.verdict.seeds_needed for d in shown):
        columns.append(
            _shown(
                "seeds needed",
                lambda d: f"{d.verdict.seeds_needed:,}" if d.verdict.seeds_needed else NONE,
            )
        )
    return Table(columns, shown)


def arms(judged: Judged, order: Sequence[str]) -> Table[SampleSummary]:
    """Lay out what each arm comes to by itself."""
    metric = judged.comparison.metric

    def number(value: float | None) -> str:
        return numbers.number(metric, value)

    def interval(arm: SampleSummary) -> str:
        if arm.interval is None:
            return NONE
        low, high = arm.interval.low, arm.interval.high
        if names.is_accuracy(metric):
            low, high = max(low, 0.0), min(high, 1.0)
        return f"{number(low)} to {number(high)}"

    def run(scored: Scored | None) -> str:
        return NONE if scored is None else f"{number(scored.value)} (seed {scored.seed})"

    columns = [
        _shown("arm", lambda arm: arm.name, left=True),
        _shown("runs", lambda arm: str(arm.n)),
        _shown("mean", lambda arm: number(arm.mean)),
        _shown("95 % interval", interval),
        _shown("worst", lambda arm: run(arm.worst)),
        _shown("best", lambda arm: run(arm.best)),
    ]
    if any(arm.failures for arm in judged.comparison.arms):
        columns.insert(2, _shown("failed", lambda arm: str(len(arm.failures))))
    by_name = judged.arms
    return Table(columns, [by_name[name] for name in order])


def raw_columns(judged: Judged) -> list[Column[Group]]:
    """Return what CSV and JSON say of each group beyond its own figures."""
    names = {id(group): name for name, group in judged.groups.items()}
    arms, against = judged.arms, judged.against
    warnings = "; ".join(judged.warnings)

    def raw(group: Group) -> dict[str, Any]:
        name = names[id(group)]
        difference = against.get(name)
        notes = [f"{name}: {judged.refused[name]}"] if name in judged.refused else []
        notes += [*judged.notes[name], *(difference.notes if difference else ())]
        return (
            _raw_arm(arms[name])
            | {"metric": judged.comparison.metric, "at": judged.at}
            | {"margin": judged.comparison.margin}
            | _raw_difference(difference)
            | {"notes": "; ".join(notes), "warnings": warnings}
        )

    return [Column("evidence", lambda g: "", raw)]


def _ends(prefix: str, interval: Interval | None) -> dict[str, Any]:
    low, high = (interval.low, interval.high) if interval else (None, None)
    return {f"{prefix}_low": low, f"{prefix}_high": high}


def _raw_arm(arm: SampleSummary) -> dict[str, Any]:
    best, worst = arm.best, arm.worst
    return {
        "arm": arm.name,
        "n": arm.n,
        "mean": arm.mean,
        "sd": arm.sd,
        **_ends("mean", arm.interval),
        "best": best.value if best else None,
        "best_seed": best.seed if best else None,
        "worst": worst.value if worst else None,
        "worst_seed": worst.seed if worst else None,
        "failures": len(arm.failures),
        "shape": arm.apart.kind if arm.apart else None,
    }


def _raw_difference(d: Difference | None) -> dict[str, Any]:
    estimate = d.estimate if d else None
    return {
        "baseline": d.baseline if d else None,
        "verdict": d.verdict.word if d else None,
        "reason": d.verdict.reason if d else None,
        "seeds_needed": d.verdict.seeds_needed if d else None,
        "paired": estimate.paired if estimate else None,
        "pairs": estimate.n if estimate else None,
        "difference": estimate.mean if estimate else None,
        **_ends("difference", estimate.interval if estimate else None),
        "p": estimate.p if estimate else None,
        "p_holm": d.p_adjusted if d else None,
        "wins": d.wins.wins if d else None,
        "losses": d.wins.losses if d else None,
        "ties": d.wins.ties if d else None,
        "probability_of_improvement": d.improvement if d else None,
        "error_reduction": d.error_reduction if d else None,
    }


def target_columns(target: Target) -> list[Column[Group]]:
    """Return the columns that say how long a group takes to reach a target.

    Runs that failed count: they may have reached it, or never do.
    """
    known: dict[int, TimeToTarget] = {}

    def found(group: Group) -> TimeToTarget:
        if id(group) not in known:
            runs = group.ended or dict(enumerate(group.runs))
            rows = {seed: run.rows for seed, run in runs.items()}
            known[id(group)] = time_to_target(rows, target)
        return known[id(group)]

    def epochs(group: Group) -> str:
        time = found(group)
        value = NONE if time.epochs is None else f"{time.epochs:g}"
        return f"{value} ({time.never} of {len(time.runs)} never)" if time.never else value

    def seconds(group: Group) -> str:
        value = found(group).seconds
        return NONE if value is None else f"{value:.3g}"

    def raw(group: Group) -> dict[str, Any]:
        time = found(group)
        return {
            "target": f"{target.metric}={target.value:g}",
            "epochs_to_target": time.epochs,
            "never_reached": time.never,
        }

    goal = f"{names.label(target.metric)} {quantity(target.metric, target.value)}"
    return [
        Column(f"epochs to {goal}", epochs, raw),
        Column("seconds to it", seconds, lambda g: {"seconds_to_target": found(g).seconds}),
    ]
