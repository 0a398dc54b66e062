"""The table of readers: configs, messages and pages take from it what they say of a format."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from conftest import LoadText

from nnexp.config.loader import dump, load
from nnexp.config.study_file import json_schema
from nnexp.data import READERS, reader_of
from nnexp.data.readers import Split
from nnexp.errors import NnexpError, one_of
from nnexp.run.assembly import load_data

FOLDERS = [reader for reader in READERS.values() if reader.folder]


def test_no_two_readers_take_the_same_data() -> None:
    """Each suffix belongs to one format, folders to one, and every other key to one."""
    suffixes = [suffix for reader in READERS.values() for suffix in reader.suffixes]
    assert len(suffixes) == len(set(suffixes))
    assert all(re.fullmatch(r"\.[a-z0-9.]+", suffix) for suffix in suffixes)
    assert len(FOLDERS) == 1
    keys = [next(iter(r.model_fields)) for r in READERS.values() if not r.suffixes]
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize("kind", READERS)
def test_a_reader_says_all_that_is_needed(kind: str) -> None:
    """A format has a line for messages, a paragraph for the docs, and a meaning for each key."""
    reader = READERS[kind]
    assert reader.kind == kind
    assert reader.form
    assert reader.words.endswith(".")
    assert (reader.__doc__ or "").endswith(".")
    assert all(field.description for field in reader.model_fields.values())
    assert reader.__name__ in json_schema()["$defs"]


@pytest.mark.parametrize("kind", [kind for kind, reader in READERS.items() if reader.suffixes])
def test_a_suffix_names_the_format(kind: str) -> None:
    """The ending of a path decides, in any case of its letters and after any folder."""
    for suffix in READERS[kind].suffixes:
        for path in (f"a{suffix}", f"A{suffix.upper()}", f"b{suffix}/c.d{suffix}"):
            reader = reader_of({"path": path})
            assert reader is READERS[kind]
        assert reader_of({"path": f"a{suffix}/b"}) is FOLDERS[0]


@pytest.mark.parametrize("exists", [True, False])
@pytest.mark.parametrize("name", ["x.unknown", "x.csv.unknown", "x.UNKNOWN"])
def test_a_file_of_another_ending_is_refused(
    load_text: LoadText, folder: Path, name: str, exists: bool
) -> None:
    """A path that no reader takes is the only problem of the data, whatever their other keys."""
    if exists:
        (folder / name).write_text("a,kind\n1,x\n")
    suffixes = one_of(suffix for reader in READERS.values() for suffix in reader.suffixes)
    expected = f"expected a file ending in {suffixes}, or a folder of IDX files"
    for keys in ("", ", target: kind", ", typo: 3"):
        with pytest.raises(NnexpError) as caught:
            load_text(f"layers: [2, 3]\ndata: {{path: {name}{keys}}}")
        assert str(caught.value) == f"a.yaml:2: data.path: {expected}, got '{name}'"


def test_a_file_without_an_ending_is_no_folder(load_text: LoadText, folder: Path) -> None:
    """A file that has no ending is refused like one of another ending; what is missing is not."""
    (folder / "iris").write_text("a,kind\n1,x\n")
    with pytest.raises(NnexpError, match=r"data\.path: expected a file .*, got 'iris'"):
        load_text("data: {path: iris}\nlayers: [2, 3]")
    with pytest.raises(NnexpError, match="got no such folder"):
        load_data(load_text("data: {path: none}\nlayers: [2, 3]"))


def test_a_folder_may_have_an_ending(load_text: LoadText, folder: Path) -> None:
    """A folder is a folder, whatever its name looks like, and is read as one."""
    (folder / "fashion.v2").mkdir()
    config = load_text("data: {path: fashion.v2}\nlayers: [2, 3]")
    assert reader_of(config.experiment.data) is FOLDERS[0]
    with pytest.raises(NnexpError, match=r"fashion\.v2: expected one file train-images"):
        load_data(config)


def test_the_ending_of_a_link_names_the_format(load_text: LoadText, folder: Path) -> None:
    """A link to a file of another ending, as tools for large files make them, stays what it is."""
    (folder / "4f2a").write_text("a,kind\n1,x\n2,y\n3,x\n4,y\n5,x\n")
    (folder / "points.csv").symlink_to("4f2a")
    config = load_text("data: {path: points.csv, target: kind}\nlayers: [1, 2]")
    assert load_data(config).classes == ("x", "y")
    Path("again.yaml").write_text(dump(config.experiment))
    assert load(Path("again.yaml")).experiment.data == config.experiment.data


@pytest.mark.parametrize("ranges", [(slice(3),), (slice(3), slice(8, 9)), (slice(0, 0),)])
def test_a_part_does_not_keep_the_whole_in_memory(ranges: tuple[slice, ...]) -> None:
    """Parts that leave something out own their arrays; parts that are all of it are views."""
    whole = Split(np.arange(20).reshape(10, 2), np.arange(10))
    for part, rows in zip(whole.cut(*ranges), ranges, strict=True):
        assert part.x.base is None
        assert part.y.base is None
        np.testing.assert_array_equal(part.x, whole.x[rows])
        np.testing.assert_array_equal(part.y, whole.y[rows])
    for part in whole.cut(slice(7), slice(7, 10)):
        assert np.shares_memory(part.x, whole.x)
