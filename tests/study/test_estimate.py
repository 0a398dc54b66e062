"""How long runs will take."""

from __future__ import annotations

from pathlib import Path

import pytest

from nnexp.config.loader import load
from nnexp.run.assembly import DataCache
from nnexp.study import estimate
from nnexp.study.jobs import Job


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Give the experiments that are timed, each of which takes 2 s per epoch."""
    found: list[str] = []

    def timed(experiment: object, dataset: object) -> float:
        found.append(repr(experiment))
        return 2.0

    monkeypatch.setattr(estimate, "seconds_per_epoch", timed)
    return found


def jobs(small: Path, *overrides: str) -> list[Job]:
    """Return a job for each override."""
    return [Job(load(small, [override]), Path("runs")) for override in overrides]


def test_an_estimate_grows_with_the_epochs(small: Path, counted: list[str]) -> None:
    """The time is that of one epoch times their number."""
    few, many = estimate.estimate(jobs(small, "epochs=3", "epochs=30"), DataCache())
    assert [few, many] == pytest.approx([6, 60], abs=0.1)


def test_what_takes_the_same_steps_is_timed_once(small: Path, counted: list[str]) -> None:
    """Rates, seeds and strengths change nothing of the time; sizes and techniques do."""
    same = ("eta=0.1", "eta=3", "seed=4", "cost=quadratic", "epochs=9", "init=large")
    estimate.estimate(jobs(small, *same), DataCache())
    assert len(counted) == 1
    others = ("l2=1", "l2=2", "dropout=0.1", "dropout=0.2", "layers.1=9", "batch_size=5")
    estimate.estimate(jobs(small, *same, *others), DataCache())
    assert len(counted) == 1 + 5


def test_a_long_list_is_not_timed_to_its_end(
    small: Path, counted: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the time for timing is over, the others are reckoned from what was timed."""
    monkeypatch.setattr(estimate, "_IN_ALL", 0.0)
    wide = [f"layers.1={n}" for n in range(3, 300)]
    seconds = estimate.estimate(jobs(small, *wide), DataCache())
    assert len(counted) == 1
    assert seconds == sorted(seconds)
    assert seconds[0] < seconds[-1]


@pytest.mark.parametrize("override", ["l2=1", "batch_size=1000", "monitor=[]", "dropout=0.5"])
def test_any_experiment_can_be_timed(small: Path, override: str) -> None:
    """Some steps of a run are trained, and nothing is written."""
    before = sorted(Path().iterdir())
    (seconds,) = estimate.estimate(jobs(small, override), DataCache())
    assert seconds > 0
    assert sorted(Path().iterdir()) == before
