"""The installed program, in a process of its own."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import nnexp
from nnexp.run.reader import open_run

PROGRAM = [sys.executable, "-m", "nnexp"]


def call(*words: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the program in the working folder."""
    return subprocess.run(
        [*PROGRAM, *map(str, words)], capture_output=True, text=True, check=False, timeout=60
    )


def loaded_by(*words: str) -> set[str]:
    """Return the packages that are imported by the time a command has ended."""
    code = (
        "import sys, atexit, json\n"
        "atexit.register(lambda: print(json.dumps(sorted(sys.modules)), file=sys.stderr))\n"
        "from nnexp.cli import main\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, check=True
    )
    return {name.partition(".")[0] for name in json.loads(done.stderr)}


def test_the_program_answers_help_and_version(folder: Path) -> None:
    """`nnexp` and `python -m nnexp` are the same program."""
    assert call("--help").stdout.startswith("Usage: nnexp [OPTIONS] COMMAND")
    assert call("--version").stdout == f"nnexp, version {nnexp.__version__}\n"
    installed = Path(sys.executable).with_name("nnexp")
    if installed.exists():
        done = subprocess.run([installed, "--version"], capture_output=True, text=True, check=True)
        assert done.stdout == call("--version").stdout


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["train", "--help"], ["explain"]])
def test_help_imports_nothing_heavy(folder: Path, words: list[str]) -> None:
    """Help comes at once: the libraries of the field are imported by the commands that use them."""
    heavy = {"numpy", "scipy", "pydantic", "matplotlib", "yaml", "tqdm", "threadpoolctl"}
    assert not loaded_by(*words) & heavy


def test_training_imports_no_plotting(small: Path) -> None:
    """A run needs neither matplotlib nor scipy."""
    loaded = loaded_by("train", str(small))
    assert "numpy" in loaded
    assert not loaded & {"matplotlib", "scipy"}


def test_a_run_writes_results_to_stdout_and_no_bar_where_stderr_is_no_terminal(
    small: Path,
) -> None:
    """The result goes to stdout; stderr, which no one watches, stays empty."""
    done = call("train", small)
    assert done.returncode == 0
    assert done.stderr == ""
    assert "\r" not in done.stdout
    run = open_run(done.stdout.splitlines()[0])
    assert run.status == "completed"
    assert run.record["argv"] == ["nnexp", "train", str(small)]


def test_a_refusal_is_one_line_and_exit_code_1(small: Path) -> None:
    """The exit code reaches the shell, and there is no traceback."""
    done = call("train", small, "--set", "eta=-1")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == ("nnexp: --set eta=-1: eta: expected a number above 0, got -1\n")


def test_divergence_and_wrong_use_have_their_exit_codes(small: Path) -> None:
    """3 for a run that diverged, 2 for an option that does not exist."""
    wild = ["--set", "output=linear", "--set", "cost=quadratic", "--set", "eta=1e200"]
    assert call("train", small, *wild).returncode == 3
    assert call("train", small, "--loud").returncode == 2


@pytest.mark.parametrize("command", ["list", "compare", "schema", "show latest"])
def test_a_pipe_that_is_closed_early_is_no_accident(gallery: Path, command: str) -> None:
    """`nnexp list | head -1` prints one line and no traceback."""
    reader, writer = os.pipe()
    os.close(reader)
    environment = {**os.environ, "NNEXP_RUNS_DIR": str(gallery), "PYTHONUNBUFFERED": "1"}
    with os.fdopen(writer, "wb") as pipe:
        done = subprocess.run(
            [*PROGRAM, *command.split()],
            stdout=pipe,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            env=environment,
        )
    assert done.returncode == 1
    assert done.stderr == ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no full device")
def test_an_output_that_cannot_be_written_is_a_message(gallery: Path) -> None:
    """A result that goes to a full disk is an error in words; a note that does is let go."""
    words = [*PROGRAM, "list", "--runs-dir", str(gallery)]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(words, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
        message = "nnexp: the output cannot be written: No space left on device\n"
        assert (done.returncode, done.stderr) == (1, message)
        refused = [*PROGRAM, "show", "nowhere"]
        done = subprocess.run(refused, stdout=subprocess.PIPE, stderr=full, text=True, check=False)
        assert (done.returncode, done.stdout) == (1, "")


def test_a_closed_stdout_is_no_accident(gallery: Path) -> None:
    """A shell's `>&-` leaves a program no stream at all."""
    words = shlex.join([*PROGRAM, "list", "--runs-dir", str(gallery)])
    done = subprocess.run(["sh", "-c", f"{words} >&-"], stderr=subprocess.PIPE, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


def test_the_head_of_a_list_is_printed(gallery: Path, folder: Path) -> None:
    """Who reads the first line and goes away has got it."""
    words = [*PROGRAM, "list", "--runs-dir", str(gallery)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stderr
        assert process.stdout.readline().split()[:2] == [b"run", b"status"]
        process.stdout.close()
        assert process.stderr.read() == b""


def test_without_utf8_the_tables_are_printed_all_the_same(gallery: Path, folder: Path) -> None:
    """A terminal that says it knows only ASCII gets its table and no traceback."""
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0", "LC_ALL": "C"}
    done = subprocess.run(
        [*PROGRAM, "compare", str(gallery)],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    assert "small" in done.stdout


@pytest.mark.parametrize("words", ["--help", "--version", "train --help", "explain", "list --help"])
def test_a_disk_that_is_full_is_named_whoever_prints(folder: Path, words: str) -> None:
    """Click prints help by itself; there is no traceback either, and the exit code is 1."""
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*PROGRAM, *words.split()], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    wanted = "nnexp: the output cannot be written: No space left on device\n"
    assert (done.returncode, done.stderr) == (1, wanted)


def test_completions_for_a_full_disk_leave_no_traceback(folder: Path) -> None:
    """The shell asks for them while a line is typed."""
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            PROGRAM,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            env={**os.environ, "_NNEXP_COMPLETE": "zsh_source"},
        )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
