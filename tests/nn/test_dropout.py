"""Dropout: which neurons it excludes, how it scales the others, what it does not change."""

from __future__ import annotations

import numpy as np
import pytest

from nnexp.nn.activations import ACTIVATIONS
from nnexp.nn.backprop import forward
from nnexp.nn.metrics import evaluate
from nnexp.nn.network import Network, scaled
from nnexp.nn.sgd import SGD, Techniques
from nnexp.nn.training import streams, train
from nnexp.nn.types import Array, Examples


def draw(sizes: list[int], dtype: type[np.floating] = np.float64) -> Network:
    """Draw a network with a linear output."""
    return Network.random(
        sizes,
        activation="sigmoid",
        output="linear",
        initializer=scaled,
        rng=np.random.default_rng(0),
        dtype=dtype,
    )


def changes(network: Network, x: Array, rates: tuple[float, ...], seed: int) -> list[Array]:
    """Take one step of η = 1 towards a cost of slope -1 at the output; return -∂C/∂[W | b]."""
    # Quadratic cost with targets z + 1: ∂C/∂z = -1.
    stepped = network.copy()
    techniques = Techniques(dropout=rates, dropout_stream=np.random.default_rng(seed))
    sgd = SGD(stepped, cost="quadratic", batch_size=len(x), techniques=techniques)
    list(sgd.epoch(Examples(x, np.ones((len(x), 1))), np.arange(len(x)), eta=1.0))
    return stepped.split(stepped.parameters - network.parameters)


def blind(sizes: list[int], dtype: type[np.floating] = np.float64) -> Network:
    """Draw a network whose output is 0 whatever its hidden neurons do."""
    network = draw(sizes, dtype)
    network.layers[-1][:] = 0
    return network


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.8])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_neuron_is_excluded_or_divided_by_the_fraction_that_stays(
    rate: float, dtype: type[np.floating]
) -> None:
    """An activation becomes 0 or a/(1 - p), and the fraction of zeros is p."""
    units = 4000
    network = blind([3, units, 1], dtype)
    x = np.array([[0.5, -1.0, 2.0]])
    a = ACTIVATIONS["sigmoid"](x @ network.weights[0].T + network.biases[0])[0]
    # The output's δ is -1, so its weights move by the activations that arrive there.
    arrived = changes(network, x, (rate,), seed=1)[-1][0, :-1]
    stay = arrived != 0
    np.testing.assert_allclose(arrived[stay], a[stay] / (1 - rate), rtol=1e-6)
    error = (rate * (1 - rate) / units) ** 0.5
    assert abs((~stay).mean() - rate) < 5 * error


def test_the_mean_over_many_masks_is_the_plain_activation() -> None:
    """Evaluation needs no change: what training sees is, on average, what evaluation sees."""
    network = blind([3, 6, 1])
    x, rate, m = np.array([0.5, -1.0, 2.0]), 0.4, 20_000
    a = ACTIVATIONS["sigmoid"](x @ network.weights[0].T + network.biases[0])
    mean = changes(network, np.tile(x, (m, 1)), (rate,), seed=2)[-1][0, :-1]
    error = a * (rate / (1 - rate) / m) ** 0.5
    assert (np.abs(mean - a) < 5 * error).all()
    assert (mean != a).all()


def test_each_hidden_layer_has_its_own_rate() -> None:
    """Rates are for the hidden layers in their order; a rate of 0 leaves a layer as it is."""
    network = draw([3, 400, 600, 1])
    x = np.array([[0.5, -1.0, 2.0]])
    for rates in ((0.2, 0.7), (0.0, 0.7), (0.2, 0.0)):
        second = changes(network, x, rates, seed=3)[1][:, :-1]
        # ∂C/∂W of the second layer is 0 where a neuron below (a column) or here (a row) is out.
        for gone, rate in zip(
            ((second == 0).all(axis=0), (second == 0).all(axis=1)), rates, strict=True
        ):
            assert abs(gone.mean() - rate) <= 5 * (rate * (1 - rate) / gone.size) ** 0.5


def test_masks_are_fresh_for_each_example_and_each_step() -> None:
    """No two examples or steps share a mask, and the same seed gives the same masks again."""
    network = blind([2, 300, 1])
    x = np.ones((1, 2))
    techniques = Techniques(dropout=(0.5,), dropout_stream=np.random.default_rng(4))
    sgd = SGD(network, cost="quadratic", batch_size=1, techniques=techniques)
    seen = []
    for _ in range(4):
        network.layers[-1][:] = 0
        list(sgd.epoch(Examples(x, np.ones((1, 1))), np.arange(1), eta=1.0))
        seen.append((network.layers[-1][0, :-1] != 0).tobytes())
    assert len(set(seen)) == 4
    a = ACTIVATIONS["sigmoid"](network.weights[0].sum(axis=1) + network.biases[0])
    # Of two equal examples both, one or none has the neuron; with one mask for both, never one.
    both = changes(blind([2, 300, 1]), np.ones((2, 2)), (0.5,), seed=4)[-1][0, :-1]
    assert set((both / a).round(9)) == {0, 1, 2}
    again = changes(blind([2, 300, 1]), x, (0.5,), seed=4)[-1][0, :-1] != 0
    assert again.tobytes() == seen[0]


def test_a_rate_of_zero_changes_no_byte_and_draws_nothing() -> None:
    """Dropout 0 is no dropout."""
    x, y = np.random.default_rng(0).normal(size=(2, 12, 3))
    for dtype in (np.float32, np.float64):
        ends = []
        for settings in ({}, {"dropout": (0.0, 0.0), "dropout_stream": np.random.default_rng(5)}):
            network = draw([3, 5, 4, 3], dtype)
            techniques = Techniques(**settings)  # type: ignore[arg-type]
            sgd = SGD(network, cost="quadratic", batch_size=5, techniques=techniques)
            list(sgd.epoch(Examples(x, y), np.arange(12), eta=0.5))
            ends.append(network.parameters.tobytes())
        assert ends[0] == ends[1]
        assert techniques.dropout_stream is not None
        unused = np.random.default_rng(5).bit_generator.state
        assert techniques.dropout_stream.bit_generator.state == unused


def test_the_masks_do_not_shift_the_shuffle_and_evaluation_has_none() -> None:
    """With dropout the batches come in the same order, and costs are those of the whole network."""
    rng = np.random.default_rng(0)
    examples = Examples(rng.normal(size=(30, 3)), rng.normal(size=(30, 1)))
    states, ends = [], []
    for rates in ((), (0.5,)):
        random, network = streams(7), draw([3, 8, 1])
        for record in train(
            network,
            examples,
            cost="quadratic",
            eta=0.1,
            epochs=3,
            batch_size=4,
            shuffle=random["shuffle"],
            monitored={"train": examples},
            techniques=Techniques(dropout=rates, dropout_stream=random["dropout"]),
        ):
            whole = (
                np.square(forward(network, examples.x).a[-1] - examples.y).sum(axis=1).mean() / 2
            )
            assert record.evaluations["train"].cost == pytest.approx(whole, rel=1e-12)
        state = random["dropout"].bit_generator.state
        assert evaluate(network, "quadratic", examples) == evaluate(network, "quadratic", examples)
        assert random["dropout"].bit_generator.state == state
        states.append(random["shuffle"].bit_generator.state)
        ends.append(network.parameters.tobytes())
    assert states[0] == states[1]
    assert ends[0] != ends[1]


def test_the_streams_are_spawned_in_their_order() -> None:
    """Init, shuffle, dropout, augment: a use that is added comes last, and old seeds stay good."""
    for i, name in enumerate(("init", "shuffle", "dropout", "augment")):
        expected = np.random.default_rng(np.random.SeedSequence(7, spawn_key=(i,)))
        assert streams(7)[name].bit_generator.state == expected.bit_generator.state


def test_dropout_needs_its_stream_and_a_rate_for_each_layer() -> None:
    """A missing stream or a wrong number of rates is refused, never guessed."""
    examples = Examples(np.ones((1, 3)), np.ones((1, 1)))
    for techniques, message in (
        (Techniques(dropout=(0.5,)), "random stream"),
        (Techniques(dropout=(0.5, 0.5), dropout_stream=np.random.default_rng(0)), "argument"),
    ):
        sgd = SGD(draw([3, 4, 1]), cost="quadratic", batch_size=1, techniques=techniques)
        with pytest.raises(ValueError, match=message):
            list(sgd.epoch(examples, np.arange(1), eta=1.0))
