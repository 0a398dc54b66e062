"""Inputs of doubled sizes: no reader, check or message takes more than its share of time.

A further reader is one entry in `INPUTS`.
"""

from __future__ import annotations

import gc
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import process_time
from typing import Any

from scenes import Figures, nnexp, scene, time_is_up

from nnexp.config.loader import load
from nnexp.config.study import load_study
from nnexp.data.csv_file import Csv
from nnexp.errors import NnexpError, did_you_mean
from nnexp.run.find import resolve
from nnexp.run.reader import open_run
from nnexp.run.record import laid_out
from nnexp.views.run import page

DATA = "data: {inline: {x: [[0.0], [1.0]], y: [[0.0], [1.0]]}}\n"
CONFIG = f"{DATA}layers: [1, 1]\nepochs: 1\n"
RUN = f"{CONFIG}monitor: [train]\n"
# Four times the input may take so many times the CPU time: 4 where it is linear, 16 for squares.
_MOST_TIMES = 9.0
# Shorter times are not judged.
_SECONDS = 0.02
_FIRST, _LAST = 500, 32_000

# Given a size and an empty folder, makes an input there; what it returns reads it.
Input = Callable[[int, Path], Callable[[], object]]


@dataclass
class Growth(Figures):
    """What came of doubling.

    Attributes:
        inputs: the kinds of input that were doubled.
        largest: the size of the largest, in values, lines or folders.
        steepest: how many times longer four times an input took, at most.
    """

    inputs: int = 0
    largest: int = 0
    steepest: float = 0.0


def each(n: int, text: str) -> str:
    """Repeat a text that may have a number in it.

    >>> each(2, "k{i}: 1 ")
    'k0: 1 k1: 1 '
    """
    return "".join(text.replace("{i}", str(i)) for i in range(n))


def config(text: str, repeated: str = "") -> Input:
    """Return configs of a text, EACH in it standing for many of another."""

    def make(n: int, folder: Path) -> Callable[[], object]:
        path = folder / "a.yaml"
        path.write_text(text.replace("EACH", each(n, repeated)))
        return lambda: load(path)

    return make


def overrides(text: str, repeated: str) -> Input:
    """Return many overrides of a config whose list `tags` is as long."""

    def make(n: int, folder: Path) -> Callable[[], object]:
        path = folder / "a.yaml"
        path.write_text(text.replace("EACH", each(n, "a, ")))
        words = [repeated.replace("{i}", str(i)) for i in range(n)]
        return lambda: load(path, words)

    return make


def one_override(n: int, folder: Path) -> Callable[[], object]:
    """Return an override with a long list."""
    path = folder / "a.yaml"
    path.write_text(CONFIG)
    return lambda: load(path, [f"tags=[{each(n, 'a, ')}]"])


def study(text: str, repeated: str) -> Input:
    """Return studies of a text, EACH in it standing for many of another."""

    def make(n: int, folder: Path) -> Callable[[], object]:
        path = folder / "study.yaml"
        (folder / "base.yaml").write_text(CONFIG)
        path.write_text("base: base.yaml\n" + text.replace("EACH", each(n, repeated)))
        return lambda: load_study(path, many=True)

    return make


def csv_columns(target: str) -> Input:
    """Return tables of many columns."""

    def make(n: int, folder: Path) -> Callable[[], object]:
        path = folder / "a.csv"
        row = f"{each(n, '1,')}1\n"
        path.write_text(f"{each(n, 'c{i},')}y\n{row * 8}")
        return Csv(path=str(path), target=target, task="regression", validation=0.2, test=0.2).read

    return make


def csv_rows(n: int, folder: Path) -> Callable[[], object]:
    """Return a table of many rows, each a class of its own or of few others."""
    path = folder / "a.csv"
    path.write_text("x,y\n" + each(n, "{i},c{i}\n"))
    return Csv(path=str(path), target="y", task=None, validation=0.2, test=0.2).read


def run(change: Callable[[int, Path], None]) -> Input:
    """Return a run whose files are changed, and that is shown."""

    def make(n: int, folder: Path) -> Callable[[], object]:
        (folder / "a.yaml").write_text(RUN)
        done = nnexp("train", folder / "a.yaml", "-q", "--runs-dir", folder / "runs")
        assert done.code == 0, done
        (place,) = (folder / "runs").iterdir()
        change(n, place)

        def read() -> object:
            opened = open_run(place)
            return opened.rows, page(opened).values()

        return read

    return make


def _record(**entries: Callable[[int], Any]) -> Callable[[int, Path], None]:
    def change(n: int, place: Path) -> None:
        values = json.loads((place / "run.json").read_text())
        for key, value in entries.items():
            values |= {f"{key}{i}": i for i in range(n)} if key == "entry" else {key: value(n)}
        (place / "run.json").write_bytes(laid_out(values))

    return change


def _rows(n: int, place: Path) -> None:
    log = place / "metrics.csv"
    header, row, *_ = log.read_text().splitlines()
    _, rest = row.split(",", 1)
    log.write_text(f"{header}\n" + each(n, "{i}," + rest + "\n"))


def _columns(n: int, place: Path) -> None:
    log = place / "metrics.csv"
    lines = log.read_text().splitlines()
    log.write_text("".join(f"{line},{each(n, 'c{i},')}z\n" for line in lines))


def folders(n: int, folder: Path) -> Callable[[], object]:
    """Return many run folders, none of which has the name that is asked for."""
    for i in range(n):
        (folder / f"run-{i}").mkdir()
        (folder / f"run-{i}" / "run.json").touch()
    return lambda: resolve("run-x", folder)


def suggestion(n: int, folder: Path) -> Callable[[], object]:
    """Return a mistyped word and many choices."""
    choices = [f"column-{i}" for i in range(n)]
    return lambda: did_you_mean("colunm-7", choices)


INPUTS: dict[str, Input] = {
    "unknown keys": config(f"{CONFIG}EACH", "epochs{i}: 1\n"),
    "a key many times": config(f"{CONFIG}EACH", "eta: 1\n"),
    "anchors": config(f"{CONFIG}tags: [EACH]\n", "&a{i} b, *a{i}, "),
    "keys that are lists": config(f"{CONFIG}EACH", "? [a{i}]\n: 1\n"),
    "inline data": config(CONFIG.replace("[0.0], [1.0]", "EACH"), "[0.5], "),
    "inline data that are words": config(CONFIG.replace("[0.0], [1.0]", "EACH"), "[a], "),
    "a long text": config(f"{CONFIG}description: EACH\n", "many words "),
    "an open bracket": config(f"{CONFIG}tags: EACH", "["),
    "layers": config(f"{DATA}layers: [1, EACH 1]\n", "1, "),
    "layers without weights": config(
        f"{DATA}layers: [1, EACH 1]\ninit: {{weights: [EACH], biases: [EACH]}}\n", "1, "
    ),
    "weights that do not fit": lambda n, folder: config(
        f"{DATA}layers: [1, {'1, ' * n}1]\ninit: {{weights: [EACH], biases: [EACH]}}\n", "[], "
    )(n, folder),
    "overrides of new keys": overrides(CONFIG, "k{i}=1"),
    "overrides of a list": overrides(f"{CONFIG}tags: [EACH]\n", "tags.{i}=b"),
    "an override with a list": one_override,
    "a grid of values": study("grid: {eta: [EACH]}\n", "1.{i}1, "),
    "a grid of wrong values": study("grid: {eta: [EACH]}\n", "-1.{i}1, "),
    "a grid of unknown keys": study("grid: {EACH}\n", "k{i}: [1], "),
    "arms": study("arms: {EACH}\n", "a{i}: {eta: 1.{i}1}, "),
    "arms without a baseline": study("baseline: b\narms: {EACH}\n", "a{i}: {eta: 1.{i}1}, "),
    "arms that are one experiment": study("arms: {EACH}\n", "a{i}: {eta: 1}, "),
    "unknown keys of an arm": study("arms: {a: {EACH}}\n", "k{i}: 1, "),
    "values to try": study("tune: {space: {eta: [EACH]}}\n", "1.{i}1, "),
    "seeds": study("seeds: [EACH]\n", "{i}, "),
    "CSV columns": csv_columns("y"),
    "CSV columns without the target": csv_columns("yy"),
    "CSV rows": csv_rows,
    "entries of run.json": run(_record(entry=lambda n: None)),
    "tags in run.json": run(_record(notes=lambda n: ["a note"] * n, argv=lambda n: ["a"] * n)),
    "rows of metrics.csv": run(_rows),
    "columns of metrics.csv": run(_columns),
    "folders of runs": folders,
    "choices of a suggestion": suggestion,
}


def _seconds(make: Input, n: int) -> float:
    """Return the CPU time of reading an input of a size, accepted or refused."""
    with scene(CONFIG) as place:
        read = make(n, place.base)
        gc.collect()
        began = process_time()
        with suppress(NnexpError):
            read()
        return process_time() - began


def growth(make: Input, last: int = _LAST) -> tuple[int, float]:
    """Double an input until it takes long enough to be judged, and then twice more.

    Returns:
        The largest size, and how many times as long it took as a quarter of it.
    """
    n = _FIRST
    while (first := _seconds(make, n)) < _SECONDS and n < last:
        n *= 2
    times = _seconds(make, 4 * n) / max(first, _SECONDS)
    if times > _MOST_TIMES:  # once more: another process may have taken the caches
        times = _seconds(make, 4 * n) / max(_seconds(make, n), _SECONDS)
    return 4 * n, times


def grow(last: int = _LAST) -> Growth:
    """Judge every input."""
    figures = Growth()
    for name, make in INPUTS.items():
        if time_is_up():
            break
        largest, times = growth(make, last)
        if times > _MOST_TIMES:
            figures.problems.append(f"{name}: four times as many took {times:.1f} times as long")
        figures.inputs += 1
        figures.steepest = round(max(figures.steepest, times), 1)
        figures.largest = max(figures.largest, largest)
    return figures
