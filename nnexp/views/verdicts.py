"""From groups of runs to the verdict on each: what is compared with what, and how it is shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nnexp.errors import OptionError, did_you_mean, one_of
from nnexp.evidence.amounts import change, level, span
from nnexp.evidence.arm import Arm, ArmSummary, Scored
from nnexp.evidence.comparison import Comparison, Difference, compare
from nnexp.evidence.estimate import Interval
from nnexp.evidence.power import LEAST
from nnexp.evidence.target import Target, TimeToTarget, time_to_target
from nnexp.evidence.verdict import default_margin
from nnexp.store.reader import Run
from nnexp.store.studies import StudyRecord
from nnexp.views import words
from nnexp.views.compare import Group, beware, key_value, keys
from nnexp.views.table import NONE, Column, Table, plain_column

POINTS = {
    "last": "after the last epoch",
    "best-validation": "after the epoch that was best on the validation set",
    "peak": "at its peak, which is chosen by looking at the test set: optimistic",
}


@dataclass(frozen=True)
class Question:
    """What is asked of groups of runs.

    Attributes:
        metric: what is compared, at one of the points of a run.
        baseline: the name of the group the others are held against; by default the study's, or
            the first.
        margin: a difference within it does not matter; by default 0.1 points of accuracy.
        study: what is known of the study the runs are of.
    """

    metric: str
    at: str = "best-validation"
    baseline: str | None = None
    margin: float | None = None
    study: StudyRecord | None = None


@dataclass(frozen=True)
class Judged:
    """Groups and what was found on comparing them.

    Attributes:
        names: of the groups, each unique.
        comparison: the statistics, by these names.
        apart: why some groups are held against none.
    """

    groups: Sequence[Group]
    names: Sequence[str]
    comparison: Comparison
    apart: Sequence[str]

    @property
    def pairs(self) -> dict[str, Difference]:
        """The difference of each arm that is held against another."""
        return {difference.arm: difference for difference in self.comparison.differences}

    @property
    def by_name(self) -> dict[str, ArmSummary]:
        """What each arm comes to by itself."""
        return {arm.name: arm for arm in self.comparison.arms}


def unique_names(groups: Sequence[Group]) -> list[str]:
    """Name groups apart: by name and, where two share it, by the keys that differ."""
    names = [group.name for group in groups]
    differ = keys(groups)
    full = [
        f"{g.name} ({', '.join(f'{key}={key_value(g, key)}' for key in differ)})" for g in groups
    ]
    chosen = [f if names.count(n) > 1 else n for n, f in zip(names, full, strict=True)]
    return [
        f"{name} #{chosen[: i + 1].count(name)}" if chosen.count(name) > 1 else name
        for i, name in enumerate(chosen)
    ]


def judge(groups: Sequence[Group], question: Question) -> Judged:
    """Hold each group against its baseline.

    Raises:
        OptionError: the baseline is none of them.
    """
    names = unique_names(groups)
    arms = [_arm(name, g, question) for name, g in zip(names, groups, strict=True)]
    pairs, apart = _pairs(dict(zip(names, groups, strict=True)), question)
    margin = question.margin
    comparison = compare(
        arms,
        metric=question.metric,
        margin=default_margin(question.metric) if margin is None else margin,
        pairs=pairs,
    )
    return Judged(groups, names, comparison, apart)


def _arm(name: str, group: Group, question: Question) -> Arm:
    """Take the latest run of each seed that has ended: its value, or how it failed."""
    latest = {run.seed: run for run in sorted(group.runs, key=_order) if run.seed is not None}
    values, failures = {}, {}
    for seed, run in sorted(latest.items()):
        if run.status == "diverged":
            failures[seed] = f"diverged in epoch {run.facts.done}"
        elif run.status == "failed":
            failures[seed] = "failed"
        elif run.status == "completed":
            point = run.facts.summary.get(question.metric, {}).get(question.at)
            if point is not None:
                values[seed] = point.value
    return Arm(name, values, failures)


def _order(run: Run) -> tuple[bool, str]:
    """Sort runs that have ended after those that have not, the latest last."""
    return run.status in ("completed", "diverged", "failed"), str(run.record.get("started_at"))


def _pairs(
    groups: Mapping[str, Group], question: Question
) -> tuple[list[tuple[str, str]], list[str]]:
    """Return who is held against whom, and why some are not."""
    pairs, apart = [], []
    wanted = _baselines(list(groups), question)
    for name, baseline in wanted.items():
        reason = _incomparable(groups[name], groups[baseline])
        if reason:
            apart.append(f"{name} is not held against {baseline}: {reason}")
        else:
            pairs.append((name, baseline))
    return pairs, apart


def _baselines(names: Sequence[str], question: Question) -> dict[str, str]:
    """Return the baseline of each group that is to have one."""
    if question.baseline is None and question.study is not None:
        arms = question.study.arms
        found = {name: arms[name].baseline for name in names if name in arms}
        return {name: base for name, base in found.items() if base in names and base is not None}
    baseline = question.baseline or next(iter(names), "")
    if baseline not in names and names:
        beginning = [name for name in names if name.startswith(baseline)]
        if len(beginning) != 1:
            hint = did_you_mean(baseline, names)
            allowed = hint or f"; the arms are {one_of(names[:20])}"
            raise OptionError(f"--baseline {baseline}: there is no such arm{allowed}")
        (baseline,) = beginning
    return {name: baseline for name in names if name != baseline}


def _incomparable(a: Group, b: Group) -> str | None:
    """Say why two groups' figures are not of the same thing; None where they are."""
    if a.runs[0].digest == b.runs[0].digest:
        return None
    first, second = (g.runs[0].experiment for g in (a, b))
    if first is None or second is None:
        return "its config cannot be read"
    forms = [experiment.data.model_dump(exclude={"train"}) for experiment in (first, second)]
    if forms[0] != forms[1]:
        return "it was measured on other data"
    if first.data == second.data:
        return "the data files were not the same"
    return None


def _points(metric: str, value: float) -> str:
    return change(metric, value).removesuffix(" points")


def _span(metric: str, interval: Interval | None) -> str:
    if interval is None:
        return NONE
    return span(metric, interval.low, interval.high).removesuffix(" points")


def _p(value: float | None) -> str:
    return NONE if value is None else f"{value:.2g}"


def table(judged: Judged) -> Table[Difference]:
    """Lay the differences out, one a row."""
    found = judged.comparison
    metric = found.metric
    baselines = {d.baseline for d in found.differences}
    unit = ", points" if words.is_percent(metric) else ""

    def of(show: Callable[[Any], str]) -> Callable[[Difference], str]:
        return lambda d: NONE if d.estimate is None else show(d.estimate)

    def column(title: str, show: Callable[[Difference], str]) -> Column[Difference]:
        return Column(title, show, lambda d: {})

    columns: list[Column[Difference]] = [plain_column("arm", "arm", lambda d: d.arm)]
    if len(baselines) > 1:
        columns.append(plain_column("against", "against", lambda d: d.baseline))
    columns += [
        column(f"difference{unit}", of(lambda e: _points(metric, e.mean))),
        column("95 % interval", of(lambda e: _span(metric, e.interval))),
        column("p", of(lambda e: _p(e.p))),
    ]
    if len(found.differences) > 1:
        columns.append(column("p, Holm", lambda d: _p(d.p_adjusted)))
    columns.append(column("wins", lambda d: f"{d.wins.wins} of {sum(_counts(d))}"))
    columns.append(
        column("P(better)", lambda d: NONE if d.improvement is None else f"{d.improvement:.2f}")
    )
    if words.is_percent(metric):
        columns.append(
            column(
                "errors removed",
                lambda d: NONE if d.error_reduction is None else f"{d.error_reduction * 100:.0f} %",
            )
        )
    columns.append(plain_column("verdict", "verdict", lambda d: d.verdict.word))
    return Table(columns, found.differences)


def _counts(difference: Difference) -> tuple[int, int, int]:
    wins = difference.wins
    return wins.wins, wins.losses, wins.ties


def raw_columns(judged: Judged, question: Question) -> list[Column[Group]]:
    """Return what CSV and JSON say of each group beyond its own figures."""
    names = {id(g): name for g, name in zip(judged.groups, judged.names, strict=True)}
    unlike = list(warnings(judged, question))

    def raw(group: Group) -> dict[str, Any]:
        name = names[id(group)]
        arm, difference = judged.by_name[name], judged.pairs.get(name)
        said = [*arm.notes, *(difference.notes if difference else ()), *beware([group])]
        said += [why for why in judged.apart if why.startswith(f"{name} ")]
        return (
            _raw_arm(arm)
            | _raw_difference(difference)
            | {"notes": "; ".join(said), "warnings": "; ".join(unlike)}
        )

    return [Column("evidence", lambda g: "", raw)]


def _ends(prefix: str, interval: Interval | None) -> dict[str, Any]:
    low, high = (interval.low, interval.high) if interval else (None, None)
    return {f"{prefix}_low": low, f"{prefix}_high": high}


def _raw_arm(arm: ArmSummary) -> dict[str, Any]:
    best, worst = arm.best, arm.worst
    return {
        "arm": arm.name,
        "n": arm.n,
        "mean": arm.mean,
        **_ends("mean", arm.interval),
        "best": best.value if best else None,
        "best_seed": best.seed if best else None,
        "worst": worst.value if worst else None,
        "worst_seed": worst.seed if worst else None,
        "failures": len(arm.failures),
    }


def _raw_difference(d: Difference | None) -> dict[str, Any]:
    estimate = d.estimate if d else None
    return {
        "baseline": d.baseline if d else None,
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
        "verdict": d.verdict.word if d else None,
        "reason": d.verdict.reason if d else None,
        "seeds_needed": d.verdict.seeds_needed if d else None,
    }


def heading(judged: Judged, question: Question) -> str:
    """Say what is compared with what."""
    found = judged.comparison.differences
    baselines = list(dict.fromkeys(d.baseline for d in found))
    against = baselines[0] if len(baselines) == 1 else "the baseline of each"
    paired = all(d.estimate is None or d.estimate.paired for d in found)
    how = ", paired by seed" if paired else ""
    chosen = question.baseline or question.study
    first = "" if chosen else " (the first; --baseline chooses another)"
    return f"Against {against}{first}: {words.label(question.metric)} {POINTS[question.at]}{how}."


def sentences(judged: Judged) -> Iterator[str]:
    """Say each verdict, and what else must be known."""
    for d in judged.comparison.differences:
        link = {"better": "better than", "worse": "worse than"}.get(d.verdict.word)
        said = f"{d.arm} is {link} {d.baseline}" if link else f"{d.arm}: {d.verdict.word}"
        yield f"{said}: {d.verdict.reason}"
        yield from (f"  {note}" for note in d.notes)
    for arm in judged.comparison.arms:
        yield from arm.notes
    yield from judged.apart


def arm_table(judged: Judged) -> Table[ArmSummary]:
    """Lay out what each arm comes to by itself, one a row."""
    metric = judged.comparison.metric

    def number(value: float | None) -> str:
        return words.number(metric, value)

    def interval(arm: ArmSummary) -> str:
        if arm.interval is None:
            return NONE
        low, high = arm.interval.low, arm.interval.high
        if words.is_percent(metric):
            low, high = max(low, 0.0), min(high, 1.0)
        return f"{number(low)} to {number(high)}"

    def run(scored: Scored | None) -> str:
        return NONE if scored is None else f"{number(scored.value)} (seed {scored.seed})"

    def column(title: str, show: Callable[[ArmSummary], str]) -> Column[ArmSummary]:
        return Column(title, show, lambda arm: {})

    return Table(
        [
            plain_column("arm", "arm", lambda arm: arm.name),
            column("runs", lambda arm: str(arm.n)),
            column(f"mean {words.title(metric)}", lambda arm: number(arm.mean)),
            column("95 % interval", interval),
            column("worst", lambda arm: run(arm.worst)),
            column("best", lambda arm: run(arm.best)),
        ],
        judged.comparison.arms,
    )


def nothing_to_claim(judged: Judged) -> str | None:
    """Say in one sentence that single runs prove nothing; None where there is more to say."""
    if len(judged.groups) < 2 or any(arm.n > 1 for arm in judged.comparison.arms):
        return None
    return (
        "One run an arm proves nothing: another seed gives another figure. With "
        f"{LEAST} seeds or more a difference can be judged: nnexp train ... --seeds 0-9"
    )


def warnings(judged: Judged, question: Question) -> Iterator[str]:
    """Say where the arms were not treated alike."""
    groups = dict(zip(judged.names, judged.groups, strict=True))
    for what, told in (
        ("epochs", {name: g.config.get("epochs") for name, g in groups.items()}),
        ("versions of nnexp", {name: _versions(g, "nnexp") for name, g in groups.items()}),
        ("versions of NumPy", {name: _versions(g, "numpy") for name, g in groups.items()}),
        ("trials of tuning", _effort(judged.names, question.study)),
    ):
        if len(set(map(str, told.values()))) > 1:
            each = ", ".join(f"{name} {value}" for name, value in told.items())
            yield f"not the same {what} in all arms: {each}"


def _versions(group: Group, name: str) -> str:
    found = {
        str(versions.get(name)) if isinstance(versions, dict) else "unknown"
        for run in group.runs
        for versions in (run.record.get("versions"),)
    }
    return " and ".join(sorted(found))


def _effort(names: Sequence[str], study: StudyRecord | None) -> dict[str, int]:
    return {name: study.arms[name].effort for name in names if study and name in study.arms}


def target_columns(target: Target) -> list[Column[Group]]:
    """Return the columns that say how long a group takes to reach a target."""

    def found(group: Group) -> TimeToTarget:
        return time_to_target({run.seed or 0: run.rows for run in group.counted}, target)

    def never(group: Group) -> str:
        count = found(group).never
        return f" ({count} never)" if count else ""

    def epochs(group: Group) -> str:
        value = found(group).epochs
        return (NONE if value is None else f"{value:g}") + never(group)

    def seconds(group: Group) -> str:
        value = found(group).seconds
        return NONE if value is None else f"{value:.1f}"

    def raw(group: Group) -> dict[str, Any]:
        time = found(group)
        return {
            "target": f"{target.metric}={target.value:g}",
            "epochs_to_target": time.epochs,
            "never_reached": time.never,
        }

    value = level(target.metric, target.value)
    return [
        Column(f"epochs to {words.label(target.metric)} {value}", epochs, raw),
        Column("seconds", seconds, lambda g: {"seconds_to_target": found(g).seconds}),
    ]
