"""The keys of a config, their types, defaults and meaning: one class is the whole schema.

`nnexp schema` prints it as JSON Schema, docs/configuration.md is written from it, and the
messages about wrong values are worded from it.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag
from pydantic_core import core_schema

from nnexp.data import READERS, reader_of
from nnexp.data.augmentation import Augment
from nnexp.data.readers import (
    Fraction,
    Natural,
    Positive,
    Reader,
    Real,
    Reduction,
    Strength,
    Strict,
)
from nnexp.names import EXTRAS, MAX_SEED, OLD_STATISTICS, SETS, STATISTICS
from nnexp.nn.activations import HIDDEN, OUTPUT
from nnexp.nn.costs import COSTS
from nnexp.nn.network import INITIALIZERS
from nnexp.nn.types import DTYPES

# What early stopping can watch.
WATCHED = tuple(f"{name}_{kind}" for name in SETS for kind in ("accuracy", "cost"))
MAX_PARAMETERS = 10**9
MAX_LOGGED = 1000


class Choice:
    """An annotation for a text that is one of some names."""

    def __init__(self, names: Iterable[str]) -> None:
        self.names = list(names)

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        """Accept exactly these names."""
        return core_schema.literal_schema(self.names)


def optional(default: Any, meaning: str) -> Any:
    """Return a key that has a default."""
    return Field(default, description=meaning)


Percent = Annotated[float, Field(gt=1, le=100, allow_inf_nan=False)]
Word = Annotated[
    str, Field(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9][A-Za-z0-9._+=-]*$")
]

Statistic = Annotated[
    str,
    Choice(STATISTICS),  # first: it replaces what stands before it
    BeforeValidator(lambda name: OLD_STATISTICS.get(name, name) if isinstance(name, str) else name),
]


if TYPE_CHECKING:
    Data = Reader
else:
    Data = Annotated[
        reduce(or_, (Annotated[r, Tag(r.kind)] for r in READERS.values())),
        Discriminator(lambda value: getattr(reader_of(value), "kind", None)),
    ]


InitializerName = Annotated[str, Choice(INITIALIZERS)]


class ExplicitInit(Strict):
    """Explicit parameters: per layer one matrix (n_out rows of n_in) and one vector (n_out)."""

    weights: list[list[list[Real]]]
    biases: list[list[Real]]


class LayerwiseInit(Strict):
    """One initializer for the hidden layers, another for the output layer."""

    hidden: InitializerName
    output: InitializerName


def _init_kind(value: Any) -> str | None:
    if isinstance(value, str):
        return "word"
    parts = value if isinstance(value, dict) else vars(value) if isinstance(value, Strict) else ()
    return "explicit" if {"weights", "biases"} & set(parts) else "layers"


Init = Annotated[
    Annotated[InitializerName, Tag("word")]
    | Annotated[LayerwiseInit, Tag("layers")]
    | Annotated[ExplicitInit, Tag("explicit")],
    Discriminator(_init_kind),
]
Dropout = Annotated[
    Annotated[Fraction, Tag("one")] | Annotated[list[Fraction], Tag("each")],
    Discriminator(lambda value: "each" if isinstance(value, list) else "one"),
]


class StepSchedule(Strict):
    """η times `factor` after every so many epochs."""

    name: Literal["step"]
    every: Natural = Field(description="epochs")
    factor: Reduction = 0.5


class ExponentialSchedule(Strict):
    """η times `factor` after each epoch."""

    name: Literal["exponential"]
    factor: Reduction


class HalveSchedule(Strict):
    """As in the book: halve η when validation accuracy stops improving; end at η/`stop`."""

    name: Literal["halve"]
    patience: Natural = optional(10, "epochs without improvement before η is halved")
    stop: Annotated[int, Field(ge=2)] = optional(128, "end when η has fallen to η/stop")


class EarlyStopping(Strict):
    """Stop when a metric has not improved for some epochs: the book's no-improvement-in-n."""

    metric: Annotated[str, Choice(WATCHED)] = "validation_accuracy"
    patience: Natural = optional(10, "epochs without improvement before stopping")
    min_delta: Strength = optional(0.0, "an improvement counts only if it is larger than this")


def _schedule_kind(value: Any) -> str | None:
    if isinstance(value, dict):
        return str(value.get("name"))
    return "word" if isinstance(value, str) else getattr(value, "name", None)


Schedule = Annotated[
    Annotated[str, Choice(("constant", "cosine")), Tag("word")]
    | Annotated[StepSchedule, Tag("step")]
    | Annotated[ExponentialSchedule, Tag("exponential")]
    | Annotated[HalveSchedule, Tag("halve")],
    Discriminator(_schedule_kind),
]


class Reference(Strict):
    """Published figures, shown beside the measured ones. Accuracies are in percent."""

    test_accuracy: Percent | None = optional(None, "%")
    validation_accuracy: Percent | None = optional(None, "%")
    train_accuracy: Percent | None = optional(None, "%")
    test_cost: Real | None = None
    validation_cost: Real | None = None
    train_cost: Real | None = None
    output: Real | None = optional(None, "of a single neuron, for its only example")
    statistic: Statistic = optional("last", "which value of the run the figure is compared with")
    source: str = optional("", "where it was published")


class Experiment(Strict):
    """One experiment: everything that decides its result."""

    name: Word | None = optional(None, "of the run folder; by default the name of the config file")
    description: str = optional("", "the purpose, in a sentence")
    tags: list[Word] = optional([], "words to find the run by")
    data: Data = Field(description="`mnist`, or a mapping: see Data")
    layers: Annotated[list[Natural], Field(min_length=2)] = Field(
        description="number of units in each layer, from the input to the output"
    )
    activation: Annotated[str, Choice(HIDDEN)] = optional("sigmoid", "of the hidden layers")
    output: Annotated[str, Choice(OUTPUT)] = optional("sigmoid", "activation of the output layer")
    cost: Annotated[str, Choice(COSTS)] = optional(
        "cross_entropy", "the cost that training minimizes"
    )
    softmax_scale: Positive = optional(
        1.0, "c in softmax, a_j = exp(c z_j) / Σ exp(c z_k): larger is sharper"
    )
    init: Init = optional("scaled", "initial parameters: see Initial parameters")
    eta: Positive = optional(0.5, "learning rate η")
    schedule: Schedule = optional(
        "constant", "of η: `constant`, `cosine`, or a mapping with a name"
    )
    epochs: Natural = optional(30, "passes over the training set")
    batch_size: Natural = optional(10, "examples per step")
    l2: Strength = optional(0.0, "λ of L2 regularization: (λ/2n) Σ w² is added to the cost")
    l1: Strength = optional(0.0, "λ of L1 regularization: (λ/n) Σ |w| is added to the cost")
    dropout: Dropout = optional(
        0.0, "fraction of hidden neurons dropped per step, or a list of them"
    )
    momentum: Fraction = optional(0.0, "momentum coefficient μ")
    nesterov: bool = optional(False, "Nesterov's form of momentum")
    augment: Augment | None = optional(None, "augmentation of the training images")
    early_stopping: EarlyStopping | None = optional(None, "stop before the last epoch")
    seed: Annotated[int, Field(ge=0, le=MAX_SEED)] = optional(0, "of all randomness in the run")
    dtype: Annotated[str, Choice(DTYPES)] = optional(
        "float32", "precision of the parameters and all arithmetic"
    )
    monitor: list[Annotated[str, Choice((*SETS, *EXTRAS))]] = optional(
        list(SETS),
        "sets to evaluate; diagnostics: gradients and saturation; parameters: weights, "
        "biases and outputs of a small network; [] for none",
    )
    monitor_every: Natural = optional(
        1, "epochs from one evaluation to the next; the last epoch is always evaluated"
    )
    reference: Reference | None = optional(None, "published figures to compare the run with")

    def dropouts(self) -> tuple[float, ...]:
        """Return the dropout of each hidden layer; empty without dropout."""
        hidden = len(self.layers) - 2
        rates = self.dropout if isinstance(self.dropout, list) else [self.dropout] * hidden
        return tuple(rates) if any(rates) else ()


DEFAULTS: dict[str, Any] = {
    name: field.default
    for name, field in Experiment.model_fields.items()
    if not field.is_required()
}
