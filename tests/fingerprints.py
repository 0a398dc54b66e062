"""What of a run folder must be the same however often the run was disturbed."""

from __future__ import annotations

import csv
import json
from pathlib import Path

CLOCKS = ("train_seconds", "evaluate_seconds", "finished_at")
# How a run ended, in run.json; the rest says when, where and by which process.
ENDING = ("name", "seed", "status", "stopped", "epochs", "summary", "config", "data")
_OTHERWISE = {"metrics.csv", "run.json", "checkpoint.npz"}


def rows(folder: Path) -> list[list[str]]:
    """Return the cells of metrics.csv, its header first, without the clocks."""
    with (folder / "metrics.csv").open(encoding="utf-8", newline="") as stream:
        header, *lines = csv.reader(stream)
    assert tuple(header[-len(CLOCKS) :]) == CLOCKS
    return [cells[: -len(CLOCKS)] for cells in (header, *lines)]


def fingerprint(folder: Path) -> dict[str, bytes]:
    """Return the bytes of a run's files, but for clocks and for what tells processes apart."""
    files = {p.name: p.read_bytes() for p in folder.iterdir() if p.name not in _OTHERWISE}
    files = {name: data for name, data in files.items() if not name.startswith(".owner-")}
    record = json.loads((folder / "run.json").read_text())
    files["metrics.csv without clocks"] = repr(rows(folder)).encode()
    files["run.json: how it ended"] = repr([record.get(key) for key in ENDING]).encode()
    return files


def differing(first: dict[str, bytes], second: dict[str, bytes]) -> int:
    """Count the bytes in which two fingerprints differ."""
    return sum(_differing(first.get(n, b""), second.get(n, b"")) for n in {*first, *second})


def _differing(first: bytes, second: bytes) -> int:
    return sum(a != b for a, b in zip(first, second, strict=False)) + abs(len(first) - len(second))
