"""Data: bytes in, `Splits` from a reader, a `Dataset` from `load`.

Adding a format is one module with its reader, and its entry in `CLASSES`.
"""

from __future__ import annotations

from pathlib import Path
from pkgutil import resolve_name
from typing import Any

from nnexp.data.dataset import Dataset, MisfitError, load
from nnexp.data.readers import Reader
from nnexp.errors import one_of

__all__ = ["READERS", "Dataset", "MisfitError", "load", "path_problem", "reader_of"]

CLASSES = (
    "idx:Mnist",
    "idx:IdxFolder",
    "arrays:Npz",
    "csv_file:Csv",
    "arrays:Inline",
)
_READERS: list[type[Reader]] = [resolve_name(f"{__name__}.{place}") for place in CLASSES]
READERS = {reader.kind: reader for reader in _READERS}


def reader_of(value: Any) -> type[Reader] | None:
    """Return the class that reads a config's data, by their keys and the ending of their path.

    A path of another ending is taken for a folder; see `path_problem`.

    >>> reader_of({"path": "flowers.CSV"}).kind, reader_of({"path": "fashion"}).kind
    ('csv', 'idx')
    """
    if isinstance(value, Reader):
        return type(value)
    keys = value if isinstance(value, dict) else {}
    candidates = [r for r in READERS.values() if next(iter(r.model_fields)) in keys]
    path = str(keys.get("path", "")).lower()
    by_suffix = [reader for reader in candidates if path.endswith(reader.suffixes)]
    return next(iter(by_suffix or [r for r in candidates if not r.suffixes]), None)


def path_problem(path: Path) -> str:
    """Return what is wrong with a data path that no reader can take; else an empty text."""
    suffixes = [suffix for reader in READERS.values() for suffix in reader.suffixes]
    missing_folder = not path.suffix and not path.exists()
    if path.name.lower().endswith(tuple(suffixes)) or path.is_dir() or missing_folder:
        return ""
    folders = [f"a folder of {reader.folder}" for reader in READERS.values() if reader.folder]
    return f"expected a file ending in {one_of(suffixes)}, or {one_of(folders)}"
