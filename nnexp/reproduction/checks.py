"""How the claims of chapter 3 are compared with runs: each by a function of its runs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from math import nan
from statistics import fmean

from nnexp.config.identity import settings
from nnexp.numbers import quantity
from nnexp.run.layout import DIAGNOSTICS, PARAMETERS
from nnexp.run.reader import Run
from nnexp.stats.diagnosis import never_learned
from nnexp.stats.selection import differing, flatten
from nnexp.stats.summary import Point, Published, best, series
from nnexp.views.run import Classes

percent = partial(quantity, "test_accuracy")
SIZES = (100, 200, 500, 1000, 2000, 5000, 10000, 20000, 50000)


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of a check.

    Attributes:
        measured: the figures, short.
        repeats: whether the claim repeats; None where there is no claim.
        sentence: the same in a sentence, with the explanation where it does not.
    """

    measured: str
    repeats: bool | None
    sentence: str


def last(run: Run, metric: str) -> float:
    """Return a metric's last value."""
    return series(run.rows, metric)[-1].value


def peak(run: Run, metric: str) -> Point:
    """Return a metric's best value."""
    return best(series(run.rows, metric), metric) or Point(nan, 0)


def outputs(run: Run) -> list[float]:
    """Return the output of a single neuron after each epoch."""
    return [value for row in run.log(PARAMETERS) if (value := row.get("a[0,0]")) is not None]


def _half(run: Run) -> int:
    """Return the epoch after which a neuron's output is below half of its first; else the last."""
    values = outputs(run)
    return next((i for i, a in enumerate(values, 1) if a < values[0] / 2), len(values))


def _gap(run: Run) -> float:
    """Return how many points the training accuracy ends above the test accuracy."""
    return (last(run, "train_accuracy") - last(run, "test_accuracy")) * 100


def _fall(run: Run, epochs: int) -> float:
    """Return how far a neuron's output fell from the first epoch's to a later one's."""
    first, *later = outputs(run)
    return first - later[:epochs][-1]


def published_output(run: Run, *, quick: bool) -> Finding:
    """Check a neuron's output against the book's, and how soon its error is halved."""
    values, half = outputs(run), _half(run)
    figure = Published.of(run.config).figures.get("output", nan)
    speed = half <= 60 if quick else half >= 150
    return Finding(
        f"output {values[-1]:.4f}, half the error after {half} epochs",
        abs(values[-1] - figure) < 0.005 and speed,
        f"The output is {values[-1]:.4f} after {len(values)} epochs (the book prints "
        f"{figure:.2f}); its error is halved after {half}.",
    )


def xent_printed(*runs: Run) -> Finding:
    """Check whether cross-entropy learns with the printed eta."""
    easy, hard = (outputs(run)[-1] for run in runs)
    return Finding(
        f"outputs {easy:.4f} and {hard:.4f}",
        easy < 0.1 and hard < 0.1,
        f"After 300 epochs the outputs are {easy:.4f} and {hard:.4f}: far from learned. With x = "
        "1 and y = 0 the book's own equation (61) gives ∂C/∂w = ∂C/∂b = a, and 300 steps of "
        "0.005 a can lower z by 3 at most. The curves in the book are those of descending ∂C/∂a "
        "= 1/(1 - a) without the factor σ'(z) = a(1 - a). With the eta of the quadratic neurons, "
        "0.15, the claim holds: see the next line.",
    )


def xent_no_slowdown(*runs: Run) -> Finding:
    """Check that cross-entropy moves the badly wrong neuron from the start."""
    easy, hard, _ = (outputs(run)[-1] for run in runs)
    _, ours, quadratic = (_fall(run, 20) for run in runs)
    return Finding(
        f"outputs {easy:.4f} and {hard:.4f}",
        easy < 0.05 and hard < 0.05 and ours > 5 * quadratic,
        f"The outputs end at {easy:.4f} and {hard:.4f}; the badly wrong neuron's output falls by "
        f"{ours:.3f} in the first 20 epochs, where the quadratic cost moves it by {quadratic:.3f}.",
    )


def linear(*runs: Run) -> Finding:
    """Check that linear neurons learn without a slowdown."""
    easy, hard = (outputs(run)[-1] for run in runs)
    half = _half(runs[1])
    return Finding(
        f"outputs {easy:.1e} and {hard:.1e}",
        abs(easy) < 0.01 and abs(hard) < 0.01 and half <= 10,
        "With a linear output the quadratic cost's gradient carries no σ'(z): the badly wrong "
        f"neuron has halved its error after {half} epochs, and both end at 0 to 4 digits.",
    )


def against(*runs: Run, metric: str, tolerance: float) -> Finding:
    """Check peaks against the configs' published figures, within `tolerance` points."""
    parts, repeats = [], True
    for run in runs:
        value = peak(run, metric).value
        figure = Published.of(run.config).figures.get(metric, nan)
        repeats = repeats and abs(value - figure) * 100 <= tolerance
        parts.append(f"{run.name} {percent(value)} (book {percent(figure)})")
    measured = ", ".join(percent(peak(run, metric).value) for run in runs)
    sentence = f"Peaks on the {metric.partition('_')[0]} set, seed 0: {'; '.join(parts)}."
    stuck = [text for run in runs if (text := _stuck(run))]
    return Finding(measured, repeats, " ".join([sentence, *stuck]))


def _stuck(run: Run) -> str:
    classes = Classes.of(run)
    lost = never_learned(classes.labels, classes.predicted) if classes else []
    if not classes or not lost:
        return ""
    names = [classes.names[i] for i in lost]
    return (
        f"This run of {run.name} never learned {' and '.join(names)}: hardly an example is "
        "recognized (see the next line for why). One run per arm, as in the book, does not tell "
        "how often that happens; the README has three."
    )


def slowdown(*runs: Run) -> Finding:
    """Check how many outputs end confidently wrong with either cost."""
    quadratic, xent = (
        [(row.get("confidently_wrong") or 0.0) * 100 for row in run.log(DIAGNOSTICS)]
        for run in runs
    )
    return Finding(
        f"confidently wrong at the end: {quadratic[-1]:.2f} % and {xent[-1]:.2f} %",
        quadratic[-1] > 10 * xent[-1],
        f"With the quadratic cost {quadratic[0]:.2f} % of the outputs are confidently wrong, with "
        f"σ'(z) near 0, after the first epoch and {quadratic[-1]:.2f} % after the last; with "
        f"cross-entropy {xent[0]:.2f} % and {xent[-1]:.2f} %.",
    )


def softmax(*runs: Run) -> Finding:
    """Report the softmax network beside the cross-entropy one."""
    ours, other = (peak(run, "test_accuracy").value for run in runs)
    return Finding(
        percent(ours),
        None,
        f"Softmax with log-likelihood peaks at {percent(ours)} on the test set (eta 0.1, 60 "
        f"epochs), sigmoid with cross-entropy at {percent(other)} (eta 0.5, 30 epochs).",
    )


def overfitting(run: Run) -> Finding:
    """Check that 1,000 images are learned by heart."""
    low, end = peak(run, "test_cost"), last(run, "test_cost")
    train, test = last(run, "train_accuracy"), last(run, "test_accuracy")
    return Finding(
        f"training {percent(train)}, test {percent(test)}",
        train > 0.999 and test < 0.9 and end > 1.1 * low.value,
        f"Training accuracy ends at {percent(train)}, test accuracy at {percent(test)}; the test "
        f"cost is least after epoch {low.epoch} ({low.value:.3f}) and ends at {end:.3f}.",
    )


def gap_shrinks(*runs: Run) -> Finding:
    """Check that more images narrow the gap between training and test accuracy."""
    small, full = map(_gap, runs)
    both = f"{small:.1f} points with 1,000 images and {full:.1f} with 50,000"
    repeats = full < small / 2
    return Finding(both, repeats, f"Training minus test accuracy is {both}.")


def l2_small(without: Run, ours: Run) -> Finding:
    """Check what L2 does on 1,000 images."""
    before, after = last(without, "test_accuracy"), last(ours, "test_accuracy")
    low, end = peak(ours, "test_data_cost").value, last(ours, "test_data_cost")
    unregularized = last(without, "test_cost") / peak(without, "test_cost").value
    return Finding(
        f"test {percent(before)} without, {percent(after)} with",
        after > before and end / low < unregularized,
        f"With λ = 0.1 the test accuracy ends at {percent(after)} instead of {percent(before)}, "
        f"and the data part of the test cost ends {end / low:.2f} times its least value (without: "
        f"{unregularized:.2f} times).",
    )


def l2_full(without: Run, ours: Run) -> Finding:
    """Check what L2 does on 50,000 images."""
    before, after = (last(run, "test_accuracy") for run in (without, ours))
    return Finding(
        f"test {percent(before)} without, {percent(after)} with",
        after > before and _gap(ours) < _gap(without),
        f"With λ = 5 the test accuracy ends at {percent(after)} instead of {percent(before)}, and "
        f"the gap to the training accuracy is {_gap(ours):.2f} points instead of "
        f"{_gap(without):.2f}.",
    )


def more_data(*runs: Run) -> Finding:
    """Check that accuracy rises with the size of the training set."""
    values = [last(run, "validation_accuracy") for run in runs]
    shown = ", ".join(f"{n:,}: {percent(v)}" for n, v in zip(SIZES, values, strict=True))
    return Finding(
        f"{percent(values[0])} to {percent(values[-1])}",
        all(b > a for a, b in pairwise(values)),
        f"Validation accuracy by the number of training images: {shown}.",
    )


def init(*runs: Run) -> Finding:
    """Compare large with scaled weights."""
    first = [series(run.rows, "validation_accuracy")[0].value for run in runs]
    final = [last(run, "validation_accuracy") for run in runs]
    return Finding(
        f"first epoch {percent(first[0])} and {percent(first[1])}, last {percent(final[0])} "
        f"and {percent(final[1])}",
        first[1] > first[0] + 0.02 and abs(final[1] - final[0]) < 0.01,
        f"Large and scaled weights: {percent(first[0])} and {percent(first[1])} on the "
        f"validation set after the first epoch, {percent(final[0])} and {percent(final[1])} "
        "after the last.",
    )


def etas(*runs: Run) -> Finding:
    """Check how much the training cost oscillates with each of three rates."""
    sizes = []
    for run in runs:
        values = [point.value for point in series(run.rows, "train_cost")]
        second = values[len(values) // 2 :]
        sizes.append(fmean(abs(b - a) / a for a, b in pairwise(second)) * 100 if second[1:] else 0)
    final = [last(run, "train_cost") for run in runs]
    return Finding(
        f"changes of {sizes[0]:.1f}, {sizes[1]:.1f} and {sizes[2]:.1f} % per epoch",
        sizes[0] * 2 < sizes[1] and sizes[1] * 2 < sizes[2] and final[2] > max(final[:2]),
        f"With eta 0.025, 0.25 and 2.5 the training cost changes by {sizes[0]:.1f}, "
        f"{sizes[1]:.1f} and {sizes[2]:.1f} % from one epoch to the next in the second half, and "
        f"ends at {final[0]:.3f}, {final[1]:.3f} and {final[2]:.3f}.",
    )


def _diverged(run: Run) -> str:
    """Say that a run diverged, and that weight decay did it where ηλ/n > 2."""
    if run.status != "diverged" or run.experiment is None:
        return ""
    factor = run.experiment.eta * run.experiment.l2 / int(run.record["data"]["train"])
    why = ""
    if factor > 2:
        why = f": ηλ/n is {factor:g}, each step multiplies the weights by {1 - factor:g}"
    return f"{run.name} diverges in epoch {run.facts.done}{why}"


def at_chance(run: Run, *, metric: str) -> Finding:
    """Check that a network does no better than chance."""
    if reason := _diverged(run):
        return Finding(
            "diverged",
            False,
            f"{reason}. The outputs are not numbers; a program that takes the first of equal "
            "outputs scores them as chance, 10 %: the network was not too noisy, it was gone.",
        )
    value, high = last(run, metric), peak(run, metric).value
    return Finding(
        percent(value),
        value < 0.15,
        f"The {metric.replace('_', ' ')} ends at {percent(value)} and was {percent(high)} at "
        "best; chance is 10 %.",
    )


def _mean(run: Run) -> float:
    """Return the mean validation accuracy over the epochs; 0 where no epoch had one."""
    values = [point.value for point in series(run.rows, "validation_accuracy")]
    return fmean(values) if values else 0.0


def better(first: Run, second: Run, *, upwards: bool) -> Finding:
    """Check that the second run is better (or worse) than the first."""
    a, b = _mean(first), _mean(second)
    notes = [f" {reason}." for run in (first, second) if (reason := _diverged(run))]
    before = percent(a) if a else "diverged"
    return Finding(
        f"{before} before, {percent(b)} after",
        b > a + 0.05 if upwards else b < a - 0.05,
        f"The mean validation accuracy over the epochs: {before} before, {percent(b)} after."
        + "".join(notes),
    )


def slow(run: Run) -> Finding:
    """Check that a tiny rate learns, but slowly."""
    values = [point.value for point in series(run.rows, "test_accuracy")]
    return Finding(
        f"{percent(values[0])} to {percent(values[-1])}",
        0.12 < values[-1] < 0.7 and values[-1] > values[0],
        f"Test accuracy creeps from {percent(values[0])} to {percent(values[-1])} in "
        f"{len(values)} epochs.",
    )


def exercise(run: Run, other: Run) -> Finding:
    """Report an exercise beside a run that differs in little."""
    epoch = peak(run, "validation_accuracy").epoch
    value = next(p.value for p in series(run.rows, "test_accuracy") if p.epoch == epoch)
    stopped = run.record.get("stopped")
    early = f" It ended after {run.facts.done} epochs: {stopped}." if stopped else ""
    reference = peak(other, "test_accuracy").value
    configs = [flatten(settings(r.config)) if r.config else {} for r in (run, other)]
    return Finding(
        percent(value),
        None,
        f"Best epoch (validation) {epoch}: {percent(value)} on the test set (peak "
        f"{percent(peak(run, 'test_accuracy').value)}). {other.name}, which differs in "
        f"{', '.join(differing(configs))}, peaks at {percent(reference)}.{early}",
    )
