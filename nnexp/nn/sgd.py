"""Stochastic gradient descent by mini-batches: the hot loop of the whole project.

Every array is allocated once. A step is one BLAS product forward, one for the gradient and, but for
the first layer, one backward for each layer, a handful of element-wise calls on arrays that fit the
first cache, and one subtraction from the flat vector of all parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np

from nnexp.nn.activations import ACTIVATIONS
from nnexp.nn.costs import COSTS
from nnexp.nn.examples import CHUNK, Examples
from nnexp.nn.network import Network
from nnexp.nn.types import Array

Batch = tuple[Array, Array, Array]
Step = Callable[[Array, Array, Array], None]


class SGD:
    """Mini-batch gradient descent on one network, in place.

        θ <- θ - (η/m) Σ_{x in batch} ∂C_x/∂θ          (Nielsen, eq. 20 and 21)

    m is the batch's own size: the last batch of an epoch may be short.
    """

    def __init__(self, network: Network, *, cost: str, batch_size: int) -> None:
        self.network = network
        self.cost = COSTS[cost]
        self.batch_size = batch_size
        self.change = np.zeros_like(network.parameters)
        self._steps: dict[int, Step] = {}
        self._rates: dict[int, Array] = {}

    def epoch(self, examples: Examples, order: Array, *, eta: float) -> Iterator[int]:
        """Take one step for each batch of `order`, yielding the examples seen after each chunk.

        Args:
            examples: the training set.
            order: a permutation of the examples' indices, (n,); batches are cut from it.
            eta: the learning rate η of this epoch.
        """
        n = len(order)
        rows = max(1, CHUNK // self.batch_size) * self.batch_size
        dtype = self.network.parameters.dtype
        stored = np.empty((min(rows, n), examples.x.shape[1]), examples.x.dtype)
        chunk = np.ones((len(stored), stored.shape[1] + 1), dtype)
        targets = np.empty((len(stored), examples.y.shape[1]), dtype)
        batches = self._batches(chunk, targets)
        for start in range(0, n, rows):
            indices = order[start : start + rows]
            m = len(indices)
            if m < len(chunk):
                batches = self._batches(chunk[:m], targets[:m])
            examples.gather(indices, stored[:m], chunk[:m, :-1])
            np.take(examples.y, indices, axis=0, out=targets[:m], mode="clip")
            self.run(batches, eta=eta)
            yield start + m

    def _batches(self, x: Array, y: Array) -> list[Batch]:
        size = self.batch_size
        return [
            (x[i : i + size], x[i : i + size].T, y[i : i + size]) for i in range(0, len(x), size)
        ]

    def run(self, batches: list[Batch], *, eta: float) -> None:
        """Take one step for each batch: inputs with a column of ones, their transpose, targets."""
        for size in {len(x) for x, _, _ in batches}:
            if size not in self._steps:
                self._steps[size] = self._compile(size)
            self._rates[size][...] = eta / size
        steps = self._steps
        # The limits of exp are the right values; a diverging run is told by its cost.
        with np.errstate(over="ignore", invalid="ignore"):
            for x, x_t, y in batches:
                steps[len(x)](x, x_t, y)

    def _compile(self, m: int) -> Step:
        """Allocate the buffers for batches of m examples and return the step that uses them.

        Buffers are (m, units) in Fortran order, so that their transposes are what np.dot writes to.
        A hidden layer's activations carry a last column of ones, the biases' input; the error that
        arrives there is computed with the rest, in one product, and never used.
        """
        network = self.network
        dtype = network.parameters.dtype
        sizes = network.sizes[1:]

        def buffers(units: Iterable[int]) -> list[Array]:
            return [np.ones((m, n), dtype, order="F") for n in units]

        extended = buffers(n + 1 for n in sizes[:-1])
        activations = [a[:, :-1] for a in extended]
        extended_errors = buffers(n + 1 for n in sizes[:-1])
        z_out, a_out, error_out = buffers([sizes[-1]] * 3)
        errors = [e[:, :-1] for e in extended_errors] + [error_out]
        work = buffers(sizes)

        parameters, change = network.parameters, self.change
        thetas, changes = network.layers, network.split(change)
        zs = [*activations, z_out]
        forward = [
            (activations[i - 1], thetas[i], extended[i - 1].T, zs[i].T)
            for i in range(1, len(sizes))
        ]
        backward = [
            (
                errors[i].T,
                extended[i - 1],
                changes[i],
                thetas[i].T,
                extended_errors[i - 1].T,
                errors[i - 1],
                activations[i - 1],
                work[i - 1],
            )
            for i in range(len(sizes) - 1, 0, -1)
        ]
        theta_first, z_first = thetas[0], zs[0].T
        error_first, change_first = errors[0].T, changes[0]
        rate = self._rates[m] = np.empty((), dtype)
        hidden = ACTIVATIONS[network.activation]
        activate, derive = hidden.forward, hidden.backward
        activate_out = ACTIVATIONS[network.output].forward
        output_error = self.cost.output_error(network.output)
        work_out = work[-1]
        dot, multiply, subtract = np.dot, np.multiply, np.subtract

        def step(x: Array, x_t: Array, y: Array) -> None:
            dot(theta_first, x_t, z_first)
            for a, theta, a_t, z_t in forward:
                activate(a, a)
                dot(theta, a_t, z_t)
            activate_out(z_out, a_out)
            output_error(z_out, a_out, y, error_out, work_out)
            multiply(error_out, rate, error_out)
            for error_t, a_in, gradient, theta_t, previous_t, previous, a, scratch in backward:
                dot(error_t, a_in, gradient)
                dot(theta_t, error_t, previous_t)
                derive(previous, a, scratch)
            dot(error_first, x, change_first)
            subtract(parameters, change, parameters)

        return step
