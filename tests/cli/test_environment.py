"""The environment is input: whatever it holds, every command does what it does elsewhere."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

CONFIG = """\
data: {inline: {x: [[0, 0], [0, 1], [1, 0], [1, 1]], y: [[0], [1], [1], [0]]}}
layers: [2, 3, 1]
epochs: 3
"""
STUDY = "name: study\nbase: tiny.yaml\narms: {slow: {eta: 0.1}, fast: {eta: 1.0}}\nseeds: 0-1\n"
# Each in one process: what is imported sees the environment once.
COMMANDS = """\
import json, os, sys, traceback
from nnexp.cli import main

def run(*words):
    sys.argv = ["nnexp", *words]
    try:
        main()
    except SystemExit as end:
        return end.code
    except BaseException:
        traceback.print_exc()
        return "a traceback"

if __name__ == "__main__":
    base = sys.argv[1]
    runs = ("--runs-dir", base + "/runs")
    codes = {
        "help": run("--help"),
        "train": run("train", base + "/tiny.yaml", *runs),
        "list": run("list", *runs),
        "show": run("show", "latest", *runs),
        "plot": run("plot", "latest", *runs, "-o", base + "/picture.svg"),
        "schema": run("schema"),
        "explain": run("explain", "epoch"),
        "sweep": run("sweep", base + "/study.yaml", "--jobs", "1", *runs),
        "compare": run("compare", base + "/runs/study"),
    }
    with open(base + "/codes.json", "w") as file:
        json.dump(codes, file)
"""
# The cost after the last epoch.
COST = 0.70038174
NOWHERE = "/nonexistent"
ENVIRONMENTS: dict[str, dict[str, str | None]] = {
    "bars off": {"TQDM_DISABLE": "1"},
    "bars that are no bars": {"TQDM_MININTERVAL": "abc", "TQDM_POSITION": "x", "TQDM_ASCII": "z"},
    "no such backend": {"MPLBACKEND": "nonsense", "SOURCE_DATE_EPOCH": "abc"},
    "no columns": {"COLUMNS": "0", "LINES": "abc"},
    "less than none": {"COLUMNS": "-5", "TERM": "nonsense"},
    "no locale": {"LC_ALL": "nonsense", "LANG": "nonsense", "TZ": "nonsense"},
    "ASCII": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "ASCII out": {"PYTHONIOENCODING": "ascii"},
    "no home": {"HOME": None, "PATH": None, "TERM": None, "USER": None},
    "nowhere to write": {
        "HOME": NOWHERE,
        "TMPDIR": NOWHERE,
        "XDG_CACHE_HOME": NOWHERE,
        "MPLCONFIGDIR": NOWHERE,
    },
    "threads": {"OPENBLAS_NUM_THREADS": "abc", "OMP_NUM_THREADS": "-1"},
    "warnings are errors": {"PYTHONWARNINGS": "error", "PYTHONDEVMODE": "1"},
}


@pytest.mark.slow
@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_a_hostile_environment_changes_nothing(name: str, tmp_path: Path) -> None:
    """On a terminal, every command ends with exit code 0, and trains to the same figures."""
    (tmp_path / "tiny.yaml").write_text(CONFIG)
    (tmp_path / "study.yaml").write_text(STUDY)
    (tmp_path / "commands.py").write_text(COMMANDS)
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2]), "COLUMNS": "80"}
    for key, value in ENVIRONMENTS[name].items():
        environment.pop(key, None)
        if value is not None:
            environment[key] = value
    terminal, end = pty.openpty()
    words = [sys.executable, "commands.py", str(tmp_path)]
    with subprocess.Popen(words, cwd=tmp_path, env=environment, stdin=end, stdout=end, stderr=end):
        os.close(end)
        shown = b""
        while True:
            try:
                piece = os.read(terminal, 65536)
            except OSError:  # the other end is closed
                break
            if not piece:
                break
            shown += piece
    os.close(terminal)
    codes = json.loads((tmp_path / "codes.json").read_text())
    assert set(codes.values()) == {0}, (codes, shown.decode(errors="replace")[-3000:])
    (folder,) = (tmp_path / "runs").glob("2*-tiny-s0")
    summary = json.loads((folder / "run.json").read_text())["summary"]
    assert summary["train_cost"]["last"]["value"] == pytest.approx(COST, rel=1e-5)


def test_a_working_folder_that_is_gone_is_no_obstacle(tmp_path: Path) -> None:
    """With absolute paths, commands work where the current folder has been deleted."""
    (tmp_path / "tiny.yaml").write_text(CONFIG)
    (tmp_path / "gone").mkdir()
    script = (
        f"cd {tmp_path}/gone && rmdir ../gone && for words in "
        f"'train {tmp_path}/tiny.yaml -q' list 'show latest' compare; do "
        f'"$PYTHON" -P -m nnexp $words --runs-dir {tmp_path}/runs || exit 9; done'
    )
    done = subprocess.run(
        ["sh", "-c", script],
        env=os.environ | {"PYTHON": sys.executable, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
