"""What runs came to: everything that must be the same wherever they were trained."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from nnexp.store.checkpoint import read_checkpoint

CLOCKS = 3


def results(runs: Path) -> dict[str, dict[str, Any]]:
    """Return the files of each run by its folder's name, without clocks and provenance."""
    return {folder.name: _result(folder) for folder in runs.iterdir() if folder.is_dir()}


def _result(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = {path.name: path.read_bytes() for path in folder.iterdir()}
    lines = found["metrics.csv"].decode().splitlines()
    found["metrics.csv"] = [line.split(",")[:-CLOCKS] for line in lines]
    found["run.json"] = json.loads(found["run.json"])["status"]
    checkpoint = read_checkpoint(folder / "checkpoint.npz")
    assert checkpoint
    # Which of its rows the last commit wrote depends on the disk.
    state = {key: value for key, value in checkpoint.state.items() if key != "logs"}
    arrays = {name: array.tobytes() for name, array in checkpoint.arrays.items()}
    return found | {"checkpoint.npz": (state, arrays)}
