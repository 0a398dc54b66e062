"""Which runs count: groups of runs that differ only in seed, and the arms of a study.

Runs come by the protocol `RunLike`: nothing here opens a file.
"""

# ruff: noqa: D102 - the properties of a protocol are documented where they are implemented

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import PurePath
from typing import Any, Protocol, TypeVar

from nnexp.config.identity import settings
from nnexp.names import STATISTICS
from nnexp.numbers import NONE
from nnexp.stats.sample import Spread
from nnexp.stats.summary import Facts, Published, Row
from nnexp.text import sanitize_line, shorten

# Runs, arms or seeds that a sentence names one by one.
MOST_NAMED = 10
_ENDED = ("completed", "diverged", "failed")

Flat = dict[str, Any]


class RunLike(Protocol):
    """What is used of a run; `nnexp.run.reader.Run` says what each is."""

    @property
    def id(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def seed(self) -> int | None: ...
    @property
    def status(self) -> str: ...
    @property
    def stopped(self) -> str | None: ...
    @property
    def identity(self) -> str: ...
    @property
    def identity_v1(self) -> str: ...
    @property
    def digest(self) -> str: ...
    @property
    def config(self) -> Mapping[str, Any] | None: ...
    @property
    def record(self) -> Mapping[str, Any]: ...
    @property
    def facts(self) -> Facts: ...
    @property
    def rows(self) -> Sequence[Row]: ...
    @property
    def classes(self) -> Sequence[str]: ...
    @property
    def never_learned(self) -> Sequence[int]: ...
    def log(self, name: str) -> Sequence[Row]: ...


R = TypeVar("R", bound=RunLike)


@dataclass(frozen=True)
class ArmPlan:
    """An arm of a study.

    Attributes:
        identities: a run with one of them is of this arm.
        arm: its name under `arms`.
        cell: its values of grid and random.
        baseline: the arm it is compared with; None for a baseline.
        effort: the trials its settings were chosen from; 0 where nothing was searched.
    """

    identities: tuple[str, ...]
    arm: str = ""
    cell: Mapping[str, Any] = field(default_factory=dict)
    baseline: str | None = None
    effort: int = 0


@dataclass(frozen=True)
class StudyPlan:
    """A study as it was planned: what study.json holds.

    Attributes:
        arms: by their full names, in order.
        metric: what the arms are compared by; None leaves it to what was logged.
        at: the statistic of the metric.
        margin: of the metric; a difference within it does not matter.
    """

    name: str
    description: str
    arms: Mapping[str, ArmPlan]
    seeds: tuple[int, ...]
    metric: str | None
    at: str
    margin: float | None

    @cached_property
    def _by_identity(self) -> dict[str, str]:
        return {each: name for name, arm in self.arms.items() for each in arm.identities}

    def arm_of(self, run: RunLike) -> str | None:
        """Return the full name of a run's arm; None where it is of none."""
        arms = self._by_identity
        return arms.get(run.identity) or arms.get(run.identity_v1)


def of_study(runs: Sequence[R], plan: StudyPlan) -> tuple[list[R], list[str]]:
    """Return the runs that are of arms of a study, and notes on the others."""
    chosen = [run for run in runs if plan.arm_of(run) is not None]
    if not chosen:
        return [], [f"no run is of an arm of the study {plan.name}, which is not used"]
    others = [run.id for run in runs if plan.arm_of(run) is None]
    note = f"excluded, as they are of no arm of the study {plan.name}: {listed(others)}"
    return chosen, [note] if others else []


@dataclass(frozen=True)
class Group:
    """Runs that differ only in seed.

    Attributes:
        runs: all of them.
        settings: what may tell groups apart, with dotted keys.
        metric: what `figures` are of.
    """

    runs: Sequence[RunLike]
    settings: Flat
    metric: str

    @cached_property
    def name(self) -> str:
        """The names of its experiments."""
        return ", ".join(dict.fromkeys(run.name for run in self.runs))

    @property
    def statuses(self) -> Counter[str]:
        """How many runs ended how."""
        return Counter(run.status for run in self.runs)

    @cached_property
    def ended(self) -> dict[int, RunLike]:
        """By seed, the latest run that has come to an end."""
        ended = [(run.seed, run) for run in self.runs if run.status in _ENDED]
        if len({seed for seed, _ in ended}) < len(ended):
            ended.sort(key=lambda item: (str(item[1].record.get("started_at")), item[1].id))
        return {seed: run for seed, run in ended if seed is not None}

    @cached_property
    def counted(self) -> Sequence[RunLike]:
        """The complete ones of `ended`; where there are none, all runs."""
        complete = {id(run) for run in self.ended.values() if run.status == "completed"}
        return [run for run in self.runs if id(run) in complete] or self.runs

    @cached_property
    def figures(self) -> dict[str, Spread]:
        """Spreads over the counted runs: by statistic, `train-cost`, and `seconds` per epoch."""
        facts = [run.facts for run in self.counted]

        def spread(metric: str, statistic: str) -> Spread | None:
            points = [each.summary.get(metric, {}).get(statistic) for each in facts]
            return Spread.of(point.value if point else None for point in points)

        spreads = {statistic: spread(self.metric, statistic) for statistic in STATISTICS}
        spreads["train-cost"] = spread("train_cost", "last")
        spreads["seconds"] = Spread.of(each.seconds for each in facts)
        return {name: each for name, each in spreads.items() if each is not None}

    @cached_property
    def published(self) -> Published:
        """The published figures that its configs carry."""
        configs = (run.config for run in self.runs if run.config and run.config["reference"])
        return Published.of(next(configs, None))

    def setting(self, key: str) -> str:
        """Write the value of a key; layers as in 784-30-10."""
        value = self.settings.get(key)
        if key == "layers" and isinstance(value, list):
            return "-".join(map(str, value))
        return NONE if value is None else str(value)

    def notes(self) -> list[str]:
        """Say what a mean over its runs hides."""
        counted, notes = self.counted, []
        if stuck := [run for run in counted if run.never_learned]:
            which = listed([f"seed {run.seed} ({_never_learned(run)})" for run in stuck])
            notes.append(f"{len(stuck)} of {len(counted)} runs never learned a class: {which}")
        early = [
            f"seed {run.seed} ended after {run.facts.done} of {run.config['epochs']} epochs: "
            f"{run.stopped}"
            for run in counted
            if run.stopped and run.config
        ]
        notes += early[:MOST_NAMED]
        if len(early) > MOST_NAMED:
            notes.append(f"{len(early) - MOST_NAMED} more ended early")
        seeds = Counter(run.seed for run in self.runs if run.status in _ENDED)
        again = [f"{seed} ({n} times)" for seed, n in seeds.items() if n > 1 and seed is not None]
        if again:
            why = (
                f"the same run again is no new evidence; of seed {listed(again)} the latest counts"
            )
            notes.append(why)
        return notes


def _never_learned(run: RunLike) -> str:
    names = run.classes
    return listed([names[i] if i < len(names) else str(i) for i in run.never_learned])


def groups(runs: Sequence[RunLike], metric: str, *, per_run: bool = False) -> list[Group]:
    """Put runs into groups (each run by itself with `per_run`), in the order of their first."""
    members: dict[Hashable, list[RunLike]] = {}
    for i, run in enumerate(runs):
        members.setdefault(i if per_run else run.identity, []).append(run)
    kinds = {frozenset(run.config["data"]) for run in runs if run.config}
    flats = [_settings(group[0], one_kind=len(kinds) == 1) for group in members.values()]
    if not per_run and len(set(map(repr, flats))) < len(flats):
        # The same settings, but the file they name has changed between the runs.
        for flat, group in zip(flats, members.values(), strict=True):
            flat["data sha256"] = group[0].digest[:8]
    return [Group(*each, metric) for each in zip(members.values(), flats, strict=True)]


def _settings(run: RunLike, *, one_kind: bool) -> Flat:
    """Return what may tell groups apart; of data of different kinds only what names them."""
    if run.config is None:
        return {"folder": run.id}
    flat = flatten(settings(run.config))
    if one_kind:
        path = run.config["data"].get("path")
        return flat | ({"data.path": PurePath(path).name} if path else {})
    own = {key: value for key, value in flat.items() if not key.startswith("data.")}
    return own | {"data": _source(run.config["data"])}


def _source(data: Mapping[str, Any]) -> str:
    """Name the data of a config in a word."""
    return brief(PurePath(data["path"]).name if "path" in data else data.get("name", "inline"))


def differing_keys(several: Sequence[Group]) -> list[str]:
    """Return the keys that tell groups apart, except groups without a readable config."""
    return differing([group.settings for group in several if group.runs[0].config])


def incomparable(one: RunLike, other: RunLike) -> str | None:
    """Say why two runs' figures are not of the same thing; None where they are."""
    if one.config is None or other.config is None:
        return "its config cannot be read"
    if one.digest and one.digest == other.digest:
        return None
    # How much it was trained on may differ: that is an experiment.
    here, there = (
        flatten({key: value for key, value in run.config["data"].items() if key != "train"})
        for run in (one, other)
        if run.config
    )
    if here.keys() != there.keys():
        return f"it was measured on other data ({_source(here)}, not {_source(there)})"
    if keys := differing([here, there]):
        values = ", ".join(f"{k} {brief(here[k])}, not {brief(there[k])}" for k in keys[:3])
        return f"it was measured on other data ({values})"
    if one.config["data"] == other.config["data"] and one.digest and other.digest:
        return "the data files were not the same (their sha256 differ)"
    return None


def flatten(values: Mapping[str, Any], prefix: str = "") -> Flat:
    """Write nested mappings with dotted keys.

    >>> flatten({"eta": 1, "data": {"name": "mnist", "train": 100}})
    {'eta': 1, 'data.name': 'mnist', 'data.train': 100}
    """
    flat: Flat = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat


def differing(flats: Sequence[Flat]) -> list[str]:
    """Return the keys whose values are not the same in all.

    >>> differing([{"cost": "quadratic", "eta": 3.0}, {"cost": "quadratic", "eta": 0.5}])
    ['eta']
    """
    keys = dict.fromkeys(key for flat in flats for key in flat)
    return [key for key in keys if any(flat.get(key) != flats[0].get(key) for flat in flats)]


def listed(words: Sequence[str]) -> str:
    """Name the first ten, and say how many more there are.

    >>> listed(["a", "b"]), listed("abcdefghijklm")
    ('a, b', 'a, b, c, d, e, f, g, h, i, j and 3 more')
    """
    more = len(words) - MOST_NAMED
    return ", ".join(words[:MOST_NAMED]) + (f" and {more:,} more" if more > 0 else "")


def brief(value: Any) -> str:
    """Write a value from a stranger's file in one short line."""
    return shorten(sanitize_line(str(value)))
