"""network2: one example at a time, as the book's program works, written anew from the book's text.

For each mini-batch: back-propagate each example by itself, on column vectors, with σ'(z) computed
from the z that were kept; add its gradients to two lists of sums; then take the step, in which the
weights decay by a factor (1 here, as the regularization is 0). The original works in float64; this
one in float32 like all the others. A fraction of the epoch is timed, drawn from the whole set.
"""

from __future__ import annotations

import random

import numpy as np
from work import BATCH, ETA, Array, Layers, Work

FRACTION = 10
FEWEST = 5_000
REGULARIZATION = 0.0

Gradients = tuple[list[Array], list[Array]]


def sigmoid(z: Array) -> Array:
    """Return σ(z)."""
    a: Array = 1 / (1 + np.exp(-z))
    return a


def sigmoid_derivative(z: Array) -> Array:
    """Return σ'(z)."""
    a = sigmoid(z)
    slope: Array = a * (1 - a)
    return slope


class Contender:
    """Weights (n_out, n_in) and biases (n_out, 1) in lists, examples as pairs of columns."""

    def __init__(self, work: Work) -> None:
        self.examples = max(work.images // FRACTION, min(work.images, FEWEST))
        examples = zip(work.inputs(), work.train.y, strict=True)
        self.pairs = [(x[:, None], y[:, None]) for x, y in examples]
        self.decay = 1 - ETA * REGULARIZATION / work.images
        self.weights = [w for w, _ in work.start()]
        self.biases = [b[:, None] for _, b in work.start()]
        self.random = random.Random(0)  # noqa: S311 - a shuffle, no secret

    def epoch(self) -> None:
        """Train on a fraction of the set, in random order."""
        drawn = self.random.sample(self.pairs, self.examples)
        for i in range(0, len(drawn), BATCH):
            self.update(drawn[i : i + BATCH])

    def update(self, batch: list[tuple[Array, Array]]) -> None:
        """Take one step, by the gradients summed over the batch."""
        sum_w = [np.zeros_like(w) for w in self.weights]
        sum_b = [np.zeros_like(b) for b in self.biases]
        for x, y in batch:
            of_w, of_b = self.backprop(x, y)
            sum_w = [total + part for total, part in zip(sum_w, of_w, strict=True)]
            sum_b = [total + part for total, part in zip(sum_b, of_b, strict=True)]
        rate = ETA / len(batch)
        self.weights = [self.decay * w - rate * d for w, d in zip(self.weights, sum_w, strict=True)]
        self.biases = [b - rate * d for b, d in zip(self.biases, sum_b, strict=True)]

    def backprop(self, x: Array, y: Array) -> Gradients:
        """Return the gradients of the cross-entropy of one example."""
        activations, zs = [x], []
        for w, b in zip(self.weights, self.biases, strict=True):
            zs.append(np.dot(w, activations[-1]) + b)
            activations.append(sigmoid(zs[-1]))
        delta = activations[-1] - y
        of_w, of_b = [np.dot(delta, activations[-2].T)], [delta]
        for i in range(len(zs) - 2, -1, -1):
            delta = np.dot(self.weights[i + 1].T, delta) * sigmoid_derivative(zs[i])
            of_w.insert(0, np.dot(delta, activations[i].T))
            of_b.insert(0, delta)
        return of_w, of_b

    def layers(self) -> Layers:
        """Return the parameters."""
        return [(w, b[:, 0]) for w, b in zip(self.weights, self.biases, strict=True)]
