"""What a search tries next: the one place that speaks to Optuna.

A proposal is a function of the space, the seed and the trials so far; nothing else is kept. Each
one is asked of a new sampler, whose seed is that of the search and the trial's number and whose
history is told anew. So a search that was killed goes on as if it had not been, and what it has to
remember is its trials, which the run folders hold already.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from nnexp.config.space import Space
from nnexp.errors import NnexpError
from nnexp.names import higher_is_better
from nnexp.stats.summary import Point, best

State = Literal["complete", "pruned", "diverged"]


@dataclass(frozen=True, slots=True)
class Tried:
    """What a trial tried and what came of it.

    Attributes:
        settings: the value of each key of the space.
        state: of a diverged trial nothing counts but that it is worse than any other.
        values: of the metric, with their epochs.
    """

    settings: Mapping[str, Any]
    state: State
    values: Sequence[Point]

    def best(self, metric: str) -> Point | None:
        """Return the best epoch, the first of equals: what the trial counts as."""
        return None if self.state == "diverged" else best(self.values, metric)


def propose(
    space: Mapping[str, Space], tried: Sequence[Tried], *, metric: str, seed: int
) -> dict[str, Any]:
    """Return the settings of the next trial.

    Tree-structured Parzen estimator (Bergstra et al., Algorithms for Hyper-Parameter Optimization,
    NeurIPS 2011) over all keys at once, as Optuna has it; the first ten trials are drawn at random.
    A real number is rounded to three digits, so that what is shown is what was tried.

    Args:
        space: key -> values, as in a study's tune.space.
        tried: the trials so far, in their order.
        metric: what is to be high or, if a cost, low.
        seed: of the search.

    Raises:
        NnexpError: Optuna is not installed.
    """
    with _quiet_optuna() as optuna:
        kinds = {key: one.distribution(optuna.distributions) for key, one in space.items()}
        sampler = optuna.samplers.TPESampler(seed=_seed(seed, len(tried)))
        direction = "maximize" if higher_is_better(metric) else "minimize"
        study = optuna.create_study(sampler=sampler, direction=direction)
        study.add_trials([_told(optuna, space, kinds, one, metric) for one in tried])
        asked = study.ask(kinds).params
    return {key: one.decode(asked[key]) for key, one in space.items()}


def require_optuna() -> None:
    """Raise NnexpError where Optuna is not installed."""
    with _quiet_optuna():
        pass


@contextmanager
def _quiet_optuna() -> Iterator[Any]:
    """Give the module; what it has to say of itself is not for nnexp's users."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            import optuna
        except ImportError as error:
            message = "tune needs Optuna, which is not installed: pip install 'nnexp[tune]'"
            raise NnexpError(message) from error
        optuna.logging.set_verbosity(optuna.logging.CRITICAL)
        yield optuna


def _seed(seed: int, number: int) -> int:
    return int(np.random.SeedSequence([seed, number]).generate_state(1)[0])


def _told(optuna: Any, space: Mapping[str, Space], kinds: Any, tried: Tried, metric: str) -> Any:
    params = {key: one.encode(tried.settings[key]) for key, one in space.items()}
    known: dict[str, Any] = {"params": params, "distributions": kinds}
    states = optuna.trial.TrialState
    point = tried.best(metric)
    if tried.state == "complete" and point is not None:
        return optuna.trial.create_trial(state=states.COMPLETE, value=point.value, **known)
    # Optuna ranks pruned trials below the complete ones, those that came furthest first. One that
    # diverged is told as pruned before its first epoch: failed ones would not count at all, and
    # it would try the same again.
    values = {p.epoch: p.value for p in tried.values if tried.state == "pruned"}
    return optuna.trial.create_trial(state=states.PRUNED, intermediate_values=values, **known)
