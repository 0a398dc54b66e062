"""The work every contender does, and the check that it was done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from nnexp import data
from nnexp.data import Dataset
from nnexp.data.idx import Mnist
from nnexp.nn.network import Network, scaled
from nnexp.nn.training import streams
from nnexp.nn.types import Examples

Array = npt.NDArray[Any]
Layers = list[tuple[Array, Array]]

INPUTS, OUTPUTS = 784, 10
BATCH = 10
ETA = 0.5
HELD_OUT = {"validation": 10_000, "test": 10_000}


class Trains(Protocol):
    """What a contender is: built from a `Work`, then asked for epochs.

    Attributes:
        examples: how many examples one call of `epoch` trains on.
    """

    examples: int

    def epoch(self) -> float | None:
        """Train in a fresh random order, drawn within the call.

        Returns:
            The seconds that count, where the call as a whole is not what is to be timed.
        """

    def layers(self) -> Layers | None:
        """Return W (n_out, n_in) and b (n_out,) of each layer; None where nothing is learned."""


@dataclass(frozen=True, slots=True)
class Work:
    """One size of network, the data and the weights all contenders begin with."""

    dataset: Dataset
    network: Network
    rng: np.random.Generator

    @classmethod
    def load(cls, hidden: int, images: int) -> Work:
        """Load the first `images` of the training set and draw a network 784-hidden-10."""
        options = Mnist.model_validate({"name": "mnist", "train": images} | HELD_OUT)
        loaded = data.load(options, n_in=INPUTS, n_out=OUTPUTS, dtype=np.float32)
        network = Network.random(
            (INPUTS, hidden, OUTPUTS),
            activation="sigmoid",
            output="sigmoid",
            initializer=scaled,
            rng=streams(0)["init"],
            dtype=np.float32,
        )
        return cls(loaded, network, streams(0)["shuffle"])

    @property
    def train(self) -> Examples:
        """The training set."""
        return self.dataset.train

    @property
    def images(self) -> int:
        """How many examples an epoch has."""
        return len(self.train)

    @property
    def hidden(self) -> int:
        """How many hidden neurons the network has."""
        return self.network.sizes[1]

    def inputs(self) -> Array:
        """Return the training inputs in float32, (n, 784), for those who keep them so."""
        x: Array = self.train.x * np.float32(self.train.scale)
        return x

    def order(self) -> Array:
        """Draw a permutation of the examples' indices."""
        return self.rng.permutation(self.images)

    def start(self) -> Layers:
        """Return copies of the initial W (n_out, n_in) and b (n_out,) of each layer."""
        pairs = zip(self.network.weights, self.network.biases, strict=True)
        return [(w.copy(), b.copy()) for w, b in pairs]

    def accuracy(self, layers: Layers) -> float:
        """Return the fraction of the test set these layers classify rightly."""
        test = self.dataset.sets["test"]
        a: Array = test.x * np.float32(test.scale)
        for w, b in layers:
            a = 1 / (1 + np.exp(-(a @ w.T + b)))
        return float(np.mean(a.argmax(axis=1) == test.labels))
