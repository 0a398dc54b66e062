"""The config and the study as JSON Schema, draft 2020-12."""

from __future__ import annotations

from typing import Any

from nnexp.config.schema import Experiment
from nnexp.config.study_file import StudyFile

_DRAFT = "https://json-schema.org/draft/2020-12/schema"


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of a config file.

    >>> json_schema()["required"]
    ['data', 'layers']
    """
    schema = Experiment.model_json_schema()
    data = schema["properties"]["data"]
    # In a file, `data: mnist` is short for `data: {name: mnist}`.
    data["anyOf"] = [{"const": "mnist"}, *data.pop("oneOf", data.pop("anyOf", []))]
    schema["$schema"] = _DRAFT
    schema["title"] = "nnexp experiment"
    return schema


def study_schema() -> dict[str, Any]:
    """Return the JSON Schema of a study file, whose base may be a config.

    >>> study_schema()["required"]
    ['base']
    """
    schema, base = StudyFile.model_json_schema(), json_schema()
    definitions = base.pop("$defs")
    # What the arms give need not stand in the base.
    definitions["Experiment"] = {k: v for k, v in base.items() if k not in ("required", "$schema")}
    schema["$defs"] |= definitions
    schema["properties"]["arms"]["additionalProperties"] = False
    schema["properties"]["base"]["anyOf"][1] = {"$ref": "#/$defs/Experiment"}
    schema["$schema"] = _DRAFT
    schema["title"] = "nnexp study"
    return schema
