"""Who is compared with whom, by what, and what else must be known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, count
from typing import Any

from nnexp import names
from nnexp.errors import OptionError, did_you_mean
from nnexp.numbers import margin_problem, plural, size
from nnexp.stats.sample import Sample
from nnexp.stats.selection import (
    ArmPlan,
    Group,
    StudyPlan,
    brief,
    differing_keys,
    incomparable,
    listed,
)
from nnexp.stats.verdict import Difference, compare, default_margin

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
class Arm:
    """A group that is compared, and what came of it.

    Attributes:
        name: no other arm has it.
        sample: the values that are compared.
        key: its full name in the study; with its plan there, None where it is of no study.
        difference: from its baseline; None where it is compared with none.
        refused: why it is not compared with its baseline.
        notes: what else must be known of it.
    """

    name: str
    group: Group
    sample: Sample
    key: str | None
    plan: ArmPlan | None
    difference: Difference | None = None
    refused: str = ""
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class Judged:
    """The comparison of groups.

    Attributes:
        at: the statistic that was compared.
        chosen: whether the baseline was chosen; else it is just the first arm.
        arms: those of a study first, in its order.
        warnings: what must be known of the comparison.
    """

    metric: str
    at: str
    margin: float | None
    chosen: bool
    arms: Sequence[Arm]
    warnings: Sequence[str]


def judge(groups: Sequence[Group], question: Question) -> Judged:
    """Compare each group with its baseline.

    Raises:
        OptionError: the baseline is none of them.
    """
    study, (at, about_at) = question.study, _statistic(groups, question)
    margin, about_margin = _margin(groups, question)
    arms, pairs, refused = _arms(groups, question, at), [], {}
    for arm, base in _pairs(arms, question.baseline):
        if why := _obstacle(arm, base):
            refused[arm.name] = f"not compared with {base.name}: {why}"
        else:
            pairs.append((arm, base))
    compared = compare([(arm.sample, base.sample) for arm, base in pairs], margin)
    differences = {difference.arm.name: difference for difference in compared}
    warnings = [
        *(note for note in (about_at, about_margin) if note and pairs),
        *_about_treatment(arms, pairs),
        *(_about_study(study, arms, chosen=question.baseline is not None) if study else ()),
    ]
    judged = [
        replace(
            arm,
            difference=differences.get(arm.name),
            refused=refused.get(arm.name, ""),
            notes=_notes(arm, at, study.seeds if study and arm.key else ()),
        )
        for arm in arms
    ]
    chosen = bool(question.baseline or study)
    return Judged(question.metric, at, margin, chosen, judged, warnings)


def _arms(groups: Sequence[Group], question: Question, at: str) -> list[Arm]:
    """Name groups apart and take their values, arms of the study first."""
    study = question.study
    keys = [study.arm_of(group.runs[0]) if study else None for group in groups]
    words = [key or group.name for key, group in zip(keys, groups, strict=True)]
    arms = [
        Arm(
            name,
            group,
            _sample(name, group, question.metric, at),
            key,
            study.arms[key] if study and key else None,
        )
        for name, group, key in zip(_apart(words, groups), groups, keys, strict=True)
    ]
    order = {key: i for i, key in enumerate(study.arms)} if study else {}
    return sorted(arms, key=lambda arm: order[arm.key] if arm.key else len(order))


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
        unique[next(name for name in chain([full], numbered) if name not in unique)] = None
    return list(unique)


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
    return Sample(name, metric, values, failures)


def _statistic(groups: Sequence[Group], question: Question) -> tuple[str, str]:
    """Return the statistic that holds, and what it brings with it.

    It is the one asked for, or one that every arm has which has logged the metric.
    """
    study, metric = question.study, question.metric
    at = question.at or (study.at if study else _USUAL)
    if at == "peak":
        return at, (
            "peak: the best epoch of each run was chosen by looking at the "
            f"{metric.partition('_')[0]} figures themselves, so they are optimistic"
        )
    points = [[run.facts.summary.get(metric, {}) for run in group.counted] for group in groups]
    lacking = any(any(each) and not any(_USUAL in point for point in each) for each in points)
    if question.at or at != _USUAL or not lacking:
        return at, ""
    with_best = [group.name for group in groups if _USUAL in group.figures]
    if not with_best:
        return "last", ""
    return "last", (
        "the last epochs are compared, as not every arm has an epoch that was best on a "
        f"validation set; these have one: {listed(with_best)}"
    )


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


def _pairs(arms: Sequence[Arm], wanted: str | None) -> list[tuple[Arm, Arm]]:
    """Return each arm that is to have a baseline, and that.

    Raises:
        OptionError: the one that is wanted is none of the arms.
    """
    plans = [arm.plan for arm in arms if arm.plan]
    if wanted is None and plans:
        return _study_pairs(arms, lambda plan: plan.baseline)
    if wanted is None:
        wanted = next((arm for arm in arms if arm.sample.seeds), arms[0]).name
    matches = [arm for arm in arms if arm.name == wanted]
    if not matches and any(plan.arm == wanted for plan in plans):
        cells = {
            repr(arm.plan.cell): arm.key for arm in arms if arm.plan and arm.plan.arm == wanted
        }
        return _study_pairs(arms, lambda plan: cells.get(repr(plan.cell)))
    matches = matches or [arm for arm in arms if arm.name.startswith(wanted)]
    if len(matches) == 1:
        return [(arm, matches[0]) for arm in arms if arm is not matches[0]]
    every = [arm.name for arm in arms]
    hint = did_you_mean(wanted, dict.fromkeys([*(plan.arm for plan in plans), *every]))
    problem = f"matches {len(matches)} arms" if matches else "no arm matches"
    raise OptionError(f"--baseline {wanted}: {problem}{hint or f'; the arms are {listed(every)}'}")


def _study_pairs(
    arms: Sequence[Arm], baseline: Callable[[ArmPlan], str | None]
) -> list[tuple[Arm, Arm]]:
    """Pair arms within a study, on the same data if there is a choice."""
    by_key: dict[str | None, list[Arm]] = {}
    for arm in arms:
        by_key.setdefault(arm.key, []).append(arm)
    pairs = []
    for arm in arms:
        key = baseline(arm.plan) if arm.plan else None
        if key not in (None, arm.key) and key in by_key:
            digest = arm.group.runs[0].digest
            same = (other for other in by_key[key] if other.group.runs[0].digest == digest)
            pairs.append((arm, next(same, by_key[key][0])))
    return pairs


def _obstacle(arm: Arm, base: Arm) -> str | None:
    """Say why two arms cannot be compared; None where they can."""
    for which in (base, arm):
        if not which.sample.seeds:
            return f"no run of {which.name} has ended with a value"
    return incomparable(arm.group.runs[0], base.group.runs[0])


def _notes(arm: Arm, at: str, planned: Sequence[int]) -> list[str]:
    """Say what else must be known of an arm: of its sample, of values and seeds that lack."""
    group, metric, notes = arm.group, arm.sample.metric, arm.sample.notes()
    completed = [run for run in group.ended.values() if run.status == "completed"]
    without = [run for run in completed if at not in run.facts.summary.get(metric, {})]
    if without:
        why = "was not logged"
        if any(metric in run.facts.summary for run in without):
            why = "has no best epoch, as no validation set was monitored; see --at last"
        which = f"{len(without)} of {plural(len(completed), 'run')}"
        notes.append(f"{arm.name}: {which} cannot be used: {names.label(metric)} {why}")
    seeds = {*planned, *(run.seed for run in group.runs if run.seed is not None)}
    if missing := sorted(seeds - group.ended.keys()):
        which = f"seed{'s' * (len(missing) > 1)} {listed([str(seed) for seed in missing])}"
        notes.append(f"{arm.name}: excluded, without a completed run here: {which}")
    return notes + [f"{arm.name}: {note}" for note in group.notes()]


# What an arm and its baseline should have in common.
_TREATMENT: dict[str, Callable[[Arm], Iterable[Any]]] = {
    "number of epochs": lambda arm: {r.config and r.config["epochs"] for r in arm.group.runs},
    "data (sha256)": lambda arm: {run.digest[:8] for run in arm.group.runs},
    "version of nnexp": lambda arm: _versions(arm, "nnexp"),
    "version of NumPy": lambda arm: _versions(arm, "numpy"),
    "tuning effort (trials)": lambda arm: [str(arm.plan.effort if arm.plan else 0)],
}


def _versions(arm: Arm, name: str) -> set[str]:
    return {str((run.record.get("versions") or {}).get(name) or "") for run in arm.group.runs}


def _about_treatment(arms: Sequence[Arm], pairs: Sequence[tuple[Arm, Arm]]) -> Iterator[str]:
    """Say what an arm and its baseline, or the runs of one arm, do not have in common."""
    for what, treatment in _TREATMENT.items():
        values = {
            arm.name: " and ".join(sorted({brief(value or "unknown") for value in treatment(arm)}))
            for arm in arms
        }
        unlike = [(b.name, a.name) for a, b in pairs if values[a.name] != values[b.name]]
        mixed = [(name,) for name, value in values.items() if " and " in value]
        if either := dict.fromkeys(chain(*unlike, *mixed)):
            yield f"not the same {what}: {listed([f'{name} {values[name]}' for name in either])}"


def _about_study(study: StudyPlan, arms: Sequence[Arm], *, chosen: bool) -> Iterator[str]:
    """Say which arms of the study are not there."""
    present = {arm.key for arm in arms}
    absent = [key for key in study.arms if key not in present]
    if absent:
        yield f"these arms of the study {study.name} have no runs here: {listed(absent)}"
    alone = [arm.name for arm in arms if arm.plan and arm.plan.baseline in absent]
    if alone and not chosen:
        yield f"these arms are compared with none, as their baseline is absent: {listed(alone)}"
