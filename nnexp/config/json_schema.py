"""The config as JSON Schema, draft 2020-12."""

from __future__ import annotations

from typing import Any

from nnexp.config.schema import Experiment


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of a config file.

    >>> json_schema()["required"]
    ['data', 'layers']
    """
    schema = Experiment.model_json_schema()
    data = schema["properties"]["data"]
    # In a file, `data: mnist` is short for `data: {name: mnist}`.
    data["anyOf"] = [{"const": "mnist"}, *data.pop("oneOf", data.pop("anyOf", []))]
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "nnexp experiment"
    return schema
