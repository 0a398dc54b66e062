"""The page of a tuned comparison: what each arm was given, what it chose, and the verdict."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from textwrap import fill
from typing import Any

from nnexp import names, numbers
from nnexp.config.study import Study, Tune
from nnexp.errors import one_of
from nnexp.names import higher_is_better
from nnexp.numbers import NONE, plural
from nnexp.run.reader import Run
from nnexp.stats.sample import Flatness, at_edge
from nnexp.study.record import record_of
from nnexp.study.trials import Search, Trial
from nnexp.views import comparing
from nnexp.views.table import (
    Column,
    Table,
    as_markdown,
    as_text,
    json_text,
    plain_column,
    terminal_width,
)
from nnexp.views.verdicts import Question

_WIDTH, _MD_WIDTH = 80, 100


@dataclass(frozen=True, slots=True)
class Page:
    """What is on the page.

    Attributes:
        study: of the confirming runs.
        searches: of the arms, all trials made.
        runs: the confirming runs.
        metric: what they are compared by.
    """

    study: Study
    searches: Sequence[Search]
    runs: Sequence[Run]
    metric: str

    @property
    def tune(self) -> Tune:
        """How the arms were searched."""
        return self.searches[0].tune


def range_of(spec: Any) -> str:
    """Write the values of a space's key.

    >>> range_of({"log": [0.01, 10]}), range_of([5, 10])
    ('0.01 to 10, on a logarithmic scale', '5 or 10')
    """
    if isinstance(spec, list):
        return one_of(map(shown, spec))
    ((kind, (low, high)),) = spec.items()
    scale = {"log": ", on a logarithmic scale", "int": ", whole numbers"}.get(kind, "")
    return f"{shown(low)} to {shown(high)}{scale}"


def shown(value: Any) -> str:
    """Write a setting as a config has it, in one line.

    >>> shown(0.5), shown("large"), shown({"name": "step", "every": 5}), shown(None)
    ('0.5', 'large', '{name: step, every: 5}', 'null')
    """
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {shown(part)}" for key, part in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(shown, value)) + "]"
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def space_lines(tune: Tune) -> list[str]:
    """Say what each key of the space may be."""
    return [f"- {key}: {range_of(spec)}" for key, spec in tune.space.items()]


def _given(page: Page) -> str:
    tune = page.tune
    length = plural(tune.epochs, "epoch") if tune.epochs else "its own epochs"
    early = " A trial that falls behind the median of those before it is ended early."
    return (
        f"Each arm was given {plural(tune.trials, 'trial')} of {length}, all with seed "
        f"{tune.seed}. A trial counts by the {names.label(tune.metric)} of its best epoch; the "
        "test set took no part." + early * tune.prune
    )


def _count(state: str) -> Column[Search]:
    def counted(search: Search) -> int:
        return sum(trial.state == state for trial in search.trials)

    return plain_column(state, state, counted, left=False)


def effort(page: Page) -> Table[Search]:
    """Lay out what the search of each arm has cost."""
    return Table(
        [
            plain_column("arm", "arm", lambda search: search.arm.name),
            plain_column("trials", "trials", lambda search: len(search.trials), left=False),
            *map(_count, ("complete", "pruned", "diverged")),
            plain_column(
                "epochs trained",
                "epochs_trained",
                lambda search: sum(trial.epochs for trial in search.trials),
                left=False,
            ),
        ],
        page.searches,
    )


def _flatness(search: Search) -> Flatness:
    points = [trial.best(search.tune.metric) for trial in search.trials]
    return Flatness.of([point.value if point else None for point in points], search.tune.metric)


def _statistic(title: str, metric: str) -> Column[Search]:
    def value(search: Search) -> float | None:
        found: float | None = getattr(_flatness(search), title)
        return found

    def show(search: Search) -> str:
        found = value(search)
        return "diverged" if found is None else numbers.number(metric, found)

    return Column(title, show, lambda search: {title: value(search)})


def _chosen(search: Search) -> dict[str, Any]:
    trial = search.best()
    point = trial.best(search.tune.metric) if trial else None
    return {
        "arm": search.arm.name,
        "chosen": dict(trial.settings) if trial else None,
        "run": trial.folder.name if trial else None,
        "epoch": point.epoch if point else None,
    }


def _setting(key: str) -> Column[Search]:
    def show(search: Search) -> str:
        trial = search.best()
        return shown(trial.settings[key]) if trial else NONE

    return Column(key, show, lambda search: {})


def choices(page: Page) -> Table[Search]:
    """Lay out what each arm chose, and how its other trials compare to it."""
    metric = page.tune.metric
    near, nearby = ("≤ 0.1", "≤ 1") if higher_is_better(metric) else ("≤ 1 %", "≤ 10 %")
    return Table(
        [
            Column("arm", lambda search: search.arm.name, _chosen, left=True),
            *map(_setting, page.tune.space),
            *(_statistic(title, metric) for title in ("best", "median", "worst")),
            plain_column(near, "near_best", lambda search: _flatness(search).near, left=False),
            plain_column(
                nearby, "nearby_best", lambda search: _flatness(search).nearby, left=False
            ),
        ],
        page.searches,
    )


def _legend(page: Page) -> str:
    metric = page.tune.metric
    unit = "points" if higher_is_better(metric) else "percent"
    pruned = " A pruned trial counts with what it had reached." if page.tune.prune else ""
    return (
        f"What each arm chose, and how flat its optimum is: {names.title(metric)} of its best, "
        "median and worst trial, and how many trials, the best included, lie within so many "
        f"{unit} of it." + pruned
    )


def doubts(search: Search) -> Iterator[str]:
    """Say what keeps an arm's optimum from being one."""
    arm, trial = search.arm.name, search.best()
    if trial is None:
        yield (
            f"{arm}: none of its {len(search.trials)} trials was completed, so that there are no "
            "settings to confirm; it needs another space"
        )
        return
    for key, spec in search.tune.space.items():
        end = _end(trial, key, spec)
        if end:
            yield (
                f"{arm}: {key} {shown(trial.settings[key])} is at the {end} end of its space, "
                "which may be too narrow"
            )
    different = {shown(one.settings) for one in search.trials}
    if len(different) < len(search.trials):
        yield f"{arm}: its {len(search.trials)} trials were of only {len(different)} settings"


def _end(trial: Trial, key: str, spec: Any) -> str | None:
    value = trial.settings[key]
    if not isinstance(spec, list):
        ((kind, (low, high)),) = spec.items()
        return at_edge(value, low, high, logarithmic=kind == "log")
    numbers = all(isinstance(v, int | float) and not isinstance(v, bool) for v in spec)
    if not numbers or len(set(spec)) < 3 or min(spec) < value < max(spec):
        return None
    return "lower" if value == min(spec) else "upper"


def _confirmed(page: Page) -> str:
    seeds, tuned = page.study.seeds, page.tune.epochs
    row = seeds[-1] - seeds[0] == len(seeds) - 1 > 1
    named = f"{seeds[0]} to {seeds[-1]}" if row else ", ".join(map(str, seeds))
    epochs = sorted({arm.config.experiment.epochs for arm in page.study.arms})
    trained = plural(epochs[0], "epoch") if len(epochs) == 1 else "their own epochs"
    said = f"Confirmed with {plural(len(seeds), 'fresh seed')} ({named}) and {trained}."
    if tuned and epochs != [tuned]:
        said += f" The settings were chosen for {tuned}: others may be best for more or fewer."
    return said


def verdict(page: Page, form: str) -> list[str]:
    """Compare the confirming runs, as `nnexp compare` does; nothing where there are none."""
    record = record_of(page.study, {arm.name: page.tune.trials for arm in page.study.arms})
    known = {arm.identity for arm in record.arms.values()}
    runs = [run for run in page.runs if run.identity_v1 in known]
    question = Question(page.metric, record.at, margin=record.margin, study=record)
    return [comparing.page(runs, question, form, brief=True)] if runs else []


def _parts(page: Page) -> Iterator[str | Table[Any]]:
    """Yield the title, then paragraphs, whose lines stay apart, and tables."""
    yield page.study.description or page.study.name
    yield _given(page)
    yield "\n".join(space_lines(page.tune))
    yield effort(page)
    yield _legend(page)
    yield choices(page)
    yield "\n".join(f"- {doubt}" for search in page.searches for doubt in doubts(search))
    if page.runs:
        yield _confirmed(page)


def _wrapped(text: str, width: int) -> str:
    def wrapped(line: str) -> str:
        indent = "  " if line.startswith("- ") else ""
        return fill(line, width, subsequent_indent=indent, break_on_hyphens=False)

    return "\n".join(map(wrapped, text.splitlines())) + "\n"


def as_text_page(page: Page, width: int | None = None) -> str:
    """Write the page for people, at most so many characters wide."""
    written = [
        as_text(part, width) if isinstance(part, Table) else _wrapped(part, width or _WIDTH)
        for part in _parts(page)
        if part
    ]
    return "\n".join([*written, *verdict(page, "table")])


def as_markdown_page(page: Page) -> str:
    """Write the page as Markdown, under a heading of the second level."""
    title, *parts = (part for part in _parts(page) if part)
    written = [
        as_markdown(part) if isinstance(part, Table) else _wrapped(part, _MD_WIDTH)
        for part in parts
    ]
    return "\n".join([f"## {title}\n", *written, *verdict(page, "md")])


def as_json_page(page: Page) -> str:
    """Write what is on the page as JSON."""
    arms = [
        {**given, **chose, "doubts": list(doubts(search))}
        for search, given, chose in zip(
            page.searches, effort(page).raw(), choices(page).raw(), strict=True
        )
    ]
    confirmed = {
        "seeds": list(page.study.seeds),
        "metric": page.metric,
        "arms": [arm for found in verdict(page, "json") for arm in json.loads(found)],
    }
    found = {
        "study": page.study.name,
        "description": page.study.description,
        "tune": page.tune.model_dump(),
        "arms": arms,
        "confirmed": confirmed if page.runs else None,
    }
    return json_text(found) + "\n"


FORMATS: dict[str, Callable[[Page], str]] = {
    "table": lambda page: as_text_page(page, terminal_width()),
    "json": as_json_page,
    "md": as_markdown_page,
}
