"""Configs and data files from strangers: refused in words, before memory and time are spent."""

from __future__ import annotations

import bz2
import gzip
import io
import os
import re
import struct
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from bounds import bounded

from nnexp.config import yaml as config_yaml
from nnexp.config.loader import load
from nnexp.data.idx import read_idx
from nnexp.errors import ConfigError, DataError
from nnexp.io.npz import EXPANSION, MAX_BYTES, UNDOUBTED, open_archive
from nnexp.nn.types import Array
from nnexp.run.assembly import load_data

if TYPE_CHECKING:
    from conftest import LoadText, Nnexp

MB = 1 << 20
CONFIG = "data: {{path: {}, target: y}}\nlayers: [2, 2]\n"


def npy(shape: str, descr: str = "<f8", data: bytes = b"") -> bytes:
    """Return an .npy file of this shape, with this data."""
    text = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(text)) + text + data


def npz(path: Path, x: bytes, method: int = zipfile.ZIP_DEFLATED, **more: bytes) -> Path:
    """Write an .npz file of these .npy files."""
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in {"x_train": x, "y_train": npy("(1,)", data=bytes(8)), **more}.items():
            archive.writestr(f"{name}.npy", data)
    return path


def refused(path: Path, message: str) -> None:
    """Expect data to be refused with a message, in bounds."""
    read = first_array if path.suffix == ".npz" else read_idx
    with pytest.raises(DataError, match=message), bounded(memory=200 * MB):
        read(path)


def first_array(path: Path, limit: int = MAX_BYTES, times: int = 1) -> Array:
    """Read x_train so many times, all of them within one bound."""
    with open_archive(path, limit) as archive:
        arrays = [archive.read("x_train") for _ in range(times)]
    return arrays[0]


def deflated(path: Path, head: bytes, n: int) -> Path:
    """Write an .npz file whose x_train is a head and n MB of zeros, without making them."""
    size, crc = len(head), zlib.crc32(head)
    for _ in range(n):
        size, crc = size + MB, zlib.crc32(bytes(MB), crc)
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    body = packer.compress(head)
    body += b"".join(packer.compress(bytes(MB)) for _ in range(n)) + packer.flush()
    name = b"x_train.npy"
    common = struct.pack("<HHHHHIII", 20, 0, 8, 0, 33, crc, len(body), size)
    local = b"PK\3\4" + common + struct.pack("<HH", len(name), 0) + name
    central = b"PK\1\2\x14\0" + common + struct.pack("<HHHHHII", len(name), 0, 0, 0, 0, 0, 0) + name
    end = b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, 1, 1, len(central), len(local) + len(body), 0)
    path.write_bytes(local + body + central + end)
    return path


def test_a_zip_bomb_is_refused_by_the_bound_in_the_message(tmp_path: Path) -> None:
    """A thousand times its size in zeros: sound, and still more than is believed."""
    path = deflated(tmp_path / "bomb.npz", npy(f"({33 * MB},)"), 264)
    assert path.stat().st_size < MB
    refused(path, rf"beyond {UNDOUBTED:,}, at most {EXPANSION} times as many are read")


def test_an_array_that_expands_a_little_is_read(tmp_path: Path) -> None:
    """Where little memory is at stake, a file may be packed as tightly as it can be."""
    path = deflated(tmp_path / "zeros.npz", npy("(2097152,)"), 16)
    with open_archive(path) as archive:
        assert archive.read("x_train").shape == (2097152,)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ("(999999999999,)", "at most 4,294,967,296 are read"),
        ("(500000000,)", "beyond 268,435,456, at most 200 times as many are read"),
        ("(0, 999999999999)", "at most 4,294,967,296 are read"),
        ("(10,)", "damaged: expected 80 bytes of data"),
        ("(" + "1, " * 3000 + ")", "x_train|damaged"),
        ("(" + "9" * 5000 + ",)", "damaged"),
        ("(True,)", "damaged: the shape"),
        ("-" * 9000 + "1", "damaged"),
        ("[" * 5000 + "]" * 5000, "damaged"),
    ],
    ids=range(9),
)
def test_a_shape_that_is_none_is_refused(tmp_path: Path, shape: str, message: str) -> None:
    """What a header promises is held against bounds, and against what is there."""
    refused(npz(tmp_path / "a.npz", npy(shape, data=bytes(64))), message)


def test_what_unpacks_without_a_bound_is_refused(tmp_path: Path) -> None:
    """Zipfile unpacks bzip2 and LZMA a whole piece at once, however much comes of it."""
    for method in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        path = npz(tmp_path / "a.npz", npy("(8,)", data=bytes(64)), method)
        refused(path, f"is packed by method {method}; expected 0 or 8")
    assert len(bz2.compress(bytes(900_000))) < 100


def test_a_header_of_gigabytes_is_refused(tmp_path: Path) -> None:
    """Version 2.0 of .npy has a length of four bytes for its header; NumPy reads all of it."""
    head = b"\x93NUMPY\2\0" + struct.pack("<I", 2**32 - 1)
    refused(deflated(tmp_path / "a.npz", head, 1), r"expected \.npy version 1\.0, got 2\.0")
    head = b"\x93NUMPY\1\0" + struct.pack("<H", 2**16 - 1)
    refused(deflated(tmp_path / "a.npz", head, 1), "damaged: a header of 65,535 bytes")


def test_an_archive_of_very_many_members_is_refused(tmp_path: Path) -> None:
    """The directory of a zip file is read whole, and each entry takes twenty times its room."""
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w") as archive:
        for i in range(25_000):
            archive.writestr(f"{i}.npy", b"")
    refused(path, r"a directory of \d,\d{3},\d{3} bytes; at most 1,048,576 are read")


def test_many_arrays_share_one_bound(tmp_path: Path) -> None:
    """Arrays that are all right alone are refused together."""
    path = npz(tmp_path / "a.npz", npy("(8,)", data=bytes(64)))
    assert first_array(path, 100).tolist() == [0] * 8
    with pytest.raises(DataError, match="has more than 100 bytes of data"):
        first_array(path, 100, times=2)


def test_no_pickle_is_loaded_from_anywhere(tmp_path: Path) -> None:
    """Objects are refused by their type, in arrays of data and in arrays with fields."""
    for array in (np.array([{}], object), np.array([(1, {})], [("a", "i4"), ("b", "O")])):
        stream = io.BytesIO()
        np.save(stream, array)
        path = npz(tmp_path / "a.npz", stream.getvalue())
        refused(path, "contains pickled objects, which nnexp never loads")


def test_a_gzip_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    """Promised by a header and delivered by a thousandth of it."""
    head = struct.pack(">HBB2I", 0, 8, 2, 264, MB)
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    body = packer.compress(head)
    body += b"".join(packer.compress(bytes(MB)) for _ in range(264)) + packer.flush()
    (tmp_path / "images").write_bytes(body)
    refused(tmp_path / "images", "beyond 268,435,456, at most 200 times as many are read")


@pytest.mark.parametrize(
    "rest",
    [b"\0" * 1000, gzip.compress(b"", mtime=0) * 100_000, gzip.compress(b"x", mtime=0)],
    ids=["zeros", "empty", "more"],
)
def test_what_follows_a_gzip_file_is_not_unpacked(tmp_path: Path, rest: bytes) -> None:
    """Padding and further members, which could go on for ever, are refused unread."""
    path = tmp_path / "labels"
    path.write_bytes(gzip.compress(struct.pack(">HBBI", 0, 8, 1, 3) + bytes(3)) + rest)
    refused(path, "something follows its end")


@pytest.mark.parametrize(
    "shape", [(2**32 - 1,) * 4, (0, 2**32 - 1, 2**32 - 1, 2**32 - 1), (2**31, 1), (300 * MB,)]
)
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_absurd_dimensions_are_refused(
    tmp_path: Path, shape: tuple[int, ...], pack: Callable[[bytes], bytes]
) -> None:
    """An IDX header may promise what no memory holds."""
    path = tmp_path / "images"
    path.write_bytes(pack(struct.pack(f">HBB{len(shape)}I", 0, 8, len(shape), *shape) + bytes(9)))
    refused(path, "promises [0-9,]+ bytes of data")


def big(path: Path, *parts: tuple[bytes, int]) -> None:
    """Write parts, each so many times."""
    with path.open("wb") as stream:
        for part, times in parts:
            stream.write(part * times)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ([(b"a,", 10**7), (b"y\n1\n", 1)], "a line is longer than 4,000,000 characters"),
        ([(b"a,y\n1,", 1), (b"9", 10**7)], "a line is longer than 4,000,000 characters"),
        ([(b"a,y\n1,", 1), (b"9", 10**6)], "field larger than field limit"),
        ([(b"a,y\n1,", 1), (b"9", 10**5)], "at most 100 characters"),
        ([(b'a,y\n"1', 1), (b"\n,", 10**6)], "field larger than field limit|not CSV"),
        ([(b"a,x\n1,2\n", 1)], "no column 'y'; it has a, x"),
        ([(b"a,", 10**6), (b"b\n1\n", 1)], "no column 'y'; it has a, a, .*…"),
        ([(b"\0", 10**7)], "a line is longer than 4,000,000 characters"),
        ([(b"a,y\n", 1), (b"1,\x1b[2J\n", 3)], "at least 2|has 1 classes"),
    ],
    ids=range(9),
)
def test_csv_without_end_is_refused(
    folder: Path, parts: list[tuple[bytes, int]], message: str
) -> None:
    """Ten million columns, a cell of ten million digits: refused in a message of one line."""
    big(Path("own.csv"), *parts)
    Path("a.yaml").write_text(CONFIG.format("own.csv"))
    with bounded(memory=250 * MB), pytest.raises(ConfigError, match=message) as caught:
        load_data(load(Path("a.yaml")))
    assert len(str(caught.value)) < 1000
    assert str(caught.value).isprintable()


def test_a_hundred_thousand_classes_are_refused_at_once(folder: Path) -> None:
    """Classes are found by their names in a table, not by a search for each row."""
    text = "\n".join(f"1,c{i}" for i in range(100_000))
    Path("own.csv").write_text(f"a,y\n{text}\n")
    Path("a.yaml").write_text(CONFIG.format("own.csv"))
    with bounded(5), pytest.raises(ConfigError, match="100,000 classes; at most 10,000"):
        load_data(load(Path("a.yaml")))


@pytest.mark.parametrize("n_out", [20_000, 499_999_999])
def test_outputs_without_end_take_no_memory(folder: Path, n_out: int) -> None:
    """A config may ask for so many classes that a row of targets fills the memory."""
    np.savez("own.npz", x_train=np.ones((9, 1)), y_train=np.arange(9))
    Path("a.yaml").write_text(f"data: {{path: own.npz}}\nlayers: [1, {n_out}]\n")
    with bounded(memory=200 * MB), pytest.raises(ConfigError, match="end layers with at most"):
        load_data(load(Path("a.yaml")))


@pytest.mark.parametrize("make", [os.mkfifo, Path.mkdir, lambda p: p.symlink_to("/dev/zero")])
@pytest.mark.parametrize("name", ["own.csv", "own.npz", "own/train-images-idx3-ubyte", "a.yaml"])
def test_what_is_no_file_is_refused_at_once(
    nnexp: Nnexp, folder: Path, name: str, make: Callable[[Path], object]
) -> None:
    """A named pipe, a folder or a device in the place of data or a config blocks nothing."""
    path = Path(name)
    path.parent.mkdir(exist_ok=True)
    (path.parent / "train-labels-idx1-ubyte").write_bytes(struct.pack(">HBBI", 0, 8, 1, 1) + b"\0")
    source = {"path": str(path.parent if path.parent.name else path)}
    Path("a.yaml").write_text(f"data: {source | ({'target': 'y'} if 'csv' in name else {})}\n"
                              "layers: [2, 2]\n")  # fmt: skip
    if name == "a.yaml":
        path.unlink()
    make(path)
    with bounded():
        said = nnexp("train", "a.yaml", code=1).stderr
    assert "cannot be read: " in said or "expected a file ending in" in said


@pytest.mark.parametrize("key", ["description", "data.target", "reference.source", "tags.0", "eta"])
def test_no_text_of_a_config_steers_the_terminal(nnexp: Nnexp, small: Path, key: str) -> None:
    """Neither what is printed of a run nor a refusal of it, nor its resolved config."""
    small.write_text(
        small.read_text() + "reference: {test_accuracy: 90.0, source: a}\ntags: [b]\nepochs: 1\n"
        if "epochs" not in small.read_text()
        else small.read_text() + "reference: {test_accuracy: 90.0, source: a}\ntags: [b]\n"
    )
    override = rf'{key}="\e]0;owned\a\e[2J\u202e"'
    refuses = key not in ("description", "reference.source")
    for words in (["--dry-run"], [], ["--json"]):
        result = nnexp("train", small, "--set", override, *words, code=int(refuses and True))
        for text in (result.stdout, result.stderr):
            assert all(char.isprintable() or char == "\n" for char in text)
        if words == ["--dry-run"] and not refuses:
            assert r"\U0000001B" in result.stdout or r"\e" in result.stdout


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("a." * 30 + "b=1", "deeper than the 20 levels"),
        ("eta=" + "[" * 100, "larger than the 20 levels"),
        ("seed=" + "9" * 10_000, "at most 100"),
        ("eta=&x [*x]", "no anchor x is above"),
        ("eta=!!python/object/apply:os.system [ls]", "is not allowed"),
        ("eta=1\nseed: 2", "expected one value"),
        ("eta=\udcff", "is not UTF-8 text"),
        ("data.path=" + "a/" * 100_000, "at most 4,096 characters"),
    ],
    ids=range(8),
)
def test_an_override_is_bounded_as_a_config_is(
    nnexp: Nnexp, small: Path, override: str, message: str
) -> None:
    """What a study or a script hands on to --set is no more trusted than a file."""
    with bounded():
        result = nnexp("train", small, "--set", override, code=1)
    assert message in result.stderr
    assert len(result.stderr) < 10_000


def test_a_name_cannot_leave_the_runs_folder(nnexp: Nnexp, small: Path) -> None:
    """Names and tags are words; a file's name is made one."""
    for name in ("../x", "/x", "a/b", ".hidden", "a\nb", "..", "", "a\0b", "-x"):
        nnexp("train", small, "--name", name, code=1)
        nnexp("train", small, "--tag", name, code=1)
    assert not Path("runs").exists()
    hostile = Path("..\x1b[2J \n.yaml")
    small.rename(hostile)
    folder = Path(nnexp("train", hostile, "--quiet").stdout.strip())
    assert folder.parent == Path("runs")
    assert re.fullmatch(r"[0-9]{8}-[0-9]{6}-[A-Za-z0-9.-]+-s0", folder.name)


def test_both_parsers_of_yaml_read_the_same(
    load_text: LoadText, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With libyaml or without, a config means the same and is bounded in the same way."""
    import yaml

    texts = [path.read_text() for path in Path(__file__).parents[2].glob("configs/*.yaml")]
    texts += ["a: &x [1, *x]", "a: [" * 30, "? [a]\n: 1", "a: 1\na: 2", "a: !!set {b}", "- 1"]
    texts += ["a: &x {b: 1.5e3}\nc: *x", "a: |\n  x\n  y\n", "a: 'b'\nc: \"\\x41\"", "a: ~\n---\nb"]

    def outcome(text: str) -> object:
        try:
            return config_yaml.parse(text, "a.yaml").values
        except ConfigError as error:
            return str(error)

    both = []
    for parser in (yaml.CBaseLoader, yaml.BaseLoader):
        monkeypatch.setattr(config_yaml, "_PARSER", parser)
        both.append([outcome(text) for text in texts])
    assert both[0] == both[1]


def test_a_terminal_of_few_characters_is_no_error(tmp_path: Path) -> None:
    """Where stdout cannot write a sign, another stands for it."""
    result = subprocess.run(
        [sys.executable, "-m", "nnexp", "schema"],
        env={**os.environ, "PYTHONIOENCODING": "latin-1"},
        capture_output=True,
        check=True,
    )
    assert b"?" in result.stdout
    assert not result.stderr
