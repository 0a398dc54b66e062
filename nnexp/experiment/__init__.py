"""One run, from its config to its folder."""

from nnexp.experiment.assembly import DataCache, load_data
from nnexp.experiment.run import Outcome, Progress, Silence, plain_summary, run

__all__ = ["DataCache", "Outcome", "Progress", "Silence", "load_data", "plain_summary", "run"]
