"""What the book claims of its experiments.

Figures that the book prints are in the configs' `reference`; where it prints none, none is
invented: the claim is checked in words.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from nnexp.reproduction import checks
from nnexp.reproduction.checks import SIZES, Finding


@dataclass(frozen=True, slots=True)
class Claim:
    """A claim of the book.

    Attributes:
        title: a few words.
        names: the experiments it is about.
        says: what the book says of them.
        criterion: when the claim counts as repeated, in words; empty where nothing is claimed.
        check: its runs, in the order of the names -> what they show.
        curves: the columns of the runs' logs that are drawn for it.
    """

    title: str
    names: tuple[str, ...]
    says: str
    criterion: str
    check: Callable[..., Finding]
    curves: tuple[str, ...] = ()


CLAIMS = (
    Claim(
        "One neuron, a little wrong",
        ("neuron_quadratic_easy",),
        "With the quadratic cost the neuron learns quickly; its output ends at 0.09.",
        "the output is 0.09 to two digits, and the error is halved within 60 epochs",
        partial(checks.published_output, quick=True),
    ),
    Claim(
        "One neuron, badly wrong",
        ("neuron_quadratic_hard",),
        "It learns slowly at first, because σ'(z) is small; its output ends at 0.20.",
        "the output is 0.20 to two digits, and the error is not halved in the first 150 epochs",
        partial(checks.published_output, quick=False),
    ),
    Claim(
        "Cross-entropy, eta as printed",
        ("neuron_xent_easy_printed", "neuron_xent_hard_printed"),
        "With cross-entropy and η = 0.005 both neurons learn quickly.",
        "both outputs end below 0.1",
        checks.xent_printed,
    ),
    Claim(
        "Cross-entropy, eta 0.15",
        ("neuron_xent_easy", "neuron_xent_hard", "neuron_quadratic_hard"),
        "With cross-entropy the badly wrong neuron learns fast from the start.",
        "both outputs end below 0.05, and in 20 epochs the badly wrong one falls five times as "
        "far as with the quadratic cost",
        checks.xent_no_slowdown,
        ("a[0,0]",),
    ),
    Claim(
        "A linear output",
        ("neuron_linear_easy", "neuron_linear_hard"),
        "With linear outputs the quadratic cost has no learning slowdown.",
        "both outputs end within 0.01 of 0, the badly wrong one at half its error within 10 epochs",
        checks.linear,
    ),
    Claim(
        "Costs, 30 hidden neurons",
        ("quadratic_30", "xent_30"),
        "Test accuracy 95.42 % with the quadratic cost, 95.49 % with cross-entropy.",
        "both peaks are within 0.5 points of the book's",
        partial(checks.against, metric="test_accuracy", tolerance=0.5),
    ),
    Claim(
        "Costs, 100 hidden neurons",
        ("quadratic_100", "xent_100"),
        "Test accuracy 96.59 % with the quadratic cost, 96.82 % with cross-entropy.",
        "both peaks are within 0.5 points of the book's",
        partial(checks.against, metric="test_accuracy", tolerance=0.5),
    ),
    Claim(
        "The slowdown as a number",
        ("slowdown_quadratic_100", "slowdown_xent_100"),
        "Outputs that saturate at the wrong value learn slowly with the quadratic cost, not with "
        "cross-entropy.",
        "at the end ten times as many outputs are confidently wrong as with cross-entropy",
        checks.slowdown,
    ),
    Claim(
        "Softmax and log-likelihood",
        ("softmax_100", "xent_100"),
        "(An alternative; the chapter prints no figure.)",
        "",
        checks.softmax,
    ),
    Claim(
        "Overfitting 1,000 images",
        ("overfitting_1000",),
        "Training accuracy reaches 100 %, test accuracy stays far below, the test cost rises.",
        "training accuracy above 99.9 %, test accuracy below 90 %, and a test cost at the end a "
        "tenth above its least",
        checks.overfitting,
        ("train_accuracy", "test_accuracy", "test_cost"),
    ),
    Claim(
        "The full training set",
        ("overfitting_1000", "overfitting_full"),
        "With 50,000 images the gap between training and test accuracy is much smaller.",
        "the gap is less than half as wide",
        checks.gap_shrinks,
        ("train_accuracy", "test_accuracy"),
    ),
    Claim(
        "L2 on 1,000 images",
        ("overfitting_1000", "l2_1000"),
        "λ = 0.1 raises the test accuracy and the test cost no longer rises.",
        "the test accuracy is higher, and the data part of the test cost ends closer to its least",
        checks.l2_small,
        ("test_cost", "test_accuracy"),
    ),
    Claim(
        "L2 on 50,000 images",
        ("overfitting_full", "l2_full"),
        "λ = 5 raises the test accuracy and narrows the gap.",
        "the test accuracy is higher and the gap is narrower",
        checks.l2_full,
    ),
    Claim(
        "L2, 100 hidden neurons",
        ("l2_100",),
        "Validation accuracy 97.92 %.",
        "the peak is within 0.3 points of the book's",
        partial(checks.against, metric="validation_accuracy", tolerance=0.3),
    ),
    Claim(
        "The same, η 0.1, 60 epochs",
        ("l2_100_slow",),
        "Validation accuracy 98.04 %.",
        "the peak is within 0.3 points of the book's",
        partial(checks.against, metric="validation_accuracy", tolerance=0.3),
    ),
    Claim(
        "More training data",
        tuple(f"more_data_{n:05d}" for n in SIZES),
        "Accuracy keeps rising with the size of the training set.",
        "the accuracy is higher at each size than at the one before",
        checks.more_data,
    ),
    *(
        Claim(
            f"Weight initialization, {hidden}",
            (f"init_large_{hidden}", f"init_scaled_{hidden}"),
            "Scaled weights start far better; both end about the same.",
            "2 points better after the first epoch, within 1 point at the end",
            checks.init,
            ("validation_accuracy",),
        )
        for hidden in (30, 100)
    ),
    Claim(
        "Three learning rates",
        tuple(f"eta_{name}" for name in ("0025", "0250", "2500")),
        "The cost falls smoothly with 0.025, oscillates a little with 0.25 and much with 2.5.",
        "in the second half the cost changes twice as much per epoch with each larger eta, and "
        "ends highest with 2.5",
        checks.etas,
        ("train_cost",),
    ),
    Claim(
        "Hyper-parameters: first guess",
        ("hyper_1_nothing_learned",),
        "η = 10 and λ = 1000 do no better than chance.",
        "the accuracy ends below 15 %, of a network that has not diverged",
        partial(checks.at_chance, metric="validation_accuracy"),
    ),
    Claim(
        "Hyper-parameters: small and fast",
        ("hyper_2_small_and_fast",),
        "784-10 on 1,000 images with the same settings is still at chance.",
        "the accuracy ends below 15 %, of a network that has not diverged",
        partial(checks.at_chance, metric="validation_accuracy"),
    ),
    Claim(
        "Hyper-parameters: λ 20",
        ("hyper_2_small_and_fast", "hyper_3_less_l2"),
        "With λ = 20 there is a signal.",
        "the mean accuracy is 5 points higher",
        partial(checks.better, upwards=True),
    ),
    Claim(
        "Hyper-parameters: η 100",
        ("hyper_3_less_l2", "hyper_4_eta_100"),
        "With η = 100 it gets worse.",
        "the mean accuracy is 5 points lower",
        partial(checks.better, upwards=False),
    ),
    Claim(
        "Hyper-parameters: η 1",
        ("hyper_3_less_l2", "hyper_5_eta_1"),
        "With η = 1 it gets better.",
        "the mean accuracy is 5 points higher",
        partial(checks.better, upwards=True),
    ),
    Claim(
        "Chapter 1: η 0.001",
        ("chapter1_eta_0001",),
        "The network improves, but very slowly.",
        "the test accuracy rises, and ends between 12 and 70 %",
        checks.slow,
    ),
    Claim(
        "Chapter 1: η 100",
        ("chapter1_eta_100",),
        "The network does no better than chance.",
        "the accuracy ends below 15 %, of a network that has not diverged",
        partial(checks.at_chance, metric="test_accuracy"),
    ),
    *(
        Claim(
            f"Exercise: {title}",
            (f"exercise_{name}", than),
            "no figure",
            "",
            checks.exercise,
        )
        for name, than, title in (
            ("l1", "overfitting_full", "L1"),
            ("dropout", "init_scaled_100", "dropout"),
            ("shifts", "init_scaled_100", "augmentation by shifts"),
            ("rotate", "init_scaled_100", "augmentation by rotations"),
            ("affine", "init_scaled_100", "augmentation by stretching and shearing"),
            ("elastic", "init_scaled_100", "augmentation by elastic distortions"),
            ("no_improvement_in_10", "eta_0250", "no improvement in 10"),
            ("halving", "eta_0250", "halving η"),
            ("momentum", "eta_0025", "momentum"),
            ("tanh", "init_scaled_30", "tanh"),
            ("relu", "init_scaled_30", "relu"),
        )
    ),
)
