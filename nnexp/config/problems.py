"""What is wrong with a config, in words: pydantic's findings and the rules between keys."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from itertools import islice, pairwise
from typing import Any, cast

from pydantic import BaseModel, ValidationError

from nnexp.config import schema
from nnexp.config.yaml import Key
from nnexp.data import READERS, reader_of
from nnexp.data.readers import Options
from nnexp.errors import did_you_mean, one_of
from nnexp.nn.costs import COSTS, legal_costs
from nnexp.nn.network import INITIALIZERS
from nnexp.text import quoted

Finding = tuple[Key, str]

_FORMS: dict[str, str] = {
    "data": one_of(reader.form for reader in READERS.values()),
    "schedule": "constant, cosine, {name: step, every: N}, {name: exponential, factor: F} or "
    "{name: halve, patience: N}",
    "init": f"{', '.join(INITIALIZERS)}, {{hidden: NAME, output: NAME}} or "
    "{weights: [...], biases: [...]}",
    "dropout": "a number from 0 and below 1, or a list of one a hidden layer",
    "augment": "a mapping is due, such as {shifts: true}, {rotate: 15} or {elastic: {}}",
    "early_stopping": "a mapping is due, such as {patience: 10}",
}
# Keys whose values have several forms; pydantic puts the form's tag after the key.
_TAGGED = ("data", "schedule", "init", "dropout")
# Nobody mends more at once, and to find a word for each takes time.
_MOST = 1000
_WORDS = "a word of letters, digits and . _ + = - is due, at most 100 of them"
_MODELS: dict[Key, type[BaseModel]] = {
    (): schema.Experiment,
    ("reference",): schema.Reference,
    ("early_stopping",): schema.EarlyStopping,
    ("augment",): schema.Augment,
    ("augment", "elastic"): schema.Elastic,
}
_SCHEDULES: dict[str, type[BaseModel]] = {
    "step": schema.StepSchedule,
    "exponential": schema.ExponentialSchedule,
    "halve": schema.HalveSchedule,
}
_TYPES = {
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "string_type": "a word or text",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
}
_BOUNDS = {
    "greater_than": ("gt", "above"),
    "greater_than_equal": ("ge", "from"),
    "less_than": ("lt", "below"),
    "less_than_equal": ("le", "up to"),
}


def _key(error: Any, values: Any) -> Key:
    """Return where an error is, without the tags of unions that pydantic puts between the keys."""
    key: list[str | int] = []
    for i, part in enumerate(error["loc"]):
        last = i == len(error["loc"]) - 1
        if i == 1 and key[0] in _TAGGED:
            continue
        if isinstance(values, dict) and (part in values or (last and error["type"] == "missing")):
            key.append(part)
            values = values.get(part)
        elif isinstance(values, list) and isinstance(part, int):
            key.append(part)
            values = values[part]
    return tuple(key)


def _unknown(error: Any, key: Key, values: Mapping[str, Any]) -> str:
    names = error["ctx"]["names"]
    hint = did_you_mean(str(key[-1]), names)
    return f"unknown key{hint or '; the keys are ' + one_of(names)}"


def _choice(error: Any, key: Key, values: Mapping[str, Any]) -> str:
    names = [word.strip("' ") for word in error["ctx"]["expected"].replace(" or ", ", ").split(",")]
    whole: dict[Key, str] = {("schedule",): _FORMS["schedule"], ("data", "name"): _FORMS["data"]}
    form = whole.get(key) or one_of(names)
    return f"{form}{did_you_mean(str(error['input']), names)}"


def _form(error: Any, key: Key, values: Mapping[str, Any]) -> str:
    name = error["input"].get("name") if isinstance(error["input"], dict) else None
    hint = did_you_mean(str(name), _SCHEDULES) if name and key == ("schedule",) else ""
    return f"{_FORMS[str(key[0])]}{hint}"


def _bound(error: Any, key: Key, values: Mapping[str, Any]) -> str:
    name, word = _BOUNDS[error["type"]]
    hint = ""
    if key[0] == "reference" and 0 < error["input"] <= 1:
        hint = f": accuracies are in percent here; did you mean {error['input'] * 100:g}?"
    bound = error["ctx"][name]
    shown_bound = f"{bound:,}" if isinstance(bound, int) else f"{bound:g}"
    return f"a number {word} {shown_bound} is due{hint}"


def _too_short(error: Any, key: Key, values: Mapping[str, Any]) -> str:
    least = error["ctx"]["min_length"]
    return f"at least {least} values are due" if least > 1 else "at least one value is due"


_SENTENCES: dict[str, Callable[[Any, Key, Mapping[str, Any]], str]] = {
    "extra_forbidden": _unknown,
    "missing": lambda error, key, values: "is missing",
    "string_too_short": lambda error, key, values: "is empty",
}
_ALLOWED: dict[str, Callable[[Any, Key, Mapping[str, Any]], str]] = {
    "union_tag_not_found": _form,
    "union_tag_invalid": _form,
    "literal_error": _choice,
    "finite_number": lambda error, key, values: "a finite number is due",
    "too_short": _too_short,
    "string_pattern_mismatch": lambda error, key, values: _WORDS,
    "string_too_long": lambda error, key, values: (
        f"at most {error['ctx']['max_length']:,} characters are due"
    ),
    **dict.fromkeys(_BOUNDS, _bound),
}


def _word(error: Any, key: Key, values: Mapping[str, Any]) -> str:
    kind = error["type"]
    if kind == "value_error":
        return f"expected {error['ctx']['error']}, got {quoted(error['input'])}"
    if kind in _SENTENCES:
        return _SENTENCES[kind](error, key, values)
    if kind in _TYPES and len(key) == 1 and key[0] in _FORMS:
        allowed = _FORMS[str(key[0])]
    elif kind in _TYPES:
        allowed = f"{_TYPES[kind]} is due"
    elif kind in _ALLOWED:
        allowed = _ALLOWED[kind](error, key, values)
    else:
        allowed = error["msg"]
    return f"{quoted(error['input'])} is not allowed: {allowed}"


def _model_of(key: Key, values: Mapping[str, Any]) -> type[BaseModel]:
    if key[:1] == ("data",):
        reader = reader_of(values["data"])
        model: Any = reader.options if reader else Options
        for part in key[1:]:
            model = model.model_fields[part].annotation
        return cast("type[BaseModel]", model)
    if key == ("schedule",):
        return _SCHEDULES[values["schedule"]["name"]]
    if key == ("init",):
        explicit = {"weights", "biases"} & set(values["init"])
        return schema.ExplicitInit if explicit else schema.LayerwiseInit
    return _MODELS[key]


def findings(error: ValidationError, values: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield pydantic's findings about an experiment as key and message, one a key."""
    return worded(error, values, lambda key: _model_of(key, values))


def worded(
    error: ValidationError, values: Mapping[str, Any], model_of: Callable[[Key], type[BaseModel]]
) -> Iterator[Finding]:
    """Yield pydantic's findings as key and message, one a key.

    Args:
        error: what pydantic found.
        values: what it was given.
        model_of: the model that stands at a key, whose fields an unknown key is held against.
    """
    seen: set[Key] = set()
    for item in islice(error.errors(include_url=False), _MOST):
        key = _key(item, values)
        if key in seen:
            continue
        seen.add(key)
        found: dict[str, Any] = dict(item)
        if item["type"] == "extra_forbidden":
            found["ctx"] = {"names": list(model_of(key[:-1]).model_fields)}
        yield key, _word(found, key, values)


def _cost_fits_output(v: Mapping[str, Any]) -> Iterator[Finding]:
    if v["output"] not in COSTS[v["cost"]].values:
        outputs, costs = one_of(COSTS[v["cost"]].values), one_of(legal_costs(v["output"]))
        message = f"{v['cost']} is not defined on output {v['output']}: use output {outputs}"
        yield ("cost",), f"{message}, or cost {costs}"


def _softmax_has_company(v: Mapping[str, Any]) -> Iterator[Finding]:
    if v["output"] == "softmax" and v["layers"][-1] < 2:
        yield ("output",), "softmax of a single output is always 1: use sigmoid or two outputs"


def _layers_fit_memory(v: Mapping[str, Any]) -> Iterator[Finding]:
    size = sum((n_in + 1) * n_out for n_in, n_out in pairwise(v["layers"]))
    if size > schema.MAX_PARAMETERS:
        yield (
            ("layers",),
            f"{size:,} parameters are more than the {schema.MAX_PARAMETERS:,} allowed",
        )
    elif size > schema.MAX_LOGGED and "parameters" in v["monitor"]:
        limit = f"at most {schema.MAX_LOGGED:,} can be logged"
        yield ("monitor",), f"parameters: this network has {size:,}; {limit}"


def _layers_fit_data(v: Mapping[str, Any]) -> Iterator[Finding]:
    reader, layers = reader_of(v["data"]), v["layers"]
    if reader and reader.layers and (layers[0], layers[-1]) != reader.layers:
        n_in, n_out = reader.layers
        right = [n_in, *layers[1:-1], n_out]
        message = f"{layers} does not fit the {n_in} inputs and {n_out} classes of {reader.kind}"
        yield ("layers",), f"{message}; use {right}"


def _init_fits_layers(v: Mapping[str, Any]) -> Iterator[Finding]:
    init = v["init"]
    deep = len(v["layers"]) > 2
    if deep and (init == "zeros" or (isinstance(init, dict) and init.get("hidden") == "zeros")):
        message = "zeros would keep all hidden neurons alike for ever"
        yield ("init",), f"{message}: use {{hidden: scaled, output: zeros}}"
    if not isinstance(init, dict) or "weights" not in init:
        return
    pairs = list(zip(v["layers"][:-1], v["layers"][1:], strict=True))
    for kind in ("weights", "biases"):
        given = v["init"][kind]
        if len(given) != len(pairs):
            yield (
                ("init", kind),
                f"{len(given)} given; layers {v['layers']} have {len(pairs)}",
            )
            continue
        for i, (n_in, n_out) in enumerate(pairs):
            rows = given[i] if kind == "weights" else [given[i]]
            due = (n_out, n_in) if kind == "weights" else (1, n_out)
            if len(rows) != due[0] or any(len(row) != due[1] for row in rows):
                shape = f"{n_out} rows of {n_in}" if kind == "weights" else f"{n_out} numbers"
                yield ("init", kind, i), f"layers {v['layers']} need {shape} here"


def _monitor_names_each_once(v: Mapping[str, Any]) -> Iterator[Finding]:
    (name, times), *_ = Counter(v["monitor"]).most_common(1) or [("", 0)]
    if times > 1:
        yield ("monitor",), f"{name} stands twice"


def _dropout_fits_layers(v: Mapping[str, Any]) -> Iterator[Finding]:
    dropout, hidden = v["dropout"], len(v["layers"]) - 2
    if isinstance(dropout, list) and len(dropout) != hidden:
        due = f"layers {v['layers']} need {hidden}, one a hidden layer"
        yield ("dropout",), f"{len(dropout)} given; {due}"
    elif not hidden and dropout:
        yield ("dropout",), f"layers {v['layers']} have no hidden layer to drop neurons from"


def _nesterov_has_momentum(v: Mapping[str, Any]) -> Iterator[Finding]:
    if v["nesterov"] and not v["momentum"]:
        yield ("nesterov",), "is a form of momentum: give momentum as well, such as 0.9"


def _softmax_scale_has_softmax(v: Mapping[str, Any]) -> Iterator[Finding]:
    if v["softmax_scale"] != 1 and v["output"] != "softmax":
        yield ("softmax_scale",), f"belongs to output softmax; output is {v['output']}"


def _augment_has_images(v: Mapping[str, Any]) -> Iterator[Finding]:
    reader = reader_of(v["data"])
    if v["augment"] and reader and not reader.images:
        yield ("augment",), f"needs images; data from {reader.kind} are rows of numbers"


def _watched_is_monitored(v: Mapping[str, Any]) -> Iterator[Finding]:
    watched: dict[str, str] = {}
    if isinstance(v["early_stopping"], dict):
        metric = v["early_stopping"].get("metric", "validation_accuracy")
        watched["early_stopping"] = str(metric).rpartition("_")[0]
    if isinstance(v["schedule"], dict) and v["schedule"].get("name") == "halve":
        watched["schedule"] = "validation"
    for key, name in watched.items():
        if name not in v["monitor"]:
            yield (key,), f"watches the {name} set: add {name} to monitor"
        elif v["monitor_every"] > 1:
            yield (key,), "counts epochs, so that every epoch must be evaluated: monitor_every: 1"


_RULES: tuple[tuple[tuple[str, ...], Callable[[Mapping[str, Any]], Iterator[Finding]]], ...] = (
    (("cost", "output"), _cost_fits_output),
    (("output", "layers"), _softmax_has_company),
    (("layers", "monitor"), _layers_fit_memory),
    (("data", "layers"), _layers_fit_data),
    (("init", "layers"), _init_fits_layers),
    (("monitor",), _monitor_names_each_once),
    (("dropout", "layers"), _dropout_fits_layers),
    (("nesterov", "momentum"), _nesterov_has_momentum),
    (("softmax_scale", "output"), _softmax_scale_has_softmax),
    (("augment", "data"), _augment_has_images),
    (("early_stopping", "schedule", "monitor", "monitor_every"), _watched_is_monitored),
)


def rule_findings(values: Mapping[str, Any], wrong: set[str]) -> Iterator[Finding]:
    """Yield what the rules between keys find, leaving out those whose keys are wrong already."""
    known = {**schema.DEFAULTS, **values}
    for keys, rule in _RULES:
        if all(key in known and key not in wrong for key in keys):
            yield from rule(known)
