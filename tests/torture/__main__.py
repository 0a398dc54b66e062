"""Attack what is promised of a run folder, and print what came of it.

    python tests/torture            all of it, up to ten minutes
    python tests/torture --short    a taste of it
    python tests/torture kills      one part

Each part prints a line of JSON; a table of all ends it. The exit code is 1 where a promise broke.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

# One thread, so that children can be forked from here; before NumPy is loaded.
os.environ["OPENBLAS_NUM_THREADS"] = "1"
# What is attacked is the tree this file is in.
sys.path.insert(1, str(Path(__file__).resolve().parents[1]))
sys.path.insert(1, str(Path(__file__).resolve().parents[2]))

import argparse
import json
import signal
from collections.abc import Callable
from dataclasses import asdict, fields
from time import perf_counter
from types import FrameType
from typing import Any

import crowd
import faults
import full
import kills
import power
import price
from scenes import IMAGES, POINTS, Figures, scene

BOUND = 600
_SHOWN = 10
Part = Callable[[bool], "Figures | None"]


def _kills(short: bool) -> Figures:
    with scene(IMAGES, on_disk=True) as images:
        return kills.at_random(images, 12 if short else 200)


def _calls(short: bool) -> Figures:
    with scene(POINTS) as points:
        return kills.at_every_call(points, 23 if short else 1)


def _faults(short: bool) -> Figures:
    with scene(POINTS) as points:
        return faults.inject(points, 29 if short else 1)


def _power(short: bool) -> Figures:
    with scene(POINTS) as points:
        return power.cut(points, 11 if short else 1)


def _tmpfs(short: bool) -> Figures | None:
    with scene(POINTS) as points:
        return full.tmpfs(points, 5 if short else 1)


def _sizes(short: bool) -> Figures:
    with scene(POINTS) as points:
        return full.file_sizes(points, 1999 if short else 97)


def _crowd(short: bool) -> Figures:
    with scene(POINTS) as points:
        return crowd.in_one_second(points, 10 if short else 50)


def _owners(short: bool) -> Figures:
    with scene(IMAGES, on_disk=True) as images:
        return crowd.two_owners(images, 2 if short else 20)


# A further part is one function and one entry; two sweeps over one study belong here.
PARTS: dict[str, tuple[str, Part]] = {
    "kills": ("SIGKILL at random moments, every technique on", _kills),
    "calls": ("SIGKILL before every call of the file system", _calls),
    "faults": ("ENOSPC, EDQUOT, EIO, EROFS, short writes at every call", _faults),
    "power": ("power cuts after every call", _power),
    "tmpfs": ("file systems of every size that is too small", _tmpfs),
    "sizes": ("limits on the size of files", _sizes),
    "crowd": ("runs begun in one second in one folder", _crowd),
    "owners": ("two processes that resume one run", _owners),
}


def _cost(short: bool) -> list[dict[str, Any]]:
    return [asdict(price) for price in price.measure(*((1, 2) if short else (3, 6)))]


def _out_of_time(number: int, frame: FrameType | None) -> None:
    raise SystemExit(f"torture: not done after {BOUND} seconds")


def _attack(name: str, short: bool) -> tuple[str, bool]:
    """Run one part; return its line of the table and whether every promise was kept."""
    title, part = PARTS[name]
    began = perf_counter()
    found = part(short)
    seconds = perf_counter() - began
    if found is None:
        print(json.dumps({"part": name, "permitted": False}), flush=True)
        return f"{title}: not permitted here", True
    figures = {f.name: getattr(found, f.name) for f in fields(found) if f.name != "problems"}
    broken = len(found.problems)
    record = {"part": name, **figures, "broken": broken, "seconds": round(seconds, 1)}
    print(json.dumps(record), flush=True)
    for problem in found.problems[:_SHOWN]:
        print(f"torture: {name}: {problem}", file=sys.stderr)
    said = ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in figures.items())
    return f"{title}: {said}; promises broken {broken}", not broken


def main() -> None:
    """Run the parts asked for, all by default."""
    parser = argparse.ArgumentParser(description="Attack what is promised of a run folder.")
    parser.add_argument("parts", nargs="*", choices=[*PARTS, "price", []], metavar="PART")
    parser.add_argument("--short", action="store_true", help="a taste of it, in seconds")
    asked = parser.parse_args()
    signal.signal(signal.SIGALRM, _out_of_time)
    signal.alarm(BOUND)
    chosen = asked.parts or [*PARTS, "price"]
    lines, sound = [], True
    for name in (name for name in chosen if name in PARTS):
        line, kept = _attack(name, asked.short)
        lines.append(line)
        sound = sound and kept
    if "price" in chosen:
        for found in _cost(asked.short):
            print(json.dumps({"part": "price"} | found), flush=True)
            lines.append(
                f"commits on MNIST, {found['layers']}: {found['share'] * 100:.2f} % of the time "
                f"of {found['epoch']:.2f} s an epoch ({found['commit'] * 1000:.1f} ms a commit, "
                f"{found['commits']})"
            )
    print("\n" + "\n".join(lines))
    sys.exit(not sound)


if __name__ == "__main__":
    main()
