"""The page that `nnexp compare` prints: verdicts first, then what to beware of and the figures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from nnexp import names
from nnexp.run.reader import Run
from nnexp.stats.differences import Difference
from nnexp.stats.effect import LEAST
from nnexp.stats.summary import Target
from nnexp.stats.verdict import WORDS
from nnexp.views import figures
from nnexp.views.compare import beware, caption, groups, sort_key, table
from nnexp.views.formats import Block, Page
from nnexp.views.table import Table
from nnexp.views.verdicts import Judged, Question, judge, listed

# With more, the page begins with a summary of the verdicts, and the reasons stand at its end.
_FEW = 6
_LINKS = {"better": "is better than", "worse": "is worse than"}
_POINTS = {
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
        target: a value whose time is told, too.
        sort: a statistic or another of `sort_key`.
        per_run: a row a run, without verdicts.
        brief: without the settings and figures of the groups, where there are verdicts.

    Raises:
        OptionError: the baseline is none of the groups.
    """
    found = groups(runs, question.metric, per_run=per_run)
    judged = None if per_run else judge(found, question)
    shown = list(judged.groups.values()) if judged else found
    if sort:
        shown.sort(key=sort_key(sort))
    columns = [*table(shown, question.metric, per_run=per_run).columns]
    columns += figures.target_columns(target) if target else []
    data = Table([*columns, *(figures.raw_columns(judged) if judged else [])], shown)
    settings = Block(caption(question.metric, found), Table(columns, shown))
    if judged is None:
        notes = [note for group in shown for note in beware(group.name, group)]
        return Page([settings, _beware(notes)], data)
    names = {id(group): name for name, group in judged.groups.items()}
    blocks = _blocks(judged, [names[id(group)] for group in shown], settings)
    if brief and judged.comparison.differences:
        blocks.remove(settings)
    return Page(blocks, data)


def _blocks(judged: Judged, order: Sequence[str], settings: Block) -> list[Block]:
    """Put a page together: the verdict, what it hides, the figures it rests on."""
    differences = [judged.against[name] for name in order if name in judged.against]
    notes = _beware(_notes(judged, order))
    unit = names.title(judged.comparison.metric).replace(" %", " in %")
    arms = Block(
        [f"Each arm by itself, {unit}, with the 95 % interval of the mean:"],
        figures.arms(judged, order),
    )
    if all(arm.n < 2 for arm in judged.comparison.arms):
        return [Block(_nothing_to_claim(judged)), notes, settings]
    if not differences:
        return [notes, arms, settings]
    against = Block([_heading(judged)], figures.differences(judged, order))
    reasons = list(_sentences(differences))
    basis = [_basis(judged)]
    if len(differences) <= _FEW:
        return [Block([*reasons, *basis]), notes, against, arms, settings]
    summary = Block([*_summary(differences), *basis])
    return [summary, against, arms, settings, Block(reasons, title="Reasons:"), notes]


def _nothing_to_claim(judged: Judged) -> list[str]:
    """Say that single runs prove nothing; nothing where there is one arm alone."""
    if len(judged.groups) < 2:
        return []
    said = "One run an arm proves nothing: another seed gives another figure. With"
    return [f"{said} {LEAST} seeds or more a difference can be judged: nnexp train ... --seeds 0-9"]


def _sentences(differences: Sequence[Difference]) -> Iterator[str]:
    """Say each verdict with its reason, and below it what else must be known."""
    for d in differences:
        link = _LINKS.get(d.verdict.word)
        said = f"{d.arm} {link} {d.baseline}" if link else f"{d.arm} against {d.baseline}"
        word = "" if link else f"{d.verdict.word}: "
        yield f"{said}: {word}{d.verdict.reason}"
        yield from (f"  {note}" for note in d.notes)


def _summary(differences: Sequence[Difference]) -> Iterator[str]:
    """Name the arms by their verdicts."""
    baselines = {d.baseline for d in differences}
    against = baselines.pop() if len(baselines) == 1 else "their baselines"
    links = {word: f"{link.partition(' ')[2]} {against}" for word, link in _LINKS.items()}
    for word in WORDS:
        names = [d.arm for d in differences if d.verdict.word == word]
        if names:
            yield f"{links.get(word, word)}: {listed(names)}"


def _basis(judged: Judged) -> str:
    """Say what the verdicts rest on."""
    found = judged.comparison
    paired = all(d.estimate is None or d.estimate.paired for d in found.differences)
    how = ", in pairs of runs that share a seed" if paired else ""
    return f"Judged by {names.label(found.metric)} {_POINTS[judged.at]}{how}."


def _heading(judged: Judged) -> str:
    baselines = list(dict.fromkeys(d.baseline for d in judged.comparison.differences))
    against = baselines[0] if len(baselines) == 1 else "the baseline of each"
    first = "" if judged.chosen else " (the first arm; --baseline chooses another)"
    unit = ", in points" if names.is_accuracy(judged.comparison.metric) else ""
    return f"Against {against}{first}{unit}:"


def _notes(judged: Judged, order: Sequence[str]) -> list[str]:
    refused: dict[str, list[str]] = {}
    for name in order:
        if name in judged.refused:
            refused.setdefault(judged.refused[name], []).append(name)
    return [
        *judged.warnings,
        *(note for name in order for note in judged.notes[name]),
        *(f"{listed(names)}: {why}" for why, names in refused.items()),
    ]


def _beware(notes: Sequence[str]) -> Block:
    return Block(notes, title="Beware:" if notes else "")
