"""Help: every command explains itself, and a slip of the finger is answered."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import click
import pytest
from click.shell_completion import ShellComplete
from jsonschema import Draft202012Validator

import nnexp as package
from nnexp.cli import cli

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Nnexp

COMMANDS = sorted(cli.commands)


def complete(words: list[str], incomplete: str) -> list[str]:
    """Return what the shell is offered."""
    shell = ShellComplete(cli, {}, "nnexp", "_NNEXP_COMPLETE")
    return [item.value for item in shell.get_completions(words, incomplete)]


def test_the_commands_are_those_of_the_documentation() -> None:
    """Training, resuming and sweeping, comparing, listing, showing, plotting and the schema."""
    assert [
        *("compare", "list", "plot", "resume", "schema", "show", "sweep", "train", "tune"),
    ] == COMMANDS


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_has_help_with_an_example(nnexp: Nnexp, name: str) -> None:
    """The help says what a command does and shows a line that uses it."""
    text = nnexp(name, "--help").stdout
    assert re.search(rf"^  Example: nnexp {name}\b", text, re.MULTILINE)
    assert (cli.commands[name].help or "").splitlines()[0].endswith(".")
    assert nnexp(name, "-h").stdout == text


@pytest.mark.parametrize("name", COMMANDS)
def test_each_option_says_what_it_is_for(name: str) -> None:
    """No option is left without a sentence."""
    for parameter in cli.commands[name].params:
        if isinstance(parameter, click.Option):
            assert parameter.help, parameter.name
            assert parameter.help.endswith("."), parameter.name


@pytest.mark.parametrize("name", COMMANDS)
def test_the_example_of_a_command_is_one(name: str) -> None:
    """The options of an example are options of the command, in its words."""
    command = cli.commands[name]
    known = {word for parameter in command.params for word in parameter.opts}
    used = re.findall(r"(?<=\s)--?[a-z-]+", command.epilog or "")
    assert set(used) <= known


def test_the_program_lists_its_commands(nnexp: Nnexp) -> None:
    """`nnexp --help` names every command; without any word it does the same and fails."""
    text = nnexp("--help").stdout
    assert all(re.search(rf"^  {name} ", text, re.MULTILINE) for name in COMMANDS)
    assert "nnexp train configs/smoke.yaml" in text
    assert nnexp(code=2).output == text


def test_the_version_is_the_packages(nnexp: Nnexp) -> None:
    """`--version` prints the number that run.json records."""
    assert nnexp("--version").stdout == f"nnexp, version {package.__version__}\n"


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("trian", "No such command 'trian'; did you mean train?"),
        ("Compare", "No such command 'Compare'; did you mean compare?"),
        ("frobnicate", "No such command 'frobnicate'."),
    ],
)
def test_an_unknown_command_is_answered_by_the_nearest(nnexp: Nnexp, word: str, said: str) -> None:
    """A mistyped command is a usage error that says which one is meant."""
    result = nnexp(word, code=2)
    assert said in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize(
    "words",
    [
        ["train"],
        ["train", "a.yaml", "--seed", "-1"],
        ["train", "a.yaml", "--etta", "1"],
        ["compare", "--format", "xml"],
        ["compare", "--sort", "luck"],
        ["list", "--status", "happy"],
        ["show"],
    ],
)
def test_a_wrong_use_is_exit_code_2(nnexp: Nnexp, words: list[str]) -> None:
    """Missing arguments and options that do not exist are the shell's kind of mistake."""
    result = nnexp(*words, code=2)
    assert "Usage: nnexp" in result.stderr


def test_the_schema_is_printed_as_json(nnexp: Nnexp) -> None:
    """`nnexp schema` prints a JSON Schema that can be saved as it is."""
    Draft202012Validator.check_schema(json.loads(nnexp("schema").stdout))


def test_the_shell_is_offered_runs(gallery: Path) -> None:
    """Completion knows the ids of the runs and `latest`, and falls back to files."""
    ids = {path.name for path in gallery.iterdir()}
    for command in ("compare", "show", "plot"):
        words = [command, "--runs-dir", str(gallery)]
        assert set(complete(words, "2")) == ids
        assert complete(words, "lat") == ["latest"]
    one = next(name for name in ids if "quick" in name)
    assert complete(["show", "--runs-dir", str(gallery)], one[:-1]) == [one]
    shell = ShellComplete(cli, {}, "nnexp", "_NNEXP_COMPLETE")
    assert [item.type for item in shell.get_completions(["show"], "./x")] == ["file"]


def test_the_shell_is_offered_keys(folder: Path) -> None:
    """Completion after --set knows the keys of a config."""
    assert complete(["train", "a.yaml", "--set"], "ep") == ["epochs="]
    assert {"eta=", "cost=", "layers="} <= set(complete(["train", "-s"], ""))
