"""`nnexp train`: options in; runs, summaries and exit codes out."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from nnexp.cli.progress import bar
from nnexp.config.loader import load
from nnexp.run.control import Progress
from nnexp.run.reader import Run, open_run

if TYPE_CHECKING:
    from conftest import Nnexp, Train


def runs() -> list[Run]:
    """Return the runs in the working folder, by name."""
    return [open_run(path) for path in sorted(Path("runs").glob("*"))]


def test_a_run_prints_its_folder_and_summary(nnexp: Nnexp, small: Path) -> None:
    """The first line is the run's folder; then what it came to, and how long it took."""
    result = nnexp("train", small, "--set", "reference={test_accuracy: 75, source: a book}")
    first, *lines = result.stdout.splitlines()
    (run,) = runs()
    assert first == f"runs/{run.id}"
    last = run.rows[-1]["test_accuracy"]
    assert last is not None
    assert f"  test accuracy, last: {last * 100:.2f} % after epoch 4" in lines
    assert any("(chosen on the test set)" in line for line in lines)
    (published,) = [line for line in lines if "published" in line]
    assert "last test accuracy 75.00 % (a book)" in published
    assert f"{(last - 0.75) * 100:+.2f} points" in published
    assert lines[-1].startswith("  4 epochs in ")
    assert result.stderr == ""


def test_quiet_prints_the_folder_alone(nnexp: Nnexp, small: Path) -> None:
    """`-q` is for scripts: one line, the run's folder."""
    result = nnexp("train", small, "-q")
    assert result.output == f"runs/{runs()[0].id}\n"


def test_json_prints_the_outcomes(nnexp: Nnexp, small: Path) -> None:
    """`--json` prints one object a run, with the summary of its run.json, and nothing else."""
    result = nnexp("train", small, "--json", "--seeds", "0,4")
    found = json.loads(result.output)
    assert [(o["seed"], o["status"], o["epochs"]) for o in found] == [
        (0, "completed", 4),
        (4, "completed", 4),
    ]
    for outcome, run in zip(found, runs(), strict=True):
        assert outcome["summary"] == run.record["summary"]
        assert (outcome["run"], outcome["name"]) == (run.id, "small")


def test_seeds_give_a_run_each(nnexp: Nnexp, small: Path) -> None:
    """`--seeds 0-2` trains three runs and says how to compare them."""
    result = nnexp("train", small, "--seeds", "0-2")
    assert [run.seed for run in runs()] == [0, 1, 2]
    assert result.stderr.startswith("compare them: nnexp compare runs/")
    words = result.stderr.split()[4:]
    assert words == [str(run.folder) for run in runs()]


def test_options_change_the_config_of_the_run(nnexp: Nnexp, small: Path) -> None:
    """Seed, name, tags and keys of the command line are in the run's config."""
    words = ["--seed", "7", "--name", "08", "--tag", "one", "--tag", "1e5", "-s", "eta=2"]
    nnexp("train", small, *words, "--set", "layers.1=5", "--runs-dir", "elsewhere")
    (folder,) = Path("elsewhere").iterdir()
    run = open_run(folder)
    assert run.problems == ()
    assert (run.name, run.seed, run.tags) == ("08", 7, ["one", "1e5"])
    assert run.experiment is not None
    assert (run.experiment.eta, run.experiment.layers) == (2.0, [2, 5, 2])


def test_the_runs_folder_may_come_from_the_environment(
    nnexp: Nnexp, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """NNEXP_RUNS_DIR stands in for --runs-dir."""
    monkeypatch.setenv("NNEXP_RUNS_DIR", "mine")
    nnexp("train", small)
    assert len(list(Path("mine").iterdir())) == 1
    assert not Path("runs").exists()


def test_a_dry_run_prints_configs_that_load_and_trains_nothing(nnexp: Nnexp, small: Path) -> None:
    """`--dry-run` prints each resolved config as a YAML document and leaves no folder."""
    text = nnexp("train", small, "--seeds", "0-1", "--set", "eta=2", "--dry-run").stdout
    assert [values["seed"] for values in yaml.safe_load_all(text)] == [0, 1]
    Path("again.yaml").write_text(text.partition("---\n")[0])
    assert load(Path("again.yaml")).experiment == load(small, ["eta=2"]).experiment
    assert not Path("runs").exists()


def test_all_configs_are_checked_before_the_first_run(nnexp: Nnexp, small: Path) -> None:
    """One wrong config, or one wrong data file, among several starts none of them."""
    Path("bad.yaml").write_text("data: mnist\nlayers: [1, 2]\n")
    Path("lost.yaml").write_text("data: {path: lost.csv, target: y}\nlayers: [1, 2]\n")
    for bad in ("bad.yaml", "lost.yaml"):
        assert nnexp("train", small, bad, code=1).stdout == ""
        assert not Path("runs").exists()


def test_problems_of_all_configs_are_reported_together(nnexp: Nnexp, small: Path) -> None:
    """Each config's problems are listed, and one that an option causes in all only once."""
    Path("other.yaml").write_text(small.read_text() + "epoch: 3\n")
    Path("third.yaml").write_text(small.read_text() + "coast: 3\n")
    words = ["small.yaml", "other.yaml", "third.yaml", "--set", "eta=fast"]
    lines = nnexp("train", *words, code=1).stderr.splitlines()
    assert [line.removeprefix("nnexp: ").partition(" ")[0] for line in lines] == [
        "--set",
        "other.yaml:7:",
        "third.yaml:7:",
    ]


def test_divergence_is_exit_code_3_with_a_hint_at_eta(nnexp: Nnexp, small: Path) -> None:
    """A diverged run keeps its folder, says so on stderr, and the next run is still trained."""
    wild = ["-s", "output=linear", "-s", "cost=quadratic", "-s", "eta=1e200"]
    result = nnexp("train", small, *wild, "--seeds", "0-1", code=3)
    assert [run.status for run in runs()] == ["diverged", "diverged"]
    for run, line in zip(runs(), result.stderr.splitlines(), strict=True):
        assert line.startswith("nnexp: diverged in epoch 1: ")
        assert f"{run.folder} keeps 1 of 4 epochs" in line
        assert "--set eta=1e+199 (it was 1e+200)" in line
    assert len(result.stdout.splitlines()) > 2


def test_an_interrupt_is_exit_code_130_and_starts_no_further_run(
    nnexp: Nnexp, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C ends the run at hand with what it has, and the runs that would follow."""

    def interrupt(*args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Progress, "epoch", interrupt)
    result = nnexp("train", small, "--seeds", "0-2", code=130)
    (run,) = runs()
    assert (run.status, run.seed, len(run.rows)) == ("interrupted", 0, 1)
    assert f"nnexp: interrupted; {run.folder} keeps 1 of 4 epochs" in result.stderr
    assert result.stderr.endswith("nnexp: not begun: small s1, small s2\n")


def test_an_interrupt_while_data_are_read_leaves_nothing(
    nnexp: Nnexp, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C before the first run gives exit code 130, a word and no folder."""

    def interrupt(*args: object, **words: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("nnexp.data.load", interrupt)
    assert nnexp("train", small, code=130).stderr == "nnexp: interrupted\n"
    assert not Path("runs").exists()


def test_a_bug_keeps_its_traceback(
    nnexp: Nnexp, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only what the user can mend becomes a message; anything else is raised."""

    def bug(*args: object, **words: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("nnexp.data.load", bug)
    with pytest.raises(ZeroDivisionError):
        nnexp("train", small)


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        """Say so."""
        return True


@pytest.mark.parametrize(
    ("stream", "quiet", "kind"),
    [(Terminal(), True, "xterm"), (io.StringIO(), False, "xterm"), (Terminal(), False, "dumb")],
)
def test_where_nothing_can_be_drawn_over_there_is_no_bar(
    train: Train, monkeypatch: pytest.MonkeyPatch, stream: io.StringIO, quiet: bool, kind: str
) -> None:
    """Nothing is drawn into a file, for a script, or on a terminal that only writes lines."""
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("TERM", kind)
    with bar(quiet=quiet) as progress:
        train(progress=progress)
    assert stream.getvalue() == ""


def test_on_a_terminal_a_bar_shows_epoch_and_accuracy(
    train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bar names the run and the epoch, reaches all examples, and clears its line."""
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    with bar(quiet=False) as progress:
        assert type(progress) is not Progress
        outcome = train(progress=progress)
        drawn: Any = progress
        assert drawn._drawn.n == 4 * 36
        shown = drawn._drawn.postfix
    text = stream.getvalue()
    assert "small s0 epoch 2/4" in text
    assert f"{outcome.rows[-1]['test_accuracy'] * 100:.2f}" in shown
    assert text.endswith("\r")


def test_an_old_key_is_noted_once(nnexp: Nnexp, small: Path) -> None:
    """However many configs and seeds are trained; the key is read as its new name."""
    small.write_text(small.read_text() + "expand:\n")
    result = nnexp("train", small, small, "--seeds", "0-1", "-q")
    line = len(small.read_text().splitlines())
    note = f"note: {small}:{line}: expand is now augment"
    assert result.stderr.splitlines().count(note) == 1


def test_a_key_of_bytes_that_are_no_text_is_refused(nnexp: Nnexp, small: Path) -> None:
    """The shell hands them on as they are."""
    refused = nnexp("train", small, "--set", "\udcff\udced=1", code=1)
    assert refused.stderr == "nnexp: --set ��=1: expected a key of printable characters\n"


def test_runs_lie_as_deep_as_the_system_lets_them(nnexp: Nnexp, small: Path) -> None:
    """Folders that are missing are made, a thousand as one; a path that is too long is refused."""
    done = nnexp("train", small, "--runs-dir", "d/" * 1200)
    assert Path(done.stdout.splitlines()[0], "run.json").is_file()
    subprocess.run(["rm", "-r", "d"], check=True)  # deeper than Python removes
    refused = nnexp("train", small, "--runs-dir", "d/" * 2200, code=1)
    assert "too long" in refused.stderr
