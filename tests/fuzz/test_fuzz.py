"""Mutated configs, data files and run folders: a valid result, or a refusal in words.

200 cases of each reader, always the same; more, drawn afresh, by `python tests/fuzz/fuzzing.py`.
Whole commands are fuzzed by `make torture`.
"""

from __future__ import annotations

import matplotlib.figure  # noqa: F401 - loaded before memory is bounded
import pytest
from targets import TARGETS, fuzz

CASES = 200
READERS = [name for name, target in TARGETS.items() if not target.command]


@pytest.mark.parametrize("name", READERS)
def test_a_spoilt_input_is_accepted_or_refused_in_words(name: str) -> None:
    """Nothing but an NnexpError is raised, in ten seconds and half a gigabyte a case."""
    counts = fuzz(TARGETS[name], CASES)
    assert counts.cases >= CASES
    # Cases that are all sound, or all nonsense, would test nothing.
    assert counts.accepted
    assert counts.refused
