"""Tables, in every format they can be written in."""

from __future__ import annotations

import csv
import io
import json
import re
from typing import Any
from unicodedata import combining, east_asian_width

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnexp.views.formats import FORMATS, Block, Page
from nnexp.views.table import Column, Table, as_text, markdown, plain_column

Record = dict[str, Any]


def table(records: list[Record], *keys: str) -> Table[Record]:
    """Lay records out, their keys as columns; numbers flush right."""
    return Table(
        [
            plain_column(key.upper(), key, lambda r, key=key: r.get(key), left=key != "n")  # type: ignore[misc]
            for key in keys
        ],
        records,
    )


def write(name: str, described: Table[Any]) -> str:
    """Write a page that is a table."""
    return FORMATS[name].write(Page([Block(table=described)], described))


def width(text: str) -> int:
    """Return how many columns of a terminal a text takes."""
    return sum(2 if east_asian_width(c) in "WF" else not combining(c) for c in text)


@pytest.mark.parametrize("name", FORMATS)
def test_each_format_shows_every_cell(name: str) -> None:
    """Whatever the format, no record and no value is lost."""
    text = write(name, table([{"a": "one", "n": 1.5}, {"a": "two", "n": None}], "a", "n"))
    assert all(word in text for word in ("one", "two", "1.5"))
    assert text.endswith("\n")


@pytest.mark.parametrize("name", FORMATS)
def test_each_format_writes_a_table_without_records(name: str) -> None:
    """No records are a table without rows, and not an error."""
    text = write(name, table([], "a", "n"))
    assert text.endswith("\n")
    assert "None" not in text


def test_cells_are_aligned_under_their_titles() -> None:
    """Words are flush left, numbers flush right, and a rule stands below the head."""
    text = as_text(table([{"a": "one", "n": 1}, {"a": "three", "n": 100}], "a", "n"))
    assert text == "A        N\n─────  ───\none      1\nthree  100\n"


def test_wide_and_combining_signs_do_not_disturb_the_columns() -> None:
    """Alignment counts columns of the terminal, not characters."""
    lines = as_text(table([{"a": "数字", "n": 1}, {"a": "e\u0301", "n": 2}], "a", "n")).splitlines()
    assert {width(line) for line in lines} == {7}


def test_a_table_that_is_too_wide_is_turned() -> None:
    """Where the terminal is narrow, titles stand at the left and records side by side."""
    records = [{"a": f"run-{i}", "b": "b" * 20, "c": "c" * 35, "n": i} for i in range(5)]
    lines = as_text(table(records, "a", "b", "c", "b", "n"), 88).splitlines()
    assert all(width(line) <= 88 for line in lines)
    assert lines[0].split() == ["A", "run-0", "run-1"]
    assert [line.split()[1:] for line in lines if line.startswith("N")] == [
        ["0", "1"],
        ["2", "3"],
        ["4"],
    ]


def test_a_long_table_is_turned_without_a_cell_lost() -> None:
    """The work grows with the rows and not with their cube: thousands are laid out at once."""
    names = [f"run-{i}" for i in range(3000)]
    text = as_text(table([{"a": name, "n": 1} for name in names], "a", "n"), 9)
    assert [word for word in text.split() if word.startswith("run-")] == names


texts = st.text(st.characters(codec="utf-8", exclude_characters="\r"), max_size=80)


@given(st.lists(st.tuples(texts, texts), max_size=6), st.integers(70, 200) | st.none())
def test_no_cell_breaks_out_of_a_table(cells: list[tuple[str, str]], room: int | None) -> None:
    """Foreign texts can neither break a line nor steer the terminal nor grow beyond its width."""
    described = Table(
        [plain_column("A", "a", lambda r: r[0]), plain_column("B", "b", lambda r: r[1])], cells
    )
    text = as_text(described, room)
    assert all(c.isprintable() for line in text.split("\n") for c in line)
    if room is None:
        assert len(text.split("\n")) == 2 + len(cells) + 1
    elif not any(east_asian_width(c) in "WF" for pair in cells for cell in pair for c in cell):
        assert all(width(line) <= room for line in text.split("\n"))


def test_names_are_written_whole_and_cells_that_differ_stay_different() -> None:
    """A name can be typed as it is printed, and no two rows look equal that are not."""
    long = "a" * 100
    records = [{"a": f"{long}{i}", "b": f"{long}{i}", "c": f"{long}" * 2} for i in range(2)]
    _, _, *lines = as_text(table(records, "a", "b", "c")).splitlines()
    first, second = (line.split() for line in lines)
    assert [first[0], second[0]] == [record["a"] for record in records]
    assert first[1] != second[1]
    assert max(len(first[1]), len(second[1])) == 60
    assert first[2] == second[2] == "a" * 59 + "…"


@pytest.mark.parametrize("name", FORMATS)
def test_zero_has_no_sign_in_any_format(name: str) -> None:
    """-0.0 is zero: for people as for programs."""
    text = write(name, table([{"a": "x", "n": -0.0}], "a", "n"))
    assert "-0" not in text.replace("---", "")
    assert "0.0" in text


def test_a_column_may_give_several_raw_values() -> None:
    """A shown cell such as `0.5 ± 0.1` is two columns for programs."""
    column: Column[Record] = Column("x", lambda r: "0.5 ± 0.1", lambda r: {"mean": 0.5, "sd": 0.1})
    described = Table([plain_column("A", "a", lambda r: r["a"]), column], [{"a": "one"}])
    assert json.loads(write("json", described)) == [{"a": "one", "mean": 0.5, "sd": 0.1}]
    (row,) = csv.DictReader(io.StringIO(write("csv", described)))
    assert row == {"a": "one", "mean": "0.5", "sd": "0.1"}
    assert "0.5 ± 0.1" in write("md", described)


@given(st.lists(st.fixed_dictionaries({"a": texts, "n": st.none() | st.integers()})))
def test_json_is_read_back_as_it_was_and_is_printable(records: list[Record]) -> None:
    """Signs of all languages survive; what could steer a terminal is escaped."""
    text = write("json", table(records, "a", "n"))
    assert json.loads(text) == records
    assert text.replace("\n", "").isprintable()


@given(st.lists(st.fixed_dictionaries({"a": texts, "n": st.none() | st.integers()})))
def test_csv_is_read_back_as_it_was_but_for_the_mark_before_formulas(records: list[Record]) -> None:
    """Commas, quotes, lines and negative numbers survive; no text is a formula or steers."""
    text = write("csv", table(records, "a", "n"))
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert [row["n"] for row in rows] == ["" if r["n"] is None else str(r["n"]) for r in records]
    for row, record in zip(rows, records, strict=True):
        expected = "".join(c if c.isprintable() or c == "\n" else "�" for c in record["a"])
        assert row["a"].replace("'", "") == expected.replace("'", "")
        for part in re.split(r"[;\n]", row["a"]):
            assert not part.strip().startswith(tuple("=+-@＝＋－＠"))
        if not re.search(r"[=+\-@＝＋－＠]", expected):
            assert row["a"] == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("=1+1", "'=1+1"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "�=1"),
        ("a\r=1", "a�=1"),
        ("\x1b[2J", "�[2J"),
        ("  =1", "'  =1"),
        ("＝1", "'＝1"),
        ("a;=1", "a;'=1"),
        ("a\n=1", "a\n'=1"),
        ("a-1=2@b", "a-1=2@b"),
        ("[1, -2]", "[1, -2]"),
        ("20260101-000000-a-s0", "20260101-000000-a-s0"),
    ],
)
def test_a_text_that_looks_like_a_formula_is_defused_in_csv(text: str, expected: str) -> None:
    """A spreadsheet takes it for text; a number of the same looks stays a number."""
    (row,) = csv.DictReader(
        io.StringIO(write("csv", table([{"a": text, "n": -0.5}], "a", "n")), newline="")
    )
    assert row == {"a": expected, "n": "-0.5"}


def test_json_has_no_nan() -> None:
    """A value that is no number is null: NaN and Infinity are no JSON."""
    values = [float("nan"), float("inf"), -float("inf"), 0.5]
    text = write("json", table([{"n": value} for value in values], "n"))
    assert [row["n"] for row in json.loads(text)] == [None, None, None, 0.5]


@given(texts)
def test_a_markdown_cell_is_one_cell_and_no_markup(cell: str) -> None:
    """Whatever a cell holds, its line has the head's columns, and no sign of markup in it."""
    *_, line = write("md", table([{"a": cell, "n": 1}], "a", "n")).splitlines()
    inner = line.removeprefix("| ").removesuffix(" | 1 |")
    assert line == f"| {inner} | 1 |"
    plain = re.sub(r"\\[!-/:-@\[-`{-~]", "", inner.replace("<!-- -->", ""))
    assert not set(plain) & set("|`*_[]<>#!~&$\\")
    assert plain.isprintable()


def test_markdown_shows_what_the_cell_holds() -> None:
    """Escaped, not dropped."""
    text = write("md", table([{"a": "x|y_<b>\n![z](u)", "n": 1}], "a", "n"))
    assert text.splitlines() == [
        "| A | N |",
        "| :--- | ---: |",
        "| x\\|y\\_\\<b\\>�\\!\\[z\\](u) | 1 |",
    ]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("www.example.org", "www\\.example.org"),
        ("WWW.example.org", "WWW\\.example.org"),
        ("https://example.org", "https\\://example.org"),
        ("someone@example.org", "someone\\@<!-- -->example.org"),
        ("mailto:someone@example.org", "mailto:someone\\@<!-- -->example.org"),
        ("@someone", "\\@<!-- -->someone"),
        ("a/b#12", "a/b\\#<!-- -->12"),
        ("[^1] &copy; :tada:", "\\[\\^1\\] \\&copy; :<!-- -->tada:"),
        ("12:30, a: b, a @ b", "12:30, a: b, a \\@ b"),
    ],
)
def test_no_text_becomes_a_link_in_markdown(text: str, shown: str) -> None:
    """Nor a mention, a footnote, an entity or a picture; on GitHub, too."""
    assert markdown(text) == shown
