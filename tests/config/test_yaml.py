"""YAML in: its traps, and texts that are refused."""

from __future__ import annotations

import math

import pytest

from nnexp.config.yaml import parse, parse_value
from nnexp.errors import ConfigError


def refusal(text: str) -> str:
    """Return the message a text is refused with."""
    with pytest.raises(ConfigError) as caught:
        parse(text, "a.yaml")
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("1E5", 100_000.0),
        ("1.5e+3", 1500.0),
        (".5", 0.5),
        ("1.", 1.0),
        ("-3", -3),
        ("50_000", "50_000"),
        ("1_0.5e1_0", "1_0.5e1_0"),
        ("010", 10),
        ("0x1F", 31),
        ("0o17", 15),
        ("0o8", "0o8"),
        ("-0x1F", "-0x1F"),
        ("0b11", "0b11"),
        ("1__0", "1__0"),
        ("1:30", "1:30"),
        ("no", "no"),
        ("on", "on"),
        ("Yes", "Yes"),
        ("y", "y"),
        ("true", True),
        ("False", False),
        ("~", None),
        ("null", None),
        ("", None),
        ("2026-11-22", "2026-11-22"),
        ("'1e-3'", "1e-3"),
        ("-.inf", -math.inf),
        ("[1, a, {b: 2}]", [1, "a", {"b": 2}]),
        ("é", "é"),
    ],
)
def test_a_text_is_read_by_the_rules_of_yaml_1_2(text: str, value: object) -> None:
    """Numbers are numbers, words are words, and only true and false are truth values."""
    result = parse(f"key: {text}", "a.yaml").values["key"]
    assert result == value
    assert type(result) is type(value)
    assert parse_value(text, "--set key") == value


def test_nan_is_read_as_nan() -> None:
    """`.nan` is not a number, so that a later check can say so."""
    assert math.isnan(parse_value(".nan", "--set eta"))


def test_keys_are_words_whatever_they_look_like() -> None:
    """A key is its text, even where the same text would be a number or a truth value."""
    assert list(parse("1: a\nno: b\nnull: c\n<<: d", "a.yaml").values) == ["1", "no", "null", "<<"]


def test_a_key_that_stands_twice_is_refused_with_both_lines() -> None:
    """The message about a doubled key names its line and the line of the first."""
    assert refusal("eta: 1\ncost: quadratic\neta: 2") == (
        "a.yaml:3: eta: is there twice; first in a.yaml:1"
    )


def test_doubled_keys_are_found_at_every_depth_and_all_at_once() -> None:
    """Each doubled key is reported, with the path that leads to it."""
    text = "data:\n  train: 1\n  train: 2\nlist:\n- {b: 1, b: 2}\n"
    assert refusal(text).splitlines() == [
        "a.yaml:3: data.train: is there twice; first in a.yaml:2",
        "a.yaml:5: list.0.b: is there twice; first in a.yaml:5",
    ]


@pytest.mark.parametrize(
    "value",
    [
        "!!python/object/apply:os.system [ls]",
        "!!python/name:os.system x",
        "!mine 3",
        "!mine [1]",
        "!mine {a: 1}",
        "!!set {a}",
        "!!binary aGk=",
        "!!timestamp 2026-11-22",
        "!!bool perhaps",
        "!!int x",
        "!!float ''",
        "!!float 1:30",
        "!!null 0",
    ],
)
def test_a_tag_is_refused_by_line_and_key(value: str) -> None:
    """No tag makes a value something it does not look like, least of all an object."""
    message = refusal(f"a: 1\nkey: {value}")
    assert message.startswith("a.yaml:2: key: ")
    assert "not allowed" in message or "cannot be read" in message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "a.yaml: empty; a config needs at least data and layers"),
        ("# nothing but a comment", "a.yaml: empty; a config needs at least data and layers"),
        ("- eta: 1", "a.yaml:1: expected lines of `key: value`, got a list"),
        ("eta", "a.yaml:1: expected lines of `key: value`, got a single value"),
        ("? [1]\n: 2", "a.yaml:1: expected a plain word as key"),
        ("eta: 1\nlayers: [1", "a.yaml:3: not YAML: did not find expected ',' or ']' while"),
        ("eta: 1\n\tcost: 2", "a.yaml:2: not YAML: "),
        ("eta: *other", "a.yaml:1: eta: no anchor other is above"),
        ("key: &x [*x]", "a.yaml:1: key.0: no anchor x is above"),
        ("eta: 1\n---\neta: 2", "a.yaml:2: a second document begins here"),
        ("eta: \0", "a.yaml: not YAML: unacceptable character #x0000"),
        ('eta: "\\ud800"', "a.yaml:1: not YAML: found invalid Unicode character escape code"),
        ('"\\udfff": 1', "a.yaml:1: not YAML: found invalid Unicode character escape code"),
        ("eta: \udcff", "a.yaml: is not UTF-8 text"),
        (f"seed: {'9' * 101}", "a.yaml:1: seed: expected an integer of at most 100 digits"),
        (f"seed: {'9' * 3_000_000}", "a.yaml:1: seed: expected an integer of at most 100 digits"),
    ],
)
def test_what_is_no_config_is_refused_by_its_line(text: str, message: str) -> None:
    """A text that holds no mapping is refused with one line that says where and why."""
    refused = refusal(text)
    assert refused.startswith(message)
    assert len(refused.splitlines()) == 1


def test_a_billion_laughs_are_refused() -> None:
    """Aliases of aliases do not fill the memory: the values they would add are counted first."""
    lines = ["a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 12)]
    assert refusal("\n".join(lines)) == (
        "a.yaml:6: larger than the 300,000 values a config may have"
    )


def test_aliases_do_not_nest_deeper_than_a_config_may() -> None:
    """A level a line, each around the one before, is as deep as if it were written out."""
    lines = ["a0: &a0 [x]", *(f"a{i}: &a{i} [*a{i - 1}]" for i in range(1, 30))]
    assert refusal("\n".join(lines)) == "a.yaml:20: larger than the 20 levels a config may have"


def test_mistakes_without_end_are_not_all_told() -> None:
    """Of a hundred thousand mistakes the first fifty are worded."""
    lines = refusal("\n".join(f"k{i}: !mine" for i in range(100_000))).splitlines()
    assert lines[0] == "a.yaml:1: k0: the tag !mine is not allowed"
    assert lines[-1] == "... and 51 more"
    assert len(lines) == 51


def test_a_text_of_an_alias_is_its_own() -> None:
    """Changing a value does not change what was written elsewhere with an alias of it."""
    values = parse("a: &x [1, 2]\nb: *x", "a.yaml").values
    values["b"][0] = 9
    assert values["a"] == [1, 2]


@pytest.mark.parametrize("text", ["[" * 30 + "]" * 30, "[" * 100_000, "{a: " * 5000, "- " * 5000])
def test_deep_nesting_is_refused(text: str) -> None:
    """Brackets without end give a message and not a RecursionError."""
    assert refusal(f"key: {text}" if text[0] != "-" else text).endswith(
        ("nested deeper than 20 levels", "larger than the 20 levels a config may have")
    )


def test_an_endless_file_is_refused() -> None:
    """A file of more than four million characters is not parsed at all."""
    assert refusal("#" * 4_000_001) == "a.yaml: longer than 4,000,000 characters"


def test_an_alias_repeats_its_value() -> None:
    """Anchors and aliases work where they do no harm."""
    assert parse("a: &x [1, 2]\nb: *x", "a.yaml").values == {"a": [1, 2], "b": [1, 2]}


def test_every_key_knows_its_line() -> None:
    """A document says where each value stands, and for a missing one where its holder is."""
    document = parse("eta: 1\ndata:\n  inline:\n    x:\n    - [1]\n    - [2]\n", "a.yaml")
    assert document.where(("eta",)) == "a.yaml:1"
    assert document.where(("data", "inline", "x", 1, 0)) == "a.yaml:6"
    assert document.where(("data", "inline", "y")) == "a.yaml:3"
    assert document.where(("layers",)) == "a.yaml:1"
