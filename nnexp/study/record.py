"""study.json: which runs of a folder are which arm of a study, and how they are to be compared."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, TypeAdapter

from nnexp.config.identity import identity_v1
from nnexp.config.schema import Choice, Statistic
from nnexp.config.study import Study
from nnexp.config.study_file import COMPARED
from nnexp.data.readers import Strength
from nnexp.errors import RunError
from nnexp.io import files
from nnexp.io.files import guarded
from nnexp.io.json_files import is_deep, read_mapping
from nnexp.run.find import folders
from nnexp.run.layout import STUDY
from nnexp.text import quoted

FORMAT = 1
MAX_BYTES, MAX_DEPTH = 32_000_000, 20


@dataclass(frozen=True)
class ArmRecord:
    """An arm of a study.

    Attributes:
        identity: digest of its settings, seed and words aside.
        arm: its name under `arms`.
        cell: what grid and random gave it.
        baseline: the arm it is held against; None for a baseline.
        effort: the trials its settings were chosen from; 0 where nothing was searched.
    """

    identity: str
    arm: str = ""
    cell: Mapping[str, Any] = field(default_factory=dict)
    baseline: str | None = None
    effort: Annotated[int, Field(ge=0)] = 0


@dataclass(frozen=True)
class StudyRecord:
    """What study.json says."""

    name: str
    description: str
    arms: Mapping[str, ArmRecord]
    seeds: tuple[int, ...]
    metric: Annotated[str, Choice(COMPARED)] | None
    at: Statistic
    margin: Strength | None


_RECORD = TypeAdapter(StudyRecord)


def record_of(study: Study, effort: Mapping[str, int] | None = None) -> StudyRecord:
    """Return what is to be recorded of a study."""
    arms = {
        arm.name: ArmRecord(
            identity_v1(arm.config.values()),
            arm.arm,
            dict(arm.cell),
            arm.baseline,
            (effort or {}).get(arm.name, 0),
        )
        for arm in study.arms
    }
    return StudyRecord(
        study.name, study.description, arms, study.seeds, study.metric, study.at, study.margin
    )


def read_study(folder: Path) -> StudyRecord | None:
    """Read a folder's study.json; None where there is none.

    Raises:
        RunError: it cannot be read.
    """
    path = folder / STUDY
    try:
        found = read_mapping(path, MAX_BYTES)
        if found.get("format") != FORMAT:
            raise RunError(f"{path}: format {quoted(found.get('format'))} where {FORMAT} is known")
        if is_deep(found, MAX_DEPTH):
            raise ValueError("nested too deep")
        return _RECORD.validate_python(found)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise RunError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, TypeError) as error:
        raise RunError(f"{path}: is damaged; the next `nnexp sweep` writes it anew") from error


def check_folder(folder: Path, record: StudyRecord) -> bool:
    """Refuse a folder that holds another study; return whether it says all of this one already.

    It is the same study as long as it has an arm in common, so that arms and seeds can be added.

    Raises:
        RunError: it is another study.
    """
    there = None
    with suppress(RunError):
        there = read_study(folder)
    if there and _identities(there).isdisjoint(_identities(record)) and any(folders(folder)):
        raise RunError(
            f"{folder}: holds another study, whose arms {', '.join(list(there.arms)[:6])} have "
            "other settings; give this one another name, or another place with --runs-dir"
        )
    return there == record


def claim_folder(folder: Path, record: StudyRecord) -> None:
    """Write study.json, unless the folder holds another study.

    Raises:
        RunError: it does, or the file cannot be written.
    """
    if check_folder(folder, record):
        return
    text = json.dumps({"format": FORMAT} | asdict(record), indent=2, ensure_ascii=False) + "\n"
    with guarded(folder, begun=False):
        folder.mkdir(parents=True, exist_ok=True)
        files.replace(folder / STUDY, text.encode(), owned=False)


def _identities(record: StudyRecord) -> set[str]:
    return {arm.identity for arm in record.arms.values()}
