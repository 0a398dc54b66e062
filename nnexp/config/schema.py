"""The keys of a config, their types, defaults and meaning: one class is the whole schema.

`nnexp schema` prints it as JSON Schema, docs/configuration.md is written from it, and the
messages about wrong values are worded from it.
"""

from __future__ import annotations

from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag, WithJsonSchema

from nnexp.data import READERS, reader_of
from nnexp.data.augmentation import Augment
from nnexp.data.readers import Fraction, Natural, Options, Real, Strength, Strict
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
    """An annotation for a name from a table of the mathematics."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        """Accept exactly these strings."""
        from pydantic_core import core_schema

        return core_schema.literal_schema(list(self.names))


def _choice(table: Any) -> WithJsonSchema:
    return WithJsonSchema({"enum": list(table), "type": "string"})


Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Percent = Annotated[float, Field(gt=1, le=100, allow_inf_nan=False)]
Word = Annotated[
    str, Field(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9][A-Za-z0-9._+=-]*$")
]

Statistic = Annotated[
    str,
    BeforeValidator(lambda name: OLD_STATISTICS.get(name, name) if isinstance(name, str) else name),
    Choice(STATISTICS),
    _choice(STATISTICS),
]


if TYPE_CHECKING:
    Data = Options
else:
    Data = Annotated[
        reduce(or_, (Annotated[r.options, Tag(r.kind)] for r in READERS.values())),
        Discriminator(lambda value: getattr(reader_of(value), "kind", None)),
    ]


class ExplicitInit(Strict):
    """Given parameters: one matrix (n_out rows of n_in) and one vector (n_out) a layer."""

    weights: list[list[list[Real]]]
    biases: list[list[Real]]


class LayerwiseInit(Strict):
    """One initializer for the hidden layers, another for the output layer."""

    hidden: Annotated[str, Choice(tuple(INITIALIZERS)), _choice(INITIALIZERS)]
    output: Annotated[str, Choice(tuple(INITIALIZERS)), _choice(INITIALIZERS)]


def _init_kind(value: Any) -> str | None:
    if isinstance(value, dict):
        return "explicit" if {"weights", "biases"} & set(value) else "layers"
    if isinstance(value, ExplicitInit):
        return "explicit"
    return "word" if isinstance(value, str) else "layers"


Init = Annotated[
    Annotated[str, Choice(tuple(INITIALIZERS)), _choice(INITIALIZERS), Tag("word")]
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
    factor: Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False)] = 0.5


class ExponentialSchedule(Strict):
    """η times `factor` after each epoch."""

    name: Literal["exponential"]
    factor: Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False)]


class HalveSchedule(Strict):
    """The book's: halve η when validation accuracy has not improved; end at η/`stop`."""

    name: Literal["halve"]
    patience: Natural = Field(10, description="epochs without improvement before η is halved")
    stop: Annotated[int, Field(ge=2)] = Field(128, description="end when η has fallen to η/stop")


class EarlyStopping(Strict):
    """Stop when a metric has not improved: the book's no-improvement-in-n."""

    metric: Annotated[str, Choice(WATCHED), _choice(WATCHED)] = "validation_accuracy"
    patience: Natural = Field(10, description="epochs without improvement before stopping")
    min_delta: Annotated[float, Field(ge=0, allow_inf_nan=False)] = Field(
        0.0, description="what counts as improvement must be larger than this"
    )


def _schedule_kind(value: Any) -> str | None:
    if isinstance(value, dict):
        return str(value.get("name"))
    return "word" if isinstance(value, str) else getattr(value, "name", None)


PlainSchedule = ("constant", "cosine")
Schedule = Annotated[
    Annotated[str, Choice(PlainSchedule), _choice(PlainSchedule), Tag("word")]
    | Annotated[StepSchedule, Tag("step")]
    | Annotated[ExponentialSchedule, Tag("exponential")]
    | Annotated[HalveSchedule, Tag("halve")],
    Discriminator(_schedule_kind),
]


class Reference(Strict):
    """A published figure, shown beside the measured one. Accuracies are in percent."""

    test_accuracy: Percent | None = Field(None, description="%")
    validation_accuracy: Percent | None = Field(None, description="%")
    train_accuracy: Percent | None = Field(None, description="%")
    test_cost: Real | None = None
    validation_cost: Real | None = None
    train_cost: Real | None = None
    output: Real | None = Field(None, description="of a single neuron, for its only example")
    statistic: Statistic = Field(
        "last", description="which of the run's values the figure is compared with"
    )
    source: str = Field("", description="where it was published")


class Experiment(Strict):
    """One experiment: everything that decides its result."""

    name: Word | None = Field(
        None, description="of the run folder; the config's file name if not given"
    )
    description: str = Field("", description="what it is for, in a sentence")
    tags: list[Word] = Field([], description="words to find the run by")
    data: Data = Field(description="`mnist`, or a mapping: see Data")
    layers: Annotated[list[Natural], Field(min_length=2)] = Field(
        description="units of each layer, the input's first, the output's last"
    )
    activation: Annotated[str, Choice(HIDDEN), _choice(HIDDEN)] = Field(
        "sigmoid", description="of the hidden layers"
    )
    output: Annotated[str, Choice(OUTPUT), _choice(OUTPUT)] = Field(
        "sigmoid", description="activation of the output layer"
    )
    cost: Annotated[str, Choice(tuple(COSTS)), _choice(COSTS)] = Field(
        "cross_entropy", description="what is minimised"
    )
    softmax_scale: Positive = Field(
        1.0, description="softmax's constant c: a_j = exp(c z_j) / Σ exp(c z_k)"
    )
    init: Init = Field("scaled", description="initial parameters: see Initial parameters")
    eta: Positive = Field(0.5, description="learning rate η")
    schedule: Schedule = Field(
        "constant", description="of η: `constant`, `cosine`, or a mapping with a name"
    )
    epochs: Natural = Field(30, description="passes over the training set")
    batch_size: Natural = Field(10, description="examples a step")
    l2: Strength = Field(
        0.0, description="λ of L2 regularization: (λ/2n) Σ w² is added to the cost"
    )
    l1: Strength = Field(
        0.0, description="λ of L1 regularization: (λ/n) Σ |w| is added to the cost"
    )
    dropout: Dropout = Field(
        0.0, description="fraction of hidden neurons left out in a step; or one a hidden layer"
    )
    momentum: Fraction = Field(0.0, description="co-efficient μ of the velocity")
    nesterov: bool = Field(False, description="Nesterov's form of momentum")
    augment: Augment | None = Field(None, description="augmentation of the training images")
    early_stopping: EarlyStopping | None = Field(None, description="stop before the last epoch")
    seed: Annotated[int, Field(ge=0, le=MAX_SEED)] = Field(
        0, description="of every random stream of the run"
    )
    dtype: Annotated[str, Choice(tuple(DTYPES)), _choice(DTYPES)] = Field(
        "float32", description="precision of the parameters and all arithmetic"
    )
    monitor: list[Annotated[str, Choice((*SETS, *EXTRAS)), _choice((*SETS, *EXTRAS))]] = Field(
        list(SETS),
        description="sets to evaluate after each epoch; diagnostics: gradients and saturation; "
        "parameters: weights, biases and outputs of a small network; [] for none",
    )
    monitor_every: Natural = Field(
        1, description="evaluate after every so many epochs, and the last"
    )
    reference: Reference | None = Field(
        None, description="a published figure to hold the run against"
    )

    def dropouts(self) -> tuple[float, ...]:
        """Return the dropout of each hidden layer; empty without any."""
        hidden = len(self.layers) - 2
        given = self.dropout if isinstance(self.dropout, list) else [self.dropout] * hidden
        return tuple(given) if any(given) else ()


DEFAULTS: dict[str, Any] = {
    name: field.default
    for name, field in Experiment.model_fields.items()
    if not field.is_required()
}
