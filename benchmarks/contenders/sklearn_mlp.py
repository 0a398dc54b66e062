"""scikit-learn: MLPClassifier, one `partial_fit` per epoch, plain gradient descent.

Targets in ten columns of 0 and 1 make its output sigmoid and its loss the cross-entropy on it.
"""

from __future__ import annotations

import numpy as np
from sklearn.neural_network import MLPClassifier
from work import BATCH, ETA, OUTPUTS, Layers, Work


class Contender:
    """Float32 inputs in memory; scikit-learn draws its own order."""

    def __init__(self, work: Work) -> None:
        self.examples = work.images
        self.x = work.inputs()
        self.y = work.train.y.astype(np.int8)
        self.model = MLPClassifier(
            hidden_layer_sizes=(work.hidden,),
            activation="logistic",
            solver="sgd",
            alpha=0,
            batch_size=BATCH,
            learning_rate_init=ETA,
            momentum=0,
            nesterovs_momentum=False,
            random_state=0,
        )
        # The first call allocates the parameters; they are then set to what everybody begins with.
        self.model.partial_fit(self.x[:BATCH], self.y[:BATCH], classes=np.arange(OUTPUTS))
        for i, (w, b) in enumerate(work.start()):
            self.model.coefs_[i][...] = w.T
            self.model.intercepts_[i][...] = b

    def epoch(self) -> None:
        """Train one epoch."""
        self.model.partial_fit(self.x, self.y)

    def layers(self) -> Layers:
        """Return the parameters."""
        model = self.model
        return [(w.T, b) for w, b in zip(model.coefs_, model.intercepts_, strict=True)]
