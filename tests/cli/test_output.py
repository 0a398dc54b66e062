"""What is printed goes through one door."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from nnexp.cli import output


def test_nothing_is_printed_past_the_door() -> None:
    """No command prints by itself: only `say` keeps a stranger's text from the terminal."""
    past = re.compile(r"\bclick\.s?echo|\bprint\(|sys\.std(out|err)\.write")
    sources = Path(output.__file__).parent.glob("*.py")
    assert [path.name for path in sources if past.search(path.read_text())] == ["output.py"]


def test_what_is_said_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """Lines stay lines; of a note, one."""
    output.say("a\x1b[2J\nb\u202e\x9bc")
    output.say_note("a\nnnexp: all is well\x07")
    found = capsys.readouterr()
    assert found.out == "a�[2J\nb��c\n"
    assert found.err == "note: a�nnexp: all is well�\n"
