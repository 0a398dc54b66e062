"""From what an epoch came to, to the rows of the run folder's logs."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from nnexp.config.schema import Experiment
from nnexp.data import Dataset
from nnexp.names import SETS
from nnexp.nn.backprop import forward
from nnexp.nn.metrics import Diagnostics
from nnexp.nn.network import Network
from nnexp.nn.training import EpochRecord
from nnexp.nn.types import Examples

Row = dict[str, Any]
MAX_OUTPUTS = 100
MAX_OUTPUT_EXAMPLES = 10


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
