"""The page that `nnexp compare` prints: verdicts first, then warnings and the figures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from nnexp import names
from nnexp.run.reader import Run
from nnexp.stats.differences import Difference
from nnexp.stats.estimate import LEAST
from nnexp.stats.judge import Judged, Question, judge
from nnexp.stats.selection import Group, groups, listed
from nnexp.stats.summary import Target
from nnexp.stats.verdict import WORDS
from nnexp.views import arm_tables
from nnexp.views.formats import Block, Page
from nnexp.views.table import Column, Table

# With more, the page begins with a summary of the verdicts, and the reasons stand at its end.
_FEW = 6
_LINKS = {"better": "is better than", "worse": "is worse than"}
_STATISTICS = {
    "last": "after the last epoch",
    "best-epoch": "after the epoch that was best on the validation set",
    "peak": "at its peak, which is optimistic",
}


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
    grouped = groups(runs, question.metric, per_run=per_run)
    judged = None if per_run else judge(grouped, question)
    rows = list(judged.groups.values()) if judged else grouped
    if sort:
        rows.sort(key=arm_tables.sort_key(sort))
    columns = [*arm_tables.settings(rows, question.metric, per_run=per_run).columns]
    columns += arm_tables.target_columns(rows, target) if target else []
    settings = Block(_caption(question.metric, rows, columns), Table(columns, rows))
    if judged is None:
        notes = [f"{group.name}: {note}" for group in rows for note in group.notes()]
        return Page([settings, _warnings(notes)], Table(columns, rows))
    data = Table([*columns, *arm_tables.raw_columns(judged)], rows)
    arms = {id(group): name for name, group in judged.groups.items()}
    blocks = _blocks(judged, [arms[id(group)] for group in rows], settings)
    if brief and judged.comparison.differences:
        blocks.remove(settings)
    return Page(blocks, data)


def _blocks(judged: Judged, order: Sequence[str], settings: Block) -> list[Block]:
    """Put a page together: the verdict, what it hides, the figures it rests on."""
    differences = [judged.against[name] for name in order if name in judged.against]
    notes = _warnings(_notes(judged, order))
    unit = names.title(judged.comparison.metric).replace(" %", " in %")
    arms = Block(
        [f"Each arm by itself, {unit}, with the 95 % interval of the mean:"],
        arm_tables.arms(judged, order),
    )
    if all(arm.n < 2 for arm in judged.comparison.arms):
        return [Block(_nothing_to_claim(judged)), notes, settings]
    if not differences:
        return [notes, arms, settings]
    compared = Block([_heading(judged)], arm_tables.differences(judged, order))
    reasons = list(_sentences(differences))
    basis = [_basis(judged)]
    if len(differences) <= _FEW:
        return [Block([*reasons, *basis]), notes, compared, arms, settings]
    summary = Block([*_summary(differences), *basis])
    return [summary, compared, arms, settings, Block(reasons, title="Reasons:"), notes]


def _nothing_to_claim(judged: Judged) -> list[str]:
    """Say that single runs prove nothing; nothing where there is only one arm."""
    if len(judged.groups) < 2:
        return []
    advice = f"With {LEAST} seeds or more a difference can be judged: nnexp train ... --seeds 0-9"
    return [f"One run per arm proves nothing: another seed gives another figure. {advice}"]


def _sentences(differences: Sequence[Difference]) -> Iterator[str]:
    """Say each verdict with its reason, and below it what else must be known."""
    for d in differences:
        link = _LINKS.get(d.verdict.word)
        both = f"{d.arm} {link or 'compared with'} {d.baseline}"
        word = "" if link else f"{d.verdict.word}: "
        yield f"{both}: {word}{d.verdict.reason}"
        yield from (f"  {note}" for note in d.notes)


def _summary(differences: Sequence[Difference]) -> Iterator[str]:
    """Name the arms by their verdicts."""
    baselines = {d.baseline for d in differences}
    others = baselines.pop() if len(baselines) == 1 else "their baselines"
    links = {word: f"{link.partition(' ')[2]} {others}" for word, link in _LINKS.items()}
    for word in WORDS:
        arms = [d.arm for d in differences if d.verdict.word == word]
        if arms:
            yield f"{links.get(word, word)}: {listed(arms)}"


def _basis(judged: Judged) -> str:
    """Say what the verdicts rest on."""
    comparison = judged.comparison
    paired = all(d.estimate is None or d.estimate.paired for d in comparison.differences)
    how = ", in pairs of runs that share a seed" if paired else ""
    return f"Judged by {names.label(comparison.metric)} {_STATISTICS[judged.at]}{how}."


def _heading(judged: Judged) -> str:
    baselines = list(dict.fromkeys(d.baseline for d in judged.comparison.differences))
    others = baselines[0] if len(baselines) == 1 else "the baseline of each"
    first = "" if judged.chosen else " (the first arm; --baseline chooses another)"
    unit = ", in points" if names.is_accuracy(judged.comparison.metric) else ""
    return f"Compared with {others}{first}{unit}:"


def _notes(judged: Judged, order: Sequence[str]) -> list[str]:
    refused: dict[str, list[str]] = {}
    for name in order:
        if name in judged.refused:
            refused.setdefault(judged.refused[name], []).append(name)
    return [
        *judged.warnings,
        *(note for name in order for note in judged.notes[name]),
        *(f"{listed(arms)}: {why}" for why, arms in refused.items()),
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
