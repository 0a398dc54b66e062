"""Mutated configs, data files and run folders: a valid result, or a refusal in words.

200 cases of each reader, always the same; more, drawn afresh, by `python tests/fuzz/fuzzing.py`.
Whole commands are fuzzed by `make torture`.
"""

from __future__ import annotations

from pathlib import Path
from time import process_time

import matplotlib.figure  # noqa: F401 - loaded before memory is bounded
import pytest
import targets
from bounds import OutOfTimeError
from hypothesis import strategies as st
from targets import TARGETS, Target, fuzz

CASES = 200
READERS = [name for name, target in TARGETS.items() if not target.command]


@pytest.mark.parametrize("name", READERS)
def test_a_spoilt_input_is_accepted_or_refused_in_words(name: str) -> None:
    """Nothing but an NnexpError is raised, in half a gigabyte and 3 s of CPU time per case."""
    counts = fuzz(TARGETS[name], CASES)
    assert counts.cases >= CASES
    # Cases that are all sound, or all nonsense, would test nothing.
    assert counts.accepted
    assert counts.refused


@pytest.mark.parametrize("command", [False, True])
def test_a_case_that_takes_longer_than_its_size_allows_is_a_defect(
    command: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clock of the fuzz counts CPU time, of readers and of commands."""
    monkeypatch.setattr(targets, "_READER_SECONDS", 0.02)
    monkeypatch.setattr(targets, "_COMMAND_SECONDS", 0.02)

    def check(folder: Path, case: bytes) -> bool:
        end = process_time() + 0.05
        while process_time() < end:
            pass
        return True

    assert fuzz(Target(lambda: st.just(bytes(1_000_000)), check, command), 1).accepted
    with pytest.raises(OutOfTimeError, match="CPU time for 4 bytes"):
        fuzz(Target(lambda: st.just(b"slow"), check, command), 1)
