"""The short form of `make torture`: every attack once in a while, every promise kept."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
# What each part has to have done at least, to have done anything.
PARTS = {
    "kills": "kills",
    "calls": "kills",
    "faults": "injected",
    "power": "states",
    "tmpfs": "resumed",
    "sizes": "resumed",
    "crowd": "folders",
    "owners": "refused",
}


@pytest.mark.parametrize("part", PARTS)
def test_an_attack_breaks_no_promise(part: str) -> None:
    """Runs that were disturbed end with the bytes of one that was not, and no row is lost."""
    ended = subprocess.run(
        [sys.executable, HERE, part, "--short"], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    figures = json.loads(ended.stdout.splitlines()[0])
    if figures.get("permitted") is False:
        pytest.skip("mounting is not permitted")
    assert figures[PARTS[part]] > 0
    assert (figures["bytes_differing"], figures["broken"]) == (0, 0)
