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
    """Return the sha256 of a config file; raise OSError where it cannot be read."""
    return hashlib.sha256(read_bytes(path, MAX_BYTES, follow=False)).hexdigest()


def from_file(path: Path) -> dict[str, Any]:
    """Read a config file: every key with its value, as JSON has them; raise ConfigError."""
    return load_stored(path).model_dump(mode="json")


def from_record(config: Mapping[str, Any]) -> dict[str, Any]:
    """Validate a config that is JSON: the missing keys are filled in.

    Raises:
        ValueError: it is none; the message says which key is wrong, and how.
    """
    try:
        return Experiment.model_validate(with_new_keys(config)).model_dump(mode="json")
    except ValidationError as error:
        first = error.errors()[0]
        wrong = ".".join(map(str, first["loc"]))
        raise ValueError(f"{sanitize_line(wrong)}: {first['msg']}") from error


def experiment_of(config: Mapping[str, Any]) -> Experiment | None:
    """Return the experiment of a config; None where it is none, whoever said it was."""
    try:
        return Experiment.model_validate(
            with_new_keys(config) if isinstance(config, dict) else config
        )
    except ValidationError:
        return None
