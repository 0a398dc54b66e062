"""Who is compared with whom, what is refused and why, and what else must be known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import count

from nnexp import names
from nnexp.errors import OptionError, did_you_mean
from nnexp.numbers import margin_problem, name_seeds, plural, size
from nnexp.stats.differences import Comparison, Difference, compare
from nnexp.stats.sample import Sample, SampleSummary
from nnexp.stats.selection import (
    MOST_NAMED,
    ArmPlan,
    Group,
    StudyPlan,
    brief,
    differing_keys,
    incomparable,
    listed,
)
from nnexp.stats.verdict import default_margin

# The statistic that a comparison takes by itself; a study that says so says nothing.
_USUAL = "best-epoch"


@dataclass(frozen=True)
class Question:
    """What is asked of groups of runs.

    Attributes:
        metric: what is compared.
        at: the statistic of the metric; by default the study's, or the best epoch or, where an arm
            has none, the last.
        baseline: the arm that the others are compared with; by default the study's, or the first.
        margin: a difference within it does not matter; by default the study's, if it is of this
            metric, or 0.1 points of accuracy.
        study: of which the runs are.
    """

    metric: str
    at: str | None = None
    baseline: str | None = None
    margin: float | None = None
    study: StudyPlan | None = None


@dataclass(frozen=True)
class Judged:
    """Groups and the comparison of their arms.

    Attributes:
        groups: by the names of the arms.
        at: the statistic that was compared.
        chosen: whether the baseline was chosen; else it is just the first arm.
        comparison: the statistics, by the same names.
        refused: why an arm is not compared with its baseline, by its name.
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
        """The difference of each arm that is compared with another."""
        return {difference.arm: difference for difference in self.comparison.differences}

    @cached_property
    def arms(self) -> dict[str, SampleSummary]:
        """What each arm comes to by itself."""
        return {arm.name: arm for arm in self.comparison.arms}


def judge(groups: Sequence[Group], question: Question) -> Judged:
    """Compare each group with its baseline.

    Raises:
        OptionError: the baseline is none of them.
    """
    study, metric = question.study, question.metric
    named, keys = _named(groups, study)
    plans = {name: study.arms[key] for name, key in keys.items()} if study else {}
    at = _statistic(groups, question)
    margin, about_margin = _margin(groups, question)
    samples = {name: _sample(name, group, metric, at) for name, group in named.items()}
    baselines = _baselines(named, keys, plans, question.baseline, samples)
    refused = {
        name: f"not compared with {base}: {why}"
        for name, base in baselines.items()
        if (why := _empty(samples[name], samples[base]))
        or (why := incomparable(named[name].runs[0], named[base].runs[0]))
    }
    pairs = [(name, base) for name, base in baselines.items() if name not in refused]
    comparison = compare(list(samples.values()), metric=metric, margin=margin, pairs=pairs)
    seeds = study.seeds if study else ()
    notes = {
        name: [
            *arm.notes,
            *_without_value(name, named[name], metric, at),
            *_not_ended(name, named[name], seeds if name in keys else ()),
            *(f"{name}: {note}" for note in named[name].notes()),
        ]
        for name, arm in zip(named, comparison.arms, strict=True)
    }
    warnings = [
        *(_about_statistic(groups, question, at) if pairs else ()),
        *([about_margin] if about_margin and pairs else ()),
        *_about_pairs(named, pairs, plans),
        *(_about_study(study, keys, chosen=question.baseline is not None) if study else ()),
    ]
    chosen = bool(question.baseline or study)
    return Judged(named, at, chosen, comparison, refused, notes, warnings)


def _named(
    groups: Sequence[Group], study: StudyPlan | None
) -> tuple[dict[str, Group], dict[str, str]]:
    """Name groups apart, arms of a study first; return which arm each of these is, too."""
    arms = [study.arm_of(group.runs[0]) if study else None for group in groups]
    words = [arm or group.name for arm, group in zip(arms, groups, strict=True)]
    unique = _apart(words, groups)
    keys = {name: arm for name, arm in zip(unique, arms, strict=True) if arm is not None}
    named = dict(zip(unique, groups, strict=True))
    order = {key: i for i, key in enumerate(study.arms)} if study else {}
    ordered = sorted(named, key=lambda name: order[keys[name]] if name in keys else len(order))
    return {name: named[name] for name in ordered}, keys


def _apart(words: Sequence[str], groups: Sequence[Group]) -> list[str]:
    """Make shared names different by the settings that differ, or else by numbers."""
    shared = Counter(words)
    if len(shared) == len(words):
        return list(words)
    keys = differing_keys(groups)
    unique: dict[str, None] = {}
    for word, group in zip(words, groups, strict=True):
        values = ", ".join(f"{key}={group.setting(key)}" for key in keys)
        full = f"{word} ({values})" if values and shared[word] > 1 else word
        numbered = (f"{full} #{i}" for i in count(2))
        unique[full if full not in unique else next(n for n in numbered if n not in unique)] = None
    return list(unique)


def _statistic(groups: Sequence[Group], question: Question) -> str:
    """Return the statistic asked for, or one that every arm has which has logged the metric."""
    if question.at:
        return question.at
    if question.study and question.study.at != _USUAL:
        return question.study.at
    for group in groups:
        points = [run.facts.summary.get(question.metric, {}) for run in group.counted]
        if any(points) and not any(_USUAL in each for each in points):
            return "last"
    return _USUAL


def _margin(groups: Sequence[Group], question: Question) -> tuple[float | None, str]:
    """Return the margin that holds, and why it is not the study's where it is not."""
    study, metric = question.study, question.metric
    default = default_margin(metric)
    if question.margin is not None:
        return question.margin, ""
    if study is None or study.margin is None:
        return default, ""
    logged = {name for group in groups for run in group.runs for name in run.facts.summary}
    own = study.metric or names.default_metric(logged) or metric
    if own != metric:
        why = f"{size(own, study.margin)}, is of {names.label(own)}"
    elif problem := margin_problem(metric, study.margin):
        why = f"{study.margin:g}, cannot be used: {problem}"
    else:
        return study.margin, ""
    used = "no margin is" if default is None else f"{size(metric, default)} are"
    return default, f"the margin of the study, {why}; {used} used here; --margin sets another"


def _sample(name: str, group: Group, metric: str, at: str) -> Sample:
    """Take the run of each seed that has ended: its value, or how it failed."""
    values, failures = {}, {}
    for seed, run in sorted(group.ended.items()):
        point = run.facts.summary.get(metric, {}).get(at)
        if run.status == "diverged":
            failures[seed] = f"diverged in epoch {run.facts.done}"
        elif run.status == "failed":
            failures[seed] = "failed"
        elif point is not None:
            values[seed] = point.value + 0.0  # zero has no sign
    return Sample(name, values, failures)


def _baselines(
    named: Mapping[str, Group],
    keys: Mapping[str, str],
    plans: Mapping[str, ArmPlan],
    wanted: str | None,
    samples: Mapping[str, Sample],
) -> dict[str, str]:
    """Return the baseline of each arm that is to have one.

    Raises:
        OptionError: the one that is wanted is none of the arms.
    """
    arms = list(named)
    if wanted is None and plans:
        return _study_baselines(named, keys, lambda name: plans[name].baseline)
    if wanted is None:
        wanted = next((name for name in arms if samples[name].seeds), arms[0])
    if wanted in named:
        return {name: wanted for name in arms if name != wanted}
    if wanted in {plan.arm for plan in plans.values()}:
        cells = {(plan.arm, repr(plan.cell)): keys[name] for name, plan in plans.items()}
        return _study_baselines(
            named, keys, lambda name: cells.get((wanted, repr(plans[name].cell)))
        )
    matches = [name for name in arms if name.startswith(wanted)]
    if len(matches) == 1:
        return {name: matches[0] for name in arms if name != matches[0]}
    hint = did_you_mean(wanted, dict.fromkeys([*(plan.arm for plan in plans.values()), *arms]))
    problem = f"matches {len(matches)} arms" if matches else "no arm matches"
    raise OptionError(f"--baseline {wanted}: {problem}{hint or f'; the arms are {listed(arms)}'}")


def _study_baselines(
    named: Mapping[str, Group], keys: Mapping[str, str], baseline: Callable[[str], str | None]
) -> dict[str, str]:
    """Return the baselines within a study, on the same data if there is a choice."""
    by_key: dict[str, list[str]] = {}
    for name, key in keys.items():
        by_key.setdefault(key, []).append(name)
    baselines = {}
    for name in (name for name in named if name in keys):
        base = baseline(name)
        if base is None or base == keys[name] or base not in by_key:
            continue
        digest, choice = named[name].runs[0].digest, by_key[base]
        same = (other for other in choice if named[other].runs[0].digest == digest)
        baselines[name] = next(same, choice[0])
    return baselines


def _empty(arm: Sample, baseline: Sample) -> str | None:
    """Say which of two arms has nothing to compare."""
    for which in (baseline, arm):
        if not which.seeds:
            return f"no run of {which.name} has ended with a value"
    return None


def _without_value(name: str, group: Group, metric: str, at: str) -> list[str]:
    """Say which runs have ended and have nothing to compare."""
    completed = [run for run in group.ended.values() if run.status == "completed"]
    without = [run for run in completed if at not in run.facts.summary.get(metric, {})]
    if not without:
        return []
    why = "was not logged"
    if any(metric in run.facts.summary for run in without):
        why = "has no best epoch, as no validation set was monitored; see --at last"
    which = f"{len(without)} of {plural(len(completed), 'run')}"
    return [f"{name}: {which} cannot be used: {names.label(metric)} {why}"]


def _not_ended(name: str, group: Group, planned: Sequence[int]) -> list[str]:
    """Say which seeds, of those there are and those that the study has, have not ended."""
    seeds = {*planned, *(run.seed for run in group.runs if run.seed is not None)}
    missing = sorted(seeds - group.ended.keys())
    if not missing:
        return []
    more = f" and {n:,} more" if (n := len(missing) - MOST_NAMED) > 0 else ""
    which = f"{name_seeds(missing[:MOST_NAMED])}{more}"
    return [f"{name}: excluded, without a completed run here: {which}"]


def _about_statistic(groups: Sequence[Group], question: Question, at: str) -> Iterator[str]:
    """Say what the statistic brings with it."""
    study = question.study
    if at == "peak":
        which = question.metric.partition("_")[0]
        yield (
            f"peak: the best epoch of each run was chosen by looking at the {which} figures "
            "themselves, so they are optimistic"
        )
    elif at != _USUAL and question.at is None and (study is None or study.at == _USUAL):
        with_best = [group.name for group in groups if _USUAL in group.figures]
        if with_best:
            yield (
                "the last epochs are compared, as not every arm has an epoch that was best on a "
                f"validation set; these have one: {listed(with_best)}"
            )


def _about_pairs(
    named: Mapping[str, Group], pairs: Sequence[tuple[str, str]], plans: Mapping[str, ArmPlan]
) -> Iterator[str]:
    """Say where arms and their baselines were not treated alike."""
    treatments = {name: _treatment(group) for name, group in named.items()}
    for i, what in enumerate(_TREATMENT):
        yield from _unlike(what, {name: each[i] for name, each in treatments.items()}, pairs)
    effort = {name: str(plans[name].effort) if name in plans else "0" for name in named}
    yield from _unlike("tuning effort (trials)", effort, pairs)


_TREATMENT = ("number of epochs", "data (sha256)", "version of nnexp", "version of NumPy")


def _treatment(group: Group) -> list[str]:
    """Return what its runs were made with: for each word of `_TREATMENT`, the different values."""
    rows = set()
    for run in group.runs:
        versions = run.record.get("versions") or {}
        epochs = run.config["epochs"] if run.config else None
        used = [str(versions.get(name) or "unknown") for name in ("nnexp", "numpy")]
        rows.add((epochs, run.digest[:8], *used))
    return [
        " and ".join(sorted({brief(value or "unknown") for value in column}))
        for column in zip(*rows, strict=True)
    ]


def _unlike(
    what: str, treatment: Mapping[str, str], pairs: Sequence[tuple[str, str]]
) -> Iterator[str]:
    """Say what an arm and its baseline, or the runs of one arm, do not have in common."""
    unlike = [pair[::-1] for pair in pairs if treatment[pair[0]] != treatment[pair[1]]]
    mixed = [(name,) for name in treatment if " and " in treatment[name]]
    arms = dict.fromkeys(name for those in (*unlike, *mixed) for name in those)
    if arms:
        yield f"not the same {what}: {listed([f'{name} {treatment[name]}' for name in arms])}"


def _about_study(study: StudyPlan, keys: Mapping[str, str], *, chosen: bool) -> Iterator[str]:
    """Say which arms of the study are not there."""
    absent = [key for key in study.arms if key not in keys.values()]
    if absent:
        yield f"these arms of the study {study.name} have no runs here: {listed(absent)}"
    alone = [name for name, key in keys.items() if study.arms[key].baseline in absent]
    if alone and not chosen:
        yield f"these arms are compared with none, as their baseline is absent: {listed(alone)}"
