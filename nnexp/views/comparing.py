"""The page that `nnexp compare` prints: figures, differences, verdicts, and what to beware of."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap

from nnexp.evidence.target import Target
from nnexp.store.reader import Run
from nnexp.views import verdicts
from nnexp.views.compare import (
    beware,
    caption,
    groups,
    sort_key,
    table,
)
from nnexp.views.table import FORMATS, Table, markdown, terminal_width
from nnexp.views.verdicts import Judged, Question, nothing_to_claim

_WIDEST = 100


def page(
    runs: Sequence[Run],
    question: Question,
    form: str,
    *,
    target: Target | None = None,
    sort: str | None = None,
    per_run: bool = False,
    brief: bool = False,
) -> str:
    """Compare runs.

    Args:
        runs: at least one.
        question: what is asked of them.
        form: one of `FORMATS`.
        target: a value whose time is told, too.
        sort: a statistic or another of `sort_key`.
        per_run: a row a run, without verdicts.
        brief: without the figures, where there are verdicts.

    Raises:
        OptionError: the baseline is none of the groups.
    """
    grouped = groups(runs, question.metric, per_run=per_run)
    if question.study is not None and not per_run:
        order = list(question.study.arms)
        grouped.sort(key=lambda g: order.index(g.runs[0].name) if g.runs[0].name in order else -1)
    judged = None if per_run else verdicts.judge(grouped, question)
    shown = table(
        sorted(grouped, key=sort_key(sort)) if sort else grouped, question.metric, per_run=per_run
    )
    more = verdicts.target_columns(target) if target else []
    if form in ("csv", "json"):
        more += verdicts.raw_columns(judged, question) if judged else []
        return FORMATS[form](Table([*shown.columns, *more], shown.records))
    parts = [caption(question.metric, grouped)] if form == "table" else []
    parts.append(FORMATS[form](Table([*shown.columns, *more], shown.records)).rstrip("\n"))
    if brief and judged and judged.comparison.differences and not nothing_to_claim(judged):
        parts.clear()
    if judged is not None and len(grouped) > 1:
        parts += _verdicts(judged, question, form)
    notes = beware(grouped)
    if judged is not None:
        notes += verdicts.warnings(judged, question)
    if notes:
        parts.append(_lines(notes, form))
    return "\n\n".join(parts) + "\n"


def _verdicts(judged: Judged, question: Question, form: str) -> list[str]:
    nothing = nothing_to_claim(judged)
    if nothing:
        return [_lines([nothing, *judged.apart], form)]
    if not judged.comparison.differences:
        return [_lines(list(verdicts.sentences(judged)), form)]
    return [
        _lines([verdicts.heading(judged, question)], form),
        FORMATS[form](verdicts.arm_table(judged)).rstrip("\n"),
        FORMATS[form](verdicts.table(judged)).rstrip("\n"),
        _lines(list(verdicts.sentences(judged)), form),
    ]


def _lines(said: Sequence[str], form: str) -> str:
    """Write sentences, folded at the terminal's width; in Markdown, a list."""
    if form == "md":
        lines = [markdown(line.strip()) for line in said]
        return "\n".join(f"- {line}" for line in lines) if len(lines) > 1 else lines[0]
    width = min(terminal_width() or _WIDEST, _WIDEST)
    folded = []
    for line in said:
        indent = " " * (len(line) - len(line.lstrip()))
        folded += wrap(line, width, initial_indent=indent, subsequent_indent=f"{indent}  ") or [""]
    return "\n".join(folded)
