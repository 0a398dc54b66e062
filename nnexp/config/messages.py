"""Pydantic's errors in words: what was expected, what came, and what may have been meant."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from pydantic import BaseModel, ValidationError

from nnexp.config import schema
from nnexp.config.rules import MAX_MISTAKES
from nnexp.config.space import flow
from nnexp.config.yaml import Key, Mistake
from nnexp.data import READERS
from nnexp.data.arrays import InlineExamples
from nnexp.data.augmentation import Augment, Elastic
from nnexp.errors import did_you_mean, one_of
from nnexp.nn.network import INITIALIZERS
from nnexp.text import quoted, shorten

Models = Mapping[Key, type[BaseModel]]

# What is expected of a key whose value can have several forms.
_FORMS: dict[str, str] = {
    "data": one_of(reader.form for reader in READERS.values()),
    "schedule": "constant, cosine, {name: step, every: N}, {name: exponential, factor: F} or "
    "{name: halve, patience: N}",
    "init": f"{', '.join(INITIALIZERS)}, {{hidden: NAME, output: NAME}} or "
    "{weights: [...], biases: [...]}",
    "dropout": "a number of at least 0 and below 1, or a list of them, one per hidden layer",
    "augment": "a mapping, such as {shifts: true}, {rotate: 15} or {elastic: {}}",
    "early_stopping": "a mapping, such as {patience: 10}",
}
# Of these, pydantic puts the name of the form after the key.
_TAGGED = ("data", "schedule", "init", "dropout")
_SCHEDULES: dict[str, type[BaseModel]] = {
    "step": schema.StepSchedule,
    "exponential": schema.ExponentialSchedule,
    "halve": schema.HalveSchedule,
}
# The place of a mapping in a config, as pydantic says it -> what is in it.
_MODELS: Models = {
    (): schema.Experiment,
    ("reference",): schema.Reference,
    ("early_stopping",): schema.EarlyStopping,
    ("augment",): Augment,
    ("augment", "elastic"): Elastic,
    ("init", "layers"): schema.LayerwiseInit,
    ("init", "explicit"): schema.ExplicitInit,
    ("data", "inline", "inline"): InlineExamples,
    **{("data", reader.kind): reader for reader in READERS.values()},
    **{("schedule", kind): model for kind, model in _SCHEDULES.items()},
}
_EXPECTED = {
    "int_type": "an integer",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "string_type": "a text",
    "string_too_short": "a text",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "string_pattern_mismatch": "ASCII letters, digits and . _ + = -, a letter or digit first",
}
_BOUNDS = {
    "greater_than": ("gt", "above"),
    "greater_than_equal": ("ge", "of at least"),
    "less_than": ("lt", "below"),
    "less_than_equal": ("le", "of at most"),
}


def messages(error: ValidationError, values: Any, models: Models = _MODELS) -> Iterator[Mistake]:
    """Yield a key and a message for each key that is wrong.

    Args:
        error: of pydantic.
        values: what was validated.
        models: what the mappings may hold: their keys are suggested for unknown ones.
    """
    keys: set[Key] = set()
    for item in islice(error.errors(include_url=False), MAX_MISTAKES):
        key = _key(item, values)
        if key in keys:
            continue
        keys.add(key)
        if item["type"] == "missing":
            yield key, "is missing"
        elif item["type"] == "extra_forbidden":
            names = list(models[item["loc"][:-1]].model_fields)
            hint = did_you_mean(str(key[-1]), names)
            yield key, f"unknown key{hint or '; the keys are ' + one_of(names)}"
        elif item["type"] == "value_error":
            message = str(item["ctx"]["error"])
            got = f", got {shown(item['input'])}" if message.startswith("expected") else ""
            yield key, f"{message}{got}"
        else:
            expected, hint = _expected(item, key)
            yield key, f"expected {expected}, got {shown(item['input'])}{hint}"


def shown(value: Any) -> str:
    """Write a value as a config has it, shortened.

    >>> shown("fast"), shown(None), shown({"log": [1, 10]})
    ("'fast'", 'nothing', '{log: [1, 10]}')
    """
    return shorten(flow(value)) if isinstance(value, list | dict) else quoted(value)


def _key(error: Any, values: Any) -> Key:
    """Return the key of an error, without the names of forms that pydantic puts in."""
    place, key = error["loc"], []
    for i, part in enumerate(place):
        if i == 1 and place[0] in _TAGGED:
            continue
        in_list = isinstance(values, list) and isinstance(part, int)
        if in_list or (isinstance(values, dict) and part in values):
            key.append(part)
            values = values[part]
    return (*key, place[-1]) if error["type"] == "missing" else tuple(key)


def _expected(error: Any, key: Key) -> tuple[str, str]:
    """Return what was expected, and a hint at what may have been meant."""
    kind, context, value = error["type"], error.get("ctx", {}), error["input"]
    form = _FORMS.get(str(key[0]), "") if len(key) == 1 or key == ("data", "name") else ""
    expected, hint = error["msg"], ""
    if kind in _EXPECTED:
        expected = (form if kind.endswith("_type") else "") or _EXPECTED[kind]
    elif kind in _BOUNDS:
        parameter, words = _BOUNDS[kind]
        bound = context[parameter]
        is_int = isinstance(bound, int)
        expected = f"an integer {words} {bound:,}" if is_int else f"a number {words} {bound:g}"
        if key[0] == "reference" and 0 < value <= 1:
            hint = f"; accuracies are in percent here: did you mean {value * 100:g}?"
    elif kind == "literal_error":
        names = [name.strip("' ") for name in context["expected"].replace(" or ", ", ").split(",")]
        expected, hint = form or one_of(names), did_you_mean(str(value), names)
    elif kind.startswith("union_tag"):
        name = value.get("name") if isinstance(value, dict) else None
        expected = form
        hint = did_you_mean(str(name), _SCHEDULES) if name and key == ("schedule",) else ""
    elif kind == "too_short":
        least = context["min_length"]
        expected = f"at least {least} values" if least > 1 else "at least one value"
    elif kind == "string_too_long":
        expected = f"at most {context['max_length']:,} characters"
    return expected, hint
