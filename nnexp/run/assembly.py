"""From a config to the objects of the mathematics, and from what they measured to rows of logs."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from itertools import pairwise
from typing import Any

import numpy as np

from nnexp import data
from nnexp.config.loader import MAX_PATH, Config, dump
from nnexp.config.schema import Experiment, ExplicitInit, HalveSchedule, LayerwiseInit
from nnexp.config.yaml import MAX_BYTES
from nnexp.data import Dataset, MisfitError
from nnexp.data.augmentation import augmenter, with_shifts
from nnexp.errors import DataError
from nnexp.io.json_files import MAX_VALUES, count_values
from nnexp.names import SETS
from nnexp.nn.backprop import forward
from nnexp.nn.metrics import Diagnostics
from nnexp.nn.network import INITIALIZERS, Network
from nnexp.nn.schedules import SCHEDULES, Patience, Schedule
from nnexp.nn.sgd import Techniques
from nnexp.nn.training import EarlyStopping, EpochRecord, streams
from nnexp.nn.types import DTYPES, Examples
from nnexp.nn.update import Penalty
from nnexp.run.layout import (
    CLOCK_COLUMNS,
    COLUMNS,
    CONFIG,
    DIAGNOSTICS,
    MAX_COLUMNS,
    METRICS,
    PARAMETERS,
    RUN,
    beyond_bounds,
    most_rows,
)
from nnexp.run.log import Row

# Of how many outputs the diagnostics, and of how many examples the outputs are logged.
MAX_OUTPUTS, MAX_OUTPUT_EXAMPLES = 100, 10


def read_data(experiment: Experiment) -> Dataset:
    """Read the data an experiment names.

    Raises:
        DataError: they cannot be read, or do not fit its layers.
    """
    return data.load(
        experiment.data,
        n_in=experiment.layers[0],
        n_out=experiment.layers[-1],
        dtype=DTYPES[experiment.dtype],
    )


def data_key(experiment: Experiment) -> str:
    """Return what two experiments must have in common to share their data in memory."""
    layers, dtype = experiment.layers, experiment.dtype
    return f"{experiment.data!r} {layers[0]} {layers[-1]} {dtype}"


class DataCache:
    """Loads the data of configs, each data set once.

    Args:
        read: where they come from.
    """

    def __init__(self, read: Callable[[Experiment], Dataset] = read_data) -> None:
        self._read = read
        self._loaded: dict[str, Dataset] = {}

    def load(self, config: Config) -> Dataset:
        """Return the data of a config, fitted to its layers and cost.

        Raises:
            ConfigError: the data cannot be read, or do not fit; the message names the config's
                file, line and key, and the data's own.
        """
        experiment = config.experiment
        key = data_key(experiment)
        try:
            if key not in self._loaded:
                self._loaded[key] = self._read(experiment)
            self._loaded[key].check_targets(experiment.cost)
        except MisfitError as error:
            came = getattr(experiment, error.key)
            message = f"{came} does not fit the data: {error}"
            raise config.error((error.key,), message) from error
        except DataError as error:
            raise config.error(("data",), str(error)) from error
        _check_fit(config, self._loaded[key])
        _check_size(config, self._loaded[key])
        return self._loaded[key]


def _check_fit(config: Config, dataset: Dataset) -> None:
    """Refuse techniques that the data do not allow."""
    experiment = config.experiment
    if experiment.augment and dataset.image is None:
        raise config.error(("augment",), f"needs images; {dataset.name} has rows of numbers")
    stopping = experiment.early_stopping
    watched = {"early_stopping": stopping.metric} if stopping else {}
    if isinstance(experiment.schedule, HalveSchedule):
        watched["schedule"] = "validation_cost"
    for key, metric in watched.items():
        name, _, kind = metric.rpartition("_")
        if name not in dataset.sets:
            message = f"watches the {name} set; {dataset.name} has only {', '.join(dataset.sets)}"
            raise config.error((key,), message)
        if kind == "accuracy" and dataset.sets[name].labels is None:
            message = f"{metric}: {dataset.name} has no classes; use {name}_cost"
            raise config.error((key, "metric"), message)


def _check_size(config: Config, dataset: Dataset) -> None:
    """Refuse a run whose config or logs nnexp would not read back.

    Raises:
        ConfigError: it would; the message says what to change.
    """
    experiment = config.experiment
    values = config.values()
    count, most = count_values(values), MAX_VALUES // 2
    if count > most:
        beyond = f"{RUN} would have {count:,} values of the config; at most {most:,} are read back"
        raise config.error((), f"{beyond}; put long lists into a data file")
    # Where JSON is short, YAML is not too long either: it takes less than four times as much.
    if len(json.dumps(values)) > MAX_BYTES // 4:
        size, most = len(dump(experiment).encode()), MAX_BYTES - MAX_PATH
        if size > most:
            beyond = f"{CONFIG} would have {size:,} bytes; at most {most:,} are read back"
            raise config.error((), f"{beyond}; put long lists into a data file, shorten long texts")
    rows = -(-experiment.epochs // experiment.monitor_every)
    layers = experiment.layers
    columns = {METRICS: len(COLUMNS) + len(extra_columns(experiment, dataset)) + len(CLOCK_COLUMNS)}
    if "diagnostics" in experiment.monitor:
        columns[DIAGNOSTICS] = 2 + 3 * (len(layers) - 1) + 2 * min(layers[-1], MAX_OUTPUTS)
    if "parameters" in experiment.monitor:
        parameters = sum((n_in + 1) * n_out for n_in, n_out in pairwise(layers))
        columns[PARAMETERS] = 1 + parameters + layers[-1] * MAX_OUTPUT_EXAMPLES
    for name, count in columns.items():
        reason = beyond_bounds(name, rows, count)
        if reason and count > MAX_COLUMNS:
            what = name.removesuffix(".csv")
            raise config.error(("monitor",), f"{reason}; remove {what} from monitor, or layers")
        if reason:
            every = -(-experiment.epochs // most_rows(count))
            raise config.error(("epochs",), f"{reason}; set monitor_every to {every} or more")


def load_data(config: Config) -> Dataset:
    """Load the data of one config; see `DataCache.load`."""
    return DataCache().load(config)


def initial_network(experiment: Experiment) -> Network:
    """Return the network a run starts from."""
    shape: dict[str, Any] = {
        "activation": experiment.activation,
        "output": experiment.output,
        "softmax_scale": experiment.softmax_scale,
        "dtype": DTYPES[experiment.dtype],
    }
    init = experiment.init
    if isinstance(init, ExplicitInit):
        weights, biases = ([np.array(a) for a in part] for part in (init.weights, init.biases))
        return Network.explicit(weights, biases, **shape)
    hidden, output = (init.hidden, init.output) if isinstance(init, LayerwiseInit) else (init,) * 2
    return Network.random(
        experiment.layers,
        initializer=INITIALIZERS[hidden],
        output_initializer=INITIALIZERS[output],
        rng=streams(experiment.seed)["init"],
        **shape,
    )


def training_set(experiment: Experiment, dataset: Dataset) -> Examples:
    """Return what a run trains on: the training set, with its shifted copies if asked for."""
    augment = experiment.augment
    if augment is None or not augment.shifts or dataset.image is None:
        return dataset.train
    return with_shifts(dataset.train, dataset.image)


def training_size(experiment: Experiment, dataset: Dataset) -> int:
    """Return how many examples an epoch trains on."""
    return len(dataset.train) * (experiment.augment.copies if experiment.augment else 1)


def techniques(
    experiment: Experiment, dataset: Dataset, n: int, random: Mapping[str, np.random.Generator]
) -> Techniques:
    """Return what a run adds to plain gradient descent.

    Args:
        experiment: its keys.
        dataset: what the images' shape is taken from.
        n: the size of what it trains on.
        random: the streams of the run.
    """
    augment = None
    if experiment.augment and dataset.image is not None:
        augment = augmenter(experiment.augment, dataset.image, random["augment"])
    return Techniques(
        penalty=Penalty(experiment.l1, experiment.l2, n),
        momentum=experiment.momentum,
        nesterov=experiment.nesterov,
        dropout=experiment.dropouts(),
        dropout_stream=random["dropout"],
        augment=augment,
    )


def learning_rates(experiment: Experiment) -> Schedule:
    """Return the schedule of a run."""
    chosen = experiment.schedule
    name = chosen if isinstance(chosen, str) else chosen.name
    settings = {} if isinstance(chosen, str) else chosen.model_dump(exclude={"name"})
    return SCHEDULES[name](experiment.eta, experiment.epochs, **settings)


def early_stopping(experiment: Experiment) -> EarlyStopping | None:
    """Return what ends a run early, if anything does."""
    stopping = experiment.early_stopping
    if stopping is None:
        return None
    return EarlyStopping(stopping.metric, Patience(stopping.patience, stopping.min_delta))


def extra_columns(experiment: Experiment, dataset: Dataset) -> list[str]:
    """Name the columns of metrics.csv that only some runs have.

    With regularization, the cost without the penalty; for a regression with the quadratic cost, R².
    """
    kinds = ["data_cost"] if experiment.l1 or experiment.l2 else []
    if dataset.train.labels is None and experiment.cost == "quadratic":
        kinds.append("r2")
    return [f"{name}_{kind}" for kind in kinds for name in SETS]


def metric_row(
    record: EpochRecord, sets: Mapping[str, Examples], extra: Collection[str] = ()
) -> Row:
    """Return an epoch's values by column of metrics.csv."""
    row: Row = {"epoch": record.epoch, "eta": record.eta} | record.scores
    more: Row = {}
    for name, evaluation in record.evaluations.items():
        more[f"{name}_data_cost"] = evaluation.cost
        if f"{name}_r2" in extra:
            more[f"{name}_r2"] = _r2(evaluation.cost, sets[name])
    return row | {column: more[column] for column in extra if column in more}


def _r2(cost: float, examples: Examples) -> float | None:
    """Return R² = 1 - Σ(a - y)² / Σ(y - mean)² of a quadratic cost ½ Σ(a - y)² / n."""
    variance = float(examples.y.var(axis=0, dtype=np.float64).sum())
    return 1 - 2 * cost / variance if variance else None


def parameter_row(epoch: int, network: Network, examples: Examples) -> Row:
    """Write all parameters, and the outputs for the first examples, as columns."""
    row: Row = {"epoch": epoch}
    for i, (w, b) in enumerate(zip(network.weights, network.biases, strict=True), 1):
        row |= {f"w{i}[{j},{k}]": float(w[j, k]) for j in range(len(w)) for k in range(w.shape[1])}
        row |= {f"b{i}[{j}]": float(value) for j, value in enumerate(b)}
    first = min(len(examples), MAX_OUTPUT_EXAMPLES)
    outputs = forward(network, examples.x[:first] * np.float64(examples.scale)).a[-1]
    return row | {f"a[{i},{j}]": float(v) for i, a in enumerate(outputs) for j, v in enumerate(a)}


def diagnostic_row(diagnostics: Diagnostics) -> Row:
    """Write gradients and saturation of each layer, and of each output, as columns."""
    row: Row = {}
    for i, derivative in enumerate(diagnostics.derivatives):
        row[f"gradient_{i + 1}"] = diagnostics.gradients[i]
        row[f"derivative_{i + 1}"] = float(derivative.mean())
        row[f"saturated_{i + 1}"] = diagnostics.saturated[i]
    row["confidently_wrong"] = diagnostics.confidently_wrong
    outputs = range(min(len(diagnostics.missed), MAX_OUTPUTS))
    row |= {f"output_derivative_{j}": float(diagnostics.derivatives[-1][j]) for j in outputs}
    return row | {f"output_missed_{j}": _number(diagnostics.missed[j]) for j in outputs}


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
