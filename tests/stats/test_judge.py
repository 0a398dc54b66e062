"""Which runs count, who is compared with whom, and what is said of it: runs are plain objects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from nnexp.errors import OptionError
from nnexp.stats.judge import Judged, Question, judge
from nnexp.stats.selection import ArmPlan, StudyPlan, differing_keys, groups, of_study
from nnexp.stats.summary import Facts, Point, Row

CONFIG = {"name": "a", "seed": 0, "eta": 0.5, "epochs": 3, "reference": None}
CONFIG |= {"data": {"path": "/here/a.csv", "train": None}}


@dataclass(frozen=True)
class FakeRun:
    """A run that no file holds; the eta names its arm."""

    eta: float
    seed: int | None
    value: float | None
    metric: str = "test_accuracy"
    statistics: Sequence[str] = ("last", "best-epoch", "peak")
    status: str = "completed"
    digest: str = "d"
    record: Mapping[str, Any] = field(default_factory=dict)
    stopped: str | None = None
    classes: Sequence[str] = ()
    never_learned: Sequence[int] = ()
    rows: Sequence[Row] = ()
    path: str = "/here/a.csv"

    def log(self, name: str) -> Sequence[Row]:
        """Return no other log."""
        return ()

    @property
    def id(self) -> str:
        """A name of its own."""
        return f"{self.name}-s{self.seed}"

    @property
    def name(self) -> str:
        """The name that the arm goes by."""
        return f"eta{self.eta:g}"

    @property
    def identity(self) -> str:
        """Its eta and data."""
        return f"{self.eta:g} {self.digest}"

    @property
    def identity_v1(self) -> str:
        """Its eta and the place of the data."""
        return f"{self.eta:g} {self.path}"

    @property
    def config(self) -> Mapping[str, Any]:
        """A config with its eta."""
        return CONFIG | {"eta": self.eta, "data": {"path": self.path, "train": None}}

    @property
    def facts(self) -> Facts:
        """One metric."""
        points = (
            {}
            if self.value is None
            else {self.metric: {name: Point(self.value, 3) for name in self.statistics}}
        )
        return Facts(3, 0.1, points)


def arm(eta: float, shift: float = 0.0, n: int = 8, **more: Any) -> list[FakeRun]:
    """Return an arm's runs."""
    return [FakeRun(eta, s, 0.9 + shift + s * (7 - s) / 1e4 + eta / 1e3, **more) for s in range(n)]


PLAN = StudyPlan(
    name="etas",
    description="",
    arms={
        "low": ArmPlan(("1 d",), arm="low"),
        "high": ArmPlan(("2 /here/a.csv",), arm="high", baseline="low", effort=0),
    },
    seeds=tuple(range(8)),
    metric="test_accuracy",
    at="best-epoch",
    margin=0.05,
)


def asked(runs: Sequence[FakeRun], metric: str = "test_accuracy", **question: Any) -> Judged:
    """Judge runs."""
    return judge(groups(runs, metric), Question(metric, **question))


def baselines(judged: Judged) -> dict[str, str]:
    """Return who is compared with whom."""
    return {d.arm.name: d.baseline.name for arm in judged.arms if (d := arm.difference)}


def test_a_group_is_the_runs_of_one_identity() -> None:
    """Runs of one identity are one group wherever their data lie, in the order of the first."""
    moved = [replace(run, path="/there/a.csv") for run in arm(1, n=2)]
    runs = [*arm(2, n=1), *arm(1, n=2), *moved]
    found = groups(runs, "test_accuracy")
    assert [[run.seed for run in group.runs] for group in found] == [[0], [0, 1, 0, 1]]
    assert differing_keys(found) == ["eta"]
    assert len(groups(runs, "test_accuracy", per_run=True)) == 5


def test_of_a_seed_the_latest_run_that_ended_counts() -> None:
    """An interrupted run takes no part, and of two ended ones the later one counts."""
    early, late, cut = (
        FakeRun(1, 0, value, status=status, record={"started_at": at})
        for value, status, at in (
            (0.1, "completed", "2"),
            (0.2, "completed", "3"),
            (0.3, "running", "4"),
        )
    )
    (group,) = groups([late, early, cut], "test_accuracy")
    assert group.ended == {0: late}
    assert list(group.counted) == [late]
    assert "of seed 0 (2 times) the latest counts" in group.notes()[0]


def test_runs_of_a_study_are_known_by_either_identity() -> None:
    """A study lists identities; a run counts with today's or with that of format 1."""
    runs = [*arm(1, n=1), *arm(2, n=1), *arm(3, n=1)]
    chosen, notes = of_study(runs, PLAN)
    assert [PLAN.arm_of(run) for run in chosen] == ["low", "high"]
    assert notes == ["excluded, as they are of no arm of the study etas: eta3-s0"]
    assert of_study(arm(3), PLAN) == (
        [],
        ["no run is of an arm of the study etas, which is not used"],
    )


def test_arms_of_a_study_have_its_names_order_and_baselines() -> None:
    """Whatever the order of the runs, the study decides what is compared."""
    judged = asked([*arm(2), *arm(1)], study=PLAN)
    assert [arm.name for arm in judged.arms] == ["low", "high"]
    assert baselines(judged) == {"high": "low"}
    assert judged.margin == 0.05


def test_the_margin_of_a_study_is_of_its_metric_alone() -> None:
    """For another metric the default holds, and the page says so; an option goes before both."""
    runs = [*arm(1, metric="test_cost"), *arm(2, metric="test_cost")]
    judged = asked(runs, "test_cost", study=PLAN)
    assert judged.margin is None
    (warning,) = judged.warnings
    assert warning == (
        "the margin of the study, 5.00 points, is of test accuracy; no margin is used here; "
        "--margin sets another"
    )
    judged = asked(runs, "test_cost", study=PLAN, margin=0.3)
    assert (judged.margin, judged.warnings) == (0.3, [])
    other = [*arm(1, metric="train_accuracy"), *arm(2, metric="train_accuracy")]
    assert asked(other, "train_accuracy", study=PLAN).margin == 0.001


def test_a_margin_in_percent_is_not_used() -> None:
    """A study.json of an older version may have points where a fraction is meant."""
    judged = asked([*arm(1), *arm(2)], study=replace(PLAN, margin=50.0))
    assert judged.margin == 0.001
    (warning,) = judged.warnings
    assert warning.startswith("the margin of the study, 50, cannot be used: expected a fraction")


def test_the_margin_of_a_study_without_a_metric_is_of_the_usual_one() -> None:
    """A study that leaves the metric open means the one that its runs are judged by."""
    plan = replace(PLAN, metric=None)
    assert asked([*arm(1), *arm(2)], study=plan).margin == 0.05


def test_the_last_epoch_is_compared_where_an_arm_has_no_best_one() -> None:
    """That is said of a comparison that is made, and only of one."""
    bare: Any = {"statistics": ("last", "peak")}
    judged = asked([*arm(1, **bare), *arm(2)])
    assert judged.at == "last"
    assert any("the last epochs are compared" in warning for warning in judged.warnings)
    assert asked(arm(1, **bare)).warnings == []
    assert asked([*arm(1, **bare), *arm(2, **bare)]).warnings == []


@pytest.mark.parametrize(
    ("name", "baseline"), [("eta2", "eta2"), ("et", None), ("eta3", None), ("eta", None)]
)
def test_a_baseline_is_an_arm_or_the_beginning_of_one(name: str, baseline: str | None) -> None:
    """A name that matches no arm, or several, is refused with the arms."""
    runs = [*arm(1), *arm(2)]
    if baseline:
        assert baselines(asked(runs, baseline=name)) == {"eta1": baseline}
        return
    with pytest.raises(OptionError, match=f"--baseline {name}: (no arm matches|matches 2 arms)"):
        asked(runs, baseline=name)


def test_runs_on_other_data_are_not_compared() -> None:
    """A file with another content measures something else, and the reason is given."""
    other = [replace(run, digest="e", path="/here/b.csv") for run in arm(2)]
    judged = asked([*arm(1), *other])
    assert baselines(judged) == {}
    assert judged.arms[1].refused == (
        "not compared with eta1: it was measured on other data (path /here/b.csv, not /here/a.csv)"
    )


def test_what_was_not_alike_is_a_warning() -> None:
    """Versions and tuning effort that differ between an arm and its baseline are named."""
    new = [replace(run, record={"versions": {"nnexp": "9", "numpy": "2"}}) for run in arm(2)]
    old = [replace(run, record={"versions": {"nnexp": "8", "numpy": "2"}}) for run in arm(1)]
    assert "not the same version of nnexp: eta1 8, eta2 9" in asked([*old, *new]).warnings
    plan = replace(PLAN, arms={**PLAN.arms, "low": replace(PLAN.arms["low"], effort=20)})
    warnings = asked([*arm(1), *arm(2)], study=plan).warnings
    assert "not the same tuning effort (trials): low 20, high 0" in warnings


def test_absent_arms_and_seeds_of_a_study_are_named() -> None:
    """What the study planned and is not here is said, and who has lost its baseline."""
    judged = asked(arm(2, n=7), study=PLAN)
    assert judged.warnings == [
        "these arms of the study etas have no runs here: low",
        "these arms are compared with none, as their baseline is absent: high",
    ]
    assert judged.arms[0].notes == ["high: excluded, without a completed run here: seed 7"]


def test_zero_has_no_sign_in_figures() -> None:
    """A value of -0.0 in a log is 0.0 in means, values and intervals."""
    runs = [*arm(1, shift=0), *(replace(run, value=-0.0) for run in arm(2))]
    arm_ = asked(runs).arms[1]
    figures = (arm_.group.figures, arm_.sample, arm_.sample.interval, arm_.difference)
    assert "-0.0" not in repr(figures)
