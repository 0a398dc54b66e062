"""Overrides of the command line: dotted keys, YAML values; and seeds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnexp.config.study_file import parse_seeds
from nnexp.errors import ConfigError, NnexpError, OptionError

if TYPE_CHECKING:
    from conftest import LoadText

TEXT = """\
data: mnist
layers: [784, 30, 10]
eta: 0.5
reference: {test_accuracy: 95.0}
"""


@pytest.mark.parametrize(
    ("override", "changed"),
    [
        ("eta=1e-3", {"eta": 0.001}),
        ("  eta = 2 ", {"eta": 2.0}),
        ("layers=[784, 10]", {"layers": [784, 10]}),
        ("layers.1=50", {"layers": [784, 50, 10]}),
        ("data.train=1000", {"data": {"name": "mnist", "train": 1000}}),
        ("data={name: mnist, test: 5}", {"data": {"name": "mnist", "test": 5}}),
        ("monitor=[]", {"monitor": []}),
        ("name='08'", {"name": "08"}),
        ("description='a: b'", {"description": "a: b"}),
        ("reference.source=a book", {"reference": {"test_accuracy": 95.0, "source": "a book"}}),
        ("reference=", {"reference": None}),
    ],
)
def test_an_override_changes_its_key_and_nothing_else(
    load_text: LoadText, override: str, changed: dict[str, Any]
) -> None:
    """`--set` gives what the same words in the file would give."""
    plain = load_text(TEXT).experiment.model_dump()
    values = load_text(TEXT, override).experiment.model_dump()
    ((key, value),) = changed.items()
    if isinstance(value, dict):
        assert {name: values[key][name] for name in value} == value
        value = {**plain[key], **value}
    assert values == {**plain, key: value}


def test_the_last_of_two_overrides_counts(load_text: LoadText) -> None:
    """Overrides are applied from left to right."""
    config = load_text(TEXT, "eta=1", "eta=2", "layers.1=5", "layers=[784, 7, 10]", "layers.1=6")
    assert (config.experiment.eta, config.experiment.layers) == (2.0, [784, 6, 10])


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("eta", "--set eta: expected KEY=VALUE, as in --set eta=0.1"),
        ("=3", "--set =3: expected KEY=VALUE, as in --set eta=0.1"),
        ("layers.5=3", "--set layers.5=3: layers has no part 5"),
        ("layers.-1=3", "--set layers.-1=3: layers has no part -1"),
        ("layers.x=3", "--set layers.x=3: layers has no part x"),
        ("layers.²=3", "--set layers.²=3: layers has no part ²"),
        ("layers.1.2=3", "--set layers.1.2=3: layers.1 has no part 2"),
        ("layers.5.2=3", "--set layers.5.2=3: layers has no part 5"),
        ("eta.x=1", "--set eta.x=1: eta has no part x"),
    ],
)
def test_an_override_that_leads_nowhere_is_refused(
    load_text: LoadText, override: str, message: str
) -> None:
    """What is no KEY=VALUE, or names a part that is not there, is refused in the user's words."""
    with pytest.raises(OptionError) as caught:
        load_text(TEXT, override)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("eta=fast", "--set eta=fast: eta: expected a number, got 'fast'"),
        ("eta=[", "--set eta=[: not YAML: "),
        ("layers.1=0", "--set layers.1=0: layers.1: expected an integer of at least 1, got 0"),
        ("etta=1", "--set etta=1: etta: unknown key; did you mean eta?"),
        ("data.trian=1", "--set data.trian=1: data.trian: unknown key; did you mean train?"),
        ("layers=[784, 5]", "--set layers=[784, 5]: layers: [784, 5] does not fit the 784"),
    ],
)
def test_a_wrong_value_is_blamed_on_the_override(
    load_text: LoadText, override: str, message: str
) -> None:
    """A problem that an override caused points at the option and not at a line of the file."""
    with pytest.raises(ConfigError) as caught:
        load_text(TEXT, override)
    assert str(caught.value).startswith(message)
    assert len(caught.value.problems) == 1


@pytest.mark.parametrize(
    ("text", "seeds"),
    [
        ("0", [0]),
        ("0-3", [0, 1, 2, 3]),
        ("3,1", [3, 1]),
        ("0-2, 7 ,9-10", [0, 1, 2, 7, 9, 10]),
        ("5-5", [5]),
        ("007", [7]),
    ],
)
def test_seeds_are_ranges_and_lists(text: str, seeds: list[int]) -> None:
    """`--seeds` takes ranges, lists and mixtures, and keeps their order."""
    assert list(parse_seeds(text)) == seeds


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected seeds as in"),
        ("a", "expected seeds as in"),
        ("1-", "expected seeds as in"),
        ("-1", "expected seeds as in"),
        ("1,,2", "expected seeds as in"),
        ("1.5", "expected seeds as in"),
        ("٣", "expected seeds as in"),
        ("3-1", "3-1 runs backwards: write 1-3"),
        ("1,2,1", "seed 1 is there twice"),
        ("0-5,3", "seed 3 is there twice"),
        ("0-99999999999", "more than 10,000 seeds"),
    ],
)
def test_other_seeds_are_refused(text: str, message: str) -> None:
    """What is no list of different seeds is refused, an endless one before it is made."""
    with pytest.raises(OptionError, match=message):
        parse_seeds(text)


@given(st.text("0123456789-, ", max_size=12) | st.text(max_size=8))
def test_any_text_gives_seeds_or_a_message(text: str) -> None:
    """Seeds that are taken are different whole numbers; everything else is a NnexpError."""
    try:
        seeds = parse_seeds(text)
    except NnexpError:
        return
    assert seeds
    assert len(set(seeds)) == len(seeds)
    assert min(seeds) >= 0
