"""The pages of `nnexp compare`: verdicts first, then warnings and the figures; McNemar's test."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from nnexp import names
from nnexp.errors import RunError
from nnexp.numbers import change, p_value
from nnexp.run.reader import Run
from nnexp.stats.estimate import ALPHA, LEAST
from nnexp.stats.judge import Arm, Judged, Question, judge
from nnexp.stats.selection import Group, groups, incomparable, listed
from nnexp.stats.significance import mcnemar
from nnexp.stats.summary import Target
from nnexp.stats.verdict import WORDS, Difference
from nnexp.views import arm_tables
from nnexp.views.formats import Block, Page
from nnexp.views.table import Column, Table

# With more, the page begins with a summary of the verdicts, and the reasons stand at its end.
_FEW = 6
_LINKS = {"better": "is better than", "worse": "is worse than"}
_STATISTICS = {
    "last": "after the last epoch",
    "best-epoch": "at the best epoch (validation)",
    "peak": "at its peak, which is optimistic",
}
_ONE_EACH = (
    "One run per arm proves nothing: another seed gives another figure. With "
    f"{LEAST} seeds or more a difference can be judged: nnexp train ... --seeds 0-9"
)
_TWO_NETWORKS = (
    "This speaks of these two trained networks, not of the two methods: another seed gives another "
    "network. For the methods, compare several seeds."
)


def page(
    runs: Sequence[Run],
    question: Question,
    *,
    target: Target | None = None,
    sort: str | None = None,
    per_run: bool = False,
    brief: bool = False,
) -> Page:
    """Compare runs.

    Args:
        runs: at least one.
        question: what is asked of them.
        target: a value; the page tells the time it takes to reach it.
        sort: a name that `arm_tables.sort_key` takes.
        per_run: one row per run, without verdicts.
        brief: without the settings and figures of the groups, where there are verdicts.

    Raises:
        OptionError: the baseline is none of the groups.
    """
    rows = groups(runs, question.metric, per_run=per_run)
    judged = None if per_run else judge(rows, question)
    arms = {id(arm.group): arm for arm in judged.arms} if judged else {}
    rows = [arm.group for arm in arms.values()] or rows
    if sort:
        rows.sort(key=arm_tables.sort_key(sort))
    columns = [*arm_tables.settings(rows, per_run=per_run).columns]
    columns += arm_tables.target_columns(rows, target) if target else []
    settings = Block(_caption(question.metric, rows, columns), Table(columns, rows))
    if judged is None:
        notes = [f"{group.name}: {note}" for group in rows for note in group.notes()]
        return Page([settings, _warnings(notes)], Table(columns, rows))
    blocks = _blocks(judged, [arms[id(group)] for group in rows], settings)
    if brief and any(arm.difference for arm in judged.arms):
        blocks.remove(settings)
    return Page(blocks, Table([*columns, arm_tables.raw_column(judged)], rows))


def _blocks(judged: Judged, arms: Sequence[Arm], settings: Block) -> list[Block]:
    """Put a page together: the verdict, what it hides, the figures it rests on."""
    differences = [arm.difference for arm in arms if arm.difference]
    notes = _warnings(_notes(judged, arms))
    if all(len(arm.sample.finite) < 2 for arm in arms):
        return [Block([_ONE_EACH] if len(arms) > 1 else []), notes, settings]
    unit = names.title(judged.metric).replace(" %", " in %")
    alone = Block(
        [f"Each arm by itself, {unit}, with the 95 % interval of the mean:"],
        arm_tables.arms([arm.sample for arm in arms]),
    )
    if not differences:
        return [notes, alone, settings]
    baselines = dict.fromkeys(d.baseline.name for d in differences)
    baseline = next(iter(baselines)) if len(baselines) == 1 else ""
    first = "" if judged.chosen else " (the first arm; --baseline chooses another)"
    points = ", in points" if names.is_accuracy(judged.metric) else ""
    heading = f"Compared with {baseline or 'the baseline of each'}{first}{points}:"
    compared = Block([heading], arm_tables.differences(differences))
    paired = all(d.estimate is None or d.estimate.paired for d in differences)
    how = ", in pairs of runs that share a seed" if paired else ""
    basis = f"Judged by {names.label(judged.metric)} {_STATISTICS[judged.at]}{how}."
    reasons = list(_reasons(differences))
    if len(differences) <= _FEW:
        return [Block([*reasons, basis]), notes, compared, alone, settings]
    summary = Block([*_summary(differences, baseline or "their baselines"), basis])
    return [summary, compared, alone, settings, Block(reasons, title="Reasons:"), notes]


def _reasons(differences: Sequence[Difference]) -> Iterator[str]:
    """Say each verdict with its reason, and below it what else must be known."""
    for d in differences:
        link = _LINKS.get(d.verdict.word)
        both = f"{d.arm.name} {link or 'compared with'} {d.baseline.name}"
        word = "" if link else f"{d.verdict.word}: "
        yield f"{both}: {word}{d.verdict.reason}"
        yield from (f"  {note}" for note in d.notes())


def _summary(differences: Sequence[Difference], others: str) -> Iterator[str]:
    """Name the arms by their verdicts."""
    links = {word: f"{link.partition(' ')[2]} {others}" for word, link in _LINKS.items()}
    for word in WORDS:
        arms = [d.arm.name for d in differences if d.verdict.word == word]
        if arms:
            yield f"{links.get(word, word)}: {listed(arms)}"


def _notes(judged: Judged, arms: Sequence[Arm]) -> list[str]:
    refused: dict[str, list[str]] = {}
    for arm in arms:
        if arm.refused:
            refused.setdefault(arm.refused, []).append(arm.name)
    return [
        *judged.warnings,
        *(note for arm in arms for note in arm.notes),
        *(f"{listed(those)}: {why}" for why, those in refused.items()),
    ]


def _warnings(notes: Sequence[str]) -> Block:
    return Block(notes, title="Warnings:" if notes else "")


def _caption(metric: str, rows: Sequence[Group], columns: Sequence[Column[Group]]) -> list[str]:
    """Say what the figures are, of the columns that are there."""
    titles = {column.title for column in columns}
    several = any(len(group.counted) > 1 for group in rows)
    spread = ", mean ± standard deviation over seeds" if several else ""
    lines = [f"{names.title(metric)}{spread}."]
    if "best epoch" in titles:
        lines.append("best epoch: after the epoch that was best on the validation set.")
    if "peak" in titles and metric.startswith("test"):
        lines.append("peak: chosen by looking at the test set, so it is optimistic.")
    return lines


def mcnemar_page(first: Run, second: Run) -> Page:
    """Compare the predictions of two single runs after their last epoch, example by example.

    Raises:
        RunError: a run has none, or they are not of the same examples.
    """
    a, b = _predictions(first), _predictions(second)
    why = incomparable(first, second)
    if why is None and (a["set"] != b["set"] or not np.array_equal(a["labels"], b["labels"])):
        why = f"{a['set']} set of {len(a['labels']):,}, {b['set']} set of {len(b['labels']):,}"
    if why is not None:
        raise RunError(f"{first.id} and {second.id} did not predict the same examples: {why}")
    if not len(a["labels"]):
        raise RunError(f"{first.id} and {second.id} have predictions of no examples")
    result = mcnemar(a["labels"], a["predicted"], b["predicted"])
    better = first.id if result.difference > 0 else second.id
    significant = result.p <= ALPHA
    verdict = f"{better} is the better network" if significant else "cannot tell"
    difference = change("test_accuracy", result.difference)
    lines = [
        f"{first.id} compared with {second.id}: {verdict}",
        f"  difference {difference}, p {p_value(result.p)} (McNemar's exact test)",
        f"  of the {result.n:,} examples of the {a['set']} set",
        f"  only {first.id} is right on {result.only_first:,},",
        f"  only {second.id} is right on {result.only_second:,}",
        _TWO_NETWORKS,
    ]
    data = {"first": first.id, "second": second.id, "set": a["set"], **asdict(result)}
    data |= {"verdict": "different" if significant else "cannot tell", "note": _TWO_NETWORKS}
    return Page([Block(lines)], data)


def _predictions(run: Run) -> Mapping[str, Any]:
    if run.predictions is None:
        raise RunError(f"{run.folder}: has no readable predictions.npz, which McNemar's test needs")
    return run.predictions
