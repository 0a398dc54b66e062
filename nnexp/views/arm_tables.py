"""The tables of a comparison: groups and what tells them apart, arms, differences, targets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from nnexp import names, numbers
from nnexp.names import STATISTICS, higher_is_better
from nnexp.numbers import NONE, change, fixed, number, p_value, percent, quantity, shared_decimals
from nnexp.stats.differences import Difference
from nnexp.stats.estimate import Estimate, Interval
from nnexp.stats.judge import Judged
from nnexp.stats.sample import SampleSummary, Scored, Spread
from nnexp.stats.selection import Group, differing_keys
from nnexp.stats.summary import Published, Target, TimeToTarget, time_to_target
from nnexp.views.table import Column, Table, plain_column


def settings(groups: Sequence[Group], metric: str, *, per_run: bool = False) -> Table[Group]:
    """Lay out what tells groups apart, and their figures; columns without a value are dropped."""
    first: list[Column[Group]]
    if per_run:
        first = [
            plain_column("run", "run", lambda group: group.runs[0].id),
            plain_column("status", "status", lambda group: group.runs[0].status),
        ]
    else:
        first = [plain_column("name", "name", lambda group: group.name)]
    columns = [_setting(key) for key in differing_keys(groups)]
    if not per_run:
        columns.append(Column("runs", _runs, _raw_runs))
    for name in STATISTICS:
        spreads = {id(group): group.figures.get(name) for group in groups}
        columns.append(_spreads(name.replace("-", " "), f"{metric}_{name}", metric, spreads))
    if metric != "train_cost":
        costs = {id(group): group.train_cost for group in groups}
        columns.append(_spreads("train cost", "train_cost", "train_cost", costs))
    columns += [
        Column(
            "s/epoch",
            lambda group: numbers.significant(group.seconds.mean, 2) if group.seconds else NONE,
            lambda group: {"seconds_per_epoch": group.seconds.mean if group.seconds else None},
        ),
        Column(
            "published",
            lambda group: published(group.published, metric),
            lambda group: _raw_published(group.published, metric),
        ),
    ]
    kept = [c for c in columns if per_run or any(c.show(group) != NONE for group in groups)]
    return Table([*first, *kept], groups)


def published(figures: Published, metric: str) -> str:
    """Write the published figure of a metric and which statistic it is."""
    figure = figures.figures.get(metric)
    return NONE if figure is None else f"{number(metric, figure)} ({figures.statistic})"


def sort_key(name: str) -> Callable[[Group], Any]:
    """Return the key that sorts groups, the best first; a group without the value comes last."""

    def key(group: Group) -> Any:
        if name == "name":
            return group.name
        if name == "runs":
            return -len(group.runs)
        others = {"train-cost": group.train_cost, "seconds": group.seconds}
        spread = others[name] if name in others else group.figures.get(name)
        if spread is None:
            return float("inf")
        higher = name not in others and higher_is_better(group.metric)
        return -spread.mean if higher else spread.mean

    return key


def _setting(key: str) -> Column[Group]:
    return Column(
        key,
        lambda group: group.setting(key),
        lambda group: {key: group.settings.get(key)},
        left=True,
    )


def _runs(group: Group) -> str:
    others = [f"{n} {status}" for status, n in group.statuses.items() if status != "completed"]
    completed = group.statuses["completed"]
    return ", ".join([str(completed), *others] if completed or not others else others)


def _raw_runs(group: Group) -> dict[str, Any]:
    return {"runs": len(group.runs), "runs_completed": group.statuses["completed"]}


def _raw_published(figures: Published, metric: str) -> dict[str, Any]:
    figure = figures.figures.get(metric)
    return {
        "published": figure,
        "published_statistic": None if figure is None else figures.statistic,
    }


def _spreads(
    title: str, key: str, metric: str, spreads: Mapping[int, Spread | None]
) -> Column[Group]:
    """Return a column of means and standard deviations that share their decimals."""
    decimals = shared_decimals(metric, (spread.mean for spread in spreads.values() if spread))

    def raw(group: Group) -> dict[str, Any]:
        spread = spreads[id(group)]
        return {
            f"{key}_mean": spread.mean if spread else None,
            f"{key}_sd": spread.sd if spread else None,
            f"{key}_min": spread.low if spread else None,
            f"{key}_max": spread.high if spread else None,
        }

    def show(group: Group) -> str:
        spread = spreads[id(group)]
        return numbers.spread(metric, spread.mean, spread.sd, decimals) if spread else NONE

    return Column(title, show, raw)


def differences(judged: Judged, order: Iterable[str]) -> Table[Difference]:
    """Lay out each arm and its difference from its baseline, the verdict first."""
    metric, against = judged.comparison.metric, judged.against
    rows = [against[name] for name in order if name in against]
    decimals = shared_decimals(metric, (row.estimate.mean for row in rows if row.estimate))

    def signed(value: float) -> str:
        if names.is_accuracy(metric):
            return fixed(value * 100, 2, "+")
        return change(metric, value) if decimals is None else fixed(value, decimals, "+")

    def difference(row: Difference) -> str:
        return NONE if row.estimate is None else signed(row.estimate.mean)

    def interval(row: Difference) -> str:
        ends = row.estimate.interval if row.estimate else None
        return NONE if ends is None else f"{signed(ends.low)} to {signed(ends.high)}"

    columns: list[Column[Difference]] = [
        Column("arm", lambda row: row.arm, left=True),
        Column("verdict", lambda row: row.verdict.word, left=True),
        Column("compared with", lambda row: row.baseline, left=True),
        Column("difference", difference),
        Column("95 % interval", interval),
        Column("p", lambda row: p_value(row.estimate.p if row.estimate else None)),
        Column("p, Holm", lambda row: p_value(row.p_adjusted)),
        Column("wins", _wins),
        Column("P(better)", lambda r: NONE if r.improvement is None else fixed(r.improvement, 2)),
        Column("errors removed", lambda row: percent(row.error_reduction)),
        Column("seeds needed", _seeds_needed),
    ]
    unused = {
        "compared with": len({row.baseline for row in rows}) == 1,
        "p, Holm": len(rows) == 1,
        "errors removed": not names.is_accuracy(metric),
        "seeds needed": not any(row.verdict.seeds_needed for row in rows),
    }
    return Table([column for column in columns if not unused.get(column.title)], rows)


def _seeds_needed(row: Difference) -> str:
    return f"{row.verdict.seeds_needed:,}" if row.verdict.seeds_needed else NONE


def _wins(row: Difference) -> str:
    wins = row.wins
    pairs = wins.wins + wins.losses + wins.ties
    ties = f", {wins.ties} equal" if wins.ties else ""
    return f"{wins.wins} of {pairs}{ties}" if pairs else NONE


def arms(judged: Judged, order: Iterable[str]) -> Table[SampleSummary]:
    """Lay out what each arm comes to by itself."""
    metric, by_name = judged.comparison.metric, judged.arms
    decimals = shared_decimals(metric, (arm.mean for arm in by_name.values()))

    def value(of: float | None) -> str:
        return number(metric, of, decimals)

    def interval(arm: SampleSummary) -> str:
        if arm.interval is None:
            return NONE
        low, high = arm.interval.low, arm.interval.high
        if names.is_accuracy(metric):
            low, high = max(low, 0.0), min(high, 1.0)
        return f"{value(low)} to {value(high)}"

    def run(scored: Scored | None) -> str:
        return NONE if scored is None else f"{value(scored.value)} (seed {scored.seed})"

    columns: list[Column[SampleSummary]] = [
        Column("arm", lambda arm: arm.name, left=True),
        Column("runs", lambda arm: str(arm.n)),
        Column("mean", lambda arm: value(arm.mean)),
        Column("95 % interval", interval),
        Column("worst", lambda arm: run(arm.worst)),
        Column("best", lambda arm: run(arm.best)),
    ]
    if any(arm.failures for arm in by_name.values()):
        columns.insert(2, Column("failed", lambda arm: str(len(arm.failures))))
    return Table(columns, [by_name[name] for name in order])


def raw_columns(judged: Judged) -> list[Column[Group]]:
    """Return what CSV and JSON say of each group beyond its own figures."""
    names_of = {id(group): name for name, group in judged.groups.items()}
    comparison, warnings = judged.comparison, "; ".join(judged.warnings)

    def raw(group: Group) -> dict[str, Any]:
        name = names_of[id(group)]
        difference = judged.against.get(name)
        notes = [f"{name}: {judged.refused[name]}"] if name in judged.refused else []
        notes += [*judged.notes[name], *(difference.notes if difference else ())]
        return (
            _raw_arm(judged.arms[name])
            | {"metric": comparison.metric, "at": judged.at, "margin": comparison.margin}
            | _raw_difference(difference)
            | {"notes": "; ".join(notes), "warnings": warnings}
        )

    return [Column("comparison", lambda group: "", raw)]


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


def _raw_difference(row: Difference | None) -> dict[str, Any]:
    estimate: Estimate | None = row.estimate if row else None
    return {
        "baseline": row.baseline if row else None,
        "verdict": row.verdict.word if row else None,
        "reason": row.verdict.reason if row else None,
        "seeds_needed": row.verdict.seeds_needed if row else None,
        "paired": estimate.paired if estimate else None,
        "pairs": estimate.n if estimate else None,
        "difference": estimate.mean if estimate else None,
        **_ends("difference", estimate.interval if estimate else None),
        "p": estimate.p if estimate else None,
        "p_holm": row.p_adjusted if row else None,
        "wins": row.wins.wins if row else None,
        "losses": row.wins.losses if row else None,
        "ties": row.wins.ties if row else None,
        "probability_of_improvement": row.improvement if row else None,
        "error_reduction": row.error_reduction if row else None,
    }


def target_columns(groups: Iterable[Group], target: Target) -> list[Column[Group]]:
    """Return the columns that say how long a group takes to reach a target.

    Runs that failed count: they may have reached it, or never do.
    """
    times: dict[int, TimeToTarget] = {}
    for group in groups:
        runs = group.ended or dict(enumerate(group.runs))
        times[id(group)] = time_to_target({s: run.rows for s, run in runs.items()}, target)

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
