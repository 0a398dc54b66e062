"""The mathematics agrees with SciPy and scikit-learn, which were written by others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.special
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import accuracy_score, confusion_matrix, log_loss
from sklearn.neural_network import MLPClassifier, MLPRegressor

from nnexp.nn.activations import ACTIVATIONS
from nnexp.nn.backprop import forward
from nnexp.nn.costs import COSTS
from nnexp.nn.metrics import confusion, evaluate, predicted_class
from nnexp.nn.network import Network
from nnexp.nn.sgd import SGD
from nnexp.nn.types import Array, Examples

logits = arrays(
    np.float64,
    st.tuples(st.integers(1, 4), st.integers(2, 6)),
    elements=st.floats(-700, 700, allow_subnormal=False),
)
judged = settings(deadline=None, derandomize=True, max_examples=60)


def one_hot(labels: Array, classes: int) -> Array:
    """Return the rows of the identity that labels stand for."""
    return np.asarray(np.eye(classes)[labels])


@judged
@given(logits)
def test_activations(z: Array) -> None:
    """Each activation that SciPy or NumPy has is theirs."""
    expected = {
        "sigmoid": scipy.special.expit(z),
        "softmax": scipy.special.softmax(z, axis=1),
        "tanh": np.tanh(z),
        "relu": np.where(z > 0, z, 0),
        "linear": z,
    }
    for name, a in expected.items():
        np.testing.assert_allclose(ACTIVATIONS[name](z), a, rtol=1e-12, atol=1e-300)


@judged
@given(logits, st.integers(0, 2**32 - 1))
def test_costs(z: Array, seed: int) -> None:
    """Every cost on the logits is the textbook's, written with SciPy's stable logarithms."""
    rng = np.random.default_rng(seed)
    y, distribution = rng.uniform(size=z.shape), rng.dirichlet(np.ones(z.shape[1]), size=len(z))
    log_expit, total = scipy.special.log_expit, scipy.special.logsumexp(z, axis=1)[:, None]
    others = scipy.special.logsumexp(z[:, None, :], axis=2, b=1 - np.eye(z.shape[1]))
    log_a = scipy.special.log_softmax(z, axis=1)
    cases = [
        ("cross_entropy", "sigmoid", y, -y * log_expit(z) - (1 - y) * log_expit(-z)),
        ("cross_entropy", "softmax", y, -y * log_a - (1 - y) * (others - total)),
        ("log_likelihood", "softmax", distribution, -distribution * log_a),
        ("quadratic", "sigmoid", y, (scipy.special.expit(z) - y) ** 2 / 2),
        ("quadratic", "linear", y, (z - y) ** 2 / 2),
    ]
    for cost, output, target, terms in cases:
        value = COSTS[cost].value(output, z, target)
        np.testing.assert_allclose(value, terms.sum(axis=1), rtol=1e-10, atol=1e-12)


def test_costs_are_the_formulas_of_the_book() -> None:
    """On outputs that are far from 0 and 1 the costs are the formulas in their docstring."""
    rng = np.random.default_rng(0)
    z, y = rng.normal(size=(50, 5)), rng.dirichlet(np.ones(5), size=50)
    formulas: dict[str, Callable[[Array], Array]] = {
        "quadratic": lambda a: (a - y) ** 2 / 2,
        "cross_entropy": lambda a: -(y * np.log(a) + (1 - y) * np.log(1 - a)),
        "log_likelihood": lambda a: -y * np.log(a),
    }
    for name, formula in formulas.items():
        for output in COSTS[name].values:
            expected = formula(ACTIVATIONS[output](z)).sum(axis=1)
            np.testing.assert_allclose(COSTS[name].value(output, z, y), expected, rtol=1e-12)


@pytest.mark.parametrize("classes", [2, 3, 10])
def test_metrics(classes: int) -> None:
    """Cost, accuracy and confusion are scikit-learn's log_loss, accuracy and confusion matrix."""
    rng = np.random.default_rng(classes)
    x, labels = rng.normal(size=(300, 4)), rng.integers(classes, size=300)
    network = small_network([4, classes], "sigmoid", "softmax", rng)
    evaluation = evaluate(
        network, "log_likelihood", Examples(x, one_hot(labels, classes), labels=labels)
    )
    assert evaluation.predicted is not None
    outputs, every = forward(network, x).a[-1], range(classes)
    assert evaluation.cost == pytest.approx(log_loss(labels, outputs, labels=every), rel=1e-12)
    np.testing.assert_array_equal(evaluation.predicted, outputs.argmax(axis=1))
    assert evaluation.accuracy == accuracy_score(labels, evaluation.predicted)
    np.testing.assert_array_equal(
        confusion(labels, evaluation.predicted, classes),
        confusion_matrix(labels, evaluation.predicted, labels=every),
    )


def test_metrics_of_a_single_output() -> None:
    """A single sigmoid is judged at one half, and its cross-entropy is the binary log_loss."""
    rng = np.random.default_rng(0)
    x, labels = rng.normal(size=(300, 4)), rng.integers(2, size=300)
    network = small_network([4, 1], "sigmoid", "sigmoid", rng)
    evaluation = evaluate(
        network, "cross_entropy", Examples(x, labels[:, None] * 1.0, labels=labels)
    )
    outputs = forward(network, x).a[-1][:, 0]
    assert evaluation.cost == pytest.approx(log_loss(labels, outputs), rel=1e-12)
    assert evaluation.accuracy == accuracy_score(labels, (outputs > 0.5).astype(int))
    assert predicted_class(np.array([[0.5], [0.51]])).tolist() == [0, 1]


def small_network(
    sizes: list[int], activation: str, output: str, rng: np.random.Generator
) -> Network:
    """Draw a network in float64."""
    return Network.random(
        sizes,
        activation=activation,
        output=output,
        initializer=lambda rng, n_in, n_out: (
            rng.normal(size=(n_out, n_in)),
            rng.normal(size=n_out),
        ),
        rng=rng,
        dtype=np.float64,
    )


SKLEARN_NAMES = {"sigmoid": "logistic", "tanh": "tanh", "relu": "relu", "linear": "identity"}

# scikit-learn's task -> cost, output, number of outputs. Its squared loss is a mean over the
# outputs, but its step follows their sum, as nnexp's does.
TASKS = {
    "multiclass": ("log_likelihood", "softmax", 4),
    "binary": ("cross_entropy", "sigmoid", 1),
    "multilabel": ("cross_entropy", "sigmoid", 3),
    "regression": ("quadratic", "linear", 2),
}


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("activation", SKLEARN_NAMES)
def test_steps_of_scikit_learn(task: str, activation: str) -> None:
    """From the same parameters, five epochs of scikit-learn's SGD and of nnexp's end together."""
    cost, output, n_out = TASKS[task]
    rng = np.random.default_rng(0)
    x = rng.normal(size=(23, 3))
    labels = np.arange(23) % max(n_out, 2)
    their_y = {
        "multilabel": rng.integers(2, size=(23, n_out)),
        "regression": rng.normal(size=(23, n_out)),
    }.get(task, labels)
    y = one_hot(labels, n_out) if task == "multiclass" else their_y.reshape(23, n_out) * 1.0
    network = small_network([3, 6, 5, n_out], activation, output, rng)
    common: dict[str, Any] = {
        "hidden_layer_sizes": (6, 5),
        "activation": SKLEARN_NAMES[activation],
        "solver": "sgd",
        "batch_size": 5,  # 23 examples: the last batch has 3
        "learning_rate_init": 0.01,
        "learning_rate": "constant",
        "momentum": 0,
        "alpha": 0,
        "shuffle": False,
    }
    if task == "regression":
        judge = MLPRegressor(**common).partial_fit(x, their_y)
    else:
        classes = np.unique(labels) if task != "multilabel" else np.arange(n_out)
        judge = MLPClassifier(**common).partial_fit(x, their_y, classes=classes)
    for i, (w, b) in enumerate(zip(network.weights, network.biases, strict=True)):
        judge.coefs_[i][...], judge.intercepts_[i][...] = w.T, b
    sgd = SGD(network, cost=cost, batch_size=5)
    for _ in range(5):
        judge.partial_fit(x, their_y)
        list(sgd.epoch(Examples(x, y), np.arange(23), eta=0.01))
    for i, (w, b) in enumerate(zip(network.weights, network.biases, strict=True)):
        np.testing.assert_allclose(w, judge.coefs_[i].T, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(b, judge.intercepts_[i], rtol=1e-9, atol=1e-12)
