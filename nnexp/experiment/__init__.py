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
from nnexp.experiment.session import (
    Ending,
    Outcome,
    Progress,
    Silence,
    never,
    plain_summary,
    run,
)

__all__ = [
    "DataCache",
    "Ending",
    "Outcome",
    "Progress",
    "Row",
    "Silence",
    "data_key",
    "initial_network",
    "load_data",
    "never",
    "plain_summary",
    "read_data",
    "resume",
    "run",
    "training_size",
]
