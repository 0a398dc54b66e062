"""What the book claims of its experiments, and how a claim is held against runs.

A claim names its experiments, says in a sentence what the chapter says, and has a check: a
function of the runs that returns what was measured and whether the claim repeats. Figures the book
prints are in the configs' `reference`; where it prints none, none is invented: the check is of the
claim in words.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise

from nnexp.evidence.groups import unlearnt
from nnexp.evidence.summary import Point, best, series
from nnexp.store.reader import Run
from nnexp.store.writer import DIAGNOSTICS, PARAMETERS
from nnexp.views.run import class_names

Runs = Mapping[str, Run]
SIZES = (100, 200, 500, 1000, 2000, 5000, 10000, 20000, 50000)
ETAS = ("0025", "0250", "2500")


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found.

    Attributes:
        measured: the figures, short.
        repeats: whether the claim repeats; None where there is no claim.
        sentence: the same in a sentence, with the explanation where it does not.
    """

    measured: str
    repeats: bool | None
    sentence: str


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim of the book.

    Attributes:
        title: a few words.
        names: the experiments it is about.
        says: what the book says of them.
        check: the runs by name -> what was found.
        figure: name of the picture drawn for it, or empty.
    """

    title: str
    names: tuple[str, ...]
    says: str
    check: Callable[[Runs], Finding]
    figure: str = ""


def points(run: Run, metric: str) -> list[Point]:
    """Return the logged values of a metric."""
    return series(run.rows, metric)


def last(run: Run, metric: str) -> float:
    """Return a metric's last value."""
    return points(run, metric)[-1].value


def peak(run: Run, metric: str) -> Point:
    """Return a metric's best value."""
    found = best(points(run, metric), metric)
    return found or Point(float("nan"), 0)


def outputs(run: Run) -> list[float]:
    """Return the output of a single neuron after each epoch."""
    return [value for row in run.log(PARAMETERS) if (value := row.get("a[0,0]")) is not None]


def len_train(run: Run) -> int:
    """Return the size of a run's training set."""
    return int(run.record["data"]["train"])


def percent(value: float) -> str:
    """Write an accuracy."""
    return f"{value * 100:.2f} %"


def _gap(run: Run) -> float:
    return (last(run, "train_accuracy") - last(run, "test_accuracy")) * 100


def _fall(run: Run, epochs: int) -> float:
    """Return how far a neuron's output fell from the first epoch's to a later one's."""
    values = outputs(run)
    return values[0] - values[min(epochs, len(values) - 1)]


def _published_output(name: str) -> Callable[[Runs], Finding]:
    def check(runs: Runs) -> Finding:
        run, values = runs[name], outputs(runs[name])
        reference = run.experiment.reference if run.experiment else None
        figure = reference.output if reference and reference.output is not None else float("nan")
        same = abs(values[-1] - figure) < 0.005
        return Finding(
            f"output {values[-1]:.4f}",
            same,
            f"The output is {values[-1]:.4f} after {len(values)} epochs; the book prints "
            f"{figure:.2f}.",
        )

    return check


def _xent_printed(runs: Runs) -> Finding:
    easy, hard = (outputs(runs[f"neuron_xent_{start}_printed"])[-1] for start in ("easy", "hard"))
    repeats = easy < 0.1 and hard < 0.1
    return Finding(
        f"outputs {easy:.4f} and {hard:.4f}",
        repeats,
        f"After 300 epochs the outputs are {easy:.4f} and {hard:.4f}: far from learnt. With x = "
        "1 and "
        "y = 0 the book's own equation (61) gives ∂C/∂w = ∂C/∂b = a, and 300 steps of 0.005 a can "
        "lower z by 3 at most. The curves in the book are those of descending ∂C/∂a = 1/(1 - a) "
        "without the factor σ'(z) = a(1 - a). With the eta of the quadratic neurons, 0.15, the "
        "claim holds: see the next line.",
    )


def _xent_no_slowdown(runs: Runs) -> Finding:
    easy, hard = (outputs(runs[f"neuron_xent_{start}"])[-1] for start in ("easy", "hard"))
    ours, quadratic = (_fall(runs[n], 20) for n in ("neuron_xent_hard", "neuron_quadratic_hard"))
    return Finding(
        f"outputs {easy:.4f} and {hard:.4f}",
        easy < 0.05 and hard < 0.05 and ours > 5 * quadratic,
        f"The outputs end at {easy:.4f} and {hard:.4f}; the badly wrong neuron's output falls by "
        f"{ours:.3f} in the first 20 epochs, where the quadratic cost moves it by {quadratic:.3f}.",
    )


def _linear(runs: Runs) -> Finding:
    easy, hard = (outputs(runs[f"neuron_linear_{start}"]) for start in ("easy", "hard"))
    half = next((i for i, a in enumerate(hard, 1) if a < hard[0] / 2), len(hard))
    return Finding(
        f"outputs {easy[-1]:.1e} and {hard[-1]:.1e}",
        abs(easy[-1]) < 0.01 and abs(hard[-1]) < 0.01 and half <= 10,
        f"With a linear output the quadratic cost's gradient carries no σ'(z): the badly wrong "
        f"neuron has halved its error after {half} epochs, and both end at 0 to 4 digits.",
    )


def _against(names: tuple[str, ...], metric: str, tolerance: float) -> Callable[[Runs], Finding]:
    """Check peaks against the configs' published figures, within `tolerance` points."""

    def check(runs: Runs) -> Finding:
        parts, repeats = [], True
        for name in names:
            run = runs[name]
            value = peak(run, metric).value
            reference = run.experiment.reference if run.experiment else None
            figure = reference.figures()[metric] if reference else float("nan")
            repeats = repeats and abs(value - figure) * 100 <= tolerance
            parts.append(f"{name} {percent(value)} (book {percent(figure)})")
        measured = ", ".join(percent(peak(runs[name], metric).value) for name in names)
        sentence = f"Peaks on the {metric.partition('_')[0]} set, seed 0: {'; '.join(parts)}."
        stuck = [s for name in names if (s := _stuck(runs[name]))]
        return Finding(measured, repeats, " ".join([sentence, *stuck]))

    return check


def _stuck(run: Run) -> str:
    found = run.predictions
    lost = unlearnt(found["labels"], found["predicted"]) if found else []
    if not lost:
        return ""
    names = class_names(run)
    return (
        f"In this run of {run.name} the class {' and '.join(names[i] for i in lost)} was never "
        "learnt: its output saturated, and the quadratic cost cannot move it. Other seeds reach "
        "the book's figure or lose other classes (README); one run, as in the book, does not tell."
    )


def _slowdown(runs: Runs) -> Finding:
    wrong = {}
    for name in ("quadratic", "xent"):
        rows = runs[f"slowdown_{name}_100"].log(DIAGNOSTICS)
        wrong[name] = [row.get("confidently_wrong") or 0.0 for row in rows]
    first = {name: values[0] * 100 for name, values in wrong.items()}
    final = {name: values[-1] * 100 for name, values in wrong.items()}
    return Finding(
        f"confidently wrong at the end: {final['quadratic']:.2f} % and {final['xent']:.2f} %",
        final["quadratic"] > 10 * final["xent"],
        f"With the quadratic cost {first['quadratic']:.2f} % of the outputs are confidently wrong, "
        f"with σ'(z) near 0, after the first epoch and {final['quadratic']:.2f} % after the "
        "last; with "
        f"cross-entropy {first['xent']:.2f} % and {final['xent']:.2f} %.",
    )


def _softmax(runs: Runs) -> Finding:
    ours, other = (peak(runs[n], "test_accuracy").value for n in ("softmax_100", "xent_100"))
    return Finding(
        percent(ours),
        None,
        f"Softmax with log-likelihood peaks at {percent(ours)} on the test set (eta 0.1, 60 "
        "epochs), "
        f"sigmoid with cross-entropy at {percent(other)} (eta 0.5, 30 epochs).",
    )


def _overfitting(runs: Runs) -> Finding:
    run = runs["overfitting_1000"]
    low, end = peak(run, "test_cost"), last(run, "test_cost")
    train, test = last(run, "train_accuracy"), last(run, "test_accuracy")
    return Finding(
        f"training {percent(train)}, test {percent(test)}",
        train > 0.999 and test < 0.9 and end > 1.1 * low.value,
        f"Training accuracy ends at {percent(train)}, test accuracy at {percent(test)}; the test "
        f"cost is least after epoch {low.epoch} ({low.value:.3f}) and ends at {end:.3f}.",
    )


def _gap_shrinks(runs: Runs) -> Finding:
    small, full = (_gap(runs[f"overfitting_{which}"]) for which in ("1000", "full"))
    return Finding(
        f"gap {small:.1f} and {full:.1f} points",
        full < small / 2,
        f"Training minus test accuracy is {small:.1f} points with 1,000 images and {full:.1f} with "
        "50,000.",
    )


def _l2_small(runs: Runs) -> Finding:
    without, ours = runs["overfitting_1000"], runs["l2_1000"]
    before, after = last(without, "test_accuracy"), last(ours, "test_accuracy")
    low, end = peak(ours, "test_data_cost").value, last(ours, "test_data_cost")
    unregularized = last(without, "test_cost") / peak(without, "test_cost").value
    return Finding(
        f"test {percent(before)} without, {percent(after)} with",
        after > before and end / low < unregularized,
        f"With λ = 0.1 the test accuracy ends at {percent(after)} instead of {percent(before)}, "
        "and "
        f"the data part of the test cost ends {end / low:.2f} times its least value "
        f"(without: {unregularized:.2f} times).",
    )


def _l2_full(runs: Runs) -> Finding:
    without, ours = runs["overfitting_full"], runs["l2_full"]
    before, after = (last(run, "test_accuracy") for run in (without, ours))
    return Finding(
        f"test {percent(before)} without, {percent(after)} with",
        after > before and _gap(ours) < _gap(without),
        f"With λ = 5 the test accuracy ends at {percent(after)} instead of {percent(before)}, "
        "and the "
        f"gap to the training accuracy is {_gap(ours):.2f} points instead of {_gap(without):.2f}.",
    )


def _more_data(runs: Runs) -> Finding:
    values = [last(runs[f"more_data_{n:05d}"], "validation_accuracy") for n in SIZES]
    shown = ", ".join(f"{n:,}: {percent(v)}" for n, v in zip(SIZES, values, strict=True))
    return Finding(
        f"{percent(values[0])} to {percent(values[-1])}",
        all(b > a for a, b in pairwise(values)),
        f"Validation accuracy by the number of training images: {shown}.",
    )


def _init(hidden: int) -> Callable[[Runs], Finding]:
    def check(runs: Runs) -> Finding:
        large, scaled = (runs[f"init_{name}_{hidden}"] for name in ("large", "scaled"))
        first = [points(run, "validation_accuracy")[0].value for run in (large, scaled)]
        final = [last(run, "validation_accuracy") for run in (large, scaled)]
        return Finding(
            f"first epoch {percent(first[0])} and {percent(first[1])}, "
            f"last {percent(final[0])} and {percent(final[1])}",
            first[1] > first[0] + 0.02 and abs(final[1] - final[0]) < 0.01,
            f"Large and scaled weights: {percent(first[0])} and {percent(first[1])} on the "
            "validation "
            f"set after the first epoch, {percent(final[0])} and {percent(final[1])} after the "
            "last.",
        )

    return check


def _etas(runs: Runs) -> Finding:
    rises = []
    for name in ETAS:
        values = [point.value for point in points(runs[f"eta_{name}"], "train_cost")]
        rises.append(sum(b > a for a, b in pairwise(values)))
    final = [last(runs[f"eta_{name}"], "train_cost") for name in ETAS]
    pairs = len(points(runs[f"eta_{ETAS[0]}"], "train_cost")) - 1
    return Finding(
        f"cost rose {rises[0]}, {rises[1]} and {rises[2]} of {pairs} times",
        rises[0] <= 1 and rises[2] > max(rises[:2]) and final[2] > max(final[:2]),
        "With eta 0.025, 0.25 and 2.5 the training cost rose from one epoch to the next "
        f"{rises[0]}, "
        f"{rises[1]} and {rises[2]} times and ended at {final[0]:.3f}, {final[1]:.3f} and "
        f"{final[2]:.3f}.",
    )


def _at_chance(name: str, metric: str) -> Callable[[Runs], Finding]:
    def check(runs: Runs) -> Finding:
        run = runs[name]
        value, high = last(run, metric), peak(run, metric).value
        where = metric.replace("_", " ")
        if run.status == "diverged" and run.experiment:
            factor = run.experiment.eta * run.experiment.l2 / len_train(run)
            return Finding(
                f"{percent(value)}, diverged",
                value < 0.15,
                f"The run diverges in epoch {len(run.rows)}: ηλ/n is {factor:g}, so that each step "
                f"multiplies the weights by 1 - {factor:g} = {1 - factor:g}. The book's 10 % is "
                "what "
                "a network of NaNs scores; a smaller λ was not only better, it was necessary.",
            )
        return Finding(
            percent(value),
            value < 0.15,
            f"The {where} ends at {percent(value)} and was {percent(high)} at best; chance is 10 "
            "%.",
        )

    return check


def _mean(run: Run) -> float:
    values = [point.value for point in points(run, "validation_accuracy")]
    return sum(values) / len(values)


def _better(first: str, second: str, *, upwards: bool) -> Callable[[Runs], Finding]:
    def check(runs: Runs) -> Finding:
        a, b = _mean(runs[first]), _mean(runs[second])
        return Finding(
            f"{percent(a)} before, {percent(b)} after",
            b > a if upwards else b < a,
            f"The mean validation accuracy over the epochs goes from {percent(a)} to {percent(b)}.",
        )

    return check


def _slow(runs: Runs) -> Finding:
    values = [point.value for point in points(runs["chapter1_eta_0001"], "test_accuracy")]
    return Finding(
        f"{percent(values[0])} to {percent(values[-1])}",
        0.12 < values[-1] < 0.7 and values[-1] > values[0],
        f"Test accuracy creeps from {percent(values[0])} to {percent(values[-1])} in "
        f"{len(values)} epochs.",
    )


def _exercise(name: str, than: str) -> Callable[[Runs], Finding]:
    def check(runs: Runs) -> Finding:
        run, other = runs[name], runs[than]
        chosen = best(points(run, "validation_accuracy"), "validation_accuracy")
        epoch = chosen.epoch if chosen else 0
        value = next(p.value for p in points(run, "test_accuracy") if p.epoch == epoch)
        stopped = run.record.get("stopped")
        early = f" It ended after {len(run.rows)} epochs: {stopped}." if stopped else ""
        reference = peak(other, "test_accuracy").value
        return Finding(
            percent(value),
            None,
            f"Best on validation after epoch {epoch}: {percent(value)} on the test set "
            f"(peak {percent(peak(run, 'test_accuracy').value)}; {than} peaks at "
            f"{percent(reference)}).{early}",
        )

    return check


CLAIMS = (
    Claim(
        "One neuron, a little wrong",
        ("neuron_quadratic_easy",),
        "With the quadratic cost the neuron learns quickly; its output ends at 0.09.",
        _published_output("neuron_quadratic_easy"),
        "neurons",
    ),
    Claim(
        "One neuron, badly wrong",
        ("neuron_quadratic_hard",),
        "It learns slowly at first, because σ'(z) is small; its output ends at 0.20.",
        _published_output("neuron_quadratic_hard"),
    ),
    Claim(
        "Cross-entropy, eta as printed",
        ("neuron_xent_easy_printed", "neuron_xent_hard_printed"),
        "With cross-entropy and η = 0.005 both neurons learn quickly.",
        _xent_printed,
    ),
    Claim(
        "Cross-entropy, eta 0.15",
        ("neuron_xent_easy", "neuron_xent_hard", "neuron_quadratic_hard"),
        "With cross-entropy the badly wrong neuron learns fast from the start.",
        _xent_no_slowdown,
    ),
    Claim(
        "A linear output",
        ("neuron_linear_easy", "neuron_linear_hard"),
        "With linear outputs the quadratic cost has no learning slowdown.",
        _linear,
    ),
    Claim(
        "Costs, 30 hidden neurons",
        ("quadratic_30", "xent_30"),
        "Test accuracy 95.42 % with the quadratic cost, 95.49 % with cross-entropy.",
        _against(("quadratic_30", "xent_30"), "test_accuracy", 0.5),
    ),
    Claim(
        "Costs, 100 hidden neurons",
        ("quadratic_100", "xent_100"),
        "Test accuracy 96.59 % with the quadratic cost, 96.82 % with cross-entropy.",
        _against(("quadratic_100", "xent_100"), "test_accuracy", 0.5),
    ),
    Claim(
        "The slowdown as a number",
        ("slowdown_quadratic_100", "slowdown_xent_100"),
        "Outputs that saturate at the wrong value learn slowly with the quadratic cost, not with "
        "cross-entropy.",
        _slowdown,
    ),
    Claim(
        "Softmax and log-likelihood",
        ("softmax_100", "xent_100"),
        "(An alternative; the chapter prints no figure.)",
        _softmax,
    ),
    Claim(
        "Overfitting 1,000 images",
        ("overfitting_1000",),
        "Training accuracy reaches 100 %, test accuracy stays far below, the test cost rises.",
        _overfitting,
        "overfitting",
    ),
    Claim(
        "The full training set",
        ("overfitting_1000", "overfitting_full"),
        "With 50,000 images the gap between training and test accuracy is much smaller.",
        _gap_shrinks,
    ),
    Claim(
        "L2 on 1,000 images",
        ("overfitting_1000", "l2_1000"),
        "λ = 0.1 raises the test accuracy and the test cost no longer rises.",
        _l2_small,
        "regularization",
    ),
    Claim(
        "L2 on 50,000 images",
        ("overfitting_full", "l2_full"),
        "λ = 5 raises the test accuracy and narrows the gap.",
        _l2_full,
    ),
    Claim(
        "L2, 100 hidden neurons",
        ("l2_100",),
        "Validation accuracy 97.92 %.",
        _against(("l2_100",), "validation_accuracy", 0.3),
    ),
    Claim(
        "The same, η 0.1, 60 epochs",
        ("l2_100_slow",),
        "Validation accuracy 98.04 %.",
        _against(("l2_100_slow",), "validation_accuracy", 0.3),
    ),
    Claim(
        "More training data",
        tuple(f"more_data_{n:05d}" for n in SIZES),
        "Accuracy keeps rising with the size of the training set.",
        _more_data,
        "more_data",
    ),
    Claim(
        "Weight initialization, 30",
        ("init_large_30", "init_scaled_30"),
        "Scaled weights start far better; both end about the same.",
        _init(30),
        "initialization",
    ),
    Claim(
        "Weight initialization, 100",
        ("init_large_100", "init_scaled_100"),
        "Scaled weights start far better; both end about the same.",
        _init(100),
    ),
    Claim(
        "Three learning rates",
        tuple(f"eta_{name}" for name in ETAS),
        "The cost falls smoothly with 0.025, flattens with 0.25, and oscillates with 2.5.",
        _etas,
        "etas",
    ),
    Claim(
        "Hyper-parameters: first guess",
        ("hyper_1_nothing_learnt",),
        "η = 10 and λ = 1000 do no better than chance.",
        _at_chance("hyper_1_nothing_learnt", "validation_accuracy"),
    ),
    Claim(
        "Hyper-parameters: small and fast",
        ("hyper_2_small_and_fast",),
        "784-10 on 1,000 images with the same settings is still at chance.",
        _at_chance("hyper_2_small_and_fast", "validation_accuracy"),
    ),
    Claim(
        "Hyper-parameters: λ 20",
        ("hyper_2_small_and_fast", "hyper_3_less_l2"),
        "With λ = 20 there is a signal.",
        _better("hyper_2_small_and_fast", "hyper_3_less_l2", upwards=True),
    ),
    Claim(
        "Hyper-parameters: η 100",
        ("hyper_3_less_l2", "hyper_4_eta_100"),
        "With η = 100 it gets worse.",
        _better("hyper_3_less_l2", "hyper_4_eta_100", upwards=False),
    ),
    Claim(
        "Hyper-parameters: η 1",
        ("hyper_3_less_l2", "hyper_5_eta_1"),
        "With η = 1 it gets better.",
        _better("hyper_3_less_l2", "hyper_5_eta_1", upwards=True),
    ),
    Claim(
        "Chapter 1: η 0.001",
        ("chapter1_eta_0001",),
        "The network improves, but very slowly.",
        _slow,
    ),
    Claim(
        "Chapter 1: η 100",
        ("chapter1_eta_100",),
        "The network does no better than chance.",
        _at_chance("chapter1_eta_100", "test_accuracy"),
    ),
    *(
        Claim(
            f"Exercise: {title}",
            (f"exercise_{name}", than),
            "(No published figure.)",
            _exercise(f"exercise_{name}", than),
        )
        for name, than, title in (
            ("l1", "overfitting_full", "L1"),
            ("dropout", "init_scaled_100", "dropout"),
            ("shifts", "init_scaled_100", "expansion by shifts"),
            ("no_improvement_in_10", "eta_0250", "no improvement in 10"),
            ("halving", "eta_0250", "halving η"),
            ("momentum", "eta_0250", "momentum"),
            ("tanh", "eta_0250", "tanh"),
            ("relu", "eta_0250", "relu"),
        )
    ),
)
