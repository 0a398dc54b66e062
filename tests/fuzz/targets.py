"""What is fuzzed: for each target, cases mutated from valid ones, and what must hold of each.

A case is accepted or refused with an NnexpError, in bounded memory and in a second of CPU time per
megabyte, or a few for a small one; anything else that is raised is a defect. A new target is one
entry in `TARGETS`.
"""

from __future__ import annotations

import atexit
import gzip
import io
import json
import math
import shutil
import struct
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import chdir, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from time import process_time
from typing import Any

import numpy as np
import yaml
from bounds import OutOfTimeError, bounded
from click.testing import CliRunner
from conftest import Stopper, train_config, write_small
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from mutations import altered, archives, spoilt, texts, values

from nnexp.cli import cli
from nnexp.config.loader import dump, load
from nnexp.config.study import load_study
from nnexp.data import READERS
from nnexp.data.arrays import Inline
from nnexp.errors import NnexpError
from nnexp.run.assembly import DataCache, load_data
from nnexp.run.reader import Run, open_run
from nnexp.study.record import claim_folder, record_of
from nnexp.views.formats import markdown_page, text_page
from nnexp.views.run import page

# CPU time: that other processes are at work does not count.
_SECONDS_PER_MEGABYTE = 1.0
# What a small case may take; a command may load a library first.
_READER_SECONDS, _COMMAND_SECONDS = 3.0, 6.0
Check = Callable[[Path, Any], bool]
FILES = ("run.json", "config.yaml", "metrics.csv", "diagnostics.csv", "predictions.npz")
COMMANDS = (
    ("list",), ("list", "--json"), ("list", "--format", "csv"), ("list", "--format", "md"),
    ("show", "run"), ("show", "run", "--json"), ("show", "run", "--format", "md"),
    ("compare",), ("compare", "--json"), ("compare", "--format", "md"),
    ("compare", "--per-run", "--format", "csv"), ("compare", "run", "cut", "--mcnemar"),
)  # fmt: skip
CONFIG: dict[str, Any] = {
    "name": "small",
    "data": {"inline": {"x": [[0, 0.5], [0, 1], [1, 0], [1, 1]], "y": [[0], [1], [1], [0]]}},
    "layers": [2, 3, 1],
    "cost": "quadratic",
    "init": {"hidden": "scaled", "output": "zeros"},
    "schedule": {"name": "step", "every": 2, "factor": 0.5},
    "dropout": [0.5],
    "momentum": 0.5,
    "monitor": ["train", "diagnostics", "parameters"],
    "early_stopping": {"metric": "train_cost", "patience": 2},
    "reference": {"train_cost": 0.1, "source": "a book"},
    "epochs": 2,
    "eta": 0.5,
    "l2": 0.1,
    "tags": ["a"],
}
KNOWN: dict[str, list[Any]] = {
    "data": ["mnist", {"path": "own.csv", "target": "y"}, {"path": "own.npz"}, {"path": "own"}],
    "layers": [[2, 1], [2, 3, 2], [1, 1], [2, 10**6, 1], [2, 10**12], [2, *[1] * 50]],
    "activation": ["relu", "tanh", "linear", "sigmoid"],
    "output": ["softmax", "linear", "sigmoid", "tanh", "relu"],
    "cost": ["cross_entropy", "log_likelihood", "quadratic"],
    "softmax_scale": [1e-300, 1e300],
    "init": ["large", "zeros", {"weights": [[[1, 1]]], "biases": [[1]]}],
    "eta": [1e-300, 1e300, 1e30],
    "schedule": ["cosine", {"name": "halve"}, {"name": "exponential", "factor": 0.1}],
    "epochs": [1, 10**18, 10**80],
    "batch_size": [1, 3, 10**18, 10**80],
    "l1": [1e300, 5.0],
    "l2": [1e300, 5.0],
    "dropout": [0.0, 0.999999, [0.1, 0.1]],
    "momentum": [0.0, 0.999],
    "nesterov": [True],
    "augment": [{"shifts": True}, {"rotate": 10}, {"elastic": {"alpha": 1e300, "sigma": 1e-300}}],
    "seed": [1, 2**63 - 1],
    "dtype": ["float32", "float64"],
    "monitor": [[], ["validation"], ["train"] * 3],
    "monitor_every": [1, 10**80],
    "tags": [["\x1b"], ["a"] * 30],
    "reference": [{"test_accuracy": 99.0, "statistic": "peak"}],
    "description": ["\x1b[2J\n", "x" * 1000],
}
STUDY = """\
base: small.yaml
arms: {fast: {eta: 2}, slow: {eta: 0.5}}
seeds: 0
metric: test_accuracy
"""


def lasting() -> Path:
    """Return a new folder that is there until the program ends."""
    folder = Path(mkdtemp(prefix="nnexp-fuzz-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@cache
def runs() -> dict[str, dict[str, bytes]]:
    """Return the files of two runs, `run` completed and `cut` interrupted, and of a study."""
    folder = lasting()
    config = write_small(folder)
    every = "monitor=[train, validation, test, diagnostics]"
    done = train_config(config, every, "eta=2", runs=folder / "runs")
    cut = train_config(config, every, runs=folder / "runs", progress=Stopper(2))
    (folder / "study.yaml").write_text(STUDY)
    claim_folder(folder / "study", record_of(load_study(folder / "study.yaml"), DataCache()))
    outcome = {
        place: {path.name: path.read_bytes() for path in source.iterdir()}
        for place, source in (("run", done.folder), ("cut", cut.folder))
    }
    study = (folder / "study" / "study.json").read_bytes()
    sources = {path.name: path.read_bytes() for path in (config, folder / "points.csv")}
    return {**outcome, "study": {"study.json": study}, "source": sources}


def npy(values: Any) -> bytes:
    """Return an array as an .npy file."""
    stream = io.BytesIO()
    np.save(stream, np.asarray(values))
    return stream.getvalue()


@st.composite
def configs(draw: st.DrawFn) -> bytes:
    """Return configs whose values, or whose text, is spoilt."""
    outcome = draw(altered(CONFIG, KNOWN))
    text = yaml.safe_dump(outcome, allow_unicode=draw(st.booleans())).encode("utf-8", "replace")
    return text if draw(st.booleans()) else draw(spoilt(text))


@st.composite
def overrides(draw: st.DrawFn) -> str:
    """Return what follows --set, spoilt or not."""
    key = draw(st.sampled_from([*KNOWN, "layers.1", "data.validation", "a.b.c", "data.x.0"]))
    known = json.dumps(draw(st.sampled_from(KNOWN.get(key, [0.5, 3]))))
    odd = st.builds(json.dumps, values) | texts | st.sampled_from(["[" * 99, "&a [*a]"])
    value = known if draw(st.booleans()) else draw(odd)
    return f"{draw(texts) if draw(st.integers(0, 9)) == 0 else key}={value}"


@st.composite
def idx_files(draw: st.DrawFn) -> dict[str, bytes]:
    """Return the four files of an IDX folder, one or two of them spoilt."""
    files: dict[str, bytes] = {}
    for part, n in (("train", 12), ("t10k", 4)):
        images = struct.pack(">HBB3I", 0, 8, 3, n, 2, 3) + bytes(range(n * 6))
        labels = struct.pack(">HBBI", 0, 8, 1, n) + bytes(i % 3 for i in range(n))
        files |= {f"{part}-images-idx3-ubyte": images, f"{part}-labels-idx1-ubyte": labels}
    for name in draw(st.sets(st.sampled_from(sorted(files)), max_size=2)):
        data = bytearray(files[name])
        if draw(st.booleans()):
            code = st.sampled_from([0x08, 0x09, 0x0B, 0x0C, 0x0D, 0x0E, 0x0A])
            sizes = st.integers(0, 2**32 - 1) | st.integers(0, 20)
            data[2:4] = bytes([draw(code), draw(st.integers(0, 5))])
            data[4:8] = struct.pack(">I", draw(sizes))
            if "images" in name:
                data[8:16] = struct.pack(">II", draw(sizes), draw(sizes))
        outcome = draw(spoilt(bytes(data), 2))
        if draw(st.booleans()):
            outcome = draw(spoilt(gzip.compress(outcome, mtime=0), 2))
        files[name] = outcome
    return files


NPZ = {
    "x_train.npy": npy(np.arange(72, dtype=np.uint8).reshape(12, 2, 3)),
    "y_train.npy": npy(np.arange(12) % 3),
    "x_test.npy": npy(np.linspace(0, 1, 24).reshape(4, 6)),
    "y_test.npy": npy(np.eye(3)[[0, 1, 2, 0]]),
    "x_val.npy": npy(np.ones((3, 6), np.float32)),
    "y_val.npy": npy(np.array([[1], [0], [2]])),
}
CELLS = st.sampled_from(
    ["0", "1", "-1.5", "nan", "1e999", "", " ", "cat", '"a', '"a,b"', "1" * 200, "\x1b[2J", "=1"]
)


@st.composite
def csv_files(draw: st.DrawFn) -> bytes:
    """Return CSV files with spoilt cells or bytes."""
    rows = [[str(i % 7), f"{i / 3:.3f}", str(i % 3)] for i in range(20)]
    for _ in range(draw(st.integers(0, 4))):
        draw(st.sampled_from(rows))[draw(st.integers(0, 2))] = draw(CELLS | texts)
    text = "\n".join(["a,b,y", *map(",".join, rows)]).encode("utf-8", "surrogatepass")
    return text if draw(st.booleans()) else draw(spoilt(text))


@st.composite
def metrics_files(draw: st.DrawFn) -> bytes:
    """Return metrics.csv with spoilt cells, lines or bytes."""
    lines = [line.split(b",") for line in runs()["run"]["metrics.csv"].splitlines()]
    cell = st.sampled_from([b"", b"nan", b"inf", b"1e308", b"-1e308", b"x", b"1e999", b"2", b"0.5"])
    for _ in range(draw(st.integers(0, 6))):
        line = draw(st.sampled_from(lines))
        line[draw(st.integers(0, len(line) - 1))] = draw(cell)
    lines = draw(st.permutations(lines)) if draw(st.integers(0, 9)) == 0 else lines
    data = b"\n".join(map(b",".join, lines)) + b"\n"
    return data if draw(st.booleans()) else draw(spoilt(data))


@st.composite
def records(draw: st.DrawFn, valid: bytes) -> bytes:
    """Return JSON files whose values or bytes are spoilt."""
    if draw(st.booleans()):
        return draw(spoilt(valid))
    outcome = json.loads(valid)
    known: dict[str, list[Any]] = {key: [None, [], {}, "", -1] for key in outcome}
    return json.dumps(draw(altered(outcome, known))).encode("utf-8", "surrogatepass")


@st.composite
def folders(draw: st.DrawFn) -> tuple[dict[str, dict[str, bytes | None]], tuple[str, ...]]:
    """Return two run folders with up to four spoilt or missing files, and a command."""
    outcome: dict[str, dict[str, bytes | None]] = {
        name: dict(runs()[name]) for name in ("run", "cut")
    }
    spoil: dict[str, Callable[[bytes], st.SearchStrategy[bytes]]] = {
        "run.json": records,
        "metrics.csv": lambda data: metrics_files(),
        "config.yaml": lambda data: configs() | spoilt(data),
    }
    for _ in range(draw(st.integers(0, 4))):
        name, file = draw(st.sampled_from(["run", "cut"])), draw(st.sampled_from(FILES))
        data = runs()[name].get(file)
        if data is not None:
            missing = draw(st.integers(0, 7)) == 0
            outcome[name][file] = None if missing else draw(spoil.get(file, spoilt)(data))
    picture = draw(st.integers(0, 39)) == 0  # which takes longest
    return outcome, ("plot", "-o", "a.svg") if picture else draw(st.sampled_from(COMMANDS))


@st.composite
def studies(draw: st.DrawFn) -> tuple[bytes, bytes]:
    """Return a study.json and a study file, spoilt."""
    return draw(records(runs()["study"]["study.json"])), draw(spoilt(STUDY.encode()))


@st.composite
def checkpoints(draw: st.DrawFn) -> dict[str, bytes]:
    """Return an interrupted run with one or two spoilt files, mostly its checkpoint."""
    outcome = dict(runs()["cut"])
    for name in draw(st.sets(st.sampled_from(["checkpoint.npz", "run.json", "metrics.csv"]))):
        if name == "checkpoint.npz" and draw(st.booleans()):
            with zipfile.ZipFile(io.BytesIO(outcome[name])) as archive:
                members = {member: archive.read(member) for member in archive.namelist()}
            text = members["state.npy"]
            state = draw(records(text[text.index(b"\n") + 1 :]))
            members["state.npy"] = npy(np.frombuffer(state, np.uint8))
            outcome[name] = draw(archives(members))
        else:
            outcome[name] = draw(
                records(outcome[name]) if name == "run.json" else spoilt(outcome[name])
            )
    return outcome


@cache
def studied() -> Path:
    """Return a lasting folder of two runs, and what a study's base needs."""
    folder = lasting()
    put(folder, runs()["source"])
    for name in ("run", "cut"):
        put(folder / "runs" / name, runs()[name])
    return folder


def put(folder: Path, files: Mapping[str, bytes | None]) -> None:
    """Write files into a folder, and none under a name without contents."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        path = folder / name
        path.unlink(missing_ok=True) if data is None else path.write_bytes(data)


def _printed(folder: Path, words: tuple[str, ...], codes: tuple[int, ...] = (0, 1)) -> bool:
    """Run a command; return whether it was done, and not refused. What it prints is text."""
    with chdir(folder):
        result = CliRunner().invoke(cli, words, prog_name="nnexp")
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code in codes, result.output
    for text in (result.stdout, result.stderr):
        assert all(char.isprintable() or char == "\n" for char in text), text
    if result.exit_code == 0 and "--json" in words:
        json.loads(result.stdout, parse_constant=_no_json)
    return result.exit_code != 1


def _no_json(word: str) -> None:
    raise AssertionError(f"{word} is no JSON")


def check_config(folder: Path, case: bytes) -> bool:
    """A config is refused, or survives being written and read again, with its data."""
    path = folder / "a.yaml"
    path.write_bytes(case)
    config = load(path)
    (folder / "b.yaml").write_text(dump(config.experiment))
    again = load(folder / "b.yaml").experiment
    assert dump(again) == dump(config.experiment)
    load_data(config)
    return True


def check_override(folder: Path, case: str) -> bool:
    """An override is refused, or gives an experiment."""
    write_small(folder)
    load(folder / "small.yaml", [case])
    return True


def check_train(folder: Path, case: bytes) -> bool:
    """A config that is accepted trains, if only to diverge, and its run is shown."""
    (folder / "a.yaml").write_bytes(case)
    experiment = load(folder / "a.yaml").experiment
    units = sum(experiment.layers)
    if not isinstance(experiment.data, Inline) or units > 200:
        return True
    small = ("--set", "epochs=2", "--set", "batch_size=2") if experiment.epochs > 2 else ()
    done = _printed(folder, ("train", "a.yaml", "--quiet", *small), (0, 1, 3))
    shown = [_printed(folder, ("show", str(path))) for path in folder.glob("runs/*")]
    shutil.rmtree(folder / "runs", ignore_errors=True)
    assert all(shown)
    return done


def _fits(kind: str, folder: Path, options: dict[str, Any]) -> bool:
    from nnexp import data

    reader = READERS[kind].model_validate(options)
    parts = reader.read()
    for part in parts.sets().values():
        assert len(part.x) == len(part.y)
    n_in = math.prod(parts.train.x.shape[1:])
    with suppress(NnexpError):
        data.load(reader, n_in=n_in, n_out=1, dtype=np.float64)
    data.load(reader, n_in=n_in, n_out=3, dtype=np.float32)
    return True


def check_idx(folder: Path, case: dict[str, bytes]) -> bool:
    """An IDX folder is refused, or gives as many targets as inputs, which fit or are refused."""
    for name, data in case.items():
        (folder / name).write_bytes(data)
    options = {"path": str(folder), "train": None, "test": None, "validation": 1 / 6}
    return _fits("idx", folder, options)


def check_npz(folder: Path, case: bytes) -> bool:
    """So is an .npz file."""
    (folder / "own.npz").write_bytes(case)
    options = {"path": str(folder / "own.npz"), "train": 5, "test": None, "validation": 0.2}
    return _fits("npz", folder, options)


def check_csv(folder: Path, case: bytes) -> bool:
    """So is a CSV file."""
    (folder / "own.csv").write_bytes(case)
    split = {"validation": 0.2, "test": 0.2, "standardize": True, "task": None}
    return _fits("csv", folder, {"path": str(folder / "own.csv"), "target": "y", **split})


def _read(folder: Path, name: str, case: bytes) -> Run:
    for file, data in (runs()["run"] | {name: case}).items():
        (folder / file).write_bytes(data)
    return open_run(folder)


def _looked_at(run: Run) -> bool:
    shown = page(run)
    assert text_page(shown.blocks, 80)
    assert markdown_page(shown.blocks)
    json.dumps(shown.values(), allow_nan=False)
    for row in run.rows:
        assert row["epoch"] is not None
        assert row["epoch"] >= 1
    return not run.problems


def check_metrics(folder: Path, case: bytes) -> bool:
    """A run with a spoilt metrics.csv is shown; its problems are named."""
    return _looked_at(_read(folder, "metrics.csv", case))


def check_record(folder: Path, case: bytes) -> bool:
    """So is one with a spoilt run.json."""
    return _looked_at(_read(folder, "run.json", case))


def check_folder(folder: Path, case: Any) -> bool:
    """Every command that reads runs ends, with what it can show."""
    files, words = case
    for name, contents in files.items():
        put(folder / "runs" / name, contents)
    return _printed(folder, words)


def check_resume(folder: Path, case: dict[str, bytes]) -> bool:
    """A spoilt interrupted run is refused, and left as it is, or trained to its end."""
    put(folder, runs()["source"])
    put(folder / "runs" / "cut", case)
    if _printed(folder, ("resume", "runs/cut", "--quiet"), (0, 1, 3)):
        return True
    kept = {path.name: path.read_bytes() for path in (folder / "runs" / "cut").iterdir()}
    assert all(kept[name] == case[name] for name in ("run.json", "config.yaml"))
    return False


def check_study(folder: Path, case: tuple[bytes, bytes]) -> bool:
    """A spoilt study is refused, by `sweep` and by `compare`, or done."""
    place = studied()
    put(place / "runs", {"study.json": case[0]})
    put(place, {"study.yaml": case[1]})
    compared = _printed(place, ("compare", "--json"))
    load_study(place / "study.yaml")
    return compared


@dataclass(frozen=True)
class Target:
    """Something that reads what a stranger wrote.

    Attributes:
        command: whether a case runs whole commands, which is left to `make torture`.
    """

    cases: Callable[[], st.SearchStrategy[Any]]
    check: Check
    command: bool = False

    def seconds(self, case: Any) -> float:
        """Return how much CPU time a case may take: by its size, and a few seconds in any case."""
        least = _COMMAND_SECONDS if self.command else _READER_SECONDS
        return max(least, bytes_in(case) / 1e6 * _SECONDS_PER_MEGABYTE)


def bytes_in(case: Any) -> int:
    """Return how many bytes a case consists of, names aside."""
    if isinstance(case, Mapping):
        return sum(map(bytes_in, case.values()))
    if isinstance(case, tuple | list):
        return sum(map(bytes_in, case))
    return len(case.encode("utf-8", "surrogatepass")) if isinstance(case, str) else len(case or b"")


TARGETS: dict[str, Target] = {
    "config": Target(configs, check_config),
    "override": Target(overrides, check_override),
    "train": Target(configs, check_train, command=True),
    "idx": Target(idx_files, check_idx),
    "npz": Target(lambda: archives(NPZ), check_npz),
    "csv": Target(csv_files, check_csv),
    "metrics": Target(metrics_files, check_metrics),
    "record": Target(lambda: records(runs()["run"]["run.json"]), check_record),
    "study": Target(studies, check_study, command=True),
    "folder": Target(folders, check_folder, command=True),
    "resume": Target(checkpoints, check_resume, command=True),
}


@dataclass
class Counts:
    """How many cases were run, and what became of them."""

    accepted: int = 0
    refused: int = 0

    @property
    def cases(self) -> int:
        """All of them."""
        return self.accepted + self.refused


def fuzz(target: Target, cases: int, start: int | None = None) -> Counts:
    """Try so many cases; raise what none of them may raise.

    Args:
        target: what to try them on.
        cases: how many, at least.
        start: the seed they are drawn from; None draws the same ones each time.
    """
    counts = Counts()

    def attempt(case: Any) -> None:
        with TemporaryDirectory() as folder, bounded():
            began = process_time()
            try:
                accepted = target.check(Path(folder), case)
            except NnexpError:
                accepted = False
            spent, most = process_time() - began, target.seconds(case)
        if spent > most:
            words = f"{spent:.1f} s of CPU time for {bytes_in(case):,} bytes, at most {most:.1f}"
            raise OutOfTimeError(f"{words}: {case!r:.2000}")
        counts.accepted += accepted
        counts.refused += not accepted

    run: Any = settings(
        max_examples=cases,
        deadline=None,
        database=None,
        derandomize=start is None,
        suppress_health_check=list(HealthCheck),
    )(given(target.cases())(attempt))
    (run if start is None else seed(start)(run))()
    return counts


def each(names: list[str], cases: int, start: int | None) -> Iterator[dict[str, Any]]:
    """Fuzz targets by name; yield a line of figures for each."""
    for name in names or TARGETS:
        counts = fuzz(TARGETS[name], cases, start)
        yield {
            "target": name,
            "cases": counts.cases,
            "accepted": counts.accepted,
            "refused": counts.refused,
        }
