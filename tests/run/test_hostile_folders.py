"""Run folders from strangers: every command ends, in bounds, and names what is wrong."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib.figure  # noqa: F401 - loaded before memory is bounded
import numpy as np
import pytest
from bounds import bounded

from nnexp.run import reader
from nnexp.run.find import by_age, folders
from nnexp.run.reader import open_run
from nnexp.run.record import ENTRIES
from nnexp.views.formats import text_page
from nnexp.views.run import page

if TYPE_CHECKING:
    from click.testing import Result
    from conftest import Nnexp

FILES = ("run.json", "config.yaml", "metrics.csv", "diagnostics.csv", "predictions.npz")
COMMANDS = (
    ("list",),
    ("list", "--json"),
    ("show", "runs/20990101-000000-hostile-s0"),
    ("show", "runs/20990101-000000-hostile-s0", "--json"),
    ("compare",),
    ("compare", "--per-run", "--format", "csv"),
)
GIGABYTE = 1 << 30


@pytest.fixture
def run(gallery: Path, folder: Path) -> Path:
    """Give a sound run folder to damage, beside another one, as the runs of the working folder."""
    for name in ("*-quick-s0", "*-small-s1"):
        (source,) = gallery.glob(name)
        shutil.copytree(source, folder / "runs" / source.name)
    (path,) = folder.glob("runs/*-quick-s0")
    path = path.rename(path.with_name("20990101-000000-hostile-s0"))
    (path / "diagnostics.csv").write_text("epoch,gradient_1\n1,0.5\n")
    return path.relative_to(folder)


def inert(result: Result) -> None:
    """Hold what was printed to printable characters and line ends, and to a reasonable length."""
    for text in (result.stdout, result.stderr):
        assert all(char.isprintable() or char == "\n" for char in text)
        assert len(text) < 100_000


def each_command(nnexp: Nnexp, *, code: int = 0) -> str:
    """Run every command that reads runs, in bounds; return what they said on stderr."""
    said = []
    for words in COMMANDS:
        with bounded():
            result = nnexp(*words, code=code if words[0] == "show" else 0)
        inert(result)
        if words[:2] == ("list", "--json"):
            json.loads(result.stdout)
        said.append(result.stderr)
    return "".join(said)


def sparse(path: Path) -> None:
    """Make a file of a gigabyte that takes no room."""
    with path.open("wb") as stream:
        stream.truncate(GIGABYTE)


def a_socket(path: Path) -> None:
    """Make a socket."""
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(path))


def outside(path: Path) -> None:
    """Make a link to a sound file outside the run folder."""
    Path(path.name).write_text("{}")
    path.symlink_to(Path(path.name).resolve())


FORMS: dict[str, tuple[Callable[[Path], object], str]] = {
    "a gigabyte": (sparse, "1,073,741,824 bytes; at most"),
    "a named pipe": (os.mkfifo, "a named pipe, not a file"),
    "a folder": (Path.mkdir, "Is a directory"),
    "a socket": (a_socket, "a device, not a file"),
    "a link to itself": (lambda p: p.symlink_to(p.name), "a link, which is not followed"),
    "a link to nothing": (lambda p: p.symlink_to("gone"), "a link, which is not followed"),
    "a link to a device": (lambda p: p.symlink_to("/dev/zero"), "a link, which is not followed"),
    "a link out of the folder": (outside, "a link, which is not followed"),
}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("form", FORMS)
def test_what_is_no_file_of_a_run_is_named_and_never_opened(
    nnexp: Nnexp, run: Path, name: str, form: str
) -> None:
    """Pipes block nothing, links lead nowhere, a gigabyte is not read; the rest is shown."""
    make, problem = FORMS[form]
    (run / name).unlink()
    make(run / name)
    said = each_command(nnexp, code=int(name == "run.json"))
    assert name in said
    if form == "a gigabyte" and name == "predictions.npz":
        problem = "not an .npz file, or a damaged one"
    assert problem in said


@pytest.mark.skipif(not hasattr(os, "geteuid") or not os.geteuid(), reason="root may read all")
@pytest.mark.parametrize("name", FILES)
def test_an_unreadable_file_is_named(nnexp: Nnexp, run: Path, name: str) -> None:
    """A file that may not be read costs what is in it and no more."""
    (run / name).chmod(0)
    assert f"{name}: " in each_command(nnexp, code=int(name == "run.json"))


@pytest.mark.skipif(not hasattr(os, "geteuid") or not os.geteuid(), reason="root may read all")
def test_an_unreadable_folder_is_named(nnexp: Nnexp, run: Path) -> None:
    """A folder that may not be looked into is not passed over in silence."""
    run.chmod(0)
    try:
        assert f"note: {run}: not a run: run.json: Permission denied" in nnexp("list").stderr
    finally:
        run.chmod(0o755)


def test_a_folder_that_may_not_be_looked_into_is_yielded(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that to open it says why; as root, only this can be tested."""
    Path("runs/locked").mkdir(parents=True)
    scandir = os.scandir

    def refuse(path: Path) -> object:
        if path.name == "locked":
            raise PermissionError
        return scandir(path)

    monkeypatch.setattr("nnexp.run.find.os.scandir", refuse)
    assert list(folders(Path("runs"))) == [Path("runs/locked")]


WIDE = b"epoch," + b",".join(b"x%d" % i for i in range(999)) + b"\n"
ENDLESS: list[tuple[str, bytes, str]] = [
    ("metrics.csv", b"epoch,eta\n" + b"1,0.5\n" * 400_000, "larger than the 300,000 rows"),
    ("metrics.csv", b"epoch\n" + b"\n" * 400_000, "larger than the 300,000 rows"),
    ("metrics.csv", b'epoch\n"' + b"1\n" * 400_000, "larger than the 300,000 rows"),
    ("metrics.csv", b"epoch\n" + b"\n" * 200_000, "199,997 more damaged lines"),
    ("metrics.csv", WIDE + (b"1" + b"," * 999 + b"\n") * 5000, "4,000,000 cells that are read"),
    ("metrics.csv", b"epoch," * 5_000_000, "has no column epoch"),
    ("metrics.csv", b"epoch\n" + b"9" * 30_000_000 + b"\n", "metrics.csv:2: a damaged line"),
    ("metrics.csv", b"epoch\n1e400\n0\n1.5\n1\n", "metrics.csv:2: a damaged line"),
    ("diagnostics.csv", b"epoch,gradient_1\n1,0.5\n2,0", "diagnostics.csv: the last line is"),
    ("diagnostics.csv", b"epoch,gradient_1\n1,x\n", "diagnostics.csv:2: a damaged line"),
    ("run.json", b"[" * 4_000_000, "run.json is damaged"),
    ("run.json", b'{"format": ' + b"9" * 5_000_000 + b"}", "run.json is damaged"),
    (
        "run.json",
        b'{"name": "' + b"\\ud800" * 10_000 + b'"}',
        "format: expected 1 to 3, got nothing",
    ),
    ("run.json", b'{"git": ' + b"[" * 900 + b"]" * 900 + b"}", "git: nested deeper than 20"),
    ("run.json", b'{"new": ' + b"[" * 400 + b"1" + b"]" * 400 + b"}", "new: nested deeper"),
    ("run.json", b'{"format": 2, "x": 1e999, "y": NaN, "z": -Infinity}', "unknown status"),
    ("run.json", b'{"data": {"classes": ["' + b'","' * 20_000 + b'"]}}', "expected at most 10,000"),
    ("config.yaml", b"monitor: [" + b"train," * 100_000 + b"]", "config.yaml:1: data: is missing"),
    (
        "config.yaml",
        b"tags: [" + b"'*'," * 100_000 + b"]",
        "config.yaml:1: tags.0: expected ASCII letters",
    ),
    ("config.yaml", b"[" * 3_000_000, "larger than the 20 levels"),
    ("config.yaml", b"a: [" + b"1," * 400_000 + b"]", "larger than the 300,000 values"),
]


@pytest.mark.parametrize(("name", "content", "problem"), ENDLESS, ids=range(len(ENDLESS)))
def test_contents_without_end_are_read_in_bounds(
    nnexp: Nnexp,
    run: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    content: bytes,
    problem: str,
) -> None:
    """Rows, cells, mistakes, brackets and digits beyond all bounds: named, in time and memory."""
    monkeypatch.setattr("nnexp.run.log.MAX_ROWS", 300_000)
    monkeypatch.setattr("nnexp.run.log.MAX_CELLS", 4_000_000)
    (run / name).write_bytes(content)
    if name == "config.yaml":
        old = json.loads((run / "run.json").read_text()) | {"format": 1}
        (run / "run.json").write_text(json.dumps(old))
    refused = problem == "run.json is damaged"
    with bounded():
        result = nnexp("show", run, "--json", code=int(refused))
    inert(result)
    assert problem in result.stderr
    if not refused:
        assert json.loads(result.stdout)["run"] == run.name


HUGE = ["1e308", "-1.7e308", "1e200", "1e99", "-1e99", "5e-324", "9" * 300]


def test_values_without_measure_are_no_values(nnexp: Nnexp, run: Path) -> None:
    """A cost of 1e200 has diverged; what is finite can be squared, summed, compared and drawn."""
    head, row = (run / "metrics.csv").read_text().splitlines()[:2]
    record = json.loads((run / "run.json").read_text())
    del record["log"]  # the logs are written here
    for arm in range(2):
        for seed in range(len(HUGE)):
            copy = run.with_name(f"arm{arm}-s{seed}")
            shutil.copytree(run, copy)
            config = record["config"] | {"eta": 0.1 + arm, "seed": seed}
            text = json.dumps(record | {"config": config, "seed": seed, "epochs": 1})
            (copy / "run.json").write_text(text)
            epoch, *rest = row.split(",")
            cells = [HUGE[seed - arm] if cell else "" for cell in rest[:-1]]
            (copy / "metrics.csv").write_text(f"{head}\n{','.join([epoch, *cells, rest[-1]])}\n")
    shutil.rmtree(run)
    for words in (*COMMANDS, ("compare", "--metric", "test_cost", "--until", "test_cost=1e98")):
        if words[0] != "show":
            with bounded():
                inert(nnexp(*words))
    with bounded():
        inert(nnexp("show", "runs/arm0-s0"))


VALUES: list[object] = [None, True, -1, 1e300, "x" * 100, [[]], {"a": {}}, "\x1b[2J\n"]


@pytest.mark.parametrize(
    "key", sorted({*ENTRIES, "data.name", "data.sha256", "data.classes", "git.commit"})
)
def test_every_key_of_the_record_may_be_of_any_type(run: Path, key: str) -> None:
    """What is of another type than it should be is left out and named; nothing raises."""
    sound = (run / "run.json").read_text()
    holder, _, last = key.rpartition(".")
    for value in VALUES:
        record = json.loads(sound) | {"git": {"commit": "0" * 40, "dirty": False}}
        (record[holder] if holder else record)[last] = value
        (run / "run.json").write_text(json.dumps(record))
        found = open_run(run)
        shown = page(found)
        assert run.name in text_page(shown.blocks)
        kept = shown.values()["record"]
        due = ENTRIES.get(key)
        if due and value is not None and type(value) is not due:
            assert key not in kept
            assert any(f"run.json: {key}: " in problem for problem in found.problems)


def test_a_class_number_without_end_takes_no_memory(nnexp: Nnexp, run: Path) -> None:
    """A predicted class of four thousand million does not make as many names and a matrix."""
    labels = np.array([0, 2**32 - 1], np.uint32)
    np.savez(run / "predictions.npz", labels=labels, predicted=labels, set=np.array("test"))
    assert "predictions.npz: has classes from 0 to 4294967295" in each_command(nnexp)


def test_compare_names_the_predictions_it_could_not_use(nnexp: Nnexp, run: Path) -> None:
    """They are read after the rest; without them no run can be found to have missed a class."""
    record = json.loads((run / "run.json").read_text())
    del record["never_learned"]  # as older versions wrote it
    (run / "run.json").write_text(json.dumps(record))
    (run / "predictions.npz").write_bytes(b"PK")
    assert nnexp("compare").stderr.startswith(f"note: {run}: predictions.npz: not an .npz file")


@pytest.mark.parametrize("lost", [["0"], [-1], [10_000], [True], [1.0], [[]]])
def test_classes_that_are_none_are_not_called_unlearnt(
    nnexp: Nnexp, run: Path, lost: list[object]
) -> None:
    """What is no number of a class is named; the predictions say it then."""
    record = json.loads((run / "run.json").read_text())
    due = open_run(run).never_learned
    (run / "run.json").write_text(json.dumps(record | {"never_learned": lost}))
    said = f"{run}: run.json: never_learned: expected numbers of classes"
    assert said in nnexp("compare").stderr
    assert open_run(run).never_learned == due


def test_ten_thousand_classes_are_shown_without_a_matrix(nnexp: Nnexp, run: Path) -> None:
    """What grows with the square of the classes is left out."""
    labels = np.array([0, 9999], np.uint16)
    np.savez(run / "predictions.npz", labels=labels, predicted=labels, set=np.array("test"))
    with bounded():
        found = json.loads(nnexp("show", run, "--json").stdout)
    assert (found["classes"]["confusion"], len(found["classes"]["names"])) == (None, 10_000)


def test_a_run_that_ends_while_it_is_read_is_not_taken_for_interrupted(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its record is read again where its lock turns out to be free."""
    done = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps(done | {"status": "running"}))

    def ends(descriptor: int) -> bool:
        (run / "run.json").write_text(json.dumps(done))
        return False

    monkeypatch.setattr(reader, "is_held", ends)
    assert open_run(run).status == "completed"
    (run / "run.json").write_text(json.dumps(done | {"status": "running"}))
    monkeypatch.setattr(reader, "is_held", lambda descriptor: False)
    assert open_run(run).status == "interrupted"


NAMES = ["a\nb", "a\x1b]0;owned\x07", "\x1b[2J", "a\u202eb", "\udcff\udcfe", "=cmd|' C calc'!A0"]


@pytest.mark.parametrize("name", [*NAMES, "a|b`<img src=x>`", "$a$ $\\frac$", "a" * 200])
def test_no_name_steers_the_terminal(nnexp: Nnexp, run: Path, name: str) -> None:
    """Of a folder, of an experiment, of a class, in the reason of an end, in the machine's name."""
    record = json.loads((run / "run.json").read_text())
    text = name.encode("utf-8", "replace").decode()
    record |= {"name": text, "stopped": text, "host": text, "argv": [text], "versions": {text: 1}}
    record["data"] |= {"name": text, "classes": [text, text]}
    del record["config"]
    (run / "run.json").write_text(json.dumps(record))
    (run / "config.yaml").unlink()
    other = run.with_name(name)
    shutil.copytree(run, other)
    (other / "metrics.csv").write_text("torn")
    for words in (("list",), ("compare",), ("show", run), ("show", other), ("show", f"{name}?")):
        for form in ("table", "csv", "json", "md"):
            asked = ["--json"] if form == "json" else ["--format", form]
            if words[0] == "show" and form in ("csv", "md"):
                continue
            result = nnexp(
                *words, *(asked if form != "table" else []), code=words[-1] == f"{name}?"
            )
            inert(result)
            if form == "csv":
                assert not any(cell[:1] in tuple("=@") for cell in result.stdout.split(","))
            if form == "md":
                # The only markup is an empty comment, which parts what GitHub would link.
                assert not re.search(r"(?<!\\)<", result.stdout.replace("<!-- -->", ""))


def test_a_picture_takes_any_name(nnexp: Nnexp, run: Path) -> None:
    """Formulas of the picture's own language, missing glyphs and control characters are text."""
    (run / "config.yaml").unlink()
    record = json.loads((run / "run.json").read_text())
    del record["config"]
    for i, name in enumerate([*NAMES[:4], "$a$ $\\frac$", "数" * 300, "\U0001f600"]):
        other = run.with_name(f"{run.name}-{i}")
        shutil.copytree(run, other)
        (other / "run.json").write_text(json.dumps(record | {"name": name}))
    nnexp("plot", "-o", "a.svg")
    assert Path("a.svg").stat().st_size > 1000


def test_a_picture_of_extremes_is_drawn(nnexp: Nnexp, run: Path) -> None:
    """Values at the ends of what a float can be, and epochs far apart."""
    rows = ["1,1e308", "2,-1e308", "3,nan", "4,inf", "5,5e-324", f"{10**9},0"]
    (run / "metrics.csv").write_text("epoch,test_cost\n" + "\n".join(rows) + "\n")
    with bounded(30):
        nnexp("plot", run, "--metric", "test_cost", "-o", "a.png")


def test_a_picture_of_very_many_groups_is_no_larger(nnexp: Nnexp, run: Path) -> None:
    """A hundred groups do not make a legend that no picture can hold."""
    record = json.loads((run / "run.json").read_text())
    for i in range(100):
        other = run.with_name(f"{run.name}-{i}")
        other.mkdir()
        record["config"]["eta"] = 1.0 + i
        (other / "run.json").write_text(json.dumps(record))
        (other / "metrics.csv").write_text("epoch,test_accuracy\n1,0.5\n2,0.6\n")
    nnexp("plot", "-o", "a.svg")
    assert "more lines are not named" in Path("a.svg").read_text()


def test_folders_are_sorted_whatever_their_names(folder: Path) -> None:
    """Digits without end and signs of any kind sort in bounded time."""
    paths = [Path("9" * 250), Path("a\n"), Path("1" * 19 + "a"), Path("\udcff"), Path("٣")]
    assert sorted(by_age(paths)) == sorted(paths)


def test_completion_offers_no_name_that_would_steer_the_shell(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The shell takes one line per item, and prints it."""
    import click

    from nnexp.cli.options import complete_runs
    from nnexp.cli.runs import show

    for name in ("2099\nplain,x", "2099\x1b[2J"):
        shutil.copytree(run, run.with_name(name))
    context = click.Context(show)
    items = complete_runs(context, show.params[0], "2099")
    assert [item.value for item in items] == [run.name]
