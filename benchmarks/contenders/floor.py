"""The floor: the first layer's two products and its update, and nothing else.

Same shapes and memory layout as nnexp's step: [W | b] is (hidden, 785), a batch is ten rows of a
float32 chunk with a column of ones, z and the error are (10, hidden) in Fortran order. No data are
gathered, no activation is computed, nothing is learned: what a NumPy program cannot do without.
"""

from __future__ import annotations

import numpy as np
from work import BATCH, INPUTS, Work

CHUNK = 1000


class Contender:
    """As many steps as an epoch has, over and over the same preloaded chunk."""

    def __init__(self, work: Work) -> None:
        self.examples = work.images
        self.passes = work.images // CHUNK
        chunk = np.ones((CHUNK, INPUTS + 1), np.float32)
        chunk[:, :-1] = work.train.x[:CHUNK] * np.float32(work.train.scale)
        rows = [chunk[i : i + BATCH] for i in range(0, CHUNK, BATCH)]
        self.batches = [(x, x.T) for x in rows]
        self.parameters = work.network.layers[0].ravel().copy()
        self.change = np.empty_like(self.parameters)
        # Alternating signs, small, and far from denormal: the parameters stay finite.
        self.error = np.full((BATCH, work.hidden), 1e-6, np.float32, order="F")
        self.error[::2] *= -1
        self.z = np.empty((BATCH, work.hidden), np.float32, order="F")

    def epoch(self) -> None:
        """Do the floor of an epoch."""
        parameters, change = self.parameters, self.change
        shape = (-1, INPUTS + 1)
        theta, gradient = parameters.reshape(shape), change.reshape(shape)
        z_t, error_t = self.z.T, self.error.T
        dot, subtract = np.dot, np.subtract
        for _ in range(self.passes):
            for x, x_t in self.batches:
                dot(theta, x_t, z_t)
                dot(error_t, x, gradient)
                subtract(parameters, change, parameters)

    def layers(self) -> None:
        """Return None: the floor learns nothing."""
