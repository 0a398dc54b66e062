"""Why a network learns slowly, or not at all, in words backed by the figures of its run.

Each rule is a pure function of `Measurements` and returns a sentence, or None where it does not
apply or the run has not logged what it needs. The thresholds were set on the experiments of
chapter 3; each rule states its own. Adding a rule is one function and one entry in `RULES`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import isfinite
from statistics import fmean
from typing import Any

import numpy as np

from nnexp.nn.types import Array
from nnexp.numbers import short
from nnexp.stats.summary import Point, Row, best, series


@dataclass(frozen=True)
class Measurements:
    """What was measured of a run.

    Attributes:
        config: its keys, dotted where nested.
        status: how it ended.
        rows: metrics.csv.
        diagnostics: diagnostics.csv; empty where it was not monitored.
        recall: of each class at the end; empty where there are no classes.
        classes: their names.
        examples: how many examples the recall was measured on.
    """

    config: Mapping[str, Any]
    status: str
    rows: Sequence[Row]
    diagnostics: Sequence[Row] = ()
    recall: Sequence[float] = ()
    classes: Sequence[str] = ()
    examples: int = 0

    def last(self, name: str) -> float:
        """Return the last finite value of a column of diagnostics.csv; 0 where it has none."""
        values = [v for row in self.diagnostics if (v := row.get(name)) is not None and isfinite(v)]
        return values[-1] if values else 0.0

    def points(self, metric: str) -> list[Point]:
        """Return the finite values of a metric, each with its epoch."""
        return [point for point in series(self.rows, metric) if isfinite(point.value)]

    def values(self, metric: str) -> list[float]:
        """Return them without their epochs."""
        return [point.value for point in self.points(metric)]

    @property
    def too_few(self) -> bool:
        """Whether there are too few examples, under ten a class, to speak of chance."""
        return self.examples < 10 * len(self.recall)

    @property
    def chance_accuracy(self) -> float | None:
        """The training accuracy at the end if it is at chance, else None.

        That is within a half of chance and a twentieth of the way to 1.
        """
        accuracies = self.values("train_accuracy")
        if not accuracies or len(self.recall) < 2 or self.too_few:
            return None
        chance = 1 / len(self.recall)
        limit = chance + min(chance / 2, (1 - chance) / 20)
        return accuracies[-1] if accuracies[-1] < limit else None


def _percent(fraction: float) -> str:
    return f"{short(fraction * 100)} %"


def diverged(run: Measurements) -> str | None:
    """The run ended because its cost or a parameter was no longer finite."""
    if run.status != "diverged":
        return None
    epoch = run.rows[-1].get("epoch") if run.rows else None
    return (
        f"diverged in epoch {epoch or 0:.0f}: the cost or a parameter is no longer finite; "
        f"eta {run.config['eta']:g} is too large here"
    )


def silent_outputs(run: Measurements) -> str | None:
    """Name the classes of which less than half of chance is recognized, and why.

    The output is saturated if for more than half of its class's examples it stays below ½ with
    σ'(z) under a hundredth of its maximum.
    """
    lost = [j for j, r in enumerate(run.recall) if r * 2 * len(run.recall) < 1]
    if not lost or run.too_few or run.chance_accuracy is not None:
        return None
    missed = {j: share for j in lost if (share := run.last(f"output_missed_{j}")) > 0.5}
    parts = [
        f"output {run.classes[j]} is saturated: mean σ' "
        f"{short(run.last(f'output_derivative_{j}'), 2)}, and {_percent(share)} of its examples "
        f"are missed where σ' is near 0; recall of class {run.classes[j]} is "
        f"{_percent(run.recall[j])}"
        for j, share in missed.items()
    ]
    if parts and run.config.get("cost") == "quadratic":
        parts[-1] += (
            ": the quadratic cost's gradient carries σ'(z) and cannot move it; "
            "cross-entropy's does not"
        )
    rest = [f"{run.classes[j]} ({_percent(run.recall[j])})" for j in lost if j not in missed]
    if rest:
        advice = "" if run.diagnostics else "; add diagnostics to monitor to learn the reason"
        parts.append(f"hardly recognized: class {', '.join(rest)}{advice}")
    return "; ".join(parts)


def nothing_learned(run: Measurements) -> str | None:
    """Say that the training accuracy ends at chance."""
    accuracy = run.chance_accuracy
    if accuracy is None:
        return None
    chance = f"{100 / len(run.recall):g} %"
    text = f"nothing was learned: training accuracy {_percent(accuracy)}, chance {chance}"
    if (hidden := run.last("saturated_1")) > 0.5:
        return f"{text}; {_percent(hidden)} of the first layer's neurons are saturated"
    decay = run.config.get("l2", 0.0)
    return f"{text}; look at eta ({run.config['eta']:g})" + (
        f" and l2 ({decay:g})" if decay else ""
    )


def plateau(run: Measurements) -> str | None:
    """Find a slow start: the training cost makes less than a tenth of its fall for long.

    Long is at least a fifth of the epochs evaluated, and at least 3. Nothing is said where the
    cost falls by less than a third in all.
    """
    points = run.points("train_cost")
    if len(points) < 4:
        return None
    first, low = points[0].value, min(point.value for point in points)
    if low > first * 2 / 3:
        return None
    fall = first - low
    long = next(i for i, p in enumerate(points, 1) if first - p.value >= fall / 10)
    if long < max(3, len(points) / 5):
        return None
    text = (
        f"a plateau at the start: in the first {points[long - 1].epoch} of {points[-1].epoch} "
        f"epochs the training cost made a tenth of its fall (from {short(first)} to {short(low)})"
    )
    state = run.diagnostics[0] if run.diagnostics else {}
    wrong = state.get("confidently_wrong") or 0.0
    slope = state.get(f"derivative_{len(run.config.get('layers', ())) - 1}")
    if slope is not None and isfinite(slope):
        if isfinite(wrong) and wrong > 0:
            text += f"; then {_percent(wrong)} of the outputs were confidently wrong"
        text += f"; the output's mean σ' was {short(slope, 2)} after the first epoch"
    return text


def overfitting(run: Measurements) -> str | None:
    """Find a validation cost whose minimum is long past while the training cost goes on falling.

    Long past is in the first half of the epochs; it must have risen by a tenth since.
    """
    validation, train = run.points("validation_cost"), run.points("train_cost")
    low = best(validation, "validation_cost")
    if low is None or not train or low.epoch > validation[-1].epoch / 2:
        return None
    then = next((point.value for point in train if point.epoch == low.epoch), None)
    rise = validation[-1].value / low.value if low.value > 0 else 1
    if then is None or rise < 1.1 or train[-1].value >= then:
        return None
    lowest, now = short(low.value), short(validation[-1].value)
    return (
        f"overfitting: the validation cost was least after epoch {low.epoch} ({lowest}) and is "
        f"{now} now, while the training cost fell from {short(then)} to {short(train[-1].value)}; "
        "regularization, more data or early stopping may help"
    )


def dead_relus(run: Measurements) -> str | None:
    """Find rectified neurons that are active on less than a hundredth of the examples."""
    if run.config.get("activation") != "relu":
        return None
    layers = len(run.config["layers"]) - 2
    idle = {i: run.last(f"saturated_{i}") for i in range(1, layers + 1)}
    dead = [f"{_percent(part)} of layer {i}" for i, part in idle.items() if part >= 0.05]
    if not dead:
        return None
    return f"dead relus: {', '.join(dead)} fire on less than 1 % of the examples"


def eta_too_small(run: Measurements) -> str | None:
    """Find a training cost that falls in 19 of 20 epochs and is still falling at the end.

    Still learning: the last quarter of the epochs has 15 % or more of the whole fall of the cost,
    or of a rise of the training accuracy by a point or more.
    """
    costs, accuracies = run.values("train_cost"), run.values("train_accuracy")
    if len(costs) < 8 or run.status != "completed":
        return None
    falls = sum(b < a for a, b in pairwise(costs))
    if falls < 0.95 * (len(costs) - 1) or costs[-1] >= costs[0]:
        return None
    share, what = _late_share(costs), "of its fall"
    if share < 0.15 and accuracies and accuracies[-1] - accuracies[0] >= 0.01:
        share, what = _late_share(accuracies), "of the accuracy's rise"
    if share < 0.15:
        return None
    return (
        f"eta {run.config['eta']:g} may be too small, or the epochs too few: the training cost "
        f"fell in {falls} of {len(costs) - 1} epochs, and the last quarter of them made "
        f"{_percent(share)} {what}"
    )


def _late_share(values: Sequence[float]) -> float:
    """Return what part of the whole change the last quarter made."""
    return (values[-1] - values[len(values) * 3 // 4]) / (values[-1] - values[0])


def eta_too_large(run: Measurements) -> str | None:
    """Find a training cost that jumps up and down and no longer falls.

    In the second half it rises in 3 of 10 epochs or more, changes by 4 % on average, of the larger
    of two neighbours, and the mean of the last quarter is not 3 % below that of the quarter before.
    """
    values = run.values("train_cost")
    second = values[len(values) // 2 :]
    if len(second) < 6 or min(second) <= 0 or run.chance_accuracy is not None:
        return None
    rises = sum(b > a for a, b in pairwise(second))
    pairs = len(second) - 1
    change = sum(abs(b - a) / max(a, b) for a, b in pairwise(second)) / pairs
    third, fourth = second[: len(second) // 2], second[len(second) // 2 :]
    if rises < 0.3 * pairs or change < 0.04 or fmean(fourth) < 0.97 * fmean(third):
        return None
    return (
        f"eta {run.config['eta']:g} may be too large: in the second half of the epochs the "
        f"training cost rose {rises} of {pairs} times, changed by {_percent(change)} per epoch on "
        "average, and came no further down"
    )


RULES: tuple[Callable[[Measurements], str | None], ...] = (
    diverged,
    nothing_learned,
    silent_outputs,
    plateau,
    dead_relus,
    overfitting,
    eta_too_small,
    eta_too_large,
)


def diagnose(run: Measurements) -> list[str]:
    """Return the sentences of the rules that apply.

    >>> diagnose(Measurements({"eta": 9.0, "cost": "quadratic"}, "diverged", [{"epoch": 1}]))
    ['diverged in epoch 1: the cost or a parameter is no longer finite; eta 9 is too large here']
    """
    return [text for rule in RULES if (text := rule(run)) is not None]


def never_learned(labels: Sequence[int] | Array, predicted: Sequence[int] | Array) -> list[int]:
    """Return the classes of which a network recognizes less than half of what chance would.

    An output that never fires: the sign of a saturated output neuron (Nielsen, chapter 3). With K
    classes, chance recognizes 1/K of a class's examples. Nothing is said of a class with fewer than
    ten.

    >>> never_learned([0] * 10 + [1] * 10, [0] * 20)
    [1]
    """
    y, a = np.asarray(labels, np.intp), np.asarray(predicted, np.intp)
    examples = np.bincount(y)
    right = np.bincount(y[y == a], minlength=len(examples))
    classes = np.count_nonzero(examples)
    return np.flatnonzero((examples >= 10) & (right * 2 * classes < examples)).tolist()
