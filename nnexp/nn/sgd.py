"""Stochastic gradient descent by mini-batches: the hot loop of the whole project.

A step is backpropagation as in `backprop`, compiled: every array is allocated once, and the lines
of the step carry the numbers of the same equations. It is one BLAS product forward, one for the
gradient and, except for the first layer, one backward per layer, a handful of element-wise calls
on arrays that fit the first cache, and the update. What a technique needs beyond that is put into
the step when it is built; one that is off costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from math import nan

import numpy as np

from nnexp.nn.activations import ACTIVATIONS, Activation
from nnexp.nn.costs import COSTS
from nnexp.nn.network import Network
from nnexp.nn.types import CHUNK, Array, Examples
from nnexp.nn.update import Penalty, Update

Batch = tuple[Array, Array, Array]
Step = Callable[[Array, Array, Array], None]


@dataclass(frozen=True, slots=True)
class Techniques:
    """What may be added to plain gradient descent; the defaults are all off.

    Attributes:
        penalty: L1 and L2 regularization.
        momentum: the momentum coefficient μ; see `update` for the rule.
        nesterov: take the gradient at θ + μ v. The parameters kept are θ + μ v, as is usual.
        dropout: the fraction of each hidden layer's neurons that a step excludes; the others
            are divided by the fraction that stays, so that evaluation needs no change.
        dropout_stream: the random stream of dropout.
        augment: changes a chunk of inputs (m, n_in) in place before it is trained on.
    """

    penalty: Penalty = field(default_factory=Penalty)
    momentum: float = 0.0
    nesterov: bool = False
    dropout: tuple[float, ...] = ()
    dropout_stream: np.random.Generator | None = None
    augment: Callable[[Array], None] | None = None


@dataclass(frozen=True, slots=True)
class _Layer:
    """A layer after the input, as the step for batches of m examples sees it.

    Arrays of examples lie unit by unit (Fortran order), so that np.dot can write the transposes,
    which are named with _t. An extended array has one more column, for the biases of the next
    layer: ones in `a`; in the errors numbers that one product computes with the rest, never used.

    Attributes:
        theta: [W | b], (units, n_in + 1).
        gradient: η ∂C_0/∂[W | b], of theta's shape.
        z: the weighted inputs, (m, units).
        sigma: σ(z), (m, units), before any dropout. A hidden layer computes it in the memory of z.
        a: the activations, extended; those of the output are σ(z).
        delta: the errors times η/m, (m, units).
        error_t: the memory of delta, extended.
        work: scratch space of delta's shape.
        activate: computes `a` from z.
        derive: takes (delta, sigma, work) and turns ∂C/∂a into ∂C/∂z in place.
    """

    theta: Array
    theta_t: Array
    gradient: Array
    z: Array
    z_t: Array
    sigma: Array
    a: Array
    a_t: Array
    delta: Array
    delta_t: Array
    error_t: Array
    work: Array
    activate: Callable[[], None]
    derive: Callable[[Array, Array, Array], None]


class SGD:
    """Mini-batch gradient descent on one network, in place.

        θ <- θ - (η/m) Σ_{x in batch} ∂C_x/∂θ          (Nielsen, eq. 20 and 21)

    m is the batch's own size: the last batch of an epoch may be short.

    Attributes:
        velocity: v of the momentum, (parameters,); None without it.
    """

    def __init__(
        self,
        network: Network,
        *,
        cost: str,
        batch_size: int,
        techniques: Techniques | None = None,
        velocity: Array | None = None,
    ) -> None:
        self.network = network
        self.cost = COSTS[cost]
        self.batch_size = batch_size
        self.techniques = t = techniques or Techniques()
        self._update = Update(
            network, t.penalty, momentum=t.momentum, nesterov=t.nesterov, velocity=velocity
        )
        self.velocity = self._update.velocity
        self._eta = nan
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
            examples.gather(indices, stored[:m], chunk[:m])
            if self.techniques.augment:
                self.techniques.augment(chunk[:m, :-1])
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
                self._eta = nan
        # The limits of exp are the right values; a diverging run is recognized by its cost.
        with np.errstate(over="ignore", invalid="ignore"):
            if eta != self._eta:
                self._eta = eta
                self._update.set_eta(eta)
                for m, rate in self._rates.items():
                    rate[...] = eta * self.network.softmax_scale / m
            *whole, last = batches
            step = self._steps[len(batches[0][0])]
            for x, x_t, y in whole:
                step(x, x_t, y)
            # Only the last batch of all may be short.
            self._steps[len(last[0])](*last)

    def _compile(self, m: int) -> Step:
        """Allocate the buffers for batches of m examples and return the step that uses them."""
        network = self.network
        layers = self._layers(m)
        first, output = layers[0], layers[-1]
        upwards = list(pairwise(layers))
        downwards = upwards[::-1]
        rate = self._rates[m] = np.empty((), network.parameters.dtype)
        output_error = self.cost.output_error(network.output)
        operations = self._update.operations
        dot, multiply = np.dot, np.multiply

        def step(x: Array, x_t: Array, y: Array) -> None:
            # (25)   z^l = [W | b] [a^(l-1) | 1]ᵀ,  a^l = σ(z^l)
            dot(first.theta, x_t, first.z_t)
            for below, layer in upwards:
                below.activate()
                dot(layer.theta, below.a_t, layer.z_t)
            output.activate()
            # (BP1)  δ^L = ∂C_x/∂a^L ⊙ σ'(z^L), times η/m, and c of a softmax
            output_error(output.z, output.a, y, output.delta, output.work)
            multiply(output.delta, rate, output.delta)
            for below, layer in downwards:
                # (BP3, BP4)  η ∂C_0/∂[W | b] = Σ_x δ^l [a^(l-1) | 1]ᵀ
                dot(layer.delta_t, below.a, layer.gradient)
                # (BP2)  δ^(l-1) = Wᵀ δ^l ⊙ σ'(z^(l-1))
                dot(layer.theta_t, layer.delta_t, below.error_t)
                below.derive(below.delta, below.sigma, below.work)
            dot(first.delta_t, x, first.gradient)
            # θ <- θ - η∇C, or what `update` makes of it
            for operation, operands in operations:
                operation(*operands)

        return step

    def _layers(self, m: int) -> list[_Layer]:
        """Allocate the buffers of each layer for batches of m examples."""
        network = self.network
        hidden = len(network.sizes) - 2
        dropout = (*(self.techniques.dropout or (0.0,) * hidden), 0.0)
        gradients = network.split(self._update.gradient)
        return [
            self._layer(m, theta, gradient, rate, is_output=i == hidden)
            for i, (theta, gradient, rate) in enumerate(
                zip(network.layers, gradients, dropout, strict=True)
            )
        ]

    def _layer(
        self, m: int, theta: Array, gradient: Array, dropout: float, *, is_output: bool
    ) -> _Layer:
        units, network = len(theta), self.network

        def buffer(columns: int) -> Array:
            return np.ones((m, columns), theta.dtype, order="F")

        a, error = buffer(units + (not is_output)), buffer(units + (not is_output))
        sigma, delta = a[:, :units], error[:, :units]
        z = buffer(units) if is_output else sigma
        activation = ACTIVATIONS[network.output if is_output else network.activation]
        activate: Callable[[], None] = partial(activation.forward, z, sigma)
        derive = activation.backward
        if is_output and network.softmax_scale != 1:
            activate = _scaled(activate, z, network.softmax_scale)
        if dropout:
            z = sigma = np.empty_like(sigma)
            activate, derive = self._with_dropout(activation, sigma, a[:, :units], dropout)
        return _Layer(
            theta=theta,
            theta_t=theta.T,
            gradient=gradient,
            z=z,
            z_t=z.T,
            sigma=sigma,
            a=a,
            a_t=a.T,
            delta=delta,
            delta_t=delta.T,
            error_t=error.T,
            work=buffer(units),
            activate=activate,
            derive=derive,
        )

    def _with_dropout(
        self, activation: Activation, sigma: Array, a: Array, rate: float
    ) -> tuple[Callable[[], None], Callable[[Array, Array, Array], None]]:
        """Return `activate` and `derive` of a hidden layer that excludes a fraction of neurons."""
        rng = self.techniques.dropout_stream
        if rng is None:
            raise ValueError("dropout needs its random stream")
        forward, backward = activation.forward, activation.backward
        drawn = np.empty(a.T.shape, a.dtype)
        mask = drawn.T
        keep = np.asarray(1 - rate, a.dtype)
        scale = np.asarray(1 / (1 - rate), a.dtype)

        def activate() -> None:
            forward(sigma, sigma)
            # The mask is 1/(1 - rate) where a uniform number + (1 - rate) reaches 1, else 0.
            rng.random(out=drawn, dtype=drawn.dtype)
            np.add(drawn, keep, drawn)
            np.floor(drawn, drawn)
            np.multiply(drawn, scale, drawn)
            np.multiply(sigma, mask, a)

        def derive(delta: Array, sigma: Array, work: Array) -> None:
            np.multiply(delta, mask, delta)
            backward(delta, sigma, work)

        return activate, derive


def _scaled(activate: Callable[[], None], z: Array, softmax_scale: float) -> Callable[[], None]:
    """Return `activate` on logits that are multiplied by the softmax scale first, in place."""
    c = np.asarray(softmax_scale, z.dtype)

    def scale_and_activate() -> None:
        np.multiply(z, c, z)
        activate()

    return scale_and_activate
