"""From groups of runs to the verdict on each: who is held against whom, and what to beware of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import count
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, TypeAlias

from nnexp import names
from nnexp.errors import OptionError, did_you_mean
from nnexp.numbers import name_seeds, plural
from nnexp.run.reader import Run
from nnexp.stats.differences import Comparison, Difference, compare
from nnexp.stats.sample import Sample, SampleSummary
from nnexp.stats.selection import differing, flatten
from nnexp.stats.verdict import default_margin
from nnexp.text import sanitize_line, shorten
from nnexp.views.compare import Group, beware, key_value, keys

if TYPE_CHECKING:
    from nnexp.study.record import ArmRecord, StudyRecord

# Arms, or seeds, that a sentence names one by one.
MOST_NAMED = 10
# An arm of a study, and the name it has there.
_Known: TypeAlias = "tuple[str, ArmRecord]"


@dataclass(frozen=True)
class Question:
    """What is asked of groups of runs.

    Attributes:
        metric: what is compared.
        at: at which point of a run; by default after the epoch that was best on validation or,
            where an arm has no such epoch, after the last.
        baseline: the arm that the others are held against; by default the study's, or the first.
        margin: a difference within it does not matter; by default 0.1 points of accuracy.
        study: what is known of the study the runs are of.
    """

    metric: str
    at: str | None = None
    baseline: str | None = None
    margin: float | None = None
    study: StudyRecord | None = None


@dataclass(frozen=True)
class Judged:
    """Groups and what was found on comparing them.

    Attributes:
        groups: by the names of the arms.
        at: the point of a run that was compared.
        chosen: whether the baseline was, or is just the first.
        comparison: the statistics, by these names.
        refused: why an arm is not held against its baseline, by its name.
        notes: what else must be known of an arm, by its name.
        warnings: what must be known of the comparison.
    """

    groups: Mapping[str, Group]
    at: str
    chosen: bool
    comparison: Comparison
    refused: Mapping[str, str]
    notes: Mapping[str, Sequence[str]]
    warnings: Sequence[str]

    @cached_property
    def against(self) -> dict[str, Difference]:
        """The difference of each arm that is held against another."""
        return {difference.arm: difference for difference in self.comparison.differences}

    @cached_property
    def arms(self) -> dict[str, SampleSummary]:
        """What each arm comes to by itself."""
        return {arm.name: arm for arm in self.comparison.arms}


def judge(groups: Sequence[Group], question: Question) -> Judged:
    """Hold each group against its baseline.

    Raises:
        OptionError: the baseline is none of them.
    """
    named, known = _named(groups, question.study)
    at = question.at or _point(groups, question.metric)
    arms = {name: _arm(name, group, question.metric, at) for name, group in named.items()}
    wanted = _baselines(named, known, question, arms)
    refused = {
        name: f"not held against {base}: {why}"
        for name, base in wanted.items()
        if (why := _empty(arms[name], arms[base]))
        or (why := incomparable(named[name].runs[0], named[base].runs[0]))
    }
    pairs = [(name, base) for name, base in wanted.items() if name not in refused]
    margin = question.margin
    comparison = compare(
        list(arms.values()),
        metric=question.metric,
        margin=default_margin(question.metric) if margin is None else margin,
        pairs=pairs,
    )
    due = set(question.study.seeds) if question.study else set()
    notes = {
        arm.name: [
            *arm.notes,
            *_without_value(arm.name, named[arm.name], question.metric, at),
            *_not_ended(arm.name, named[arm.name], due if arm.name in known else set()),
            *beware(arm.name, named[arm.name]),
        ]
        for arm in comparison.arms
    }
    warnings = [
        *_about_point(question, at),
        *_about_pairs(named, pairs, known),
        *_about_study(known, question),
    ]
    chosen = bool(question.baseline or question.study)
    return Judged(named, at, chosen, comparison, refused, notes, warnings)


def _named(
    groups: Sequence[Group], study: StudyRecord | None
) -> tuple[dict[str, Group], dict[str, _Known]]:
    """Name groups apart; in the order of the study's arms, where they are arms of one."""
    arms = {arm.identity: (key, arm) for key, arm in study.arms.items()} if study else {}
    order = {key: i for i, (key, _) in enumerate(arms.values())}
    found = [arms.get(group.runs[0].identity_v1) for group in groups]
    names = _apart(
        [arm[0] if arm else group.name for arm, group in zip(found, groups, strict=True)], groups
    )
    known = {name: arm for name, arm in zip(names, found, strict=True) if arm is not None}
    named = dict(zip(names, groups, strict=True))
    last = len(order)
    ordered = sorted(named, key=lambda name: order[known[name][0]] if name in known else last)
    return {name: named[name] for name in ordered}, known


def _apart(names: Sequence[str], groups: Sequence[Group]) -> list[str]:
    """Tell names that are shared apart by the keys that differ, or else by numbers."""
    shared = Counter(names)
    if len(shared) == len(names):
        return list(names)
    differ = keys(groups)
    taken: dict[str, None] = {}
    for name, group in zip(names, groups, strict=True):
        told = ", ".join(f"{key}={key_value(group, key)}" for key in differ)
        full = f"{name} ({told})" if told and shared[name] > 1 else name
        numbered = (f"{full} #{i}" for i in count(2))
        taken[full if full not in taken else next(n for n in numbered if n not in taken)] = None
    return list(taken)


def _point(groups: Sequence[Group], metric: str) -> str:
    """Return the point that every arm has which has logged the metric at all."""
    for group in groups:
        found = [run.facts.summary.get(metric, {}) for run in group.counted]
        if any(found) and not any("best-epoch" in points for points in found):
            return "last"
    return "best-epoch"


def _arm(name: str, group: Group, metric: str, at: str) -> Sample:
    """Take the run of each seed that has ended: its value, or how it failed."""
    values, failures = {}, {}
    for seed, run in sorted(group.ended.items()):
        point = run.facts.summary.get(metric, {}).get(at)
        if run.status == "diverged":
            failures[seed] = f"diverged in epoch {run.facts.done}"
        elif run.status == "failed":
            failures[seed] = "failed"
        elif point is not None:
            values[seed] = point.value
    return Sample(name, values, failures)


def _baselines(
    named: Mapping[str, Group],
    known: Mapping[str, _Known],
    question: Question,
    arms: Mapping[str, Sample],
) -> dict[str, str]:
    """Return the baseline of each group that is to have one.

    Raises:
        OptionError: the one that was asked for is none of the groups.
    """
    names, asked = list(named), question.baseline
    if asked is None and known:
        return _of_study(named, known, lambda arm: arm.baseline)
    if asked is None:
        asked = next((name for name in names if arms[name].seeds), names[0])
    if asked in named:
        return {name: asked for name in names if name != asked}
    if asked in {arm.arm for _, arm in known.values()}:
        cells = {(arm.arm, repr(arm.cell)): key for key, arm in known.values()}
        return _of_study(named, known, lambda arm: cells.get((asked, repr(arm.cell))))
    beginning = [name for name in names if name.startswith(asked)]
    if len(beginning) == 1:
        return {name: beginning[0] for name in names if name != beginning[0]}
    hint = did_you_mean(asked, dict.fromkeys([*(arm.arm for _, arm in known.values()), *names]))
    there = hint or f"; the arms are {listed(names)}"
    problem = f"fits {len(beginning)} arms" if beginning else "there is no such arm"
    raise OptionError(f"--baseline {asked}: {problem}{there}")


def _of_study(
    named: Mapping[str, Group],
    known: Mapping[str, _Known],
    baseline: Callable[[ArmRecord], str | None],
) -> dict[str, str]:
    """Hold the arms of a study against those it names, on the same data if there is a choice."""
    by_key: dict[str, list[str]] = {}
    for name, (key, _) in known.items():
        by_key.setdefault(key, []).append(name)
    found = {}
    for name in named:
        if name not in known:
            continue
        key, arm = known[name]
        against = baseline(arm)
        if against is None or against == key or against not in by_key:
            continue
        digest = named[name].runs[0].digest
        choice = by_key[against]
        same = (other for other in choice if named[other].runs[0].digest == digest)
        found[name] = next(same, choice[0])
    return found


def _empty(arm: Sample, baseline: Sample) -> str | None:
    """Say which of two arms has nothing to compare."""
    for which in (baseline, arm):
        if not which.seeds:
            return f"no run of {which.name} has ended with a value"
    return None


def incomparable(one: Run, other: Run) -> str | None:
    """Say why two runs' figures are not of the same thing; None where they are."""
    if one.config is None or other.config is None:
        return "its config cannot be read"
    if one.digest and one.digest == other.digest:
        return None
    # How much it was trained on may differ: that is an experiment.
    here, there = (
        flatten({key: value for key, value in run.config["data"].items() if key != "train"})
        for run in (one, other)
        if run.config
    )
    if here.keys() != there.keys():
        return f"it was measured on other data ({_source(here)}, not {_source(there)})"
    differ = differing([here, there])
    if differ:
        said = ", ".join(f"{k} {_short(here[k])}, not {_short(there[k])}" for k in differ[:3])
        return f"it was measured on other data ({said})"
    if one.config["data"] == other.config["data"] and one.digest and other.digest:
        return "the data files were not the same (their sha256 differ)"
    return None


def _source(data: Mapping[str, Any]) -> str:
    return _short(PurePath(data["path"]).name if "path" in data else data.get("name", "inline"))


def _short(value: Any) -> str:
    return shorten(sanitize_line(str(value)))


def _without_value(name: str, group: Group, metric: str, at: str) -> list[str]:
    """Say which runs have ended and have nothing to compare."""
    completed = [run for run in group.ended.values() if run.status == "completed"]
    none = [run for run in completed if at not in run.facts.summary.get(metric, {})]
    if not none:
        return []
    label, why = names.label(metric), "has not been logged"
    if any(metric in run.facts.summary for run in none):
        why = "has no best-epoch value, as no validation set was monitored; see --at last"
    return [f"{name}: {len(none)} of {plural(len(completed), 'run')} cannot be used: {label} {why}"]


def _not_ended(name: str, group: Group, due: set[int]) -> list[str]:
    """Say which seeds, of those there are and those that the study has, have not ended."""
    seeds = due | {run.seed for run in group.runs if run.seed is not None}
    missing = sorted(seeds - group.ended.keys())
    if not missing:
        return []
    named = name_seeds(missing[:MOST_NAMED]) + _more(len(missing) - MOST_NAMED)
    return [f"{name}: without a completed run here, and left out: {named}"]


def _about_point(question: Question, at: str) -> Iterator[str]:
    """Say what the chosen point of a run brings with it."""
    if at == "peak":
        which = question.metric.partition("_")[0]
        yield (
            f"peak: each run's best epoch was chosen by looking at the {which} figures themselves, "
            "so they are optimistic"
        )
    elif at != "best-epoch" and question.at is None:
        yield (
            "an arm has no epoch that was best on a validation set, so the last epochs are compared"
        )


def _about_pairs(
    named: Mapping[str, Group], pairs: Sequence[tuple[str, str]], known: Mapping[str, _Known]
) -> Iterator[str]:
    """Say where arms and their baselines were not treated alike."""
    told = {name: _treatment(group) for name, group in named.items()}
    for i, what in enumerate(_TREATMENT):
        yield from _unlike(what, {name: each[i] for name, each in told.items()}, pairs)
    effort = {name: str(known[name][1].effort) if name in known else "0" for name in named}
    yield from _unlike("tuning effort (trials)", effort, pairs)


_TREATMENT = ("number of epochs", "data (sha256)", "version of nnexp", "version of NumPy")


def _treatment(group: Group) -> list[str]:
    """Say what its runs were made with: for each word of `_TREATMENT`, the different values."""
    found = set()
    for run in group.runs:
        versions = run.record.get("versions") or {}
        epochs = run.config["epochs"] if run.config else None
        made = [str(versions.get(name) or "unknown") for name in ("nnexp", "numpy")]
        found.add((epochs, run.digest[:8], *made))
    each = [dict.fromkeys(values) for values in zip(*found, strict=True)]
    return [" and ".join(sorted(_short(value or "unknown") for value in known)) for known in each]


def _unlike(what: str, told: Mapping[str, str], pairs: Sequence[tuple[str, str]]) -> Iterator[str]:
    """Say what an arm and its baseline, or the runs of one arm, do not have in common."""
    unlike = [pair[::-1] for pair in pairs if told[pair[0]] != told[pair[1]]]
    mixed = [(name,) for name in told if " and " in told[name]]
    names = list(dict.fromkeys(name for those in (*unlike, *mixed) for name in those))
    if names:
        each = ", ".join(f"{name} {told[name]}" for name in names[:MOST_NAMED])
        yield f"not the same {what}: {each}{_more(len(names) - MOST_NAMED)}"


def _about_study(known: Mapping[str, _Known], question: Question) -> Iterator[str]:
    """Say which arms of the study are not there."""
    if question.study is None:
        return
    there = {key for key, _ in known.values()}
    absent = [key for key in question.study.arms if key not in there]
    if absent:
        yield f"these arms of the study {question.study.name} have no runs here: {listed(absent)}"
    if question.baseline is None:
        lost = {arm.baseline for _, arm in known.values()} & set(absent)
        alone = [name for name, (_, arm) in known.items() if arm.baseline in lost]
        if alone:
            yield f"without their baseline, these arms are held against none: {listed(alone)}"


def listed(names: Sequence[str]) -> str:
    """Name the first few, and say how many more there are."""
    return ", ".join(names[:MOST_NAMED]) + _more(len(names) - MOST_NAMED)


def _more(count: int) -> str:
    return f" and {count:,} more" if count > 0 else ""
