"""Studies: from a file that names arms, a grid and seeds to the experiments it means."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass, replace
from itertools import islice, product
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from nnexp.config.identity import identity
from nnexp.config.loader import MAX_PATH, Config, assign, is_study, read, to_config, word
from nnexp.config.messages import shown
from nnexp.config.rules import MAX_MISTAKES, metric_problem
from nnexp.config.study_file import (
    Changes,
    Confirm,
    StudyFile,
    Tune,
    parse_seeds,
    validate,
)
from nnexp.config.yaml import Document, Key, Mistake, dotted, file_error
from nnexp.data import Dataset
from nnexp.errors import ConfigError, OptionError, Problem, did_you_mean, one_of
from nnexp.io.json_files import count_values
from nnexp.names import METRICS, default_metric
from nnexp.numbers import margin_problem
from nnexp.text import command

__all__ = ["Arm", "Confirm", "Study", "Tune", "check_metric", "confirm_seeds", "load_study"]

MANY, MOST = 10_000, 100_000
# Of all configs of a study together, each value of a list counted: so many take seconds.
MOST_VALUES = 5_000_000
_LONGEST_NAME, _LONGEST_VALUE = 100, 40
# A text that nobody can take for a value of another type.
_WORD = re.compile(r"(?!(true|false|null|NaN|Infinity)\Z)[A-Za-z_][A-Za-z0-9_.-]*")
_UNFIT = re.compile(r"[^A-Za-z0-9._+=-]")


@dataclass(frozen=True, slots=True)
class Arm:
    """One set of settings.

    Attributes:
        name: of the arm and its runs, unique in the study.
        arm: its name under `arms`; empty without.
        cell: the values from grid and random.
        config: the experiment; its seed does not matter.
        baseline: the name of the arm it is compared with; None for a baseline itself.
    """

    name: str
    arm: str
    cell: Mapping[str, Any]
    config: Config
    baseline: str | None = None


@dataclass(frozen=True, slots=True)
class Study:
    """A valid study; `tune` and `confirm` are None if the file has none."""

    name: str
    description: str
    arms: tuple[Arm, ...]
    seeds: tuple[int, ...]
    metric: str | None
    at: str
    margin: float | None
    tune: Tune | None
    confirm: Confirm | None
    document: Document

    @property
    def runs(self) -> list[tuple[Arm, Config]]:
        """Every run: each arm with each seed."""
        return [(arm, arm.config.with_seed(seed)) for seed in self.seeds for arm in self.arms]

    def error(self, key: Key, message: str) -> ConfigError:
        """Return the error that says what is wrong with a key, and where it is."""
        return self.document.error(key, message)


def load_study(path: Path | str, *, seeds: str | None = None, many: bool = False) -> Study:
    """Read a study file and validate all its experiments.

    Args:
        path: the YAML file.
        seeds: in place of those of the file, as `--seeds` takes them.
        many: allow more than 10,000 runs.

    Raises:
        ConfigError: with all the problems, each by file, line and key.
        OptionError: the seeds are none, or the runs too many.
    """
    path = Path(path)
    document = read(path)
    if not is_study(document.values) and not {"data", "layers"}.isdisjoint(document.values):
        raise file_error(path, f"is a config, not a study: {command('nnexp', 'train', path)}")
    file = validate(document)
    chosen = parse_seeds(seeds) if seeds is not None else file.seeds
    _refuse_many(path, file, len(chosen), many=many)
    base = _base(document)
    _refuse_large(path, base, file)
    arms = _with_baselines(document, _arms(document, base, file), file)
    document.refuse(islice(_misfits(document, arms, file), MAX_MISTAKES))
    return Study(
        name=file.name or word(path.stem),
        description=file.description,
        arms=tuple(arms),
        seeds=chosen,
        metric=file.metric,
        at=file.at,
        margin=file.margin,
        tune=file.tune,
        confirm=file.confirm,
        document=document,
    )


def confirm_seeds(study: Study) -> tuple[int, ...]:
    """Return the seeds of the confirming runs."""
    return (study.confirm or Confirm()).seeds


def check_metric(
    study: Study, load: Callable[[Config], Dataset], monitor: Collection[str] = ()
) -> None:
    """Refuse a metric that no run of a study will log, and a margin that does not fit the metric.

    Args:
        study: before its first run.
        load: returns the data of a config.
        monitor: sets that the runs evaluate whatever their configs say.

    Raises:
        ConfigError: at the study's metric or margin; or the data cannot be read.
    """

    def problems(metric: str, data: Iterable[tuple[Config, Dataset | None]]) -> list[str]:
        """Return why the runs will not log a metric; nothing if one of them will."""
        experiments = [(config.experiment, dataset) for config, dataset in data]
        messages = [metric_problem(metric, e, {*e.monitor, *monitor}, d) for e, d in experiments]
        return messages if all(messages) else []

    def check(data: Iterable[tuple[Config, Dataset | None]]) -> None:
        if study.metric and (messages := problems(study.metric, data)):
            message = f"no run will log {study.metric}: {messages[0]}"
            raise study.error(("metric",), message)

    configs = [arm.config for arm in study.arms]
    check((config, None) for config in configs)
    loaded = [(config, load(config)) for config in configs]
    check(loaded)
    metric = study.metric or default_metric([m for m in METRICS if not problems(m, loaded)])
    if metric and study.margin and (message := margin_problem(metric, study.margin)):
        raise study.error(("margin",), message)


def label(arm: str, cell: Mapping[str, Any]) -> str:
    """Return the name of an arm's runs, fit for a folder.

    >>> label("xent", {"layers": [784, 30, 10], "init": "scaled"})
    'xent+layers=784-30-10+init=scaled'
    >>> label("", {"init": {"hidden": "scaled", "output": "zeros"}})
    'init=hidden-scaled-output-zeros-02eaf09d'
    """
    parts = [f"{key}={_value_in_name(value)}" for key, value in cell.items()]
    text = _UNFIT.sub("-", "+".join([arm, *parts] if arm else parts))
    name = text.lstrip("._+=-") or "base"
    return name if len(name) <= _LONGEST_NAME else _cut(name, _LONGEST_NAME, name)


def _value_in_name(value: Any) -> str:
    """Write a value as part of a name; with a digest if it could be taken for another value."""
    text = _flat(value)
    if isinstance(value, list):
        is_plain = len(value) > 1 and all(type(item) in (int, float) for item in value)
    elif isinstance(value, str):
        is_plain = bool(_WORD.fullmatch(value))
    else:
        is_plain = not isinstance(value, dict)
    if is_plain and len(text) <= _LONGEST_VALUE:
        return text
    clean = re.sub(r"[+=]", "-", _UNFIT.sub("-", text))
    return _cut(clean, _LONGEST_VALUE, json.dumps(value, sort_keys=True))


def _cut(text: str, length: int, source: str) -> str:
    """Shorten a text to a length; its end is a digest of what it stands for."""
    return f"{text[: length - 9]}-{hashlib.sha256(source.encode()).hexdigest()[:8]}"


def _flat(value: Any) -> str:
    if isinstance(value, dict):
        return "-".join(f"{key}-{_flat(inner)}" for key, inner in value.items())
    if isinstance(value, list):
        return "-".join(map(_flat, value))
    return str(value) if isinstance(value, str) else json.dumps(value)


def _refuse_many(path: Path, file: StudyFile, seeds: int, *, many: bool) -> None:
    """Count the runs before any of them takes memory."""
    arms = len(file.arms) or 1
    settings = prod(map(len, file.grid.values())) * (file.random.n if file.random else 1)
    runs = arms * settings * seeds
    count = f"{path}: {runs:,} runs (arms {arms:,} x settings {settings:,} x seeds {seeds:,})"
    if runs > MOST:
        raise OptionError(f"{count} are more than the {MOST:,} a study may have")
    if runs > MANY and not many:
        raise OptionError(f"{count} are more than {MANY:,}: repeat with --yes to train them")


def _refuse_large(path: Path, base: Document, file: StudyFile) -> None:
    """Count the values of all configs, and of the searches' samples, before any is made."""
    settings = prod(map(len, file.grid.values())) * (file.random.n if file.random else 1)
    cell = sum(max(map(_size, values)) for values in file.grid.values())
    cell += sum(max(map(_size, space.samples())) for space in file.draws.values())
    tries = sum(len(space.samples()) for space in file.tune.space.values()) if file.tune else 0
    values = settings * sum(
        _size(base.values) + _size(changes) + cell for changes in file.arms.values() or [{}]
    )
    if values * (1 + tries) > MOST_VALUES:
        raise OptionError(
            f"{path}: the configs of its {settings * (len(file.arms) or 1):,} arms would have "
            f"{values * (1 + tries):,} values in all, more than the {MOST_VALUES:,} a study may "
            "have: put long lists into a data file, or divide the study into several"
        )


def _size(value: Any) -> int:
    return 1 + count_values(value)


def _cells(file: StudyFile) -> list[Changes]:
    """Return every combination of the grid, with each of the random draws, equal ones once.

    Of a key, draw i is the same whatever n is.
    """
    draws: dict[str, Changes] = {}
    for i in range(file.random.n if file.random else 1):
        values = {
            key: space.draw(np.random.default_rng([i, *key.encode()]))
            for key, space in file.draws.items()
        }
        draws.setdefault(json.dumps(values), values)
    grid = [dict(zip(file.grid, values, strict=True)) for values in product(*file.grid.values())]
    return [combination | values for combination in grid for values in draws.values()]


def _base(document: Document) -> Document:
    """Return the config that the arms change."""
    value, path = document.values["base"], Path(document.file)
    if isinstance(value, str):
        try:
            file = path.parent / Path(value).expanduser()
            base = read(file)
            what = f"{value} is {'this' if file.resolve() == path.resolve() else 'a'} study"
        except ConfigError as error:
            where = document.where(("base",))
            raise ConfigError([Problem(where, "base", str(p)) for p in error.problems]) from error
        except (OSError, RuntimeError, ValueError) as error:
            message = f"{shown(value)} leads nowhere: {error}"
            raise document.error(("base",), message) from error
    else:
        places = {k[1:]: place for k, place in document.places.items() if k[:1] == ("base",)}
        base, what = Document(document.file, value, places), "this is a study"
    if is_study(base.values):
        raise document.error(("base",), f"expected a config, but {what}")
    document.notes.extend(base.notes)
    # A published figure belongs to the settings it was published with.
    base.forget(("reference",), base.values.pop("reference", None))
    return base


def _changed(base: Document, document: Document, changes: Mapping[Key, Any]) -> Document:
    """Return a config with the changes of a study, which are by the keys of the study."""
    copy = base.copy()
    for key, value in changes.items():
        name, where = str(key[-1]), document.where(key)
        try:
            assign(copy, name, _located(document, name, deepcopy(value)), where)
        except OptionError as error:
            message = str(error).removeprefix(f"{where}: ")
            raise ConfigError([Problem(where, dotted(key), message)]) from error
    return copy


def _located(document: Document, name: str, value: Any) -> Any:
    """Return a value for a config: paths of data are relative to the file that names them."""
    if name == "data" and isinstance(value, dict) and "path" in value:
        return value | {"path": _located(document, "data.path", value["path"])}
    if name == "data.path" and isinstance(value, str) and len(value) <= MAX_PATH:
        with suppress(OSError, RuntimeError, ValueError):  # validation says what is wrong with it
            return str((Path(document.file).parent / Path(value).expanduser()).resolve())
    return value


def _arms(document: Document, base: Document, file: StudyFile) -> list[Arm]:
    """Return every arm in every cell.

    Raises:
        ConfigError: with all that is wrong with the first 200 of those that are wrong.
    """
    base_problems: Sequence[Problem] = ()
    try:
        to_config(base)
    except ConfigError as error:
        base_problems = error.problems
    arms: list[Arm] = []
    problems: list[Problem] = []
    refused = 0
    for (arm, overrides), cell in product((file.arms or {"": None}).items(), _cells(file)):
        name = label(arm, cell)
        changes: dict[Key, Any] = {("arms", arm, key): v for key, v in (overrides or {}).items()}
        for key, value in cell.items():
            changes["grid" if key in file.grid else "random", key] = value
        try:
            config = _changed(base, document, changes)
            config.values["name"] = name
            arms.append(Arm(name, arm, cell, to_config(config)))
        except ConfigError as error:
            places = {document.where(key) for key in changes}
            problems += [
                problem
                if problem in base_problems or problem.where in places
                else Problem(document.where(next(iter(changes), ())), name, str(problem))
                for problem in error.problems
            ]
            refused += 1
            if refused == MAX_MISTAKES:
                break
    if problems:
        raise ConfigError(list(dict.fromkeys(problems)))
    document.refuse(_twins(arms, file))
    return arms


def _twins(arms: Sequence[Arm], file: StudyFile) -> Iterator[Mistake]:
    """Yield arms that are the same experiment, or would have the same folders."""
    by_identity: dict[str, Arm] = {}
    by_name: dict[str, Arm] = {}
    for arm in arms:
        key: Key = ("arms", arm.arm) if arm.arm else ("grid" if file.grid else "random",)
        # The data are not read yet: two paths are two experiments.
        twin = by_identity.setdefault(identity(arm.config.values(), ""), arm)
        namesake = by_name.setdefault(arm.name.casefold(), arm)
        if twin is not arm:
            yield key, f"{twin.name} and {arm.name} are the same experiment: remove one of them"
        elif namesake is not arm:
            yield key, f"{namesake.name} and {arm.name} would have the same folder: rename one"


def _with_baselines(document: Document, arms: Sequence[Arm], file: StudyFile) -> list[Arm]:
    """Give each arm the one it is compared with: the baseline with the same values of the grid."""
    names = [arm.name for arm in arms]
    baseline = file.baseline or arms[0].arm or names[0]
    if baseline not in (*file.arms, *names):
        choices = list(file.arms) or names
        hint = did_you_mean(baseline, choices) or f"; the arms are {one_of(choices[:20])}"
        raise document.error(("baseline",), f"no arm is named {shown(baseline)}{hint}")

    def baseline_of(arm: Arm) -> str | None:
        name = label(baseline, arm.cell) if baseline in file.arms else baseline
        return name if name != arm.name else None

    return [replace(arm, baseline=baseline_of(arm)) for arm in arms]


def _misfits(document: Document, arms: Sequence[Arm], file: StudyFile) -> Iterator[Mistake]:
    """Try each value of tune.space, one key at a time, in each arm."""
    for name, space in (file.tune.space if file.tune else {}).items():
        key: Key = ("tune", "space", name)
        for arm, value in product(arms, space.samples()):
            try:
                to_config(_changed(arm.config.document, document, {key: value}))
            except ConfigError as error:
                (first, *_) = error.problems
                yield key, first.message if first.key in (name, dotted(key)) else str(first)
                break
