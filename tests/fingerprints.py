"""What of a run folder is to be the same, however often the run was disturbed."""

from __future__ import annotations

import csv
import json
from pathlib import Path

CLOCKS = 3
# What stands in run.json of how a run ended; the rest is when, where and by whom.
ENDING = ("name", "seed", "status", "stopped", "epochs", "summary", "config", "data")
_OTHERWISE = {"metrics.csv", "run.json", "checkpoint.npz"}


def fingerprint(folder: Path) -> dict[str, bytes]:
    """Return the bytes of a run's files, but for clocks and for what tells processes apart."""
    found = {p.name: p.read_bytes() for p in folder.iterdir() if p.name not in _OTHERWISE}
    with (folder / "metrics.csv").open(encoding="utf-8", newline="") as stream:
        rows = [row[:-CLOCKS] for row in csv.reader(stream)]
    record = json.loads((folder / "run.json").read_text())
    found["metrics.csv but for the clocks"] = repr(rows).encode()
    found["run.json: how it ended"] = repr([record.get(key) for key in ENDING]).encode()
    return found


def differing(first: dict[str, bytes], second: dict[str, bytes]) -> int:
    """Count the bytes in which two fingerprints differ."""
    return sum(_differing(first.get(n, b""), second.get(n, b"")) for n in {*first, *second})


def _differing(first: bytes, second: bytes) -> int:
    return sum(a != b for a, b in zip(first, second, strict=False)) + abs(len(first) - len(second))
