"""What is printed cannot steer the terminal; a lint rule keeps all printing in this module."""

from __future__ import annotations

import pytest

from nnexp.cli import output


def test_what_is_printed_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """Lines stay lines; of a note, one."""
    output.say("a\x1b[2J\nb\u202e\x9bc")
    output.say_note("a\nnnexp: all is well\x07")
    captured = capsys.readouterr()
    assert captured.out == "a�[2J\nb��c\n"
    assert captured.err == "note: a�nnexp: all is well�\n"
