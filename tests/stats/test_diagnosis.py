"""Each rule on rows that have the fault, on rows that have not, and on rows that do not tell."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, nan
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnexp.stats.diagnosis import RULES, Measurements, diagnose

CONFIG: dict[str, Any] = {
    "eta": 0.5,
    "cost": "quadratic",
    "activation": "sigmoid",
    "layers": [2, 3, 4],
    "l2": 0.0,
}
RULE = {rule.__name__: rule for rule in RULES}
TEN = [str(digit) for digit in range(10)]


def rows(every: int = 1, **columns: Sequence[float | None]) -> list[dict[str, float | None]]:
    """Return rows of a log, an epoch each, from its columns."""
    names, values = list(columns), list(zip(*columns.values(), strict=True))
    return [
        {"epoch": float(i * every), **dict(zip(names, row, strict=True))}
        for i, row in enumerate(values, 1)
    ]


def said(rule: str, log: list[dict[str, float | None]], **known: Any) -> str | None:
    """Return what one rule says of a run of CONFIG with these rows."""
    config = CONFIG | known.pop("config", {})
    status = known.pop("status", "completed")
    return RULE[rule](Measurements(config, status, log, **known))


def test_divergence_names_epoch_and_eta() -> None:
    """Only a run with that status has diverged, in the epoch of its last row."""
    log = rows(train_cost=[1.0, nan])
    due = "diverged in epoch 2: the cost or a parameter is no longer finite; eta 0.5 is too large"
    assert said("diverged", log, status="diverged") == f"{due} here"
    assert said("diverged", log) is None


@pytest.mark.parametrize(
    ("classes", "accuracy", "learned"),
    [
        (10, 0.1, False),
        (10, 0.14, False),
        (10, 0.15, True),
        (2, 0.0, False),
        (2, 0.51, False),
        (2, 0.7, True),
        (100, 0.014, False),
        (100, 0.016, True),
    ],
)
def test_nothing_was_learned_where_accuracy_is_chance(
    classes: int, accuracy: float, learned: bool
) -> None:
    """Chance is one in so many classes, and 70 % of two classes is more than nothing."""
    log = rows(train_accuracy=[0.9, accuracy])
    recall = [accuracy] * classes
    found = said("nothing_learned", log, recall=recall, examples=1000)
    assert (found is None) == learned
    if found is not None:
        assert f"chance {100 / classes:g} %; look at eta (0.5)" in found
        assert "l2" not in found


def test_nothing_was_learned_with_its_suspects() -> None:
    """L2 is named where there is some, and saturated neurons before either."""
    log = rows(train_accuracy=[0.25])
    known: dict[str, Any] = {"recall": [0.25] * 4, "examples": 40, "config": {"l2": 5.0}}
    assert said("nothing_learned", log, **known) == (
        "nothing was learned: training accuracy 25 %, chance 25 %; look at eta (0.5) and l2 (5)"
    )
    state = rows(saturated_1=[0.2, 0.75, nan])
    assert said("nothing_learned", log, diagnostics=state, **known) == (
        "nothing was learned: training accuracy 25 %, chance 25 %; "
        "75 % of the first layer's neurons are saturated"
    )


@pytest.mark.parametrize("rule", ["nothing_learned", "silent_outputs"])
def test_of_few_examples_nothing_is_said(rule: str) -> None:
    """Under ten examples a class, an accuracy near chance or a recall of 0 is no finding."""
    known: dict[str, Any] = {"recall": [0.0, 0.0], "classes": ["no", "yes"]}
    accuracy = 0.5 if rule == "nothing_learned" else 0.9
    log = rows(train_accuracy=[accuracy])
    assert said(rule, log, examples=19, **known) is None
    assert said(rule, log, examples=20, **known) is not None


def silent(diagnostics: list[dict[str, float | None]], **config: Any) -> str | None:
    """Return what is said of a run on digits that never recognizes the eights."""
    recall = [0.0 if digit == "8" else 0.9 for digit in TEN]
    return said(
        "silent_outputs",
        rows(train_accuracy=[0.85]),
        diagnostics=diagnostics,
        recall=recall,
        classes=TEN,
        examples=1000,
        config=config,
    )


def test_an_output_that_is_saturated_is_told_with_its_figures() -> None:
    """With diagnostics the reason is given, and the quadratic cost is named as its cause."""
    state = rows(output_missed_8=[0.1, 0.97], output_derivative_8=[0.1, 0.0004])
    due = (
        "output 8 is saturated: mean σ' 0.0004, and 97 % of its examples are missed where σ' is "
        "near 0; recall of class 8 is 0 %"
    )
    cause = ": the quadratic cost's gradient carries σ'(z) and cannot move it; cross-entropy's does"
    assert silent(state) == f"{due}{cause} not"
    assert silent(state, cost="cross_entropy") == due


def test_an_output_that_is_silent_but_not_saturated_is_not_called_so() -> None:
    """Without diagnostics they are asked for; with them, what they do not show is not said."""
    asked = "hardly recognized: class 8 (0 %); add diagnostics to monitor to learn the reason"
    assert silent([]) == asked
    assert silent(rows(output_missed_8=[0.3])) == "hardly recognized: class 8 (0 %)"
    assert silent(rows(output_missed_8=[nan])) == "hardly recognized: class 8 (0 %)"


def test_a_class_that_is_recognized_a_little_is_not_silent() -> None:
    """A tenth of chance is the limit, and at chance altogether the other rule speaks."""
    log = rows(train_accuracy=[0.85])
    known: dict[str, Any] = {"classes": TEN, "examples": 1000}
    assert said("silent_outputs", log, recall=[0.051] + [0.9] * 9, **known) is None
    assert said("silent_outputs", log, recall=[0.049] + [0.9] * 9, **known) is not None
    at_chance = rows(train_accuracy=[0.1])
    assert said("silent_outputs", at_chance, recall=[0.0] * 9 + [1.0], **known) is None


SLOW = [1.0, 0.99, 0.98, 0.97, 0.96, 0.6, 0.3, 0.2, 0.1, 0.1]


@pytest.mark.parametrize("every", [1, 10])
def test_a_plateau_is_a_slow_start(every: int) -> None:
    """The epochs that made a tenth of the fall are named, whether all or some were evaluated."""
    assert said("plateau", rows(every, train_cost=SLOW)) == (
        f"a plateau at the start: in the first {6 * every} of {10 * every} epochs the training "
        "cost made a tenth of its fall (from 1 to 0.1)"
    )


@pytest.mark.parametrize("every", [1, 10])
@pytest.mark.parametrize(
    "costs",
    [
        [1.0, 0.5, 0.25, 0.12, 0.06, 0.03],
        [1.0, 0.89, 0.7, 0.5, 0.3, 0.1],
        [1.0, 0.99, 0.98, 0.97, 0.8, 0.7],  # hardly falls at all
        [1.0, 1.0, 0.1],  # too short to tell
        [0.0] * 5,
    ],
)
def test_a_quick_start_is_no_plateau(costs: list[float], every: int) -> None:
    """What falls at once, or hardly in all, or is too short, has no plateau."""
    assert said("plateau", rows(every, train_cost=costs)) is None


def test_a_plateau_is_explained_by_the_first_diagnostics() -> None:
    """How many outputs were confidently wrong, and the output's slope, after the first epoch."""
    log = rows(train_cost=SLOW)
    state = rows(confidently_wrong=[0.25, 0.0], derivative_2=[0.0123, 0.2])
    found = said("plateau", log, diagnostics=state)
    assert found is not None
    assert found.endswith(
        "; then 25 % of the outputs were confidently wrong; "
        "the output's mean σ' was 0.012 after the first epoch"
    )
    for wrong, slope in ((None, None), (nan, nan), (0.5, nan), (0.5, None)):
        unknown = rows(confidently_wrong=[wrong], derivative_2=[slope])
        assert said("plateau", log, diagnostics=unknown) == said("plateau", log)
    assert "confidently" not in str(
        said("plateau", log, diagnostics=rows(confidently_wrong=[0.0], derivative_2=[0.1]))
    )


@pytest.mark.parametrize(
    ("validation", "train", "found"),
    [
        ([1.0, 0.5, 0.6, 0.7], [1.0, 0.5, 0.3, 0.1], True),
        ([1.0, 0.5, 0.5, 0.54], [1.0, 0.5, 0.3, 0.1], False),  # rose by less than a tenth
        ([1.0, 0.6, 0.5, 0.7], [1.0, 0.5, 0.3, 0.1], False),  # the minimum is not long past
        ([1.0, 0.5, 0.6, 0.7], [1.0, 0.5, 0.5, 0.5], False),  # training does not go on
        ([1.0, 0.9, 0.8, 0.7], [1.0, 0.5, 0.3, 0.1], False),
        ([nan, 0.5, inf, 0.7], [1.0, 0.5, nan, 0.1], True),
        ([1.0, 0.0, 0.0, 0.7], [1.0, 0.5, 0.3, 0.1], False),
    ],
)
def test_overfitting_is_a_validation_cost_that_rises(
    validation: list[float], train: list[float], found: bool
) -> None:
    """The minimum is in the first half, it rose by a tenth since, and training went on falling."""
    message = said("overfitting", rows(validation_cost=validation, train_cost=train))
    assert (message is not None) == found
    if message is not None:
        assert "least after epoch 2 (0.5) and is 0.7 now" in message
        assert "fell from 0.5 to 0.1" in message


def test_dead_relus_are_counted_layer_by_layer() -> None:
    """A twentieth of a layer is told, of rectified layers only, and the output is none of them."""
    state = rows(saturated_1=[0.0, 0.25], saturated_2=[0.5, 0.04], saturated_3=[1.0, 1.0])
    config = {"activation": "relu", "layers": [2, 8, 8, 1]}
    assert said("dead_relus", [], diagnostics=state, config=config) == (
        "dead relus: 25 % of layer 1 fire on less than 1 % of the examples"
    )
    tanh = config | {"activation": "tanh"}
    assert said("dead_relus", [], diagnostics=state, config=tanh) is None
    assert said("dead_relus", [], config=config) is None
    unknown = rows(saturated_1=[nan], saturated_2=[None])
    assert said("dead_relus", [], diagnostics=unknown, config=config) is None


LINE = [1 - i / 20 for i in range(12)]
CURVE = [2.0**-i for i in range(12)]


@pytest.mark.parametrize(
    ("costs", "accuracies", "found"),
    [
        (LINE, None, "the last quarter of them made 18.2 % of its fall"),
        (CURVE, None, None),
        (CURVE, LINE[::-1], "the last quarter of them made 18.2 % of the accuracy's rise"),
        (CURVE, [0.5] * 12, None),
        (CURVE, [0.5 + i / 2000 for i in range(12)], None),  # half a point in all
        ([*LINE[:6], 0.9, *LINE[6:11]], None, None),  # not steadily
        (LINE[:7], None, None),  # too short to tell
        (LINE[::-1], None, None),
        ([1.0] * 12, None, None),
    ],
)
def test_eta_may_be_too_small_where_a_run_is_still_learning(
    costs: list[float], accuracies: list[float] | None, found: str | None
) -> None:
    """A cost that falls steadily, with much of the fall, or of the rise, in the last quarter."""
    log = (
        rows(train_cost=costs)
        if accuracies is None
        else rows(train_cost=costs, train_accuracy=accuracies)
    )
    message = said("eta_too_small", log)
    assert (message is None) == (found is None)
    if found is not None:
        assert str(message).endswith(found)
        assert str(message).startswith("eta 0.5 may be too small, or the epochs too few")
    assert said("eta_too_small", log, status="interrupted") is None


@pytest.mark.parametrize(
    ("costs", "found"),
    [
        ([1.0, 0.5] * 8, True),
        ([1.0] * 6 + [0.5, 0.51] * 3, False),  # jumps by little
        ([1.0] * 6 + [0.5 - i / 50 for i in range(6)], False),  # falls
        ([1.0, 0.5, 1.0, 0.5, 1.0, 0.5, 0.9, 0.8, 0.85, 0.45, 0.3, 0.32], False),  # comes down
        ([1.0, 0.5] * 5, False),  # too short to tell
        ([1.0, 0.0] * 6, False),
        ([1.0, nan, 0.5, inf] * 8, True),
    ],
)
def test_eta_may_be_too_large_where_the_cost_jumps_up_and_down(
    costs: list[float], found: bool
) -> None:
    """The second half rises often and far, and comes no further down."""
    message = said("eta_too_large", rows(train_cost=costs))
    assert (message is not None) == found
    if message is not None:
        assert message.startswith("eta 0.5 may be too large: in the second half of the epochs")


values = st.sampled_from([None, nan, inf, -inf, 0.0, 1e-300, 0.5]) | st.floats(0, 3)
COLUMNS = ("train_cost", "train_accuracy", "validation_cost", "eta")
STATE = ("confidently_wrong", "derivative_2", "saturated_1", "output_missed_0")


def logs(columns: tuple[str, ...]) -> st.SearchStrategy[list[dict[str, float | None]]]:
    """Return logs of any length, some columns missing, with cells that are no numbers."""
    chosen = st.lists(st.sampled_from(columns), unique=True)
    return chosen.flatmap(
        lambda names: st.lists(
            st.tuples(*(values for _ in names)).map(lambda row: dict(zip(names, row, strict=True))),
            max_size=14,
        ).map(lambda found: [{"epoch": float(i), **row} for i, row in enumerate(found, 1)])
    )


@given(logs(COLUMNS), logs(STATE), st.lists(st.floats(0, 1), max_size=4), st.integers(0, 99))
def test_whatever_the_logs_hold_no_rule_speaks_of_what_is_no_number(
    log: list[dict[str, float | None]],
    state: list[dict[str, float | None]],
    recall: list[float],
    examples: int,
) -> None:
    """Gaps, NaN and infinities raise nothing and are never quoted."""
    names = [str(i) for i in range(len(recall))]
    for activation in ("relu", "sigmoid"):
        case = Measurements(
            CONFIG | {"activation": activation}, "completed", log, state, recall, names, examples
        )
        for sentence in diagnose(case):
            words = sentence.replace("(", " ").replace(",", " ").split()
            assert not {"nan", "inf", "-inf", "nan)", "inf)"} & set(words), sentence
            assert sentence == sentence.strip()


@given(logs(("eta", "test_cost", "test_accuracy")), st.sampled_from(["completed", "interrupted"]))
def test_without_the_training_cost_or_accuracy_nothing_is_said(
    log: list[dict[str, float | None]], status: str
) -> None:
    """Rules that know nothing are silent."""
    assert diagnose(Measurements(CONFIG, status, log)) == []
    blind = [row | {"train_cost": None, "train_accuracy": nan} for row in log]
    assert diagnose(Measurements(CONFIG | {"activation": "relu"}, status, blind)) == []
