"""Runs side by side: a row a group, and only the keys that tell the groups apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import PurePath
from typing import Any

from nnexp import names, numbers
from nnexp.config.identity import settings
from nnexp.names import STATISTICS, higher_is_better
from nnexp.numbers import NONE
from nnexp.run.reader import Run
from nnexp.stats.sample import Spread
from nnexp.stats.selection import Flat, differing, flatten, group
from nnexp.views.published import Published, published
from nnexp.views.table import Column, Table, plain_column

# Runs that a note names one by one.
_MOST = 10
_ENDED = ("completed", "diverged", "failed")
_TITLES = {"last": "last", "best-epoch": "best val", "peak": "peak"}


@dataclass(frozen=True)
class Group:
    """Runs of one config that differ only in seed.

    Attributes:
        figures: by statistic of the metric, its spread over the counted runs.
        ended: by seed, the latest run that has come to an end.
        counted: those of them that are complete; where none is, whatever runs there are.
    """

    runs: Sequence[Run]
    ended: Mapping[int, Run]
    counted: Sequence[Run]
    config: Flat
    metric: str
    figures: dict[str, Spread] = field(default_factory=dict)
    train_cost: Spread | None = None
    seconds: Spread | None = None

    @cached_property
    def name(self) -> str:
        """The names its runs go by."""
        return ", ".join(dict.fromkeys(run.name for run in self.runs))

    @property
    def statuses(self) -> Counter[str]:
        """How many runs ended how."""
        return Counter(run.status for run in self.runs)

    @cached_property
    def published(self) -> Published:
        """The published figures its configs carry."""
        known = (run.config for run in self.runs if run.config and run.config["reference"])
        return Published.of(next(known, None))


def groups(runs: Sequence[Run], metric: str, *, per_run: bool = False) -> list[Group]:
    """Put runs into groups (each run by itself with `per_run`) and summarize them."""
    members = [[run] for run in runs] if per_run else group(runs, lambda run: run.identity)
    kinds = {frozenset(run.config["data"]) for run in runs if run.config}
    found = [_group(g, metric, _config(g[0], one_kind=len(kinds) == 1)) for g in members]
    twins = Counter(repr(g.config) for g in found)
    if not per_run and any(n > 1 for n in twins.values()):
        # The same words, but the file they name has changed between the runs.
        for g in found:
            g.config["data sha256"] = g.runs[0].digest[:8]
    return found


def _ended(runs: Sequence[Run]) -> dict[int, Run]:
    """Return of each seed the latest run that has come to an end."""
    ended = [(seed, run) for run in runs if run.status in _ENDED and (seed := run.seed) is not None]
    latest = dict(ended)
    if len(latest) < len(ended):
        ended.sort(key=lambda item: (str(item[1].record.get("started_at")), item[1].id))
        latest = dict(ended)
    return latest


def _config(run: Run, *, one_kind: bool) -> Flat:
    """Return what may differ between groups; data of different kinds in a word."""
    if run.config is None:
        return {"folder": run.id}
    identity = settings(run.config)
    if "path" in run.config["data"]:
        identity["data"]["path"] = PurePath(run.config["data"]["path"]).name
    if not one_kind and run.experiment:
        identity["data"] = run.experiment.data.label
    return flatten(identity)


def _group(runs: Sequence[Run], metric: str, config: Flat) -> Group:
    ended = _ended(runs)
    done = {id(run) for run in ended.values() if run.status == "completed"}
    counted = [run for run in runs if id(run) in done] or list(runs)
    summaries = [run.facts.summary.get(metric, {}) for run in counted]
    figures = {}
    for name in STATISTICS:
        spread = Spread.of(s[name].value if name in s else None for s in summaries)
        if spread is not None:
            figures[name] = spread
    return Group(
        runs,
        ended,
        counted,
        config,
        metric,
        figures,
        Spread.of(_last(run, "train_cost") for run in counted),
        Spread.of(run.facts.seconds for run in counted),
    )


def _last(run: Run, metric: str) -> float | None:
    point = run.facts.summary.get(metric, {}).get("last")
    return point.value if point else None


def _runs_cell(g: Group) -> str:
    others = [f"{n} {status}" for status, n in g.statuses.items() if status != "completed"]
    done = g.statuses["completed"]
    return ", ".join([str(done), *others] if done or not others else others)


def _raw_spread(prefix: str, spread: Spread | None) -> dict[str, Any]:
    if spread is None:
        return dict.fromkeys((f"{prefix}_mean", f"{prefix}_sd", f"{prefix}_min", f"{prefix}_max"))
    return {
        f"{prefix}_mean": spread.mean,
        f"{prefix}_sd": spread.sd,
        f"{prefix}_min": spread.low,
        f"{prefix}_max": spread.high,
    }


def _spread_column(
    title: str, prefix: str, metric: str, pick: Callable[[Group], Spread | None]
) -> Column[Group]:
    return Column(
        title,
        lambda g: numbers.spread(metric, pick(g)),
        lambda g: _raw_spread(prefix, pick(g)),
    )


def _statistic_column(metric: str, statistic: str) -> Column[Group]:
    return _spread_column(
        _TITLES[statistic],
        f"{metric}_{statistic}",
        metric,
        lambda g: g.figures.get(statistic),
    )


def key_value(g: Group, key: str) -> str:
    """Write the value a group has for a config key; layers as in 784-30-10."""
    value = g.config.get(key)
    if key == "layers" and isinstance(value, list):
        return "-".join(map(str, value))
    return NONE if value is None else str(value)


def _key_column(key: str) -> Column[Group]:
    return Column(key, lambda g: key_value(g, key), lambda g: {key: g.config.get(key)}, left=True)


def _published_column(metric: str) -> Column[Group]:
    def raw(g: Group) -> dict[str, Any]:
        figure = g.published.figures.get(metric)
        statistic = None if figure is None else g.published.statistic
        return {"published": figure, "published_statistic": statistic}

    return Column("published", lambda g: published(g.published, metric), raw)


def _runs_column() -> Column[Group]:
    return Column(
        "runs",
        _runs_cell,
        lambda g: {"runs": len(g.runs), "runs_completed": g.statuses["completed"]},
    )


def keys(found: Sequence[Group]) -> list[str]:
    """Return the config keys that tell groups apart, those without a readable config aside."""
    return differing([g.config for g in found if g.runs[0].config])


def table(found: Sequence[Group], metric: str, *, per_run: bool = False) -> Table[Group]:
    """Lay groups out as a table."""
    columns: list[Column[Group]]
    if per_run:
        columns = [
            plain_column("run", "run", lambda g: g.runs[0].id),
            plain_column("status", "status", lambda g: g.runs[0].status),
        ]
    else:
        columns = [plain_column("name", "name", lambda g: g.name)]
    columns += [_key_column(key) for key in keys(found)]
    if not per_run:
        columns.append(_runs_column())
    columns += [_statistic_column(metric, statistic) for statistic in STATISTICS]
    if metric != "train_cost":
        columns.append(
            _spread_column("train cost", "train_cost", "train_cost", lambda g: g.train_cost)
        )
    columns.append(
        Column(
            "s/epoch",
            lambda g: f"{g.seconds.mean:.2g}" if g.seconds else NONE,
            lambda g: {"seconds_per_epoch": g.seconds.mean if g.seconds else None},
        )
    )
    columns.append(_published_column(metric))
    return Table([c for c in columns if per_run or _says_something(c, found)], found)


def _says_something(column: Column[Group], found: Sequence[Group]) -> bool:
    return column.title == "name" or any(column.show(g) != NONE for g in found)


SORTS: dict[str, Callable[[Group], Any]] = {
    "name": lambda g: g.name,
    "train-cost": lambda g: g.train_cost.mean if g.train_cost else float("inf"),
    "seconds": lambda g: g.seconds.mean if g.seconds else float("inf"),
    "runs": lambda g: -len(g.runs),
}


def sort_key(name: str) -> Callable[[Group], Any]:
    """Return the key that sorts groups, the best first, by a statistic or one of `SORTS`."""
    if name in SORTS:
        return SORTS[name]

    def key(g: Group) -> float:
        spread = g.figures.get(name)
        if spread is None:
            return float("inf")
        return -spread.mean if higher_is_better(g.metric) else spread.mean

    return key


def beware(name: str, g: Group) -> list[str]:
    """Say what the figures of a group hide."""
    return [f"{name}: {said}" for said in (*silent_outputs(g), *ended_early(g), *repeated(g))]


def repeated(g: Group) -> list[str]:
    """Say which runs were not counted because the same seed was run again."""
    seeds = Counter(run.seed for run in g.runs if run.status in _ENDED)
    again = [f"{seed} ({n} times)" for seed, n in seeds.items() if n > 1 and seed is not None]
    if not again:
        return []
    which = _listed(again)
    return [f"the same run again is no new evidence; of seed {which} the latest counts"]


def ended_early(g: Group) -> list[str]:
    """Say which counted runs ended before their last epoch, and why."""
    if not any(run.stopped for run in g.counted):
        return []
    early = [
        f"seed {run.seed} ended after {run.facts.done} of {run.config['epochs']} epochs: "
        f"{run.stopped}"
        for run in g.counted
        if run.config and run.stopped
    ]
    return early[:_MOST] + [f"{len(early) - _MOST} more ended early"] * (len(early) > _MOST)


def silent_outputs(g: Group) -> list[str]:
    """Say which runs never learned a class: a mean would hide that they are stuck."""
    stuck = [run for run in g.counted if run.never_learned]
    if not stuck:
        return []
    which = _listed([f"seed {run.seed} ({_classes(run, run.never_learned)})" for run in stuck])
    return [f"{len(stuck)} of {len(g.counted)} runs never learned a class: {which}"]


def _listed(said: Sequence[str]) -> str:
    more = f" and {len(said) - _MOST:,} more" if len(said) > _MOST else ""
    return ", ".join(said[:_MOST]) + more


def _classes(run: Run, which: Sequence[int]) -> str:
    names = run.classes
    return _listed([names[i] if i < len(names) else str(i) for i in which])


def caption(metric: str, found: Sequence[Group]) -> list[str]:
    """Say what the figures are."""
    several = any(len(g.counted) > 1 for g in found)
    spread = ", mean ± standard deviation over seeds" if several else ""
    lines = [f"{names.title(metric)}{spread}."]
    if metric != "train_cost":
        lines.append("best val: after the epoch that was best on the validation set.")
    if metric.startswith("test"):
        lines.append("peak: chosen by looking at the test set, so it is optimistic.")
    return lines
