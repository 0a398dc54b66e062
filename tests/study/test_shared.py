"""Data that the worker processes share."""

from __future__ import annotations

import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from nnexp.config.loader import Config, load
from nnexp.data import Dataset
from nnexp.io.folder import Folder
from nnexp.run.assembly import data_key, read_data
from nnexp.study import local
from nnexp.study.local import Shared, discard

CONFIGS = {
    "mnist": "data: {name: mnist, train: 50, validation: 0, test: 20}\nlayers: [784, 3, 10]\n",
    "classes": "data: {path: points.csv, target: kind}\nlayers: [2, 3, 2]\ndtype: float64\n",
    "regression": "data: {path: points.csv, target: y}\nlayers: [1, 3, 1]\n"
    "output: linear\ncost: quadratic\n",
}
FOLDER = Path("runs/.data")


def share(read: Dataset) -> Shared:
    """Share a data set in a study's folder."""
    FOLDER.parent.mkdir(exist_ok=True)
    with Folder(FOLDER.parent) as study:
        return local.share(study, read)


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
    mapped = pickle.loads(pickle.dumps(share(read))).load()  # noqa: S301 - our own
    assert same(read, mapped)
    assert isinstance(mapped.train.x.base, np.memmap)
    assert not mapped.train.x.flags.writeable


def truncate(path: Path) -> None:
    """Cut the last byte off."""
    path.write_bytes(path.read_bytes()[:-1])


def flip(path: Path) -> None:
    """Change one byte."""
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def replace_by_a_pipe(path: Path) -> None:
    """Put a named pipe there, at which a reader would wait for ever."""
    path.unlink()
    os.mkfifo(path)


def replace_by_a_link(path: Path) -> None:
    """Put a link to a file of the same bytes there."""
    path.rename("elsewhere")
    path.symlink_to(Path("elsewhere").resolve())


@pytest.mark.parametrize(
    "damage",
    [
        truncate,
        flip,
        replace_by_a_pipe,
        replace_by_a_link,
        lambda path: path.write_bytes(b""),
        lambda path: path.unlink(),
        lambda path: shutil.rmtree(path.parent),
    ],
    ids=["truncated", "flipped", "pipe", "link", "empty", "no-file", "no-folder"],
)
def test_a_worker_reads_the_data_itself_where_a_file_is_not_as_it_was_written(
    small: Path, monkeypatch: pytest.MonkeyPatch, damage: Callable[[Path], None]
) -> None:
    """Whatever happens to the files, and whoever put them there, the data are those of the user."""
    experiment = load(small).experiment
    read = read_data(experiment)
    shared = share(read)
    assert same(shared.load(), read)
    damage(max(FOLDER.iterdir(), key=lambda path: path.stat().st_size))
    with pytest.raises((OSError, ValueError)):
        shared.load()
    monkeypatch.setitem(local._shared, data_key(experiment), shared)
    assert same(local._read(experiment), read)


@pytest.mark.parametrize("damage", [truncate, flip, replace_by_a_pipe, replace_by_a_link])
def test_a_file_that_is_there_already_is_used_only_if_it_is_the_right_one(
    small: Path, damage: Callable[[Path], None]
) -> None:
    """Two sweeps at once use one file; what else has its name is replaced, not written through."""
    read = read_data(load(small).experiment)
    share(read)
    before = {path: path.stat().st_ino for path in FOLDER.iterdir()}
    share(read)
    assert {path: path.stat().st_ino for path in FOLDER.iterdir()} == before
    for path in before:
        damage(path)
    elsewhere = Path("elsewhere").exists() and Path("elsewhere").read_bytes()
    assert same(share(read).load(), read)
    assert set(FOLDER.iterdir()) == set(before)
    assert (Path("elsewhere").exists() and Path("elsewhere").read_bytes()) == elsewhere


def test_where_nothing_can_be_written_each_reads_for_itself(small: Path) -> None:
    """That data cannot be shared is no error, and nothing is left of the attempt."""
    Path("runs").mkdir()
    FOLDER.write_text("a file is in the way")
    read = read_data(load(small).experiment)
    with pytest.raises(OSError, match="Not a directory"):
        share(read).load()
    assert [path.name for path in Path("runs").iterdir()] == [".data"]


def test_a_link_in_the_place_of_the_folder_is_not_followed(small: Path) -> None:
    """A study from elsewhere may hold one, which leads anywhere."""
    Path("runs").mkdir()
    Path("elsewhere").mkdir()
    FOLDER.symlink_to(Path("elsewhere").resolve())
    share(read_data(load(small).experiment))
    (Path("elsewhere") / "precious").touch()
    with Folder(FOLDER.parent) as study:
        discard(study)
    assert [path.name for path in Path("elsewhere").iterdir()] == ["precious"]


@pytest.mark.parametrize("there_now", ["another study", "nothing"])
def test_only_the_folder_of_the_study_itself_is_shared_in(small: Path, there_now: str) -> None:
    """What lies where it was is neither written to nor cleared, nor is it made again."""
    Path("runs").mkdir()
    read = read_data(load(small).experiment)
    with Folder(Path("runs")) as study:
        local.share(study, read)
        Path("runs").rename("moved")
        if there_now == "another study":
            FOLDER.mkdir(parents=True)
            (FOLDER / "precious").touch()
        before = sorted(Path().rglob("*"))
        local.share(study, read)
        assert sorted(Path().rglob("*")) == before
        discard(study)
    assert sorted(Path().rglob("*")) == [
        path for path in before if path.parent != Path("moved/.data")
    ]
