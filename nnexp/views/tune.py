"""The page of a tuned comparison: the effort and the choice of each arm, and the verdict."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from nnexp import names, numbers
from nnexp.config.space import flow
from nnexp.config.study import Study, Tune
from nnexp.names import higher_is_better
from nnexp.numbers import NONE, plural
from nnexp.run.reader import Run
from nnexp.stats.judge import Question
from nnexp.stats.sample import Flatness
from nnexp.stats.selection import of_study
from nnexp.study.record import record_of
from nnexp.study.search import Search
from nnexp.views import compare
from nnexp.views.formats import Block, Page
from nnexp.views.table import Column, Table, plain_column


@dataclass(frozen=True, slots=True)
class Tuned:
    """A study whose arms were tuned.

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


def space_lines(tune: Tune) -> list[str]:
    """Say what each key of the space may be."""
    return [f"{key}: {space.words()}" for key, space in tune.space.items()]


def _effort(tuned: Tuned) -> str:
    tune = tuned.tune
    length = plural(tune.epochs, "epoch") if tune.epochs else "its own epochs"
    pruned = " A trial that falls behind the median of the earlier ones is pruned."
    return (
        f"Each arm had {plural(tune.trials, 'trial')} of {length}, all with seed {tune.seed}. "
        f"A trial counts by the {names.label(tune.metric)} of its best epoch; the test set was "
        "not used." + pruned * tune.prune
    )


def _count(state: str) -> Column[Search]:
    def count(search: Search) -> int:
        return sum(trial.state == state for trial in search.trials)

    return plain_column(state, state, count, left=False)


def efforts(tuned: Tuned) -> Table[Search]:
    """Lay out what the search of each arm cost."""
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
        tuned.searches,
    )


def _flatness(search: Search) -> Flatness:
    points = [trial.best(search.tune.metric) for trial in search.trials]
    return Flatness.of([point.value if point else None for point in points], search.tune.metric)


def _statistic(title: str, metric: str, searches: Sequence[Search]) -> Column[Search]:
    def value(search: Search) -> float | None:
        result: float | None = getattr(_flatness(search), title)
        return result

    decimals = numbers.shared_decimals(metric, map(value, searches))

    def show(search: Search) -> str:
        result = value(search)
        return "diverged" if result is None else numbers.number(metric, result, decimals)

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
        return flow(trial.settings[key]) if trial else NONE

    return Column(key, show)


def choices(tuned: Tuned) -> Table[Search]:
    """Lay out what each arm chose, and how its other trials compare to it."""
    metric = tuned.tune.metric
    near, nearby = ("≤ 0.1", "≤ 1") if higher_is_better(metric) else ("≤ 1 %", "≤ 10 %")
    return Table(
        [
            Column("arm", lambda search: search.arm.name, _chosen, left=True),
            *map(_setting, tuned.tune.space),
            *(_statistic(title, metric, tuned.searches) for title in ("best", "median", "worst")),
            plain_column(near, "near_best", lambda search: _flatness(search).near, left=False),
            plain_column(
                nearby, "nearby_best", lambda search: _flatness(search).nearby, left=False
            ),
        ],
        tuned.searches,
    )


def _legend(tuned: Tuned) -> str:
    metric = tuned.tune.metric
    unit = "points" if higher_is_better(metric) else "percent"
    pruned = " A pruned trial counts with what it had reached." if tuned.tune.prune else ""
    return (
        f"What each arm chose, and how flat its optimum is: {names.title(metric)} of its best, "
        "median and worst trial, and how many trials, the best included, lie within so many "
        f"{unit} of it." + pruned
    )


def doubts(search: Search) -> Iterator[str]:
    """Say why the optimum of an arm may not be one."""
    arm, trial = search.arm.name, search.best()
    if trial is None:
        yield (
            f"{arm}: 0 of {plural(len(search.trials), 'trial')} completed: there are no settings "
            "to confirm, and the arm needs another space"
        )
        return
    for key, space in search.tune.space.items():
        end = space.edge(trial.settings[key])
        if end:
            value = flow(trial.settings[key])
            yield (
                f"{arm}: {key} {value} is at the {end} end of its space, which may be too narrow"
            )
    different = {flow(one.settings) for one in search.trials}
    if len(different) < len(search.trials):
        yield f"{arm}: its {len(search.trials)} trials had only {len(different)} different settings"


def _confirmed(tuned: Tuned) -> str:
    seeds, epochs = tuned.study.seeds, tuned.tune.epochs
    consecutive = seeds[-1] - seeds[0] == len(seeds) - 1 > 1
    listed = f"{seeds[0]} to {seeds[-1]}" if consecutive else ", ".join(map(str, seeds))
    trained = sorted({arm.config.experiment.epochs for arm in tuned.study.arms})
    length = plural(trained[0], "epoch") if len(trained) == 1 else "their own epochs"
    text = f"Confirmed with {plural(len(seeds), 'fresh seed')} ({listed}) and {length}."
    if epochs and trained != [epochs]:
        text += f" The settings were chosen for {epochs}; others may be best for more or fewer."
    return text


def comparison(tuned: Tuned) -> Page | None:
    """Compare the confirming runs, as `nnexp compare` does; None where there are none."""
    record = record_of(tuned.study, tuned.searches[0].data, tuned.tune.trials)
    runs, _ = of_study(tuned.runs, record)
    question = Question(tuned.metric, record.at, study=record)
    return compare.page(runs, question, brief=True) if runs else None


def page(tuned: Tuned) -> Page:
    """Describe the page: effort, choices, doubts, and the comparison of the confirming runs."""
    efforts_table, choices_table = efforts(tuned), choices(tuned)
    compared = comparison(tuned)
    blocks = [
        Block([tuned.study.description or tuned.study.name], heading=True),
        Block([_effort(tuned)]),
        Block(space_lines(tuned.tune), title="Searched:"),
        Block([], efforts_table),
        Block([_legend(tuned)], choices_table),
    ]
    arms = []
    for search, effort, choice in zip(
        tuned.searches, efforts_table.raw(), choices_table.raw(), strict=True
    ):
        arms.append({**effort, **choice, "doubts": list(doubts(search))})
    if lines := [line for arm in arms for line in arm["doubts"]]:
        blocks.append(Block(lines, title="Doubts:"))
    confirmed = None
    if tuned.runs:
        blocks.append(Block([_confirmed(tuned)]))
        confirmed = {
            "seeds": list(tuned.study.seeds),
            "metric": tuned.metric,
            "arms": compared.data.raw() if compared and isinstance(compared.data, Table) else [],
        }
    data = {
        "study": tuned.study.name,
        "description": tuned.study.description,
        "tune": tuned.tune.model_dump(),
        "arms": arms,
        "confirmed": confirmed,
    }
    return Page([*blocks, *(compared.blocks if compared else ())], data)
