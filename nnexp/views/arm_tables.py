"""The tables of a comparison: groups and what tells them apart, arms, differences, targets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from math import inf
from typing import Any

from nnexp import names, numbers
from nnexp.names import STATISTICS, higher_is_better, is_accuracy
from nnexp.numbers import NONE, change, fixed, number, p_value, percent, quantity, shared_decimals
from nnexp.stats.judge import Arm, Judged
from nnexp.stats.sample import Sample
from nnexp.stats.selection import Group, differing_keys
from nnexp.stats.summary import Published, Target, TimeToTarget
from nnexp.stats.verdict import Difference
from nnexp.views.table import Column, Table, plain_column


def settings(groups: Sequence[Group], *, per_run: bool = False) -> Table[Group]:
    """Lay out what tells groups apart, and their figures; columns without a value are dropped."""
    metric = groups[0].metric
    first: list[Column[Group]] = [plain_column("name", "name", lambda group: group.name)]
    if per_run:
        first = [
            plain_column("run", "run", lambda group: group.runs[0].id),
            plain_column("status", "status", lambda group: group.runs[0].status),
        ]
    columns = [_setting(key) for key in differing_keys(groups)]
    if not per_run:
        columns.append(Column("runs", _runs, _raw_runs))
    columns += [_spreads(groups, name, f"{metric}_{name}") for name in STATISTICS]
    if metric != "train_cost":
        columns.append(_spreads(groups, "train-cost", "train_cost"))
    columns.append(Column("s/epoch", _seconds, _raw_seconds))
    columns.append(Column("published", lambda g: published(g.published, metric), _raw_published))
    kept = [c for c in columns if per_run or any(c.show(group) != NONE for group in groups)]
    return Table([*first, *kept], groups)


def published(figures: Published, metric: str) -> str:
    """Write the published figure of a metric and which statistic it is."""
    figure = figures.figures.get(metric)
    return NONE if figure is None else f"{number(metric, figure)} ({figures.statistic})"


def _raw_published(group: Group) -> dict[str, Any]:
    figure = group.published.figures.get(group.metric)
    statistic = None if figure is None else group.published.statistic
    return {"published": figure, "published_statistic": statistic}


def sort_key(name: str) -> Callable[[Group], Any]:
    """Return the key that sorts groups, the best first; a group without the value comes last."""

    def key(group: Group) -> Any:
        if name == "name":
            return group.name
        if name == "runs":
            return -len(group.runs)
        if name not in group.figures:
            return inf
        higher = name in STATISTICS and higher_is_better(group.metric)
        return -group.figures[name].mean if higher else group.figures[name].mean

    return key


def _setting(key: str) -> Column[Group]:
    return Column(key, lambda g: g.setting(key), lambda g: {key: g.settings.get(key)}, left=True)


def _runs(group: Group) -> str:
    others = [f"{n} {status}" for status, n in group.statuses.items() if status != "completed"]
    completed = group.statuses["completed"]
    return ", ".join([str(completed), *others] if completed or not others else others)


def _raw_runs(group: Group) -> dict[str, Any]:
    return {"runs": len(group.runs), "runs_completed": group.statuses["completed"]}


def _seconds(group: Group) -> str:
    seconds = group.figures.get("seconds")
    return numbers.significant(seconds.mean, 2) if seconds else NONE


def _raw_seconds(group: Group) -> dict[str, Any]:
    seconds = group.figures.get("seconds")
    return {"seconds_per_epoch": seconds and seconds.mean}


def _spreads(groups: Sequence[Group], name: str, key: str) -> Column[Group]:
    """Return a column of means and standard deviations that share their decimals."""
    metric = "train_cost" if name == "train-cost" else groups[0].metric
    means = [group.figures[name].mean for group in groups if name in group.figures]
    decimals = shared_decimals(metric, means)

    def show(group: Group) -> str:
        spread = group.figures.get(name)
        return numbers.spread(metric, spread.mean, spread.sd, decimals) if spread else NONE

    def raw(group: Group) -> dict[str, Any]:
        spread = group.figures.get(name)
        return {
            f"{key}_mean": spread and spread.mean,
            f"{key}_sd": spread and spread.sd,
            f"{key}_min": spread and spread.low,
            f"{key}_max": spread and spread.high,
        }

    return Column(name.replace("-", " "), show, raw)


def differences(rows: Sequence[Difference]) -> Table[Difference]:
    """Lay out each arm and its difference from its baseline, the verdict first."""
    metric = rows[0].metric
    decimals = shared_decimals(metric, (row.estimate.mean for row in rows if row.estimate))

    def signed(value: float) -> str:
        if is_accuracy(metric):
            return fixed(value * 100, 2, "+")
        return change(metric, value) if decimals is None else fixed(value, decimals, "+")

    def interval(row: Difference) -> str:
        ends = row.estimate and row.estimate.interval
        return f"{signed(ends.low)} to {signed(ends.high)}" if ends else NONE

    columns: list[Column[Difference]] = [
        Column("arm", lambda row: row.arm.name, left=True),
        Column("verdict", lambda row: row.verdict.word, left=True),
        Column("compared with", lambda row: row.baseline.name, left=True),
        Column("difference", lambda r: signed(r.estimate.mean) if r.estimate else NONE),
        Column("95 % interval", interval),
        Column("p", lambda row: p_value(row.estimate.p if row.estimate else None)),
        Column("p, Holm", lambda row: p_value(row.p_adjusted if row.estimate else None)),
        Column("wins", _wins),
        Column("P(better)", lambda r: NONE if r.improvement is None else fixed(r.improvement, 2)),
        Column("errors removed", lambda row: percent(row.error_reduction)),
        Column("seeds needed", lambda r: f"{n:,}" if (n := r.verdict.seeds_needed) else NONE),
    ]
    unused = {
        "compared with": len({row.baseline.name for row in rows}) == 1,
        "p, Holm": len(rows) == 1,
        "errors removed": not is_accuracy(metric),
        "seeds needed": not any(row.verdict.seeds_needed for row in rows),
    }
    return Table([column for column in columns if not unused.get(column.title)], rows)


def _wins(row: Difference) -> str:
    wins, losses, ties = row.wins
    equal = f", {ties} equal" if ties else ""
    return f"{wins} of {wins + losses + ties}{equal}" if any(row.wins) else NONE


def arms(rows: Sequence[Sample]) -> Table[Sample]:
    """Lay out what each arm comes to by itself."""
    metric = rows[0].metric
    decimals = shared_decimals(metric, (arm.spread.mean for arm in rows if arm.spread))

    def value(of: float | None) -> str:
        return number(metric, of, decimals)

    def interval(arm: Sample) -> str:
        if arm.interval is None:
            return NONE
        low, high = arm.interval.low, arm.interval.high
        if is_accuracy(metric):
            low, high = max(low, 0.0), min(high, 1.0)
        return f"{value(low)} to {value(high)}"

    def run(arm: Sample, seed: int | None) -> str:
        return NONE if seed is None else f"{value(arm.finite[seed])} (seed {seed})"

    columns: list[Column[Sample]] = [
        Column("arm", lambda arm: arm.name, left=True),
        Column("runs", lambda arm: str(len(arm.finite))),
        Column("mean", lambda arm: value(arm.spread.mean if arm.spread else None)),
        Column("95 % interval", interval),
        Column("worst", lambda arm: run(arm, arm.worst)),
        Column("best", lambda arm: run(arm, arm.best)),
    ]
    if any(arm.failed for arm in rows):
        columns.insert(2, Column("failed", lambda arm: str(len(arm.failed))))
    return Table(columns, rows)


def raw_column(judged: Judged) -> Column[Group]:
    """Return what CSV and JSON say of each group beyond its own figures."""
    arm_of = {id(arm.group): arm for arm in judged.arms}
    return Column("comparison", lambda group: "", lambda group: _raw(arm_of[id(group)], judged))


def _raw(arm: Arm, judged: Judged) -> dict[str, Any]:
    sample, d = arm.sample, arm.difference
    spread, mean, best, worst = sample.spread, sample.interval, sample.best, sample.worst
    estimate = d and d.estimate
    interval = estimate and estimate.interval
    notes = [f"{arm.name}: {arm.refused}"] if arm.refused else []
    return {
        "arm": arm.name,
        "n": len(sample.finite),
        "mean": spread and spread.mean,
        "sd": spread and spread.sd,
        "mean_low": mean and mean.low,
        "mean_high": mean and mean.high,
        "best": None if best is None else sample.finite[best],
        "best_seed": best,
        "worst": None if worst is None else sample.finite[worst],
        "worst_seed": worst,
        "failures": len(sample.failed),
        "shape": sample.apart and sample.apart.kind,
        "metric": judged.metric,
        "at": judged.at,
        "margin": judged.margin,
        "baseline": d and d.baseline.name,
        "verdict": d and d.verdict.word,
        "reason": d and d.verdict.reason,
        "seeds_needed": d and d.verdict.seeds_needed,
        "paired": estimate and estimate.paired,
        "pairs": estimate and estimate.n,
        "difference": estimate and estimate.mean,
        "difference_low": interval and interval.low,
        "difference_high": interval and interval.high,
        "p": estimate and estimate.p,
        "p_holm": d and estimate and d.p_adjusted,
        "wins": d and d.wins.wins,
        "losses": d and d.wins.losses,
        "ties": d and d.wins.ties,
        "probability_of_improvement": d and d.improvement,
        "error_reduction": d and d.error_reduction,
        "notes": "; ".join([*notes, *arm.notes, *(d.notes() if d else ())]),
        "warnings": "; ".join(judged.warnings),
    }


def target_columns(groups: Iterable[Group], target: Target) -> list[Column[Group]]:
    """Return the columns that say how long a group takes to reach a target.

    Runs that failed count: they may have reached it, or never do.
    """
    times: dict[int, TimeToTarget] = {}
    for group in groups:
        runs = group.ended or dict(enumerate(group.runs))
        times[id(group)] = TimeToTarget({s: target.arrival(run.rows) for s, run in runs.items()})

    def epochs(group: Group) -> str:
        time = times[id(group)]
        value = NONE if time.epochs is None else f"{time.epochs:g}"
        return f"{value} ({time.never} of {len(time.runs)} never)" if time.never else value

    def seconds(group: Group) -> str:
        value = times[id(group)].seconds
        return NONE if value is None else numbers.significant(value)

    def raw(group: Group) -> dict[str, Any]:
        time = times[id(group)]
        return {
            "target": f"{target.metric}={target.value:g}",
            "epochs_to_target": time.epochs,
            "never_reached": time.never,
            "seconds_to_target": time.seconds,
        }

    goal = f"{names.label(target.metric)} {quantity(target.metric, target.value)}"
    return [Column(f"epochs to {goal}", epochs, raw), Column("seconds to it", seconds)]
