"""The page of a tuned comparison: the effort and the choice of each arm, and the verdict."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from operator import itemgetter
from typing import Any, TypeAlias

from nnexp import names, numbers
from nnexp.config.space import flow
from nnexp.config.study import Study, Tune
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

# What the page says of an arm, by key.
Arm: TypeAlias = dict[str, Any]
_STATES = ("complete", "pruned", "diverged")


def space_lines(tune: Tune) -> list[str]:
    """Say what each key of the space may be."""
    return [f"{key}: {space.words()}" for key, space in tune.space.items()]


def _arm(search: Search) -> dict[str, Any]:
    """Return what the search of an arm cost, what it chose, and how its trials compare to it."""
    metric, trials, chosen = search.tune.metric, search.trials, search.best()
    points = [trial.best(metric) for trial in trials]
    flatness = Flatness.of([point.value if point else None for point in points], metric)
    point = chosen.best(metric) if chosen else None
    return {
        "arm": search.arm.name,
        "trials": len(trials),
        **{state: sum(trial.state == state for trial in trials) for state in _STATES},
        "epochs_trained": sum(trial.epochs for trial in trials),
        "chosen": dict(chosen.settings) if chosen else None,
        "run": chosen.folder.name if chosen else None,
        "epoch": point.epoch if point else None,
        "best": flatness.best,
        "median": flatness.median,
        "worst": flatness.worst,
        "near_best": flatness.near,
        "nearby_best": flatness.nearby,
        "doubts": list(_doubts(search)),
    }


def _column(key: str, title: str = "") -> Column[Arm]:
    title = title or key.replace("_", " ")
    return plain_column(title, key, itemgetter(key), left=key == "arm")


def _effort(tune: Tune, arms: Sequence[Arm]) -> Block:
    length = plural(tune.epochs, "epoch") if tune.epochs else "its own epochs"
    pruned = " A trial that falls behind the median of the earlier ones is pruned."
    text = (
        f"Each arm had {plural(tune.trials, 'trial')} of {length}, all with seed {tune.seed}. "
        f"A trial counts by the {names.label(tune.metric)} of its best epoch; the test set was "
        "not used." + pruned * tune.prune
    )
    columns = map(_column, ("arm", "trials", *_STATES, "epochs_trained"))
    return Block([text], Table(list(columns), arms))


def _choices(tune: Tune, arms: Sequence[Arm]) -> Block:
    metric, higher = tune.metric, names.higher_is_better(tune.metric)

    def setting(key: str) -> Column[Arm]:
        return Column(key, lambda arm: flow(arm["chosen"][key]) if arm["chosen"] else NONE)

    def value(key: str) -> Column[Arm]:
        decimals = numbers.shared_decimals(metric, (arm[key] for arm in arms))

        def show(arm: Arm) -> str:
            return "diverged" if arm[key] is None else numbers.number(metric, arm[key], decimals)

        return Column(key, show)

    near, nearby = ("≤ 0.1", "≤ 1") if higher else ("≤ 1 %", "≤ 10 %")
    pruned = " A pruned trial counts with what it had reached."
    text = (
        f"What each arm chose, and how flat its optimum is: {names.title(metric)} of its best, "
        "median and worst trial, and how many trials, the best included, lie within so many "
        f"{'points' if higher else 'percent'} of it." + pruned * tune.prune
    )
    columns = [
        _column("arm"),
        *map(setting, tune.space),
        *map(value, ("best", "median", "worst")),
        _column("near_best", near),
        _column("nearby_best", nearby),
    ]
    return Block([text], Table(columns, arms))


def _doubts(search: Search) -> Iterator[str]:
    """Say why the optimum of an arm may not be one."""
    arm, trial = search.arm.name, search.best()
    if trial is None:
        yield (
            f"{arm}: 0 of {plural(len(search.trials), 'trial')} completed: there are no settings "
            "to confirm, and the arm needs another space"
        )
        return
    for key, space in search.tune.space.items():
        value = trial.settings[key]
        if end := space.edge(value):
            place = f"{key} {flow(value)} is at the {end} end of its space"
            yield f"{arm}: {place}, which may be too narrow"
    different = {flow(one.settings) for one in search.trials}
    if len(different) < len(search.trials):
        yield f"{arm}: its {len(search.trials)} trials had only {len(different)} different settings"


def _confirmed(study: Study, tune: Tune) -> str:
    seeds = study.seeds
    consecutive = seeds[-1] - seeds[0] == len(seeds) - 1 > 1
    listed = f"{seeds[0]} to {seeds[-1]}" if consecutive else ", ".join(map(str, seeds))
    trained = sorted({arm.config.experiment.epochs for arm in study.arms})
    length = plural(trained[0], "epoch") if len(trained) == 1 else "their own epochs"
    text = f"Confirmed with {plural(len(seeds), 'fresh seed')} ({listed}) and {length}."
    if tune.epochs and trained != [tune.epochs]:
        others = "others may be best for more or fewer"
        text += f" The settings were chosen for {tune.epochs}; {others}."
    return text


def page(study: Study, searches: Sequence[Search], runs: Sequence[Run], metric: str) -> Page:
    """Describe a study whose arms were tuned: effort, choices, doubts, and the comparison.

    Args:
        study: of the confirming runs.
        searches: of the arms, all trials made.
        runs: the confirming runs.
        metric: what they are compared by.
    """
    tune, arms = searches[0].tune, [_arm(search) for search in searches]
    doubts = [line for arm in arms for line in arm["doubts"]]
    blocks = [
        Block([study.description or study.name], heading=True),
        Block(space_lines(tune), title="Searched:"),
        _effort(tune, arms),
        _choices(tune, arms),
        Block(doubts, title="Doubts:"),
    ]
    confirmed = None
    if runs:
        record = record_of(study, searches[0].data, tune.trials)
        counted, _ = of_study(runs, record)
        confirmed = {"seeds": list(study.seeds), "metric": metric, "arms": []}
        blocks.append(Block([_confirmed(study, tune)]))
        if counted:
            question = Question(metric, record.at, study=record)
            compared = compare.page(counted, question, brief=True)
            blocks += compared.blocks
            confirmed["arms"] = compared.values()
    data = {
        "study": study.name,
        "description": study.description,
        "tune": tune.model_dump(),
        "arms": arms,
        "confirmed": confirmed,
    }
    return Page(blocks, data)
