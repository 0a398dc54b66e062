"""What can be told of a config that is plain data, without loading the schema."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

# What is only words, or only decides what is looked at; and the seed.
NO_IDENTITY = (
    *("name", "description", "tags", "reference", "monitor", "monitor_every"),
    "seed",
)


# Keys as older files name them.
OLD_KEYS = {"temperature": "softmax_scale", "expand": "augment"}


def renamed(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a config with today's names for keys that older versions named otherwise."""
    return {OLD_KEYS.get(key, key): value for key, value in values.items()}


def decisive(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return what decides a result, the seed aside.

    Args:
        config: every key with its value, as JSON has them.
    """
    return {key: value for key, value in config.items() if key not in NO_IDENTITY}


def identity_of(config: Mapping[str, Any]) -> str:
    """Return a digest that two configs share if they differ in words and seed alone."""
    text = json.dumps(decisive(config), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def data_kind(value: Any) -> str | None:
    """Tell which of the data forms a value is, by its keys and its file's ending."""
    if not isinstance(value, dict):
        return getattr(type(value), "kind", None)
    if "inline" in value:
        return "inline"
    if "path" in value:
        path = str(value["path"]).lower()
        return "csv" if path.endswith(".csv") else "npz" if path.endswith(".npz") else "idx"
    return "mnist" if "name" in value else None
