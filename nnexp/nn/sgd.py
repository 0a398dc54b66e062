"""Stochastic gradient descent by mini-batches: the hot loop of the whole project.

Every array is allocated once. A step is one BLAS product forward, one for the gradient and, but for
the first layer, one backward for each layer, a handful of element-wise calls on arrays that fit the
first cache, and one subtraction from the flat vector of all parameters. What a technique needs
beyond that is put into the step when it is built; one that is off costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from math import nan

import numpy as np

from nnexp.nn.activations import ACTIVATIONS
from nnexp.nn.costs import COSTS
from nnexp.nn.examples import CHUNK, Examples
from nnexp.nn.network import Network
from nnexp.nn.regularizers import Penalty
from nnexp.nn.types import Array

Batch = tuple[Array, Array, Array]
Operation = tuple[Callable[..., object], tuple[Array, ...]]
Step = Callable[[Array, Array, Array], None]

# A quarter of a small second-level cache, bytes.
_CROWDED = 1 << 17


@dataclass(frozen=True, slots=True)
class Techniques:
    """What may be added to plain gradient descent; the defaults are all off.

    Attributes:
        penalty: L1 and L2 regularization.
        momentum: μ in v <- μ v - η ∂C/∂θ, θ <- θ + v (Nielsen, eq. 107 and 108).
        nesterov: take the gradient at θ + μ v (Sutskever et al. 2013, eq. 3 and 4). The parameters
            kept are θ + μ v, as is usual.
        dropout: the fraction of each hidden layer's neurons that is left out in a step; the others
            are divided by the fraction that stays, so that evaluation needs no change.
        dropped: the random stream of dropout.
        augment: changes a chunk of inputs (m, n_in) in place before it is trained on.
    """

    penalty: Penalty = field(default_factory=Penalty)
    momentum: float = 0.0
    nesterov: bool = False
    dropout: tuple[float, ...] = ()
    dropped: np.random.Generator | None = None
    augment: Callable[[Array], None] | None = None


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
        self.techniques = techniques or Techniques()
        self.change = np.zeros_like(network.parameters)
        if self.techniques.momentum and velocity is None:
            velocity = np.zeros_like(self.change)
        self.velocity = velocity
        self._eta = nan
        self._update = self._plan_update()
        self._steps: dict[int, Step] = {}
        self._rates: dict[int, Array] = {}

    def _plan_update(self) -> list[Operation]:
        """List the array operations that turn the change, (η/m) Σ ∂C_0/∂θ, into new parameters.

        Without momentum, L2 shrinks the weights before the change is subtracted, one pass; with
        it, the penalties' gradients belong into the velocity. The coefficients are vectors with an
        entry a parameter, 0 (or 1) for biases; `_set_eta` fills them.
        """
        t, theta, change = self.techniques, self.network.parameters, self.change
        self._decay, self._shrink = np.zeros_like(theta), np.zeros_like(theta)
        scratch = np.empty_like(theta)
        plan: list[Operation] = []
        if t.penalty.l1:
            plan += [
                (np.sign, (theta, scratch)),
                (np.multiply, (scratch, self._shrink, scratch)),
                (np.add, (change, scratch, change)),
            ]
        if self.velocity is None:
            if t.penalty.l2:
                plan += self._shrink_weights()
            return [*plan, (np.subtract, (theta, change, theta))]
        if t.penalty.l2:
            plan += [
                (np.multiply, (theta, self._decay, scratch)),
                (np.add, (change, scratch, change)),
            ]
        mu = np.asarray(t.momentum, theta.dtype)
        velocity = self.velocity
        plan += [
            (np.multiply, (velocity, mu, velocity)),
            (np.subtract, (velocity, change, velocity)),
        ]
        if t.nesterov:
            return [
                *plan,
                (np.subtract, (theta, change, theta)),
                (np.multiply, (velocity, mu, scratch)),
                (np.add, (theta, scratch, theta)),
            ]
        return [*plan, (np.add, (theta, velocity, theta))]

    def _shrink_weights(self) -> list[Operation]:
        """List the operations that multiply the weights by 1 - ηλ/n and leave the biases.

        One product with a vector of factors; where parameters and factors together would crowd the
        cache, one product with a number, between saving the biases and putting them back.
        """
        theta, biases = self.network.parameters, self.network.biases
        if theta.nbytes <= _CROWDED:
            return [(np.multiply, (theta, self._decay, theta))]
        saved = [np.empty(len(b), theta.dtype) for b in biases]
        pairs = list(zip(saved, biases, strict=True))
        return [
            *((np.copyto, (kept, b)) for kept, b in pairs),
            (np.multiply, (theta, self._decay[:1].reshape(()), theta)),
            *((np.copyto, (b, kept)) for kept, b in pairs),
        ]

    def _set_eta(self, eta: float) -> None:
        """Fill what depends on η: the rate of each batch size and the penalties' coefficients."""
        self._eta = eta
        penalty = self.techniques.penalty
        decay, shrink = eta * penalty.l2 / penalty.n, eta * penalty.l1 / penalty.n
        rest = 1.0 if self.velocity is None else 0.0
        self._decay.fill(rest)
        self._shrink.fill(0)
        for decays, shrinks in zip(
            self.network.split(self._decay), self.network.split(self._shrink), strict=True
        ):
            decays[:, :-1] = rest - decay if self.velocity is None else decay
            shrinks[:, :-1] = shrink
        for m, rate in self._rates.items():
            rate[...] = eta * self.network.softmax_scale / m

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
        # The limits of exp are the right values; a diverging run is told by its cost.
        with np.errstate(over="ignore", invalid="ignore"):
            if eta != self._eta:
                self._set_eta(eta)
            *whole, last = batches
            step = self._steps[len(batches[0][0])]
            for x, x_t, y in whole:
                step(x, x_t, y)
            # Only the last batch of all may be short.
            self._steps[len(last[0])](*last)

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
        hidden = [
            self._hidden_layer(a[:, :-1], rate)
            for a, rate in zip(extended, self._dropout_rates(), strict=True)
        ]
        extended_errors = buffers(n + 1 for n in sizes[:-1])
        z_out, a_out, error_out = buffers([sizes[-1]] * 3)
        errors = [e[:, :-1] for e in extended_errors] + [error_out]
        work = buffers(sizes)

        thetas, changes = network.layers, network.split(self.change)
        zs = [*(layer.z for layer in hidden), z_out]
        forward = [
            (hidden[i - 1].activate, thetas[i], extended[i - 1].T, zs[i].T)
            for i in range(1, len(sizes))
        ]
        backward = [
            (
                errors[i].T,
                extended[i - 1],
                changes[i],
                thetas[i].T,
                extended_errors[i - 1].T,
                hidden[i - 1].derive,
                hidden[i - 1].z,
                errors[i - 1],
                work[i - 1],
            )
            for i in range(len(sizes) - 1, 0, -1)
        ]
        theta_first, z_first = thetas[0], zs[0].T
        error_first, change_first = errors[0].T, changes[0]
        rate = self._rates[m] = np.empty((), dtype)
        activate_out = self._output_activation()
        output_error = self.cost.output_error(network.output)
        work_out = work[-1]
        update = self._update
        dot, multiply = np.dot, np.multiply

        def step(x: Array, x_t: Array, y: Array) -> None:
            dot(theta_first, x_t, z_first)
            for activate, theta, a_t, z_t in forward:
                activate()
                dot(theta, a_t, z_t)
            activate_out(z_out, a_out)
            output_error(z_out, a_out, y, error_out, work_out)
            multiply(error_out, rate, error_out)
            for error_t, a_in, gradient, theta_t, below_t, derive, a, below, scratch in backward:
                dot(error_t, a_in, gradient)
                dot(theta_t, error_t, below_t)
                derive(below, a, scratch)
            dot(error_first, x, change_first)
            for operation, operands in update:
                operation(*operands)

        return step

    def _dropout_rates(self) -> tuple[float, ...]:
        return self.techniques.dropout or (0.0,) * (len(self.network.sizes) - 2)

    def _output_activation(self) -> Callable[[Array, Array], None]:
        forward = ACTIVATIONS[self.network.output].forward
        if self.network.softmax_scale == 1:
            return forward
        softmax_scale = np.asarray(self.network.softmax_scale, self.network.parameters.dtype)

        def activate(z: Array, out: Array) -> None:
            np.multiply(z, softmax_scale, z)
            forward(z, out)

        return activate

    def _hidden_layer(self, a: Array, dropout: float) -> _Hidden:
        """Return the functions of a hidden layer whose activations, (m, units), go into `a`."""
        sigma = ACTIVATIONS[self.network.activation]
        forward, backward = sigma.forward, sigma.backward
        if not dropout:
            return _Hidden(a, partial(forward, a, a), backward)
        rng = self.techniques.dropped
        if rng is None:
            raise ValueError("dropout needs its random stream")
        z, drawn = np.empty_like(a), np.empty(a.T.shape, a.dtype)
        mask = drawn.T
        stays = np.asarray(1 - dropout, a.dtype)
        scale = np.asarray(1 / (1 - dropout), a.dtype)

        def activate() -> None:
            forward(z, z)
            rng.random(out=drawn, dtype=drawn.dtype)
            np.add(drawn, stays, drawn)
            np.floor(drawn, drawn)
            np.multiply(drawn, scale, drawn)
            np.multiply(z, mask, a)

        def derive(delta: Array, z: Array, work: Array) -> None:
            np.multiply(delta, mask, delta)
            backward(delta, z, work)

        return _Hidden(z, activate, derive)


@dataclass(frozen=True, slots=True)
class _Hidden:
    """A hidden layer in a step.

    Attributes:
        z: where its z goes and, after `activate`, σ(z) before any dropout.
        activate: makes the layer's activations of z.
        derive: turns ∂C/∂a into ∂C/∂z in place; takes it, `z` and scratch space.
    """

    z: Array
    activate: Callable[[], None]
    derive: Callable[[Array, Array, Array], None]
