"""Names that reach a shell: printed commands and completions mean what they say, and no more."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nnexp.cli.options import complete_runs
from nnexp.text import command

SHELLS = [shell for shell in ("sh", "bash", "zsh") if shutil.which(shell)]
NAMES = (
    "a b",
    "$(touch hit)",
    "`touch hit`",
    "it's",
    'say "x"',
    "a;touch hit",
    "a\nb",
    "-rf",
    "~root",
    "=ls",
    "!!",
    "*",
    "a\\b",
    "\N{SNOWMAN}",
    "\x1b[2J",
    "a&b|c>d<e",
    "#x",
    "{a,b}",
    os.fsdecode(b"\xff"),
)
CONFIG = """\
data: {inline: {x: [[0, 1], [1, 0]], y: [[0], [1]]}}
layers: [2, 1]
epochs: 2
"""
_ECHO = "nnexp() { for word; do printf '%s\\0' \"$word\"; done; }\n"


def words_of(line: str, shell: str, folder: Path) -> list[bytes]:
    """Return the words that a program is given when a shell runs a command line."""
    script = os.fsencode(_ECHO + line)
    done = subprocess.run([shell], input=script, cwd=folder, capture_output=True, check=True)
    return done.stdout.split(b"\0")[:-1]


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("name", NAMES)
def test_a_printed_command_has_the_words_it_is_of(name: str, shell: str, tmp_path: Path) -> None:
    """Whatever a folder is called, the program is given its name, and nothing else runs."""
    line = command("nnexp", "show", Path(name), Path("runs") / name)
    start = b"./" if name[0] in "-~" else b""
    expected = [b"show", start + os.fsencode(name), b"runs/" + os.fsencode(name)]
    assert words_of(line, shell, tmp_path) == expected
    assert line.isprintable()
    assert list(tmp_path.iterdir()) == []


@settings(max_examples=50, deadline=None)
@given(st.text(st.characters(min_codepoint=1, exclude_categories=["Cs"]), min_size=1))
def test_any_text_survives_a_shell(text: str) -> None:
    """Any word but one that ends in a line end comes out of sh as it went in."""
    word = text.rstrip("\n") or "x"
    assert words_of(command("nnexp", word), "sh", Path()) == [os.fsencode(word)]


@pytest.mark.parametrize("name", NAMES)
def test_completion_offers_only_words_that_a_shell_leaves_alone(name: str, tmp_path: Path) -> None:
    """A name that would have to be quoted is not offered: on Enter the shell would run it."""
    for folder in (name, "20260101-000000-plain-s0"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "run.json").touch()
    context = click.Context(click.Command("show"))
    context.params["runs_dir"] = tmp_path
    items = complete_runs(context, click.Argument(["run"]), "")
    assert [item.value for item in items] == ["latest", "20260101-000000-plain-s0"]


@pytest.mark.parametrize("name", ["a $(touch hit) 'b'", "-x", "a\nb"])
def test_what_train_advises_works_when_it_is_pasted(name: str, tmp_path: Path) -> None:
    """The command that compares two runs does so, in a real shell, whatever their folder's name."""
    (tmp_path / "tiny.yaml").write_text(CONFIG)
    program = [sys.executable, "-P", "-m", "nnexp"]
    train = [*program, "train", "tiny.yaml", "--seeds", "0-1", f"--runs-dir=./{name}"]
    said = subprocess.run(train, cwd=tmp_path, capture_output=True, text=True, check=True)
    advice = [line for line in said.stderr.splitlines() if line.startswith("compare them: ")]
    (line,) = [line.removeprefix("compare them: ") for line in advice]
    again = subprocess.run(
        ["sh", "-c", f'nnexp() {{ "$PYTHON" -P -m nnexp "$@"; }}\n{line}'],
        cwd=tmp_path,
        env=os.environ | {"PYTHON": sys.executable},
        capture_output=True,
        text=True,
        check=False,
    )
    assert again.returncode == 0, again.stderr
    assert not (tmp_path / "hit").exists()
