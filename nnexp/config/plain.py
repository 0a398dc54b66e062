"""What can be told of a config that is plain data, without loading the schema."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nnexp.config.identity import OLD_KEYS


def renamed(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a config with today's names for keys that older versions named otherwise."""
    return {OLD_KEYS.get(key, key): value for key, value in values.items()}
