"""One run, from its config to its folder."""

from nnexp.experiment.assembly import (
    DataCache,
    data_key,
    initial_network,
    load_data,
    read_data,
    training_size,
)
from nnexp.experiment.resuming import resume
from nnexp.experiment.rows import Row
from nnexp.experiment.session import Outcome, Progress, Silence, plain_summary, run

__all__ = [
    "DataCache",
    "Outcome",
    "Progress",
    "Row",
    "Silence",
    "data_key",
    "initial_network",
    "load_data",
    "plain_summary",
    "read_data",
    "resume",
    "run",
    "training_size",
]
