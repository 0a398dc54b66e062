"""The quickest attacks of `make torture`; `.ci/run` makes its whole short form."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize("part", ["crowd", "sizes"])
def test_an_attack_breaks_no_promise(part: str) -> None:
    """Runs that were disturbed end with the bytes of one that was not, and no row is lost."""
    ended = subprocess.run(
        [sys.executable, Path(__file__).parent, part, "--short"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    figures = json.loads(ended.stdout.splitlines()[0])
    assert (figures["bytes_differing"], figures["broken"]) == (0, 0)
