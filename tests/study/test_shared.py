"""Data that the worker processes share."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from nnexp.config.loader import Config, load
from nnexp.data import Dataset
from nnexp.run.assembly import read_data
from nnexp.study.local import discard, share, shared_data

CONFIGS = {
    "mnist": "data: {name: mnist, train: 50, validation: 0, test: 20}\nlayers: [784, 3, 10]\n",
    "classes": "data: {path: points.csv, target: kind}\nlayers: [2, 3, 2]\ndtype: float64\n",
    "regression": "data: {path: points.csv, target: y}\nlayers: [1, 3, 1]\n"
    "output: linear\ncost: quadratic\n",
}
SHARED = Path("runs/.data")


def same(a: Dataset, b: Dataset) -> bool:
    """Tell whether two data sets are the same in every bit."""
    words = [(d.name, d.classes, d.digest, d.image, list(d.sets)) for d in (a, b)]
    arrays = [
        [(e.x, e.y, np.zeros(0) if e.labels is None else e.labels) for e in d.sets.values()]
        for d in (a, b)
    ]
    scales = [[examples.scale for examples in d.sets.values()] for d in (a, b)]
    return (
        words[0] == words[1]
        and scales[0] == scales[1]
        and all(
            p.dtype == q.dtype and np.array_equal(p, q)
            for first, second in zip(*arrays, strict=True)
            for p, q in zip(first, second, strict=True)
        )
    )


@pytest.fixture(params=CONFIGS)
def config(request: pytest.FixtureRequest, small: Path) -> Config:
    """Give a config of each kind of data."""
    if request.param == "regression":
        lines = "\n".join(f"{i / 10},{i * i / 100}" for i in range(40))
        Path("points.csv").write_text(f"x,y\n{lines}\n")
    path = Path("a.yaml")
    path.write_text(CONFIGS[request.param])
    return load(path)


def test_what_is_mapped_is_what_was_read(config: Config) -> None:
    """Through the files comes the same data set, bit for bit, and it is not copied."""
    read = read_data(config.experiment)
    share(SHARED, config.experiment, read)
    mapped = shared_data(SHARED)(config.experiment)
    assert same(read, mapped)
    assert isinstance(mapped.train.x.base, np.memmap)
    assert not mapped.train.x.flags.writeable


def truncate(folder: Path) -> None:
    """Cut a file off."""
    path = folder / "train-x.npy"
    path.write_bytes(path.read_bytes()[:-1])


def empty(folder: Path) -> None:
    """Leave a file without a byte."""
    (folder / "train-x.npy").write_bytes(b"")


def flip(folder: Path) -> None:
    """Change one byte of a file."""
    data = bytearray((folder / "train-x.npy").read_bytes())
    data[-1] ^= 1
    (folder / "train-x.npy").write_bytes(data)


def other_meta(folder: Path) -> None:
    """Let meta.json say nothing."""
    (folder / "meta.json").write_text(json.dumps({"sets": 3}))


@pytest.mark.parametrize(
    "damage",
    [
        truncate,
        empty,
        flip,
        other_meta,
        lambda folder: (folder / "meta.json").unlink(),
        lambda folder: (folder / "train-y.npy").unlink(),
        discard,
    ],
    ids=["truncated", "empty", "flipped", "meta", "no-meta", "no-file", "deleted"],
)
def test_damaged_files_are_not_used(small: Path, damage: Callable[[Path], None]) -> None:
    """Whatever happens to the files, the data are those of the user."""
    experiment = load(small).experiment
    read = read_data(experiment)
    share(SHARED, experiment, read)
    (folder,) = SHARED.iterdir()
    damage(folder)
    assert same(read, shared_data(SHARED)(experiment))


def test_data_of_an_earlier_command_are_replaced(small: Path) -> None:
    """Files that were left behind before the user changed the data are written anew."""
    experiment = load(small).experiment
    share(SHARED, experiment, read_data(experiment))
    text = Path("points.csv").read_text()
    Path("points.csv").write_text(text.replace("0.", "1."))
    changed = read_data(experiment)
    share(SHARED, experiment, changed)
    assert same(changed, shared_data(SHARED)(experiment))
    assert isinstance(shared_data(SHARED)(experiment).train.x.base, np.memmap)


def test_what_is_there_is_not_written_again(small: Path) -> None:
    """A second sweep at the same time uses the files of the first."""
    experiment = load(small).experiment
    share(SHARED, experiment, read_data(experiment))
    before = {path: path.stat().st_ino for path in SHARED.rglob("*")}
    share(SHARED, experiment, read_data(experiment))
    assert {path: path.stat().st_ino for path in SHARED.rglob("*")} == before


def test_where_nothing_can_be_written_each_reads_for_itself(small: Path) -> None:
    """That data cannot be shared is no error, and nothing is left of the attempt."""
    Path("runs").mkdir()
    SHARED.write_text("a file is in the way")
    experiment = load(small).experiment
    read = read_data(experiment)
    share(SHARED, experiment, read)
    assert same(read, shared_data(SHARED)(experiment))
    assert [path.name for path in Path("runs").iterdir()] == [".data"]
