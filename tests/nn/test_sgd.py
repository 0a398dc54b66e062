"""Mini-batches: which examples are in them, in which order, and what they are divided by."""

from __future__ import annotations

import numpy as np
import pytest

from nnexp.nn.network import Network, scaled
from nnexp.nn.sgd import SGD, Batch
from nnexp.nn.types import CHUNK, Array, Examples

# (examples, batch size): around the chunk that is gathered at once, and everything in one batch.
CUTS = [
    *((1, size) for size in (1, 10)),
    *((7, size) for size in (1, 3, 7, 8, 100_000)),
    *((n, size) for n in (CHUNK - 1, CHUNK, CHUNK + 1) for size in (10, 37, 1000, 1001)),
    *((2 * CHUNK + 500, size) for size in (1, 10, 999, 1500, 2500, 4000)),
]


def draw(dtype: type[np.floating] = np.float64) -> Network:
    """Draw a small network with two outputs."""
    return Network.random(
        [3, 4, 2],
        activation="tanh",
        output="sigmoid",
        initializer=scaled,
        rng=np.random.default_rng(0),
        dtype=dtype,
    )


def draw_examples(n: int) -> Examples:
    """Draw examples that cannot be written to."""
    rng = np.random.default_rng(n)
    x, y = rng.normal(size=(n, 3)), rng.uniform(size=(n, 2))
    x.flags.writeable = y.flags.writeable = False
    return Examples(x, y)


class Spy(SGD):
    """Keeps a copy of its batches and takes no step."""

    def __init__(self, network: Network, batch_size: int) -> None:
        super().__init__(network, cost="quadratic", batch_size=batch_size)
        self.seen: list[tuple[Array, Array]] = []

    def run(self, batches: list[Batch]) -> None:
        """Copy the batches."""
        for x, x_t, y in batches:
            np.testing.assert_array_equal(x_t, x.T)
            np.testing.assert_array_equal(x[:, -1], 1)
            self.seen.append((x[:, :-1].copy(), y.copy()))


@pytest.mark.parametrize(("n", "size"), CUTS)
def test_every_example_once_in_its_order(n: int, size: int) -> None:
    """An epoch cuts its order into batches of the batch size, a shorter last one included."""
    examples, order = draw_examples(n), np.random.default_rng(1).permutation(n)
    spy = Spy(draw(), size)
    progress = list(spy.epoch(examples, order, eta=1))
    sizes = [len(x) for x, _ in spy.seen]
    assert sizes == [size] * (n // size) + ([n % size] if n % size else [])
    np.testing.assert_array_equal(np.concatenate([x for x, _ in spy.seen]), examples.x[order])
    np.testing.assert_array_equal(np.concatenate([y for _, y in spy.seen]), examples.y[order])
    assert progress == sorted(set(progress))
    assert progress[-1] == n


@pytest.mark.parametrize(("n", "size"), CUTS)
def test_an_epoch_is_its_batches_one_after_another(n: int, size: int) -> None:
    """An epoch ends where steps on slices of its order end, each divided by its own size."""
    examples, order = draw_examples(n), np.random.default_rng(1).permutation(n)
    network, other = draw(), draw()
    list(SGD(network, cost="cross_entropy", batch_size=size).epoch(examples, order, eta=0.5))
    alone = {m: SGD(other, cost="cross_entropy", batch_size=m) for m in {min(size, n), n % size}}
    for start in range(0, n, size):
        rows = order[start : start + size]
        batch = Examples(examples.x[rows], examples.y[rows])
        list(alone[len(rows)].epoch(batch, np.arange(len(rows)), eta=0.5))
    np.testing.assert_allclose(network.parameters, other.parameters, rtol=1e-11)


def test_a_short_last_batch_worked_by_hand() -> None:
    """The last batch is divided by the number of examples it has, not by the batch size."""
    # z = w x + b, C = (z - y)²/2, η = 1, from w = b = 0; batches (1, 2) and (3).
    #   x = 1, y = 2: z = 0, ∂C/∂w = -2, ∂C/∂b = -2
    #   x = 2, y = 4: z = 0, ∂C/∂w = -8, ∂C/∂b = -4    w = 10/2 = 5, b = 6/2 = 3
    #   x = 3, y = 8: z = 18, ∂C/∂w = 30, ∂C/∂b = 10   w = 5 - 30/1 = -25, b = 3 - 10/1 = -7
    network = Network.explicit(
        [np.zeros((1, 1))], [np.zeros(1)], activation="sigmoid", output="linear", dtype=np.float64
    )
    examples = Examples(np.array([[1.0], [2.0], [3.0]]), np.array([[2.0], [4.0], [8.0]]))
    list(SGD(network, cost="quadratic", batch_size=2).epoch(examples, np.arange(3), eta=1))
    np.testing.assert_array_equal(network.parameters, [-25, -7])


def test_eta_belongs_to_the_epoch() -> None:
    """Each epoch uses its own learning rate, with buffers of an earlier one."""
    examples, order = draw_examples(5), np.arange(5)
    network = draw()
    sgd = SGD(network, cost="quadratic", batch_size=5)
    changes = []
    for eta in (0.5, 0.0, 1.0):
        before = network.copy().parameters
        list(sgd.epoch(examples, order, eta=eta))
        fresh = draw()
        fresh.parameters[:] = before
        list(SGD(fresh, cost="quadratic", batch_size=5).epoch(examples, order, eta=eta))
        np.testing.assert_array_equal(network.parameters, fresh.parameters)
        changes.append(np.abs(network.parameters - before).max())
    assert changes[1] == 0 < min(changes[0], changes[2])


@pytest.mark.parametrize("stored", [np.uint8, np.float32, np.float64])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_stored_inputs_are_scaled(stored: type[np.number], dtype: type[np.floating]) -> None:
    """Inputs in any stored type are trained on as value times scale, in the network's precision."""
    rng = np.random.default_rng(0)
    pixels, y = rng.integers(256, size=(1500, 3)), rng.uniform(size=(1500, 2)).astype(dtype)
    network, exact = draw(dtype), draw()
    order = rng.permutation(1500)
    compact = Examples(pixels.astype(stored), y, 1 / 256)
    list(SGD(network, cost="quadratic", batch_size=10).epoch(compact, order, eta=0.5))
    plain = Examples(pixels / 256, y.astype(np.float64))
    list(SGD(exact, cost="quadratic", batch_size=10).epoch(plain, order, eta=0.5))
    assert network.parameters.dtype == dtype
    tolerance = 1e-12 if dtype == np.float64 else 1e-4
    np.testing.assert_allclose(network.parameters, exact.parameters, rtol=tolerance, atol=tolerance)


def test_the_callers_arrays_stay() -> None:
    """Training writes neither to the examples nor to the order."""
    examples, order = draw_examples(25), np.random.default_rng(0).permutation(25)
    order.flags.writeable = False
    kept = examples.x.copy(), examples.y.copy(), order.copy()
    sgd = SGD(draw(), cost="cross_entropy", batch_size=10)
    for _ in range(3):
        list(sgd.epoch(examples, order, eta=1))
    for now, then in zip((examples.x, examples.y, order), kept, strict=True):
        np.testing.assert_array_equal(now, then)


def test_examples_refuse_shapes_that_do_not_belong_together() -> None:
    """Inputs and targets must be matrices with as many rows as each other."""
    for x, y in [((3, 2), (4, 1)), ((3,), (3, 1)), ((3, 2), (3,)), ((3, 2, 1), (3, 1))]:
        with pytest.raises(ValueError, match="expected"):
            Examples(np.zeros(x), np.zeros(y))
