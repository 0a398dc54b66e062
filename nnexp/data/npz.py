"""NPZ files with Keras's keys: x_train, y_train, x_test, y_test, and x_validation or x_val."""

from __future__ import annotations

import tokenize
import zipfile
import zlib
from pathlib import Path

import numpy as np

from nnexp.data.parts import Options, Part, Parts, check_size, hold_out
from nnexp.errors import DataError
from nnexp.nn.types import Array

# A damaged header is Python source that cannot be read; an encrypted file is a RuntimeError.
_ZIP_DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError)
_NPY_DAMAGED = (ValueError, OverflowError, SyntaxError, tokenize.TokenError)


def _read_array(path: Path, archive: zipfile.ZipFile, key: str) -> Array:
    name = f"{path}: {key}"
    with archive.open(f"{key}.npy") as stream:
        version = np.lib.format.read_magic(stream)
        read_header = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }.get(version)
        if read_header is None:
            raise DataError(f"{name}: .npy version {version} where 1.0 or 2.0 is due")
        shape, _, dtype = read_header(stream)
    if dtype.hasobject:
        raise DataError(f"{name}: contains pickled objects, which nnexp never loads; save numbers")
    if dtype.kind not in "buif":
        raise DataError(f"{name}: has the type {dtype} where numbers are due")
    check_size(name, int(np.prod(shape, dtype=object)), dtype.itemsize)
    with archive.open(f"{key}.npy") as stream:
        values = np.lib.format.read_array(stream, allow_pickle=False)
    if dtype.kind == "f" and not np.isfinite(values).all():
        bad = tuple(int(i) for i in np.argwhere(~np.isfinite(values))[0])
        raise DataError(f"{name}: {values[bad]} at index {bad}; every value must be finite")
    return np.asarray(values)


def read(options: Options) -> Parts:
    """Read the sets of an .npz file; without a validation set it is cut off the training set.

    Raises:
        DataError: the file is missing, damaged, lacks a key, or contains pickled objects.
    """
    path = Path(options["path"])
    try:
        with zipfile.ZipFile(path) as archive:
            keys = {n.removesuffix(".npy") for n in archive.namelist() if n.endswith(".npy")}

            def pair(*names: str) -> Part | None:
                for name in names:
                    given = {f"x_{name}", f"y_{name}"} & keys
                    if len(given) == 1 and name != "train":
                        raise DataError(f"{path}: has {given.pop()}, but not the other of the pair")
                    if len(given) == 2:
                        x, y = (_read_array(path, archive, f"{axis}_{name}") for axis in "xy")
                        if not x.ndim or not y.ndim or len(x) != len(y):
                            raise DataError(
                                f"{path}: x_{name} {x.shape} and y_{name} {y.shape} "
                                "differ in their number of examples"
                            )
                        return Part(x, y)
                return None

            train, test = pair("train"), pair("test")
            validation = pair("validation", "val", "valid")
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    except (*_ZIP_DAMAGED, *_NPY_DAMAGED) as error:
        raise DataError(f"{path}: not an .npz file, or a damaged one ({error})") from error
    if train is None:
        found = ", ".join(sorted(keys)) or "nothing"
        raise DataError(f"{path}: has {found}; the keys x_train and y_train are due")
    if validation is None:
        train, validation = hold_out(str(path), train, options["validation"])
    test = test.first(options["test"]) if test else None
    return Parts(path.stem, train.first(options["train"]), validation, test)
