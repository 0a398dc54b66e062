"""study.json: which runs of a folder are which arm of a study, and how they are to be compared."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, replace
from math import inf
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from nnexp.config.identity import identity_v1
from nnexp.config.study import Study
from nnexp.config.study_file import COMPARED
from nnexp.errors import RunError
from nnexp.io import files
from nnexp.io.files import guarded
from nnexp.io.json_files import is_deep, read_mapping
from nnexp.names import OLD_STATISTICS, STATISTICS
from nnexp.run.find import folders
from nnexp.run.layout import STUDY
from nnexp.stats.selection import ArmPlan, StudyPlan
from nnexp.text import quoted

FORMAT = 1
MAX_BYTES, MAX_DEPTH = 32_000_000, 20


_PLAN = TypeAdapter(StudyPlan)


def record_of(study: Study, effort: Mapping[str, int] | None = None) -> StudyPlan:
    """Return what is to be recorded of a study."""
    arms = {
        arm.name: ArmPlan(
            (identity_v1(arm.config.values()),),
            arm.arm,
            dict(arm.cell),
            arm.baseline,
            (effort or {}).get(arm.name, 0),
        )
        for arm in study.arms
    }
    return StudyPlan(
        study.name, study.description, arms, study.seeds, study.metric, study.at, study.margin
    )


def read_study(folder: Path) -> StudyPlan | None:
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
        arms = {name: _renamed(arm) for name, arm in found["arms"].items()}
        return _checked(_PLAN.validate_python(found | {"arms": arms}))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise RunError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise RunError(f"{path}: is damaged; the next `nnexp sweep` writes it anew") from error


def _renamed(arm: Mapping[str, Any]) -> dict[str, Any]:
    """Return an arm of format 1 with the names of `ArmPlan`."""
    return {**arm, "identities": [arm["identity"]]}


def _checked(plan: StudyPlan) -> StudyPlan:
    at = OLD_STATISTICS.get(plan.at, plan.at)
    efforts = [arm.effort for arm in plan.arms.values()]
    if (
        at not in STATISTICS
        or plan.metric not in (None, *COMPARED)
        or min(efforts, default=0) < 0
        or not 0 <= (plan.margin or 0) < inf
    ):
        raise ValueError("out of range")
    return replace(plan, at=at)


def check_folder(folder: Path, record: StudyPlan) -> bool:
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


def claim_folder(folder: Path, record: StudyPlan) -> None:
    """Write study.json, unless the folder holds another study.

    Raises:
        RunError: it does, or the file cannot be written.
    """
    if check_folder(folder, record):
        return
    arms = {name: _written(arm) for name, arm in record.arms.items()}
    values = {"format": FORMAT} | asdict(record) | {"arms": arms}
    text = json.dumps(values, indent=2, ensure_ascii=False) + "\n"
    with guarded(folder, begun=False):
        folder.mkdir(parents=True, exist_ok=True)
        files.replace(folder / STUDY, text.encode(), owned=False)


def _identities(record: StudyPlan) -> set[str]:
    return {identity for arm in record.arms.values() for identity in arm.identities}


def _written(arm: ArmPlan) -> dict[str, Any]:
    """Return an arm as format 1 has it."""
    values = asdict(arm)
    return {"identity": values.pop("identities")[0]} | values
