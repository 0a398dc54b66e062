"""`nnexp resume`: what is resumed, what is refused and why, and runs that are ended by signals."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from fingerprints import fingerprint, rows

import nnexp as package
from nnexp.run.find import folders
from nnexp.run.reader import Run, open_run
from nnexp.run.writer import RunWriter

if TYPE_CHECKING:
    from conftest import Nnexp, Train

BOUND = 60.0


def record(folder: Path) -> dict[str, Any]:
    """Return run.json."""
    found: dict[str, Any] = json.loads((folder / "run.json").read_text())
    return found


def change(folder: Path, **entries: Any) -> None:
    """Change entries of run.json."""
    (folder / "run.json").write_text(json.dumps(record(folder) | entries))


def test_an_interrupted_run_is_resumed_by_its_id(nnexp: Nnexp, train: Train) -> None:
    """It prints what `train` does, of the epochs it has trained, and ends as `train` would have."""
    whole, cut = train(), train(stop_after=1)
    lines = nnexp("resume", cut.folder.name).stdout.splitlines()
    assert lines[0] == str(cut.folder)
    assert lines[-1].startswith("  3 epochs in ")
    assert fingerprint(cut.folder) == fingerprint(whole.folder)
    assert record(cut.folder)["resumed"][0]["argv"][0] == "nnexp"


def test_quiet_prints_the_folder_and_json_the_outcome(nnexp: Nnexp, train: Train) -> None:
    """`-q` and `--json` are those of `train`."""
    first, second = train(stop_after=1), train("seed=1", stop_after=2)
    assert nnexp("resume", first.folder, "-q").output == f"{first.folder}\n"
    (found,) = json.loads(nnexp("resume", second.folder, "--json").stdout)
    assert (found["run"], found["status"], found["epochs"]) == (
        second.folder.name,
        "completed",
        4,
    )


def test_without_a_name_all_interrupted_runs_are_resumed(nnexp: Nnexp, train: Train) -> None:
    """What was interrupted, by whatever, is brought to its end; the rest is left alone."""
    done = train("seed=3")
    cut = [train(f"seed={seed}", stop_after=seed).folder for seed in range(3)]
    change(cut[1], status="running")  # as after SIGKILL
    before = [(path.name, path.read_bytes()) for path in sorted(done.folder.iterdir())]
    assert nnexp("resume", "-q").stdout.splitlines() == list(map(str, cut))
    assert {open_run(folder).status for folder in cut} == {"completed"}
    assert [(path.name, path.read_bytes()) for path in sorted(done.folder.iterdir())] == before
    result = nnexp("resume")
    assert (result.stdout, result.stderr) == ("", "no run under runs is interrupted\n")


def test_of_several_runs_one_that_is_refused_does_not_keep_the_others(
    nnexp: Nnexp, train: Train
) -> None:
    """Its message is printed without what could steer a terminal, and the exit code is 1."""
    first, second = train(stop_after=1), train("seed=1", stop_after=1)
    change(first.folder, versions={"nnexp": "\x1b[2J0"})
    result = nnexp("resume", "-q", code=1)
    assert result.stdout == f"{second.folder}\n"
    assert "was begun by nnexp \N{REPLACEMENT CHARACTER}[2J0" in result.stderr


Spoil = Callable[["Train", pytest.MonkeyPatch], Path]


def complete(train: Train, patch: pytest.MonkeyPatch) -> Path:
    return train().folder


def diverged(train: Train, patch: pytest.MonkeyPatch) -> Path:
    return train("output=linear", "cost=quadratic", "eta=1e200").folder


def stopped(train: Train, patch: pytest.MonkeyPatch) -> Path:
    return train("early_stopping={patience: 1}", "eta=1e-9").folder


def changed_config(train: Train, patch: pytest.MonkeyPatch) -> Path:
    folder = train(stop_after=2).folder
    text = (folder / "config.yaml").read_text()
    text = text.replace("eta: 0.5", "eta: 0.25").replace("[2, 3, 2]", "[2, 4, 2]")
    (folder / "config.yaml").write_text(text.replace("seed: 0", "seed: 1"))
    return folder


def lost_config(train: Train, patch: pytest.MonkeyPatch) -> Path:
    folder = train(stop_after=2).folder
    (folder / "config.yaml").unlink()
    return folder


def changed_data(train: Train, patch: pytest.MonkeyPatch) -> Path:
    folder = train(stop_after=2).folder
    text = Path("points.csv").read_text()
    Path("points.csv").write_text(text.replace("1", "2", 1))
    return folder


def lost_data(train: Train, patch: pytest.MonkeyPatch) -> Path:
    folder = train(stop_after=2).folder
    Path("points.csv").unlink()
    return folder


def other_version(train: Train, patch: pytest.MonkeyPatch) -> Path:
    folder = train(stop_after=2).folder
    patch.setattr(package, "__version__", "99.0")
    return folder


def old_format(train: Train, patch: pytest.MonkeyPatch) -> Path:
    folder = train(stop_after=2).folder
    shutil.copytree(Path(__file__).parents[1] / "run/golden/format-1", "runs/old")
    shutil.rmtree(folder)
    return Path("runs/old")


def lost_checkpoint(train: Train, patch: pytest.MonkeyPatch) -> Path:
    folder = train(stop_after=2).folder
    (folder / "checkpoint.npz").unlink()
    return folder


def torn_checkpoint(train: Train, patch: pytest.MonkeyPatch) -> Path:
    folder = train(stop_after=2).folder
    whole = (folder / "checkpoint.npz").read_bytes()
    (folder / "checkpoint.npz").write_bytes(whole[: len(whole) // 2])
    return folder


def pickled_checkpoint(train: Train, patch: pytest.MonkeyPatch) -> Path:
    folder = train(stop_after=2).folder
    objects: Any = {"state": np.array([{}], object)}
    np.savez(folder / "checkpoint.npz", allow_pickle=True, **objects)
    return folder


def foreign_checkpoint(train: Train, patch: pytest.MonkeyPatch) -> Path:
    folder, other = train(stop_after=2).folder, train("seed=1", stop_after=2).folder
    shutil.copy(other / "checkpoint.npz", folder)
    return folder


def edited_rows(train: Train, patch: pytest.MonkeyPatch) -> Path:
    folder = train(stop_after=2).folder
    text = (folder / "metrics.csv").read_text()
    (folder / "metrics.csv").write_text(text.replace("\n1,0.5,", "\n1,0.6,"))
    return folder


def one_row_more(train: Train, patch: pytest.MonkeyPatch) -> Path:
    folder = train(stop_after=2).folder
    with (folder / "metrics.csv").open("a") as stream:
        stream.write("3\n")
    return folder


def lost_rows(train: Train, patch: pytest.MonkeyPatch) -> Path:
    folder = train(stop_after=2).folder
    (folder / "metrics.csv").unlink()
    return folder


def linked_rows(train: Train, patch: pytest.MonkeyPatch) -> Path:
    folder = train(stop_after=2).folder
    (folder / "metrics.csv").rename("elsewhere")
    (folder / "metrics.csv").symlink_to(Path("elsewhere").resolve())
    return folder


def damaged_record(train: Train, patch: pytest.MonkeyPatch) -> Path:
    folder = train(stop_after=2).folder
    change(folder, config={"layers": 5})
    return folder


ANEW = "train it anew: nnexp train {run}/config.yaml"
REFUSED: dict[Spoil, str] = {
    complete: "{run}: is complete, 4 epochs; for more: nnexp resume {run} --epochs N",
    diverged: "{run}: diverged in epoch 1: there is nothing to resume from",
    stopped: "{run}: ended in epoch 2: validation_accuracy: no improvement in 1",
    changed_config: (
        "{run}/config.yaml: was changed since the run began:\n"
        "  layers: [2, 3, 2] -> [2, 4, 2]\n"
        "  eta: 0.5 -> 0.25\n"
        "  seed: 0 -> 1\n"
        f"undo that, or {ANEW}"
    ),
    lost_config: "{run}/config.yaml: cannot be read: No such file or directory",
    changed_data: (
        "{run}: its data have changed since it began: sha256 {began} then, {now} now; "
        f"restore them, or {ANEW}"
    ),
    lost_data: (
        "{run}/config.yaml:3: data: {folder}/points.csv: cannot be read: No such file or directory"
        "\n{run}: if the data have moved: nnexp resume {run} --set data.path=PATH"
    ),
    other_version: (
        f"{{run}}: was begun by nnexp {package.__version__}; this is 99.0, which may not "
        f"continue to the same numbers; install nnexp {package.__version__}, or {ANEW}"
    ),
    old_format: (f"{{run}}: is of format 1; this version of nnexp resumes formats 2 to 3; {ANEW}"),
    lost_checkpoint: "{run}/metrics.csv: has rows, but there is no checkpoint.npz to resume from",
    torn_checkpoint: (
        "{run}/checkpoint.npz: cannot be read, so the run cannot be resumed: not an .npz file, or "
        "a damaged one (File is not a zip file)"
    ),
    pickled_checkpoint: (
        "{run}/checkpoint.npz: cannot be read, so the run cannot be resumed: state: contains "
        "pickled objects, which nnexp never loads; save numbers"
    ),
    foreign_checkpoint: "{run}/metrics.csv: is not what was written: the run cannot be resumed",
    edited_rows: "{run}/metrics.csv: is not what was written: the run cannot be resumed",
    one_row_more: "{run}/metrics.csv: is not what was written: the run cannot be resumed",
    lost_rows: "{run}/metrics.csv: cannot be written: No such file or directory; it has vanished",
    linked_rows: (
        "{run}/metrics.csv: cannot be written: Too many levels of symbolic links; correct that, "
        "then continue with `nnexp resume`"
    ),
    damaged_record: (f"{{run}}: its config is damaged: run.json: config.data: is missing; {ANEW}"),
}


@pytest.mark.parametrize("spoil", REFUSED, ids=lambda spoil: spoil.__name__)
def test_a_run_that_cannot_go_on_exactly_is_refused(
    nnexp: Nnexp, train: Train, monkeypatch: pytest.MonkeyPatch, folder: Path, spoil: Spoil
) -> None:
    """The message says what is wrong and what to do; not a byte of the run folder is changed."""
    run = spoil(train, monkeypatch)
    digests = {}
    if spoil is changed_data:
        both = {"began": record(run), "now": record(train().folder)}
        digests = {word: found["data"]["sha256"][:12] for word, found in both.items()}
    before = [(path.name, path.read_bytes()) for path in sorted(run.iterdir())]
    result = nnexp("resume", run, code=1)
    due = REFUSED[spoil].format(run=run, folder=folder, **digests)
    assert result.stderr == f"nnexp: {due}\n"
    assert result.stdout == ""
    assert [(path.name, path.read_bytes()) for path in sorted(run.iterdir())] == before


def test_a_run_with_an_owner_is_refused(nnexp: Nnexp, train: Train) -> None:
    """While a process writes a run, no other does; and it is not counted as interrupted."""
    folder = train(stop_after=2).folder
    change(folder, status="running")
    with RunWriter.reopen(folder):
        result = nnexp("resume", folder, code=1)
        assert result.stderr == f"nnexp: {folder}: is being written by another process\n"
        assert nnexp("resume").stderr == "no run under runs is interrupted\n"
    nnexp("resume", folder)


def test_a_complete_run_is_extended_to_what_a_longer_one_would_be(
    nnexp: Nnexp, train: Train
) -> None:
    """`--epochs N` goes on to the bytes of a run that was to have N epochs, and is recorded."""
    words = ["momentum=0.5", "dropout=0.2", "schedule={name: step, every: 3, factor: 0.5}"]
    longer, short = train("epochs=7", *words), train(*words)
    assert "3 epochs in " in nnexp("resume", short.folder, "--epochs", "7").stdout
    assert fingerprint(short.folder) == fingerprint(longer.folder)
    (extension,) = record(short.folder)["extended"]
    assert (extension["from"], extension["to"]) == (4, 7)
    assert nnexp("resume", short.folder, code=1).stderr.startswith(
        f"nnexp: {short.folder}: is complete, 7 epochs; "
    )


def test_an_extension_is_repeated_until_it_is_done(nnexp: Nnexp, train: Train) -> None:
    """The same command goes on with what it began, also when all epochs were logged."""
    longer, short = train("epochs=6"), train()
    nnexp("resume", short.folder, "--epochs", "6")
    for status in ("running", "interrupted"):
        change(short.folder, status=status)
        nnexp("resume", short.folder, "--epochs", "6")
        assert fingerprint(short.folder) == fingerprint(longer.folder)
    assert len(record(short.folder)["extended"]) == 1
    assert "6 epochs are done already" in nnexp("resume", short.folder, "--epochs=6", code=1).stderr


def test_an_extension_that_was_killed_half_recorded_is_gone_on_with(
    nnexp: Nnexp, train: Train
) -> None:
    """Killed between run.json and config.yaml, a run is extended to the number that was asked."""
    longer, short = train("epochs=6"), train()
    text = (short.folder / "config.yaml").read_bytes()
    nnexp("resume", short.folder, "--epochs", "6")
    (short.folder / "config.yaml").write_bytes(text)
    change(short.folder, status="running")
    nnexp("resume", short.folder)
    assert fingerprint(short.folder) == fingerprint(longer.folder)


@pytest.mark.parametrize(
    ("words", "epochs", "said"),
    [
        ([], 4, "--epochs 4: 4 epochs are done already"),
        ([], 2, "--epochs 2: 4 epochs are done already"),
        (
            ["schedule=cosine"],
            9,
            (
                "--epochs 9: the cosine schedule falls to 0 at epoch 4; with more epochs it would "
                "be another run: nnexp train {run}/config.yaml --set epochs=9"
            ),
        ),
        # Its patience was at an end with its last epoch.
        (
            ["early_stopping={patience: 3}", "eta=1e-9"],
            9,
            "ended in epoch 4: validation_accuracy: no improvement in 3",
        ),
        (["output=linear", "cost=quadratic", "eta=1e200"], 9, "diverged in epoch 1: there is "),
    ],
)
def test_what_cannot_be_extended_is_refused(
    nnexp: Nnexp, train: Train, words: list[str], epochs: int, said: str
) -> None:
    """Where more epochs would be none, or another run, nothing is changed."""
    run = train(*words).folder
    before = [(path.name, path.read_bytes()) for path in sorted(run.iterdir())]
    result = nnexp("resume", run, "--epochs", str(epochs), code=1)
    assert result.stderr.startswith(f"nnexp: {run}: {said.format(run=run)}")
    assert [(path.name, path.read_bytes()) for path in sorted(run.iterdir())] == before


def test_an_extension_names_its_runs(nnexp: Nnexp, train: Train) -> None:
    """`--epochs` without a run would extend whatever there is."""
    train(stop_after=1)
    result = nnexp("resume", "--epochs", "9", code=1)
    assert result.stderr == "nnexp: --epochs: name the runs to extend\n"


def test_a_folder_from_elsewhere_cannot_have_its_links_written_through(
    nnexp: Nnexp, train: Train
) -> None:
    """Neither a log nor a file left half replaced leads out of the run folder."""
    cut = train("monitor=[train, parameters]", stop_after=2).folder
    Path("precious").write_text("kept")
    for name in (".run.json.new", ".checkpoint.npz.new", "model.npz"):
        (cut / name).unlink(missing_ok=True)
        (cut / name).symlink_to(Path("precious").resolve())
    nnexp("resume", cut)
    again = train("monitor=[train, parameters]", stop_after=2).folder
    (again / "parameters.csv").unlink()
    (again / "parameters.csv").symlink_to(Path("new").resolve())
    assert "parameters.csv: cannot be written" in nnexp("resume", again, code=1).stderr
    assert (Path("precious").read_text(), Path("new").exists()) == ("kept", False)


@contextmanager
def process(*words: str | Path, script: str = "") -> Iterator[subprocess.Popen[str]]:
    """Run the program, or a script, in a process of its own; kill it if it is still there."""
    what = ["-c", script] if script else ["-m", "nnexp"]
    started = subprocess.Popen(
        [sys.executable, *what, *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell without job control starts its children deaf to SIGINT.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    )
    with started:
        try:
            yield started
        finally:
            started.kill()


def rows_of(started: subprocess.Popen[str], rows: int = 3) -> Run:
    """Wait until a process has logged so many epochs."""
    end = time.monotonic() + BOUND
    while started.poll() is None and time.monotonic() < end:
        found = [open_run(path) for path in folders(Path("runs"))]
        if found and len(found[-1].rows) >= rows:
            return found[-1]
        time.sleep(0.02)
    raise AssertionError(started.communicate())


def test_data_that_have_moved_are_named_by_an_option(nnexp: Nnexp, train: Train) -> None:
    """`--set data.path=` resumes to the same bytes; any other key is refused."""
    whole, run = train().folder, train(stop_after=2).folder
    Path("elsewhere").mkdir()
    Path("points.csv").rename("elsewhere/points.csv")
    assert "if the data have moved" in nnexp("resume", run, code=1).stderr
    for wrong in ("eta=1", "data.path=", "data.path"):
        refused = nnexp("resume", run, "--set", wrong, code=1).stderr
        assert refused.startswith(f"nnexp: --set {wrong}: expected data.path=PATH: ")
    nnexp("resume", run, "-s", "data.path=elsewhere/points.csv")
    assert rows(run) == rows(whole)
    assert (run / "model.npz").read_bytes() == (whole / "model.npz").read_bytes()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_run_cleanly(small: Path, number: signal.Signals) -> None:
    """Exit code 130, the run interrupted with its model, how to resume it, and no second run."""
    words = ["--set", "epochs=2000000", "--seeds", "0-1", "-q"]
    with process("train", small, *words) as started:
        run = rows_of(started)
        started.send_signal(number)
        started.send_signal(number)  # as `timeout` does, to the process and to its group
        out, err = started.communicate(timeout=BOUND)
    found = open_run(run.folder)
    assert started.returncode == 130
    assert out == f"{run.folder}\n"
    assert err == (
        f"nnexp: interrupted; {run.folder} keeps {len(found.rows)} of 2000000 epochs; "
        f"continue with: nnexp resume {run.folder}\n"
        "nnexp: not begun: small s1\n"
    )
    assert list(Path("runs").iterdir()) == [run.folder]
    assert (found.record["status"], found.record["epochs"]) == ("interrupted", len(found.rows))
    assert (run.folder / "model.npz").exists()


SLOW = """\
import sys, time
from nnexp.cli import main
from nnexp.run.writer import RunWriter

def forever(*words):
    print("saving", flush=True)
    time.sleep(600)

RunWriter.save = forever
main()
"""


def test_a_second_signal_ends_a_run_at_once(small: Path, nnexp: Nnexp) -> None:
    """Where saving takes long, the second Ctrl-C does not wait for it; the run can be resumed."""
    with process("train", small, "--set", "epochs=2000000", "-q", script=SLOW) as started:
        run = rows_of(started)
        started.send_signal(signal.SIGINT)
        assert started.stdout
        assert started.stdout.readline() == "saving\n"
        time.sleep(0.5)  # longer than two signals that are one
        started.send_signal(signal.SIGINT)
        _, err = started.communicate(timeout=BOUND)
    assert (started.returncode, err) == (130, "nnexp: interrupted\n")
    found = open_run(run.folder)
    assert (found.record["status"], found.status) == ("running", "interrupted")
    nnexp("resume", run.folder, "--epochs", str(len(found.rows) + 2))
    assert open_run(run.folder).status == "completed"


def test_a_killed_run_is_resumed_by_another_process(small: Path, train: Train) -> None:
    """SIGKILL in the middle of training costs the epochs that nobody had seen, no others."""
    with process("train", small, "--set", "epochs=2000000", "-q") as started:
        run = rows_of(started)
        started.kill()
    seen = (run.folder / "metrics.csv").read_bytes().rpartition(b"\n")[0]
    epochs = seen.count(b"\n") + 200
    with process("resume", run.folder, "--epochs", str(epochs)) as started:
        _, err = started.communicate(timeout=BOUND)
    assert (started.returncode, err) == (0, "")
    assert (run.folder / "metrics.csv").read_bytes().startswith(seen)
    whole = train(f"epochs={epochs}")
    assert fingerprint(run.folder) == fingerprint(whole.folder)
