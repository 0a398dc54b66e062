"""The keys of a study, and the rules between them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, WithJsonSchema

from nnexp.config.problems import Finding, worded
from nnexp.config.schema import WATCHED, Choice, Statistic, Word
from nnexp.config.seeds import seeds_in
from nnexp.config.space import Space, SpaceField
from nnexp.config.yaml import Document, Key, dotted
from nnexp.data.readers import Natural, Strength, Strict
from nnexp.errors import ConfigError, Problem
from nnexp.names import SETS
from nnexp.text import quoted

COMPARED = tuple(f"{name}_{kind}" for name in SETS for kind in ("accuracy", "cost", "r2"))
COMPARED += tuple(f"{name}_data_cost" for name in SETS)
_SEEDS_DUE = "seeds are written as 0-9, 0,3,5 or [0, 3, 5]"
_OF_THE_STUDY = {"name": "name", "seed": "seeds"}

Overrides = dict[str, Any]

_SEEDS = [{"type": "integer", "minimum": 0}, {"type": "string"}, {"type": "array", "minItems": 1}]
Seeds = Annotated[Any, WithJsonSchema({"anyOf": _SEEDS})]
Base = Annotated[Any, WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "object"}]})]


class Draws(BaseModel):
    """Random settings: `n` draws; every other key is a key of the config, with its space."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)
    __pydantic_extra__: dict[str, SpaceField] = Field(init=False)
    n: Natural

    @property
    def spaces(self) -> dict[str, Space]:
        """The keys of the config, each with its space."""
        return self.__pydantic_extra__


class Tune(Strict):
    """How each arm's hyper-parameters are searched."""

    space: dict[str, SpaceField] = Field(min_length=1, description="key -> the values it may take")
    trials: Natural = Field(20, description="for each arm")
    metric: Annotated[str, Choice(WATCHED)] = Field(
        "validation_accuracy", description="of the validation set: what a trial is judged by"
    )
    epochs: Natural | None = Field(None, description="of a trial; the arm's own if not given")
    prune: bool = Field(True, description="end a trial that lags behind the median of the others")
    seed: Annotated[int, Field(ge=0)] = Field(0, description="of the search and of the trials")


class Confirm(Strict):
    """The runs, on fresh seeds, that the tuned arms are compared by."""

    seeds: Seeds = Field("100-109", description="as those of the study")
    epochs: Natural | None = Field(None, description="the arm's own if not given")


class StudyFile(Strict):
    """The keys of a study."""

    name: Word | None = Field(None, description="of its folder; the file's name if not given")
    description: str = Field("", description="the question, in a sentence")
    base: Base = Field(description="a config: the path of its file, or the config itself")
    arms: dict[Word, Overrides | None] = Field({}, description="name -> what it changes in base")
    grid: dict[str, Annotated[list[Any], Field(min_length=1)]] = Field(
        {}, description="key -> its values; every combination, in each arm"
    )
    random: Draws | None = Field(
        None, description="key -> the values it may take; and `n`, how many draws, in each arm"
    )
    seeds: Seeds = Field("0", description="of every arm's runs, as in 0-9 or [0, 3, 5]")
    baseline: str | None = Field(
        None, description="the arm that the others are held against; the first if not given"
    )
    metric: Annotated[str, Choice(COMPARED)] | None = Field(None, description="what is compared")
    at: Statistic = Field("best-epoch", description="after which epoch")
    margin: Strength | None = Field(None, description="a difference within it does not matter")
    tune: Tune | None = Field(None, description="search each arm's settings first: see Tune")
    confirm: Confirm | None = Field(None, description="the runs of the tuned arms: see Confirm")

    @property
    def draws(self) -> dict[str, Space]:
        """What is drawn at random."""
        return self.random.spaces if self.random else {}


_MODELS: dict[Key, type[BaseModel]] = {(): StudyFile, ("tune",): Tune, ("confirm",): Confirm}


def problem(document: Document, key: Key, message: str) -> Problem:
    """Return what is wrong with a key, and where it stands."""
    return Problem(document.where(key), dotted(key), message)


def refuse(document: Document, found: Iterable[Finding]) -> None:
    """Raise a ConfigError of all findings, in the order of the file; do nothing for none."""
    order = {key: i for i, key in enumerate(document.places)}
    ordered = sorted(found, key=lambda finding: order.get(finding[0], -1))
    if ordered:
        raise ConfigError([problem(document, key, message) for key, message in ordered])


def validated(document: Document) -> StudyFile:
    """Return the keys of a study whose rules are kept.

    Raises:
        ConfigError: with all the problems, each by file, line and key.
    """
    try:
        given = StudyFile.model_validate(document.values)
    except ValidationError as error:
        refuse(document, worded(error, document.values, _MODELS.__getitem__))
        raise
    refuse(document, (finding for rule in _RULES for finding in rule(given)))
    return given


def seeds_of(given: Any) -> list[int]:
    """Return seeds as the file writes them; raise ValueError where they are none."""
    parts = given if isinstance(given, list) else [given]
    if not parts or not all(isinstance(p, int | str) and not isinstance(p, bool) for p in parts):
        raise ValueError(_SEEDS_DUE)
    return seeds_in(",".join(map(str, parts)))


def _base_is_a_config(given: StudyFile) -> Iterator[Finding]:
    if not isinstance(given.base, str | dict):
        yield ("base",), f"{quoted(given.base)} is not allowed: a file's path or a config is due"


def _nothing_is_empty(given: StudyFile) -> Iterator[Finding]:
    for key in ("arms", "grid"):
        if key in given.model_fields_set and not getattr(given, key):
            yield (key,), "is empty; fill it, or leave it out"


def _draws_are_counted(given: StudyFile) -> Iterator[Finding]:
    if given.random and not given.draws:
        yield ("random",), "names no key to draw, as in {eta: {log: [0.01, 10]}, n: 20}"


def _grid_values_are_given_once(given: StudyFile) -> Iterator[Finding]:
    for key, values in given.grid.items():
        texts = [json.dumps(value) for value in values]
        for i, text in enumerate(texts):
            if text in texts[:i]:
                yield ("grid", key, i), f"{quoted(values[i])} stands twice"


def _name_and_seed_are_the_studys(given: StudyFile) -> Iterator[Finding]:
    named: dict[Key, Iterable[str]] = {("grid",): given.grid, ("random",): given.draws}
    named |= {("arms", arm): overrides or {} for arm, overrides in given.arms.items()}
    if given.tune:
        named["tune", "space"] = given.tune.space
    for holder, keys in named.items():
        for key in keys:
            if key in _OF_THE_STUDY:
                yield (*holder, key), f"belongs to the study: its key {_OF_THE_STUDY[key]} says it"


def _keys_are_given_once(given: StudyFile) -> Iterator[Finding]:
    for key in given.draws:
        if key in given.grid:
            yield ("random", key), "stands in grid as well; one of the two is due"
    for arm, overrides in given.arms.items():
        for key in overrides or {}:
            for holder, keys in (("grid", given.grid), ("random", given.draws)):
                if key in keys:
                    yield ("arms", arm, key), f"stands in {holder} as well, which would undo it"


def _seeds_are_sound(given: StudyFile) -> Iterator[Finding]:
    named: dict[Key, Any] = {("seeds",): given.seeds}
    if given.confirm:
        named["confirm", "seeds"] = given.confirm.seeds
    for key, seeds in named.items():
        try:
            seeds_of(seeds)
        except ValueError as error:
            yield key, f"{quoted(seeds)} is not allowed: {error}"


def _tuning_is_blind(given: StudyFile) -> Iterator[Finding]:
    """Let neither the test set nor the seeds of the confirming runs have a say in the search."""
    if given.tune is None:
        if given.confirm:
            yield ("confirm",), "there is nothing to confirm without tune"
        return
    if not given.tune.metric.startswith("validation"):
        message = "settings are chosen on the validation set alone"
        yield ("tune", "metric"), f"{quoted(given.tune.metric)} is not allowed: {message}"
    try:
        confirming = seeds_of((given.confirm or Confirm()).seeds)
    except ValueError:  # named already
        return
    if given.tune.seed in confirming:
        message = f"{given.tune.seed} is the seed of the trials; fresh seeds are due"
        yield ("confirm", "seeds"), message


_RULES = (
    _base_is_a_config,
    _nothing_is_empty,
    _draws_are_counted,
    _grid_values_are_given_once,
    _name_and_seed_are_the_studys,
    _keys_are_given_once,
    _seeds_are_sound,
    _tuning_is_blind,
)
