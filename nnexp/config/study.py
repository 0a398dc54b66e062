"""Studies: from a file that names arms, a grid and seeds to the experiments it means."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from itertools import product
from math import prod
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, Field, ValidationError

from nnexp.config.loader import Config, assign, read, validate, word
from nnexp.config.plain import identity_of
from nnexp.config.problems import Finding, worded
from nnexp.config.schema import (
    METRICS,
    STATISTICS,
    Choice,
    Experiment,
    Natural,
    Strength,
    Strict,
    Word,
)
from nnexp.config.seeds import parse_seeds
from nnexp.config.yaml import Document, Key
from nnexp.errors import ConfigError, OptionError, Problem, did_you_mean, one_of
from nnexp.text import shown

MANY = 10_000
_SPACES = ("log", "uniform", "int")
_NO_ARM_KEYS = ("name", "seed")

Overrides = dict[str, Any]


class Tune(Strict):
    """How each arm's hyper-parameters are searched."""

    space: dict[str, Any] = Field(min_length=1, description="key -> the values it may take")
    trials: Natural = Field(20, description="for each arm")
    metric: Annotated[str, Choice(METRICS)] = Field(
        "validation_accuracy", description="of the validation set: what a trial is judged by"
    )
    epochs: Natural | None = Field(None, description="of a trial; the arm's own if not given")
    prune: bool = Field(True, description="end a trial that lags behind the median of the others")
    seed: Annotated[int, Field(ge=0)] = Field(0, description="of the search and of the trials")


class Confirm(Strict):
    """The runs, on fresh seeds, that the tuned arms are compared by."""

    seeds: Any = Field("100-109", description="as in 100-109")
    epochs: Natural | None = Field(None, description="the arm's own if not given")


class StudyFile(Strict):
    """The keys of a study."""

    name: Word | None = Field(None, description="of its folder; the file's name if not given")
    description: str = Field("", description="the question, in a sentence")
    base: Any = Field(description="a config: the path of its file, or the config itself")
    arms: dict[Word, Overrides | None] = Field({}, description="name -> what it changes in base")
    grid: dict[str, Annotated[list[Any], Field(min_length=1)]] = Field(
        {}, description="key -> its values; every combination, in each arm"
    )
    random: Overrides = Field({}, description="key -> {log: [a, b]}, ...; and n, how many draws")
    seeds: Any = Field("0", description="as in 0-9 or [0, 3, 5]")
    baseline: str | None = Field(None, description="the arm the others are held against")
    metric: Annotated[str, Choice(METRICS)] | None = Field(None, description="what is compared")
    at: Annotated[str, Choice(STATISTICS)] = Field(
        "best-validation", description="after which epoch"
    )
    margin: Strength | None = Field(None, description="a difference within it does not matter")
    tune: Tune | None = None
    confirm: Confirm | None = None


_MODELS: dict[Key, type[BaseModel]] = {(): StudyFile, ("tune",): Tune, ("confirm",): Confirm}


@dataclass(frozen=True, slots=True)
class Arm:
    """One set of settings.

    Attributes:
        name: of the arm and its runs, unique in the study.
        arm: the name it has under `arms`; empty without.
        cell: the values that grid and random gave it.
        config: the experiment, seed aside.
        baseline: the name of the arm it is held against; None for a baseline itself.
    """

    name: str
    arm: str
    cell: Mapping[str, Any]
    config: Config
    baseline: str | None = None


@dataclass(frozen=True, slots=True)
class Study:
    """A validated study; `tune` and `confirm` are None where the file has none."""

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
        """Return the error that says what is wrong with a key, and where it stands."""
        return ConfigError([_problem(self.document, key, message)])


def _problem(document: Document, key: Key, message: str) -> Problem:
    return Problem(document.where(key), ".".join(map(str, key)), message)


def load_study(path: Path | str, *, seeds: str | None = None, many: bool = False) -> Study:
    """Read a study file and validate all its experiments.

    Args:
        path: the YAML file.
        seeds: in place of the file's, as `--seeds` takes them.
        many: allow more than 10,000 runs.

    Raises:
        ConfigError: with all the problems, each by file, line and key.
        OptionError: the seeds are none, or the runs too many.
    """
    path = Path(path)
    document = read(path)
    values = document.values
    try:
        given = StudyFile.model_validate(values)
    except ValidationError as error:
        wrong = worded(error, values, _MODELS.__getitem__)
        raise ConfigError([_problem(document, key, message) for key, message in wrong]) from error
    found = list(_findings(given))
    if found:
        raise ConfigError([_problem(document, key, message) for key, message in found])
    chosen = parse_seeds(seeds) if seeds is not None else _seeds(document, ("seeds",), given.seeds)
    cells = _cells(given)
    arms = given.arms or {"": None}
    count = len(arms) * len(cells) * len(chosen)
    if count > MANY and not many:
        raise OptionError(f"{path}: {count:,} runs; with --yes more than {MANY:,} are begun")
    built = _build(document, path, arms, cells)
    return Study(
        name=given.name or word(path.stem),
        description=given.description,
        arms=tuple(_with_baselines(document, built, given)),
        seeds=tuple(chosen),
        metric=given.metric,
        at=given.at,
        margin=given.margin,
        tune=given.tune,
        confirm=given.confirm,
        document=document,
    )


def _specs(given: StudyFile) -> Overrides:
    """Return what is to be drawn at random."""
    return {key: spec for key, spec in given.random.items() if key != "n"}


def _findings(given: StudyFile) -> Iterator[Finding]:
    if not isinstance(given.base, str | dict):
        yield ("base",), f"{shown(given.base)} is not allowed: a file or a config is due"
    if given.random:
        n = given.random.get("n")
        if not isinstance(n, int) or isinstance(n, bool) or n < 1:
            yield ("random", "n"), "how many draws are due is missing: a whole number from 1"
        if len(given.random) < 2:
            yield ("random",), "names no key to draw, as in {eta: {log: [0.01, 10]}, n: 20}"
    draws: dict[Key, Any] = {("random", key): spec for key, spec in _specs(given).items()}
    if given.tune:
        draws |= {("tune", "space", key): spec for key, spec in given.tune.space.items()}
        if not given.tune.metric.startswith("validation"):
            yield (
                ("tune", "metric"),
                f"{given.tune.metric}: settings are chosen on the validation set alone",
            )
    for key, spec in draws.items():
        wrong = space_problem(spec)
        if wrong:
            yield key, f"{shown(spec)} is not allowed: {wrong}"
    named: dict[Key, Iterable[str]] = {("grid",): given.grid, ("random",): given.random}
    named |= {("arms", arm): overrides or {} for arm, overrides in given.arms.items()}
    for key, names in named.items():
        for name in set(names) & set(_NO_ARM_KEYS):
            yield (*key, name), "belongs to the study: see its keys name and seeds"


def space_problem(spec: Any) -> str | None:
    """Say what is wrong with the values a key may take, or None.

    >>> space_problem({"log": [10, 0.01]})
    'the lower end comes first'
    """
    if isinstance(spec, list):
        return None if spec else "a list of values must have some"
    if not isinstance(spec, dict) or len(spec) != 1 or not set(spec) <= set(_SPACES):
        return "[a, b, c], {log: [low, high]}, {uniform: [low, high]} or {int: [low, high]} is due"
    ((kind, ends),) = spec.items()
    if not isinstance(ends, list) or len(ends) != 2 or not all(map(_is_number, ends)):
        return f"{kind}: [low, high] is due"
    if kind == "int" and not all(isinstance(end, int) for end in ends):
        return "int: two whole numbers are due"
    if kind == "log" and min(ends) <= 0:
        return "log: both ends must be above 0"
    return None if ends[0] < ends[1] else "the lower end comes first"


def _is_number(value: Any) -> bool:
    return (
        isinstance(value, int | float) and not isinstance(value, bool) and bool(np.isfinite(value))
    )


def draw(spec: Any, rng: np.random.Generator) -> Any:
    """Draw one value; a real number is rounded to three digits, so that its name is its value."""
    if isinstance(spec, list):
        return spec[int(rng.integers(len(spec)))]
    ((kind, (low, high)),) = spec.items()
    if kind == "int":
        return int(rng.integers(low, high, endpoint=True))
    x = rng.uniform(np.log(low), np.log(high)) if kind == "log" else rng.uniform(low, high)
    return float(f"{np.exp(x) if kind == 'log' else x:.3g}")


def _cells(given: StudyFile) -> list[Overrides]:
    """Return every combination of the grid, with each of the random draws."""
    if given.grid and prod(len(values) for values in given.grid.values()) > 100 * MANY:
        raise OptionError(f"grid: more than {100 * MANY:,} combinations")
    combinations = [
        dict(zip(given.grid, values, strict=True)) for values in product(*given.grid.values())
    ]
    specs = _specs(given)
    if not specs:
        return combinations
    drawn = []
    for i in range(given.random["n"]):
        rng = np.random.default_rng([0, i])
        drawn.append({key: draw(spec, rng) for key, spec in specs.items()})
    return [combination | values for combination in combinations for values in drawn]


def _seeds(document: Document, key: Key, given: Any) -> list[int]:
    text = ",".join(map(str, given)) if isinstance(given, list) else str(given)
    try:
        return parse_seeds(text, "seeds")
    except OptionError as error:
        raise ConfigError([_problem(document, key, str(error).removeprefix("seeds "))]) from error


def confirm_seeds(study: Study) -> list[int]:
    """Return the seeds of the confirming runs."""
    given = study.confirm.seeds if study.confirm else Confirm().seeds
    return _seeds(study.document, ("confirm", "seeds"), given)


def _label(arm: str, cell: Overrides) -> str:
    parts = [f"{key}={word(str(value))}" for key, value in cell.items()]
    return "+".join([arm, *parts] if arm else parts) or "base"


def _base(document: Document, path: Path) -> tuple[Document, Path]:
    base = document.values["base"]
    if isinstance(base, str):
        file = path.parent / base
        return read(file), file
    places = {k[1:]: place for k, place in document.places.items() if k[0:1] == ("base",)}
    return Document(document.file, base, places), path


def _build(
    document: Document, path: Path, arms: Mapping[str, Overrides | None], cells: list[Overrides]
) -> list[Arm]:
    base, file = _base(document, path)
    built: list[Arm] = []
    problems: list[Problem] = []
    for arm, overrides in arms.items():
        for cell in cells:
            name = _label(arm, cell)
            made = Document(base.file, deepcopy(base.values), dict(base.places))
            # A published figure belongs to the settings it was published with.
            made.values.pop("reference", None)
            try:
                for key, value in (overrides or {}).items():
                    _override(made, path, key, value, document.where(("arms", arm, key)))
                for key, value in cell.items():
                    where = document.where(
                        ("grid" if key not in _drawn(document) else "random", key)
                    )
                    _override(made, path, key, value, where)
                made.values["name"] = name[:100]
                built.append(Arm(name, arm, cell, Config(validate(made, file), made)))
            except ConfigError as error:
                problems += error.problems
            except OptionError as error:
                problems.append(Problem(str(error), "", ""))
    if problems:
        raise ConfigError(list(dict.fromkeys(problems)))
    _refuse_twins(document, built)
    return built


def _drawn(document: Document) -> Mapping[str, Any]:
    found: Mapping[str, Any] = document.values.get("random") or {}
    return found


def _override(made: Document, path: Path, key: str, value: Any, place: str) -> None:
    """Set a key of an arm's config; paths of data are relative to the file they stand in."""
    if key == "data" and isinstance(value, dict) and "path" in value:
        value = value | {"path": str((path.parent / str(value["path"])).resolve())}
    if key == "data.path":
        value = str((path.parent / str(value)).resolve())
    assign(made, key, deepcopy(value), place)


def identity(experiment: Experiment) -> str:
    """Return a digest that two experiments share if they differ in words and seed alone."""
    return identity_of(experiment.model_dump(mode="json"))


def _refuse_twins(document: Document, arms: Iterable[Arm]) -> None:
    seen: dict[str, Arm] = {}
    for arm in arms:
        twin = seen.setdefault(identity(arm.config.experiment), arm)
        if twin is not arm:
            message = f"{twin.name} and {arm.name} are the same experiment; one of them is enough"
            raise ConfigError([_problem(document, ("arms", arm.arm), message)])


def _with_baselines(document: Document, arms: list[Arm], given: StudyFile) -> Iterator[Arm]:
    """Give each arm the one it is held against: the baseline's, with the same grid values."""
    names = [arm.name for arm in arms]
    baseline = given.baseline or arms[0].arm or names[0]
    if baseline not in (*given.arms, *names):
        choices = list(given.arms) or names
        hint = did_you_mean(baseline, choices)
        message = f"{baseline} is not an arm{hint or '; the arms are ' + one_of(choices[:20])}"
        raise ConfigError([_problem(document, ("baseline",), message)])
    for arm in arms:
        against = _label(baseline, dict(arm.cell)) if baseline in given.arms else baseline
        yield Arm(arm.name, arm.arm, arm.cell, arm.config, against if against != arm.name else None)
