"""study.json: written, read, claimed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nnexp import __version__
from nnexp.config.study import load_study
from nnexp.errors import LaterError, RunError
from nnexp.io.json_files import MAX_VALUES
from nnexp.names import METRICS, STATISTICS
from nnexp.run.assembly import DataCache
from nnexp.run.layout import STUDY
from nnexp.stats.selection import ArmPlan, StudyPlan
from nnexp.study.record import check_folder, claim_folder, read_study, record_of

CELLS = st.dictionaries(
    st.text(),
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
)
ARMS = st.builds(
    ArmPlan, st.tuples(st.text()), st.text(), CELLS, st.none() | st.text(), st.integers(0, 1000)
)
RECORDS = st.builds(
    StudyPlan,
    st.text(),
    st.text(),
    st.dictionaries(st.text(), ARMS),
    st.lists(st.integers(0, 2**62)).map(tuple),
    st.none() | st.sampled_from(METRICS),
    st.sampled_from(STATISTICS),
    st.none() | st.floats(0, 1),
)
STUDY_FILE = """\
base: {data: {inline: {x: [[0], [1]], y: [[0], [1]]}}, layers: [1, 2, 1]}
arms: {slow: {eta: 0.1}, fast: {eta: 1}}
grid: {l2: [0, 1]}
seeds: 0-2
metric: test_cost
margin: 0.5
"""


def record(folder: Path, text: str = STUDY_FILE) -> StudyPlan:
    """Return the record of a study that is written here."""
    path = folder / "question.yaml"
    path.write_text(text)
    return record_of(load_study(path), DataCache(), 20)


def make_run(folder: Path) -> None:
    """Make what looks like a run."""
    folder.mkdir(parents=True)
    (folder / "run.json").write_text("{}")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(RECORDS)
def test_what_is_written_is_what_is_read(tmp_path: Path, given_record: StudyPlan) -> None:
    """Any study comes back from study.json as it was."""
    (tmp_path / STUDY).unlink(missing_ok=True)
    claim_folder(tmp_path, given_record)
    assert read_study(tmp_path) == given_record


def test_a_record_names_each_arm_with_what_it_is_compared_with(folder: Path) -> None:
    """Identity, cell, baseline and effort of each arm are in study.json, by its name."""
    found = record(folder)
    claim_folder(folder / "runs", found)
    written = json.loads((folder / "runs" / STUDY).read_text())
    assert written["format"] == 2
    assert (written["name"], written["seeds"], written["metric"]) == (
        "question",
        [0, 1, 2],
        "test_cost",
    )
    arm = written["arms"]["fast+l2=1"]
    assert len(arm.pop("identity")) == 64
    assert arm == {"arm": "fast", "cell": {"l2": 1}, "baseline": "slow+l2=1", "effort": 20}
    assert read_study(folder / "runs") == found


def test_a_folder_without_a_study_is_none(tmp_path: Path) -> None:
    """No file is no study; that is not an error."""
    assert read_study(tmp_path) is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "is damaged; the next `nnexp sweep` writes it anew"),
        ("[]", "is damaged"),
        ('{"format": 0}', "format 0 is not one that this version of nnexp reads: 1, 2"),
        ('{"format": 2}', "is damaged"),
        ('{"format": 1}', "is damaged"),
        ('{"format": 1, "name": "a", "arms": {"b": 3}}', "is damaged"),
        ("\xff", "is damaged"),
        ("[" * 100_000, "is damaged"),
    ],
)
def test_a_damaged_file_is_named_and_written_anew(folder: Path, text: str, said: str) -> None:
    """Whatever stands in study.json, the message says so, and the next claim mends it."""
    (folder / STUDY).write_text(text, encoding="latin-1")
    with pytest.raises(RunError) as caught:
        read_study(folder)
    assert str(caught.value).startswith(f"{folder / STUDY}: ")
    assert said in str(caught.value)
    found = record(folder)
    claim_folder(folder, found)
    assert read_study(folder) == found


def test_a_study_of_a_later_version_is_named_and_left_alone(folder: Path) -> None:
    """A sweep of this version does not write over what it cannot read."""
    text = '{"format": 3, "arms": "elsewhere"}'
    (folder / STUDY).write_text(text)
    message = (
        f"{folder / STUDY}: written by a later nnexp (format 3; nnexp {__version__} reads up to "
        "2); upgrade with: pip install --upgrade nnexp"
    )
    for command in (read_study, lambda folder: claim_folder(folder, record(folder))):
        with pytest.raises(LaterError) as caught:
            command(folder)
        assert str(caught.value) == message
    assert (folder / STUDY).read_text() == text


@pytest.mark.slow
@pytest.mark.parametrize("excess", [0, 1])
def test_a_study_that_could_not_be_read_back_is_refused_before_anything_is_made(
    tmp_path: Path, excess: int
) -> None:
    """With as many arms as are read it is written and read; with one more it is refused."""
    most = (MAX_VALUES - 10) // 6 + excess  # of the study itself, and of each arm
    arms = {str(i): ArmPlan((f"{i:064}",)) for i in range(most)}
    study = StudyPlan("many", "", arms, (0, 1), None, "best-epoch", None)
    if excess:
        for refuse in (check_folder, claim_folder):
            with pytest.raises(
                RunError, match=r"could not be read back \(more than 400,000 values"
            ):
                refuse(tmp_path / "runs", study)
        assert not list(tmp_path.iterdir())
    else:
        claim_folder(tmp_path, study)
        assert read_study(tmp_path) == study


def test_arms_and_seeds_may_be_added(folder: Path) -> None:
    """A study with an arm in common is the same study, and its record follows it."""
    make_run(folder / "runs" / "slow-s0")
    claim_folder(folder / "runs", record(folder))
    more = record(folder, STUDY_FILE.replace("arms: {", "arms: {new: {eta: 3}, ") + "name: other\n")
    claim_folder(folder / "runs", replace(more, seeds=(7,)))
    found = read_study(folder / "runs")
    assert found is not None
    assert len(found.arms) == 6
    assert found.seeds == (7,)


def test_another_study_is_refused_a_folder_that_has_runs(folder: Path) -> None:
    """Two studies of one name do not get into each other's folder; without runs there is none."""
    runs, other = folder / "runs", STUDY_FILE.replace("fast: {eta: 1}", "fast: {eta: 2}")
    other = other.replace("slow: {eta: 0.1}", "slow: {eta: 0.2}")
    first, second = record(folder), record(folder, other)
    claim_folder(runs, second)
    claim_folder(runs, first)
    make_run(runs / "slow-s0")
    before = (runs / STUDY).read_bytes()
    with pytest.raises(RunError) as caught:
        claim_folder(runs, second)
    assert str(caught.value) == (
        f"{runs}: holds another study, whose arms slow+l2=0, slow+l2=1, fast+l2=0, fast+l2=1 "
        "have other settings or data; give this one another name, or another place with --runs-dir"
    )
    assert (runs / STUDY).read_bytes() == before


def test_a_claim_that_changes_nothing_writes_nothing(folder: Path) -> None:
    """Repeating a sweep leaves study.json alone."""
    found = record(folder)
    claim_folder(folder, found)
    before = (folder / STUDY).stat()
    claim_folder(folder, found)
    assert (folder / STUDY).stat() == before
