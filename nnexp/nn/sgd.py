"""Stochastic gradient descent by mini-batches: the hot loop of the whole project.

A step is backpropagation as in `backprop`, compiled: its lines carry the numbers of the same
equations, every array is allocated once, each layer takes one BLAS product forward, one for its
gradient and, except for the first, one backward, and the element-wise calls work on arrays that fit
the first cache. A technique adds its operations when the step is built; one that is off costs
nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise

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


class _Layer:
    """A layer after the input, as the step for batches of m examples sees it.

    Arrays of examples lie unit by unit (Fortran order), so that np.dot can write the transposes,
    which are named with _t. An extended array has one more column, for the biases of the next
    layer: ones in `a`; in the errors numbers that one product computes with the rest, never used.

    Attributes:
        theta: [W | b], (units, n_in + 1).
        gradient: η ∂C_0/∂[W | b], of theta's shape.
        a: the activations, extended; those of the output are σ(z).
        sigma: σ(z), (m, units), before any dropout.
        z: the weighted inputs, (m, units). In a hidden layer σ(z) replaces them in their memory.
        delta: the errors times η/m, (m, units); error_t is their memory, extended.
        work: scratch space of delta's shape.
        activate: computes sigma and `a` from z.
        derive: (delta, sigma, work) turns ∂C/∂a in delta into ∂C/∂z.
    """

    def __init__(
        self, theta: Array, gradient: Array, m: int, activation: Activation, *, is_output: bool
    ) -> None:
        units = len(theta)

        def buffer(columns: int) -> Array:
            return np.ones((m, columns), theta.dtype, order="F")

        self.theta, self.theta_t, self.gradient = theta, theta.T, gradient
        self.a, error = buffer(units + (not is_output)), buffer(units + (not is_output))
        self.a_t, self.error_t = self.a.T, error.T
        self.sigma, self.delta = self.a[:, :units], error[:, :units]
        self.z = buffer(units) if is_output else self.sigma
        self.z_t, self.delta_t, self.work = self.z.T, self.delta.T, buffer(units)
        self.activation = activation
        self.activate: Callable[[], object] = partial(activation.forward, self.z, self.sigma)
        self.derive = activation.backward

    def scale(self, softmax_scale: float) -> None:
        """Let the output activate c z for z."""
        z, c, activate_plain = self.z, np.asarray(softmax_scale, self.z.dtype), self.activate

        def activate() -> None:
            np.multiply(z, c, z)
            activate_plain()

        self.activate = activate

    def drop(self, rate: float, rng: np.random.Generator | None) -> None:
        """Let a hidden layer exclude a fraction of its neurons in each step."""
        if rng is None:
            raise ValueError("dropout needs its random stream")
        forward, backward, a = self.activation.forward, self.activation.backward, self.sigma
        self.z = self.sigma = sigma = np.empty_like(a)
        self.z_t = self.z.T
        drawn = np.empty(a.T.shape, a.dtype)
        mask = drawn.T
        keep, scale = np.asarray(1 - rate, a.dtype), np.asarray(1 / (1 - rate), a.dtype)

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

        self.activate, self.derive = activate, derive


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
        self.network, self.cost, self.batch_size = network, COSTS[cost], batch_size
        self.techniques = t = techniques or Techniques()
        self._update = Update(
            network, t.penalty, momentum=t.momentum, nesterov=t.nesterov, velocity=velocity
        )
        self.velocity = self._update.velocity
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
        stored = np.empty((min(rows, n), examples.x.shape[1]), examples.x.dtype)
        chunk = np.ones((len(stored), stored.shape[1] + 1), self.network.parameters.dtype)
        targets = np.empty((len(stored), examples.y.shape[1]), chunk.dtype)
        batches = self._batches(chunk, targets)
        self._set_eta(eta, {min(n, self.batch_size), n % self.batch_size} - {0})
        for start in range(0, n, rows):
            indices = order[start : start + rows]
            m = len(indices)
            if m < len(chunk):
                batches = self._batches(chunk[:m], targets[:m])
            examples.gather(indices, stored[:m], chunk[:m])
            if self.techniques.augment:
                self.techniques.augment(chunk[:m, :-1])
            np.take(examples.y, indices, axis=0, out=targets[:m], mode="clip")
            self.run(batches)
            yield start + m

    def _batches(self, x: Array, y: Array) -> list[Batch]:
        size = self.batch_size
        return [
            (x[i : i + size], x[i : i + size].T, y[i : i + size]) for i in range(0, len(x), size)
        ]

    def run(self, batches: list[Batch]) -> None:
        """Take one step for each batch: inputs with a column of ones, their transpose, targets."""
        *whole, last = batches
        step = self._steps[len(batches[0][0])]
        # Where exp overflows its limit is right; a diverging run is recognized by its cost.
        with np.errstate(over="ignore", invalid="ignore"):
            for x, x_t, y in whole:
                step(x, x_t, y)
            # Only the last batch of all may be short.
            self._steps[len(last[0])](*last)

    @np.errstate(over="ignore")
    def _set_eta(self, eta: float, sizes: set[int]) -> None:
        """Compile the steps for batches of these sizes, and give all steps the learning rate."""
        for m in sizes - self._steps.keys():
            self._steps[m] = self._compile(m)
        self._update.set_eta(eta)
        for m, rate in self._rates.items():
            rate[...] = eta * self.network.softmax_scale / m

    def _compile(self, m: int) -> Step:
        """Allocate the buffers for batches of m examples and return the step that uses them."""
        layers = self._layers(m)
        first, output = layers[0], layers[-1]
        theta_1, z_1, delta_1, gradient_1 = first.theta, first.z_t, first.delta_t, first.gradient
        z_out, a_out, delta_out, work_out = output.z, output.a, output.delta, output.work
        upwards = list(pairwise(layers))
        downwards = upwards[::-1]
        rate = self._rates[m] = np.empty((), self.network.parameters.dtype)
        output_error = self.cost.output_error(self.network.output)
        activate_out, operations = output.activate, self._update.operations
        dot, multiply = np.dot, np.multiply

        def step(x: Array, x_t: Array, y: Array) -> None:
            # (25)   z^l = [W | b] [a^(l-1) | 1]ᵀ,  a^l = σ(z^l)
            dot(theta_1, x_t, z_1)
            for below, layer in upwards:
                below.activate()
                dot(layer.theta, below.a_t, layer.z_t)
            activate_out()
            # (BP1)  δ^L = ∂C_x/∂a^L ⊙ σ'(z^L), times η/m, and c of a softmax
            output_error(z_out, a_out, y, delta_out, work_out)
            multiply(delta_out, rate, delta_out)
            for below, layer in downwards:
                # (BP3, BP4)  η ∂C_0/∂[W | b] = Σ_x δ^l [a^(l-1) | 1]ᵀ
                dot(layer.delta_t, below.a, layer.gradient)
                # (BP2)  δ^(l-1) = Wᵀ δ^l ⊙ σ'(z^(l-1))
                dot(layer.theta_t, layer.delta_t, below.error_t)
                below.derive(below.delta, below.sigma, below.work)
            dot(delta_1, x, gradient_1)
            # θ <- θ - η∇C, or what `update` makes of it
            for operation, operands in operations:
                operation(*operands)

        return step

    def _layers(self, m: int) -> list[_Layer]:
        """Allocate the buffers of each layer for batches of m examples."""
        network = self.network
        dropout = self.techniques.dropout or (0.0,) * (len(network.sizes) - 2)
        gradients = network.split(self._update.gradient)
        layers = [
            _Layer(theta, gradient, m, ACTIVATIONS[name], is_output=i == len(gradients))
            for i, (theta, gradient, name) in enumerate(
                zip(network.layers, gradients, network.activations, strict=True), 1
            )
        ]
        if network.softmax_scale != 1:
            layers[-1].scale(network.softmax_scale)
        for layer, rate in zip(layers[:-1], dropout, strict=True):
            if rate:
                layer.drop(rate, self.techniques.dropout_stream)
        return layers
