"""When two runs are runs of one arm, and when they are the same run.

A config here is a plain mapping with every key, as JSON has it: that of a dumped `Experiment`, or
of run.json. The schema is not loaded for it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

# Keys as versions before 0.2 name them.
OLD_KEYS = {"temperature": "softmax_scale", "expand": "augment"}

# Keys that came after the first studies of format 2, as `--set` names them, each with the value by
# which versions without the key act. With that value a key is in no digest, so that what study.json
# records stays true: whoever adds a key to configs or data adds it here. A key of `tune`, as in
# `tune.seed`, is in no tune.json with that value.
LATER_KEYS: dict[str, Any] = {}

_WORDS = ("name", "description", "tags", "reference")
_OBSERVED = ("monitor", "monitor_every")
_NO_SETTINGS = (*_WORDS, *_OBSERVED, "seed")


def new_key(key: str) -> str:
    """Return today's name of a key that older versions named otherwise.

    >>> new_key("expand.shifts"), new_key("eta")
    ('augment.shifts', 'eta')
    """
    first, dot, rest = key.partition(".")
    return OLD_KEYS.get(first, first) + dot + rest


def with_new_keys(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a plain config with today's names of all keys."""
    return {new_key(key): value for key, value in config.items()}


def settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return what decides a result, except the seed and the place of the data.

    >>> settings({"name": "a", "seed": 1, "eta": 0.5, "data": {"path": "d.csv", "test": 0.2}})
    {'eta': 0.5, 'data': {'test': 0.2}}
    """
    data = {key: value for key, value in config["data"].items() if key != "path"}
    return _decisive(config) | {"data": data}


def identity(config: Mapping[str, Any], digest: str) -> str:
    """Return what the runs of one arm have in common, as a digest.

    Args:
        config: every key with its value.
        digest: sha256 of the data. Where it is empty, the path of the data stands for it.
    """
    return _sha256([without_later_keys(settings(config)), digest or config["data"].get("path")])


def run_key(config: Mapping[str, Any], digest: str) -> str:
    """Return what two runs have in common if they are the same run: also seed and monitor."""
    return _sha256([identity(config, digest), config["seed"], *(config[key] for key in _OBSERVED)])


def identity_v1(config: Mapping[str, Any]) -> str:
    """Return the identity as studies of format 1 have it: with the path and the old keys."""
    old = {new: key for key, new in OLD_KEYS.items()}
    return _sha256(
        {old.get(k, k): value for k, value in without_later_keys(_decisive(config)).items()}
    )


def _decisive(config: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in config.items() if key not in _NO_SETTINGS}


def without_later_keys(values: Mapping[str, Any], holder: str = "") -> dict[str, Any]:
    """Return a config without the later keys whose value changes nothing."""
    return {
        key: without_later_keys(value, f"{holder}{key}.") if isinstance(value, Mapping) else value
        for key, value in values.items()
        if (name := holder + key) not in LATER_KEYS or LATER_KEYS[name] != value
    }


def _sha256(values: Any) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
