"""The keys of a study, the rules between them, and the JSON Schemas of config and study."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, ValidationError, WithJsonSchema

from nnexp.config.messages import messages, shown
from nnexp.config.schema import WATCHED, Choice, Experiment, Statistic, Word, optional
from nnexp.config.space import Space, SpaceField
from nnexp.config.yaml import Document, Key, Mistake
from nnexp.data.readers import Natural, Strength, Strict
from nnexp.errors import OptionError
from nnexp.names import METRICS
from nnexp.numbers import margin_problem
from nnexp.text import shorten

MAX_SEEDS = 10_000
_SEEDS_FORM = "seeds as in 0-9, 0,3,5 or [0, 3, 5]"

Changes = dict[str, Any]

_KEYS_OF_THE_STUDY = {"name": "name", "seed": "seeds"}


def seeds_of(value: Any) -> tuple[int, ...]:
    """Return seeds as a study or `--seeds` writes them.

    Raises:
        ValueError: it is something else, a range runs backwards, or a seed is there twice.

    >>> seeds_of("0-2,7"), seeds_of([4, "10-11"])
    ((0, 1, 2, 7), (4, 10, 11))
    """
    parts = value if isinstance(value, list) else [value]
    if not parts or not all(isinstance(p, int | str) and not isinstance(p, bool) for p in parts):
        raise ValueError(f"expected {_SEEDS_FORM}")
    seeds: list[int] = []
    for part in ",".join(map(str, parts)).split(","):
        match = re.fullmatch(r"\s*(\d{1,18})(?:-(\d{1,18}))?\s*", part, re.ASCII)
        if match is None:
            raise ValueError(f"expected {_SEEDS_FORM}")
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first:
            raise ValueError(f"{part.strip()} runs backwards: write {last}-{first}")
        if len(seeds) + last - first >= MAX_SEEDS:
            raise ValueError(f"more than {MAX_SEEDS:,} seeds")
        seeds += range(first, last + 1)
    ((seed, times),) = Counter(seeds).most_common(1)
    if times > 1:
        raise ValueError(f"seed {seed} is there twice")
    return tuple(seeds)


def parse_seeds(text: str) -> tuple[int, ...]:
    """Return the seeds that `--seeds` names; raise OptionError where it names none."""
    try:
        return seeds_of(text)
    except ValueError as error:
        raise OptionError(f"--seeds {shorten(text)}: {error}") from error


_SEEDS = [{"type": "integer", "minimum": 0}, {"type": "string"}, {"type": "array", "minItems": 1}]
Seeds = Annotated[
    tuple[int, ...],
    PlainValidator(seeds_of),
    WithJsonSchema({"anyOf": _SEEDS}),
    Field(validate_default=True),
]
Base = Annotated[Any, WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "object"}]})]


class Draws(BaseModel):
    """Random settings: `n` draws; every other key is a key of the config, with its space."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)
    __pydantic_extra__: dict[str, SpaceField] = Field(init=False)
    n: Natural


class Tune(Strict):
    """How the hyper-parameters of each arm are searched."""

    space: dict[str, SpaceField] = Field(min_length=1, description="key -> the values it may take")
    trials: Natural = optional(20, "for each arm")
    metric: Annotated[str, Choice(WATCHED)] = optional(
        "validation_accuracy", "of the validation set: what a trial is judged by"
    )
    epochs: Natural | None = optional(None, "of a trial; by default those of the arm")
    prune: bool = optional(True, "end a trial that falls behind the median of the earlier ones")
    seed: Annotated[int, Field(ge=0)] = optional(0, "of the search and of the trials")


class Confirm(Strict):
    """The runs with fresh seeds by which the tuned arms are compared."""

    seeds: Seeds = optional("100-109", "as those of the study")
    epochs: Natural | None = optional(None, "by default those of the arm")


class StudyFile(Strict):
    """The keys of a study."""

    name: Word | None = optional(None, "of its folder; by default the name of the file")
    description: str = optional("", "the question, in a sentence")
    base: Base = Field(description="a config: the path of its file, or the config itself")
    arms: dict[Word, Changes | None] = optional({}, "name -> what it changes in base")
    grid: dict[str, Annotated[list[Any], Field(min_length=1)]] = optional(
        {}, "key -> its values; every combination, in each arm"
    )
    random: Draws | None = optional(
        None, "key -> the values it may take; and `n`, how many draws, in each arm"
    )
    seeds: Seeds = optional("0", "of the runs of each arm, as in 0-9 or [0, 3, 5]")
    baseline: str | None = optional(
        None, "the arm that the others are compared with; by default the first"
    )
    metric: Annotated[str, Choice(METRICS)] | None = optional(
        None, "what is compared; by default test accuracy or the nearest to it"
    )
    at: Statistic = optional("best-epoch", "after which epoch")
    margin: Strength | None = optional(
        None, "a difference up to it does not matter; 0.001 is 0.1 points of accuracy"
    )
    tune: Tune | None = optional(None, "search each arm's settings first: see Tune")
    confirm: Confirm | None = optional(None, "the runs of the tuned arms: see Confirm")

    @property
    def draws(self) -> dict[str, Space]:
        """What is drawn at random: the keys of the config, each with its space."""
        return self.random.__pydantic_extra__ if self.random else {}


_MODELS: dict[Key, type[BaseModel]] = {(): StudyFile, ("tune",): Tune, ("confirm",): Confirm}


def validate(document: Document) -> StudyFile:
    """Return the keys of a study.

    Raises:
        ConfigError: with all the problems, each by file, line and key.
    """
    try:
        study = StudyFile.model_validate(document.values)
    except ValidationError as error:
        document.refuse(messages(error, document.values, _MODELS))
        raise
    document.refuse(mistake for rule in _RULES for mistake in rule(study))
    return study


def _base_is_a_config(study: StudyFile) -> Iterator[Mistake]:
    if not isinstance(study.base, str | dict):
        yield ("base",), f"expected the path of a config, or a config, got {shown(study.base)}"


def _nothing_is_empty(study: StudyFile) -> Iterator[Mistake]:
    for key in ("arms", "grid"):
        if key in study.model_fields_set and not getattr(study, key):
            yield (key,), "is empty: fill it, or remove the key"
    if study.random and not study.draws:
        yield ("random",), "has no key to draw, as in {eta: {log: [0.01, 10]}, n: 20}"


def _grid_has_each_value_once(study: StudyFile) -> Iterator[Mistake]:
    for key, values in study.grid.items():
        texts: set[str] = set()
        for i, value in enumerate(values):
            text = json.dumps(value)
            if text in texts:
                yield ("grid", key, i), f"{shown(value)} is there twice"
            texts.add(text)


def _name_and_seed_are_the_studys(study: StudyFile) -> Iterator[Mistake]:
    holders: dict[Key, Iterable[str]] = {
        ("grid",): study.grid,
        ("random",): study.draws,
        ("tune", "space"): study.tune.space if study.tune else (),
        **{("arms", arm): changes or () for arm, changes in study.arms.items()},
    }
    for holder, keys in holders.items():
        for key in _KEYS_OF_THE_STUDY.keys() & keys:
            yield (*holder, key), f"is set by the study's own key {_KEYS_OF_THE_STUDY[key]}"


def _keys_are_in_one_place(study: StudyFile) -> Iterator[Mistake]:
    for key in study.draws:
        if key in study.grid:
            yield ("random", key), "is in grid too: keep one of the two"
    for arm, changes in study.arms.items():
        for key in changes or {}:
            for holder, keys in (("grid", study.grid), ("random", study.draws)):
                if key in keys:
                    yield ("arms", arm, key), f"is in {holder} too, which would replace it"


def _margin_fits_metric(study: StudyFile) -> Iterator[Mistake]:
    if study.metric and study.margin and (message := margin_problem(study.metric, study.margin)):
        yield ("margin",), message


def _tuning_is_blind(study: StudyFile) -> Iterator[Mistake]:
    """Keep the test set and the seeds of the confirming runs out of the search."""
    if study.tune is None:
        if study.confirm:
            yield ("confirm",), "has nothing to confirm: add tune, or remove confirm"
        return
    if not study.tune.metric.startswith("validation"):
        message = f"expected validation_accuracy or validation_cost, got {study.tune.metric}"
        yield ("tune", "metric"), f"{message}: settings are chosen on the validation set alone"
    if study.tune.seed in (study.confirm or Confirm()).seeds:
        message = f"expected fresh seeds, got {study.tune.seed}, the seed of the trials"
        yield ("confirm", "seeds"), message


_RULES = (
    _base_is_a_config,
    _nothing_is_empty,
    _grid_has_each_value_once,
    _name_and_seed_are_the_studys,
    _keys_are_in_one_place,
    _margin_fits_metric,
    _tuning_is_blind,
)

_DRAFT = "https://json-schema.org/draft/2020-12/schema"


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of a config file.

    >>> json_schema()["required"]
    ['data', 'layers']
    """
    schema = Experiment.model_json_schema()
    data = schema["properties"]["data"]
    # In a file, `data: mnist` is short for `data: {name: mnist}`.
    data["anyOf"] = [{"const": "mnist"}, *data.pop("oneOf", data.pop("anyOf", []))]
    return schema | {"$schema": _DRAFT, "title": "nnexp experiment"}


def study_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of a study file.

    >>> study_schema()["required"]
    ['base']
    """
    schema, base = StudyFile.model_json_schema(), json_schema()
    definitions = base.pop("$defs")
    # What the arms set need not be in the base.
    definitions["Experiment"] = {k: v for k, v in base.items() if k not in ("required", "$schema")}
    schema["$defs"] |= definitions
    schema["properties"]["arms"]["additionalProperties"] = False
    schema["properties"]["base"]["anyOf"][1] = {"$ref": "#/$defs/Experiment"}
    return schema | {"$schema": _DRAFT, "title": "nnexp study"}
