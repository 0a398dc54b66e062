"""Thousands of run folders: `nnexp list` and `nnexp compare` as whole commands."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
import subprocess
import tempfile
import zlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from program import CONFIG, NNEXP, timed

_ETA = 0.5
_COLUMN = "test_accuracy"


@dataclass
class Folders:
    """Seconds of the commands over so many runs.

    Attributes:
        runs, arms: how many, of how many different settings.
        disk: seconds by command with an empty page cache; only root can empty it.
        cached: seconds of each repetition by command.
    """

    runs: int
    arms: int
    disk: dict[str, float] = field(default_factory=dict)
    cached: dict[str, list[float]] = field(default_factory=dict)


def folders(env: Mapping[str, str], *, runs: int, arms: int, repetitions: int) -> Folders:
    """Train one run, copy it with other settings, seeds and accuracies, and time the commands."""
    with tempfile.TemporaryDirectory() as root:
        many = Path(root) / "runs"
        timed([NNEXP, "train", CONFIG, "--runs-dir", Path(root) / "first"], env)
        _multiply(next((Path(root) / "first").iterdir()), many, runs, arms)
        commands: dict[str, Sequence[str | Path]] = {
            "list": [NNEXP, "list", "--runs-dir"],
            "compare": [NNEXP, "compare"],
        }
        result = Folders(runs, arms)
        for name, command in commands.items():
            if _emptied_page_cache():
                timed([*command, Path(root) / "first"], env)  # the program itself is read again
                result.disk[name] = timed([*command, many], env)[0]
            result.cached[name] = [timed([*command, many], env)[0] for _ in range(repetitions)]
    return result


def _multiply(first: Path, runs: Path, count: int, arms: int) -> None:
    rng = random.Random(0)  # noqa: S311 - no secret
    runs.mkdir()
    text = (first / "config.yaml").read_text(encoding="utf-8")
    record = json.loads((first / "run.json").read_text(encoding="utf-8"))
    head, *lines = (first / "metrics.csv").read_text(encoding="utf-8").splitlines()
    column = head.split(",").index(_COLUMN)
    for number in range(count):
        arm, seed = number % arms, number // arms
        folder = runs / f"arm{arm}-s{seed}"
        folder.mkdir()
        config = record["config"] | {"name": f"arm{arm}", "eta": _ETA + arm / 100, "seed": seed}
        named = f"{text}\n# {json.dumps({key: config[key] for key in ('name', 'eta', 'seed')})}\n"
        digest = hashlib.sha256(named.encode()).hexdigest()
        noise = rng.gauss(0, 0.002)
        rows = [_moved(line.split(","), column, noise) for line in lines]
        log = "\n".join([head, *rows, ""]).encode()
        points = record["summary"][_COLUMN]
        moved = {name: p | {"value": p["value"] + noise} for name, p in points.items()}
        changed = {
            "name": config["name"],
            "seed": seed,
            "config": config,
            "config_sha256": digest,
            "summary": record["summary"] | {_COLUMN: moved},
            "log": {"rows": len(rows), "bytes": len(log), "crc32": zlib.crc32(log)},
        }
        (folder / "config.yaml").write_text(named, encoding="utf-8")
        (folder / "metrics.csv").write_bytes(log)
        entries = (f"{json.dumps(key)}: {json.dumps(v)}" for key, v in (record | changed).items())
        written = "{\n" + ",\n".join(entries) + "\n}\n"
        (folder / "run.json").write_text(written, encoding="utf-8")  # after the log, as a run does
        shutil.copyfile(first / "predictions.npz", folder / "predictions.npz")


def _moved(cells: list[str], column: int, by: float) -> str:
    cells[column] = repr(float(cells[column]) + by)
    return ",".join(cells)


def _emptied_page_cache() -> bool:
    """Empty the page cache of Linux; return whether that is permitted."""
    subprocess.run(["sync"], check=True)
    with suppress(OSError):
        Path("/proc/sys/vm/drop_caches").write_text("3", encoding="utf-8")
        return True
    return False
