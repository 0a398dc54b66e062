"""Help: every command explains itself, and a typing mistake is answered."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest
from click.shell_completion import ShellComplete
from jsonschema import Draft202012Validator

import nnexp as package
from nnexp.cli import cli
from nnexp.cli.reference import entries, find
from nnexp.config.schema import Experiment
from nnexp.config.study_file import StudyFile
from nnexp.names import STATISTICS, STATUSES
from nnexp.stats.verdict import WORDS

if TYPE_CHECKING:
    from conftest import Nnexp

COMMANDS = sorted(cli.commands)


def complete(words: list[str], incomplete: str) -> list[str]:
    """Return what the shell is offered."""
    shell = ShellComplete(cli, {}, "nnexp", "_NNEXP_COMPLETE")
    return [item.value for item in shell.get_completions(words, incomplete)]


def test_the_commands_are_those_of_the_documentation() -> None:
    """Each command has its section in docs/cli.md, and no other has one."""
    page = (Path(__file__).parents[2] / "docs" / "cli.md").read_text(encoding="utf-8")
    assert re.findall(r"^## nnexp (\w+)$", page, re.MULTILINE) == COMMANDS


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
    options = {word for parameter in command.params for word in parameter.opts}
    used = re.findall(r"(?<=\s)--?[a-z-]+", command.epilog or "")
    assert set(used) <= options


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
    ("word", "message"),
    [
        ("trian", "No such command 'trian'; did you mean train?"),
        ("Compare", "No such command 'Compare'; did you mean compare?"),
        ("frobnicate", "No such command 'frobnicate'."),
    ],
)
def test_an_unknown_command_suggests_the_nearest(nnexp: Nnexp, word: str, message: str) -> None:
    """A mistyped command is a usage error that says which one is meant."""
    result = nnexp(word, code=2)
    assert message in result.stderr
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


def explained(word: str) -> str:
    """Return the term that a word leads to."""
    return find(word).term


@pytest.mark.parametrize(
    "word",
    [
        *Experiment.model_fields,
        *StudyFile.model_fields,
        *STATISTICS,
        *STATUSES,
        *WORDS,
        *("quadratic", "cross_entropy", "log_likelihood", "sigmoid", "tanh", "relu", "linear"),
        *("softmax", "large", "scaled", "glorot", "he", "zeros", "constant", "step", "halve"),
        *("exponential", "cosine", "shifts", "rotate", "affine", "elastic"),
        *("learning slowdown", "saturation", "backpropagation", "BP1", "BP2", "BP3", "BP4"),
        *("vanishing gradient", "overfitting", "regularization", "mini-batch", "validation set"),
        *("arm", "study", "p value", "confidence interval", "Holm correction", "paired"),
    ],
)
def test_every_key_and_word_of_the_chapter_is_explained(word: str) -> None:
    """Config keys, choices, statistics, statuses, verdicts and the terms of the book."""
    assert find(word).meaning.endswith(".")


def test_an_entry_is_one_line_and_its_words_lead_to_it_alone() -> None:
    """A meaning is short, keys are keys, and no word stands for two terms."""
    keys = {*Experiment.model_fields, *StudyFile.model_fields, ""}
    words = [word for entry in entries() for word in {entry.term, *entry.aliases}]
    assert len(words) == len(set(words))
    for entry in entries():
        assert len(entry.meaning) <= 160
        assert entry.key in keys
        assert {explained(word) for word in (entry.term, *entry.aliases)} == {entry.term}


@pytest.mark.parametrize(
    ("word", "term"),
    [
        ("lr", "learning rate"),
        ("Weight Decay", "L2"),
        ("lambda", "L2"),
        ("CROSSENTROPY", "cross-entropy"),
        ("c", "softmax scale"),
        ("C", "cost"),
        ("temperature", "softmax scale"),
        ("best_epoch", "best epoch"),
    ],
)
def test_other_words_for_a_term_are_understood(nnexp: Nnexp, word: str, term: str) -> None:
    """Aliases lead to the standard word, whatever their case, blanks and hyphens."""
    assert nnexp("explain", *word.split()).stdout.startswith(f"{term}: ")


def test_the_glossary_is_listed_and_a_slip_is_answered(nnexp: Nnexp) -> None:
    """Without a term all are listed; a mistyped one is answered by the nearest."""
    lines = nnexp("explain").stdout.splitlines()
    assert {entry.term for entry in entries()} <= {line[:24].strip() for line in lines}
    assert max(map(len, lines)) <= 100
    assert "did you mean dropout?" in nnexp("explain", "dropuot", code=1).stderr
    assert "nnexp explain lists all terms" in nnexp("explain", "qqqq", code=1).stderr
