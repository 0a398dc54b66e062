"""What can be told of a config that is plain data, without loading the schema."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nnexp.config.identity import OLD_KEYS


def renamed(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a config with today's names for keys that older versions named otherwise."""
    return {OLD_KEYS.get(key, key): value for key, value in values.items()}


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
