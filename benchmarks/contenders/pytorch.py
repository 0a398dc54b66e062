"""PyTorch, eager: the loop its tutorials teach, indexing batches from a tensor in memory."""

from __future__ import annotations

import torch
from torch import nn
from work import BATCH, ETA, INPUTS, OUTPUTS, Layers, Work


class Contender:
    """nn.Sequential, BCEWithLogitsLoss and optim.SGD on one thread."""

    def __init__(self, work: Work) -> None:
        torch.set_num_threads(1)
        self.work = work
        self.examples = work.images
        self.x, self.y = torch.from_numpy(work.inputs()), torch.from_numpy(work.train.y)
        self.model = nn.Sequential(
            nn.Linear(INPUTS, work.hidden), nn.Sigmoid(), nn.Linear(work.hidden, OUTPUTS)
        )
        self.linear = [self.model[0], self.model[2]]
        with torch.no_grad():
            for layer, (w, b) in zip(self.linear, work.start(), strict=True):
                layer.weight.copy_(torch.from_numpy(w))
                layer.bias.copy_(torch.from_numpy(b))
        self.loss = nn.BCEWithLogitsLoss(reduction="sum")
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=ETA)

    def epoch(self) -> None:
        """Train one epoch."""
        for rows in torch.from_numpy(self.work.order()).split(BATCH):
            self.optimizer.zero_grad()
            loss = self.loss(self.model(self.x[rows]), self.y[rows]) / len(rows)
            loss.backward()
            self.optimizer.step()

    def layers(self) -> Layers:
        """Return the parameters."""
        return [(p.weight.detach().numpy(), p.bias.detach().numpy()) for p in self.linear]
