"""Rules between the keys of a config, and between a config and its data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from itertools import islice, pairwise
from typing import Any

from nnexp.config import schema
from nnexp.config.schema import Experiment
from nnexp.config.yaml import Mistake
from nnexp.data import Dataset, reader_of
from nnexp.errors import one_of
from nnexp.nn.costs import COSTS, legal_costs
from nnexp.numbers import plural
from nnexp.text import shorten

# Nobody corrects more at once, and to word each takes time.
MAX_MISTAKES = 200


def _cost_fits_output(v: Mapping[str, Any]) -> Iterator[Mistake]:
    if v["output"] not in COSTS[v["cost"]].values:
        outputs, costs = one_of(COSTS[v["cost"]].values), one_of(legal_costs(v["output"]))
        message = f"{v['cost']} is not defined for output {v['output']}: use output {outputs}"
        yield ("cost",), f"{message}, or cost {costs}"


def _softmax_has_two_outputs(v: Mapping[str, Any]) -> Iterator[Mistake]:
    if v["output"] == "softmax" and v["layers"][-1] < 2:
        yield ("output",), "softmax of one output is always 1: use sigmoid, or two outputs"


def _layers_fit_memory(v: Mapping[str, Any]) -> Iterator[Mistake]:
    size = sum((n_in + 1) * n_out for n_in, n_out in pairwise(v["layers"]))
    if size > schema.MAX_PARAMETERS:
        limit = f"at most {schema.MAX_PARAMETERS:,} are possible"
        yield ("layers",), f"this network has {size:,} parameters; {limit}"
    elif size > schema.MAX_LOGGED and "parameters" in v["monitor"]:
        limit = f"at most {schema.MAX_LOGGED:,} can be logged"
        yield ("monitor",), f"this network has {size:,} parameters; {limit}"


def _layers_fit_data(v: Mapping[str, Any]) -> Iterator[Mistake]:
    reader, layers = reader_of(v["data"]), v["layers"]
    if reader and reader.layers and (layers[0], layers[-1]) != reader.layers:
        n_in, n_out = reader.layers
        message = f"{layers} does not fit the {n_in} inputs and {n_out} classes of {reader.kind}"
        yield ("layers",), f"{message}: use {[n_in, *layers[1:-1], n_out]}"


def _init_fits_layers(v: Mapping[str, Any]) -> Iterator[Mistake]:
    init = v["init"]
    deep = len(v["layers"]) > 2
    if deep and (init == "zeros" or (isinstance(init, dict) and init.get("hidden") == "zeros")):
        message = "with zeros, all hidden neurons stay the same"
        yield ("init",), f"{message}: use {{hidden: scaled, output: zeros}}"
    if not isinstance(init, dict) or "weights" not in init:
        return
    pairs, layers = list(pairwise(v["layers"])), shorten(str(v["layers"]))
    for kind in ("weights", "biases"):
        arrays = init[kind]
        if len(arrays) != len(pairs):
            message = f"expected {len(pairs)}, one per layer after the first of {layers}"
            yield ("init", kind), f"{message}, got {len(arrays)}"
            continue
        for i, (array, (n_in, n_out)) in enumerate(zip(arrays, pairs, strict=True)):
            expected, fits = plural(n_out, "number"), len(array) == n_out
            if kind == "weights":
                expected = f"{plural(n_out, 'row')} of {plural(n_in, 'number')}"
                fits = fits and all(len(row) == n_in for row in array)
            if not fits:
                yield ("init", kind, i), f"layers {layers} need {expected} here"


def _monitor_names_each_once(v: Mapping[str, Any]) -> Iterator[Mistake]:
    (name, times), *_ = Counter(v["monitor"]).most_common(1) or [("", 0)]
    if times > 1:
        yield ("monitor",), f"{name} is listed twice"


def _dropout_fits_layers(v: Mapping[str, Any]) -> Iterator[Mistake]:
    dropout, hidden = v["dropout"], len(v["layers"]) - 2
    if isinstance(dropout, list) and len(dropout) != hidden:
        message = f"expected {hidden}, one per hidden layer of {v['layers']}"
        yield ("dropout",), f"{message}, got {len(dropout)}"
    elif not hidden and dropout:
        yield ("dropout",), f"layers {v['layers']} have no hidden layer"


def _nesterov_has_momentum(v: Mapping[str, Any]) -> Iterator[Mistake]:
    if v["nesterov"] and not v["momentum"]:
        yield ("nesterov",), "needs momentum: set momentum too, such as 0.9"


def _softmax_scale_has_softmax(v: Mapping[str, Any]) -> Iterator[Mistake]:
    if v["softmax_scale"] != 1 and v["output"] != "softmax":
        yield ("softmax_scale",), f"is only for output softmax; output is {v['output']}"


def _augment_has_images(v: Mapping[str, Any]) -> Iterator[Mistake]:
    reader = reader_of(v["data"])
    if v["augment"] and reader and not reader.images:
        yield ("augment",), f"needs images; {reader.kind} data are rows of numbers"


def _watched_is_monitored(v: Mapping[str, Any]) -> Iterator[Mistake]:
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
            yield (key,), "needs the result of every epoch: set monitor_every: 1"


_RULES: tuple[tuple[tuple[str, ...], Callable[[Mapping[str, Any]], Iterator[Mistake]]], ...] = (
    (("cost", "output"), _cost_fits_output),
    (("output", "layers"), _softmax_has_two_outputs),
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


def broken_rules(values: Mapping[str, Any], wrong: set[str]) -> Iterator[Mistake]:
    """Yield what breaks a rule between keys, except where one of the keys is wrong by itself."""
    complete = {**schema.DEFAULTS, **values}
    for keys, rule in _RULES:
        if all(key in complete and key not in wrong for key in keys):
            yield from islice(rule(complete), MAX_MISTAKES)


def metric_problem(
    metric: str, experiment: Experiment, monitor: Collection[str], dataset: Dataset | None = None
) -> str:
    """Say why a run will not log a metric; an empty text if it will.

    Args:
        metric: as in test_accuracy.
        experiment: of the run.
        monitor: the sets that it evaluates.
        dataset: its data; None before they are read: then fewer reasons are checked.
    """
    name, _, kind = metric.partition("_")
    regression = dataset.train.labels is None if dataset else None
    use, regularized = f"use {name}_cost", bool(experiment.l1 or experiment.l2)
    wrong = {
        f"add {name} to monitor": name not in monitor,
        f"the data have no {name} set": dataset is not None and name not in dataset.sets,
        f"the targets are not classes: {use}": kind == "accuracy" and regression is True,
        f"the targets are classes: use {name}_accuracy": kind == "r2" and regression is False,
        f"R² needs cost quadratic: {use}": kind == "r2" and experiment.cost != "quadratic",
        f"without l1 or l2 it is the cost: {use}": kind == "data_cost" and not regularized,
    }
    return next((message for message, is_wrong in wrong.items() if is_wrong), "")
