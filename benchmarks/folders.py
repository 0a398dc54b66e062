"""Thousands of run folders: `nnexp list` and `nnexp compare` with no index, and with one."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import sleep

from program import CONFIG, NNEXP, timed

INDEX = ".nnexp-index.json"
_ETA = 0.5
_COLUMN = "test_accuracy"
# A file that has changed within two seconds is not trusted to be written down in the index.
_SETTLED = 2.5


@dataclass
class Folders:
    """Seconds of the commands over so many runs.

    Attributes:
        runs, arms: how many, of how many different settings.
        disk: seconds by command without an index, where the system has forgotten the files; to have
            it forget them takes root's rights.
        without: seconds of each repetition without an index.
        indexed: the same with an index.
    """

    runs: int
    arms: int
    disk: dict[str, float] = field(default_factory=dict)
    without: dict[str, list[float]] = field(default_factory=dict)
    indexed: dict[str, list[float]] = field(default_factory=dict)


def folders(env: Mapping[str, str], *, runs: int, arms: int, repetitions: int) -> Folders:
    """Train one run, copy it with other settings, seeds and accuracies, and time the commands."""
    with tempfile.TemporaryDirectory() as root:
        found = Path(root) / "runs"
        timed([NNEXP, "train", CONFIG, "--runs-dir", Path(root) / "first"], env)
        _multiply(next((Path(root) / "first").iterdir()), found, runs, arms)
        sleep(_SETTLED)
        commands: dict[str, Sequence[str | Path]] = {
            "list": [NNEXP, "list", "--runs-dir"],
            "compare": [NNEXP, "compare"],
        }
        result = Folders(runs, arms)

        def seconds(command: Sequence[str | Path], *, indexed: bool) -> float:
            if not indexed:
                (found / INDEX).unlink(missing_ok=True)
            return timed([*command, found], env)[0]

        for name, command in commands.items():
            if _forgotten():
                timed([*command, Path(root) / "first"], env)  # the program is to be remembered
                result.disk[name] = seconds(command, indexed=False)
            result.without[name] = [seconds(command, indexed=False) for _ in range(repetitions)]
            result.indexed[name] = [seconds(command, indexed=True) for _ in range(repetitions)]
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
        known = {"name": config["name"], "seed": seed, "config": config, "config_sha256": digest}
        noise = rng.gauss(0, 0.002)
        rows = [_moved(line.split(","), column, noise) for line in lines]
        (folder / "config.yaml").write_text(named, encoding="utf-8")
        (folder / "run.json").write_text(json.dumps(record | known, indent=2), encoding="utf-8")
        (folder / "metrics.csv").write_text("\n".join([head, *rows, ""]), encoding="utf-8")
        shutil.copyfile(first / "predictions.npz", folder / "predictions.npz")


def _moved(cells: list[str], column: int, by: float) -> str:
    cells[column] = repr(float(cells[column]) + by)
    return ",".join(cells)


def _forgotten() -> bool:
    """Have Linux forget what it has of the disk; return whether it did."""
    subprocess.run(["sync"], check=True)
    with suppress(OSError):
        Path("/proc/sys/vm/drop_caches").write_text("3", encoding="utf-8")
        return True
    return False
