"""The config of a run that is there already, as plain data."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from nnexp.config.identity import with_new_keys
from nnexp.config.loader import load_stored
from nnexp.config.schema import Experiment
from nnexp.config.yaml import MAX_BYTES
from nnexp.io.files import read_bytes
from nnexp.text import sanitize_line


def digest(path: Path) -> str:
    """Return the sha256 of a config file, line ends aside; raise OSError if it cannot be read."""
    data = read_bytes(path, MAX_BYTES, follow=False)
    return hashlib.sha256(data.replace(b"\r\n", b"\n")).hexdigest()


def from_file(path: Path) -> dict[str, Any]:
    """Read a config file: every key with its value, as JSON has them; raise ConfigError."""
    return load_stored(path).model_dump(mode="json")


def from_record(config: Mapping[str, Any]) -> Experiment:
    """Validate a config that is JSON: the missing keys are filled in.

    Raises:
        ValueError: it is none; the message says which key is wrong, and how.
    """
    try:
        return Experiment.model_validate(with_new_keys(config))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        raise ValueError(f"{sanitize_line(key)}: {first['msg']}") from error
