"""Data that many processes share: arrays in files, mapped into the memory of each.

The files lie in a hidden folder beside the runs for as long as a study is being run. They may be
deleted at any time: whoever finds none, or damaged ones, reads the data anew.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from nnexp.config.schema import Experiment
from nnexp.data import Dataset
from nnexp.nn.types import Array, Examples
from nnexp.run.assembly import data_key, read_data

_META = "meta.json"
_DAMAGED = (
    *(OSError, EOFError, ValueError, LookupError, TypeError, AttributeError),
    *(ArithmeticError, RecursionError, SyntaxError),
)


def _folder(shared: Path, experiment: Experiment) -> Path:
    return shared / hashlib.sha256(data_key(experiment).encode()).hexdigest()[:16]


def share(shared: Path, experiment: Experiment, dataset: Dataset) -> None:
    """Write a data set for others to map; do nothing where it is there, or cannot be written."""
    folder = _folder(shared, experiment)
    with suppress(*_DAMAGED):
        if _meta(folder)["digest"] == dataset.digest:
            return
    # Those of an earlier command, from before the data were changed.
    discard(folder)
    hidden = folder.with_name(f".{folder.name}.{os.getpid()}")
    try:
        hidden.mkdir(parents=True)
        sets: dict[str, Any] = {}
        for name, examples in dataset.sets.items():
            arrays = {"x": examples.x, "y": examples.y, "labels": examples.labels}
            sums = {key: _write(hidden / f"{name}-{key}.npy", a) for key, a in arrays.items()}
            sets[name] = {"scale": examples.scale, "sha256": sums}
        meta = {
            "name": dataset.name,
            "classes": dataset.classes,
            "digest": dataset.digest,
            "image": dataset.image,
            "sets": sets,
        }
        (hidden / _META).write_text(json.dumps(meta))
        hidden.rename(folder)
    except OSError:
        with suppress(OSError):
            shutil.rmtree(hidden)


def _write(path: Path, array: Array | None) -> str | None:
    if array is None:
        return None
    np.save(path, array, allow_pickle=False)
    return _sum(array)


def _sum(array: Array) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).data).hexdigest()


def shared_data(shared: Path) -> Callable[[Experiment], Dataset]:
    """Return a reader of data that maps what `share` has written, and reads the rest itself."""

    def read(experiment: Experiment) -> Dataset:
        try:
            return _map(_folder(shared, experiment))
        except _DAMAGED:
            return read_data(experiment)

    return read


def _meta(folder: Path) -> Any:
    return json.loads((folder / _META).read_text())


def _map(folder: Path) -> Dataset:
    meta = _meta(folder)
    sets = {}
    for name, known in meta["sets"].items():
        x, y, labels = (
            _mapped(folder / f"{name}-{key}.npy", known["sha256"][key])
            for key in ("x", "y", "labels")
        )
        if x is None or y is None:
            raise ValueError(name)
        sets[name] = Examples(x, y, known["scale"], labels)
    classes, image = meta["classes"], meta["image"]
    return Dataset(
        meta["name"],
        sets,
        None if classes is None else tuple(classes),
        meta["digest"],
        None if image is None else (image[0], image[1]),
    )


def _mapped(path: Path, due: str | None) -> Array | None:
    if due is None:
        return None
    mapped = np.load(path, mmap_mode="r", allow_pickle=False)  # noqa: TID251 - nnexp wrote it
    array: Array = np.asarray(mapped)
    if _sum(array) != due:
        raise ValueError(path)
    return array


def discard(shared: Path) -> None:
    """Remove the files; processes that have mapped them keep them."""
    shutil.rmtree(shared, ignore_errors=True)
