"""What is measured on a network: cost and accuracy, gradients and saturation.

Gradients and saturation show why a network learns slowly. They are measured on a fixed sample of
the training set. σ' is called near 0 below a hundredth of its largest value.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nnexp.nn.activations import ACTIVATIONS
from nnexp.nn.backprop import backpropagate, forward
from nnexp.nn.costs import COSTS
from nnexp.nn.network import Network
from nnexp.nn.types import CHUNK, Array, Examples

# BLAS kernels work on tiles of this many columns; 30 hidden units are multiplied faster as 32.
_TILE = 16
SAMPLE = 1000
NEAR_ZERO = 0.01


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What a network does on a set.

    Attributes:
        cost: mean over the examples of the sum over the outputs.
        accuracy: fraction of examples whose predicted class is right; None for regression, and
            where an output is not a number.
        predicted: the class predicted for each example, (n,); None where accuracy is.
    """

    cost: float
    accuracy: float | None
    predicted: Array | None


def predicted_class(a: Array) -> Array:
    """Return the class each row of outputs a (n, n_out) stands for, (n,).

    The largest output; with one output, class 1 where it is above one half.

    >>> predicted_class(np.array([[0.1, 0.9], [0.8, 0.3]])), predicted_class(np.array([[0.7]]))
    (array([1, 0]), array([1]))
    """
    if a.shape[1] == 1:
        return np.asarray(a[:, 0] > 0.5, np.intp)
    return np.asarray(a.argmax(axis=1))


def confusion(labels: Array, predicted: Array, classes: int) -> Array:
    """Count the examples of class i predicted as class j, (classes, classes).

    >>> confusion(np.array([0, 1, 1]), np.array([0, 1, 0]), 2)
    array([[1, 0],
           [1, 1]])
    """
    pairs = np.asarray(labels, np.intp) * classes + np.asarray(predicted, np.intp)
    return np.bincount(pairs, minlength=classes * classes).reshape(classes, classes)


def _padded_layers(network: Network, scale: float, rows: int) -> list[tuple[Array, Array, Array]]:
    """Copy each layer as weights (n_in, n_out), biases and a product buffer, in whole tiles.

    The padding is inert: what it adds to a layer's activations meets rows of zeros in the next.
    """
    dtype = network.parameters.dtype
    layers: list[tuple[Array, Array, Array]] = []
    for w, b in zip(network.weights, network.biases, strict=True):
        n_in = layers[-1][1].size if layers else w.shape[1]
        width = -(-len(b) // _TILE) * _TILE
        weights, biases = np.zeros((n_in, width), dtype), np.zeros(width, dtype)
        weights[: w.shape[1], : len(b)] = w.T * np.asarray(1.0 if layers else scale, dtype)
        biases[: len(b)] = b
        layers.append((weights, biases, np.empty((rows, width), dtype)))
    return layers


def evaluate(network: Network, cost: str, examples: Examples) -> Evaluation:
    """Evaluate a network on all examples.

    The inputs' scale is multiplied into a copy of the first layer's weights, and each copy is
    padded to whole BLAS tiles, so that a chunk costs one conversion and one product.

    >>> net = Network.explicit([np.array([[1.0]])], [np.array([0.0])], activation="sigmoid",
    ...     output="sigmoid", dtype=np.float64)
    >>> evaluate(net, "quadratic", Examples(np.array([[0.0]]), np.array([[1.0]]))).cost
    0.125
    """
    dtype = network.parameters.dtype
    n, n_out = len(examples), network.sizes[-1]
    rows = min(CHUNK, n)
    layers = _padded_layers(network, examples.scale, rows)
    value = COSTS[cost].values[network.output]
    output = ACTIVATIONS[network.output].forward
    hidden = ACTIVATIONS[network.activation].forward
    inputs = np.empty((rows, network.sizes[0]), dtype)
    z, outputs = np.empty((2, rows, n_out), dtype)
    softmax_scale = np.asarray(network.softmax_scale, dtype)
    predicted = None if examples.labels is None else np.empty(n, np.intp)
    total = 0.0
    with np.errstate(over="ignore", invalid="ignore"):
        for start in range(0, n, rows):
            chunk = slice(start, min(start + rows, n))
            m = chunk.stop - start
            a = inputs[:m]
            np.copyto(a, examples.x[chunk], casting="same_kind")
            for i, (weights, biases, product) in enumerate(layers):
                if i:
                    hidden(a, a)
                a = np.dot(a, weights, product[:m])
                np.add(a, biases, a)
            np.multiply(a[:, :n_out], softmax_scale, z[:m])
            output(z[:m], outputs[:m])
            total += float(value(z[:m], outputs[:m], examples.y[chunk]).sum(dtype=np.float64))
            if predicted is not None and np.isfinite(outputs[:m]).all():
                predicted[chunk] = predicted_class(outputs[:m])
            else:
                predicted = None
    accuracy = None if predicted is None else float(np.mean(predicted == examples.labels))
    return Evaluation(total / n, accuracy, predicted)


@dataclass(frozen=True, slots=True)
class Diagnostics:
    """Gradients and saturation over the sample, of each layer after the input.

    Attributes:
        gradients: Euclidean norm of ∂C_0/∂[W | b], the gradient of the mean cost, per layer.
        derivatives: mean |σ'(z)| of each neuron, (units,), per layer.
        saturated: fraction of the neurons whose mean |σ'(z)| is near 0, per layer.
        confidently_wrong: fraction of all outputs with |a - y| > ½ while σ'(z) is near 0: the
            learning slowdown of chapter 3 as a number.
        missed: for each output, the fraction of its targets above ½ for which it stays below ½
            while σ'(z) is near 0, (n_out,); NaN where it has no such target.
    """

    gradients: list[float]
    derivatives: list[Array]
    saturated: list[float]
    confidently_wrong: float
    missed: Array


def diagnose(network: Network, cost: str, examples: Examples) -> Diagnostics:
    """Measure gradients and saturation of a network on (at most) the first `SAMPLE` examples.

    >>> net = Network.explicit([np.array([[2.0]])], [np.array([8.0])], activation="sigmoid",
    ...     output="sigmoid", dtype=np.float64)
    >>> result = diagnose(net, "quadratic", Examples(np.array([[1.0]]), np.array([[0.0]])))
    >>> result.confidently_wrong, result.saturated
    (1.0, [1.0])
    """
    n = min(SAMPLE, len(examples))
    x = examples.x[:n] * np.asarray(examples.scale, network.parameters.dtype)
    y = examples.y[:n]
    with np.errstate(over="ignore", invalid="ignore"):
        z, a = forward(network, x)
        gradients = backpropagate(network, cost, y, z, a)
    names = network.activations
    near_zero = [NEAR_ZERO * ACTIVATIONS[name].steepest for name in names]
    # Softmax's Jacobian is full; its diagonal has the sigmoid's form.
    sigmas = [ACTIVATIONS["sigmoid" if name == "softmax" else name] for name in names]
    slopes = [np.abs(f.derivative(value)) for f, value in zip(sigmas, a[1:], strict=True)]
    means = [slope.mean(axis=0) for slope in slopes]
    norms = [
        float(np.sqrt(np.square(weights).sum() + np.square(biases).sum()))
        for weights, biases in zip(gradients.weights, gradients.biases, strict=True)
    ]
    saturated = [float((m < limit).mean()) for m, limit in zip(means, near_zero, strict=True)]
    wrong = (slopes[-1] < near_zero[-1]) & (np.abs(a[-1] - y) > 0.5)
    expected = y > 0.5
    with np.errstate(invalid="ignore"):
        missed = (wrong & expected).sum(axis=0) / expected.sum(axis=0)
    return Diagnostics(norms, means, saturated, float(wrong.mean()), missed)
