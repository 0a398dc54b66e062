"""study.json: which runs of a folder are which arm of a study, and how they are to be compared."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict, replace
from math import inf
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from nnexp.config.identity import identity
from nnexp.config.study import Study
from nnexp.errors import RunError
from nnexp.io import files
from nnexp.io.files import guarded
from nnexp.io.json_files import is_deep, read_mapping
from nnexp.names import METRICS, OLD_STATISTICS, STATISTICS
from nnexp.run.assembly import DataCache
from nnexp.run.find import folders
from nnexp.run.layout import STUDY
from nnexp.run.reader import open_run
from nnexp.stats.selection import ArmPlan, StudyPlan
from nnexp.text import quoted

# Format 1 identifies arms with the absolute path of their data, where format 2 has their digest.
FORMAT, FORMATS = 2, (1, 2)
MAX_BYTES, MAX_DEPTH = 32_000_000, 20

_PLAN = TypeAdapter(StudyPlan)


def record_of(study: Study, data: DataCache, effort: int = 0) -> StudyPlan:
    """Return what is to be recorded of a study.

    Args:
        study: with its arms.
        data: their data.
        effort: the trials that the settings of each arm were chosen from.

    Raises:
        ConfigError: data cannot be read, or do not fit.
    """
    arms = {
        arm.name: ArmPlan(
            (identity(arm.config.values(), data.load(arm.config).digest),),
            arm.arm,
            dict(arm.cell),
            arm.baseline,
            effort,
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
        values = read_mapping(path, MAX_BYTES)
        version = values.get("format")
        if version not in FORMATS:
            message = f"format {quoted(version)} is not one that this version of nnexp reads"
            raise RunError(f"{path}: {message}: {', '.join(map(str, FORMATS))}")
        if is_deep(values, MAX_DEPTH):
            raise ValueError("nested too deep")
        plan = _plan(values)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise RunError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise RunError(f"{path}: is damaged; the next `nnexp sweep` writes it anew") from error
    return plan if version == FORMAT else _identified(plan, folder)


def _plan(values: dict[str, Any]) -> StudyPlan:
    arms = {name: {**arm, "identities": [arm["identity"]]} for name, arm in values["arms"].items()}
    plan = _PLAN.validate_python(values | {"arms": arms})
    at = OLD_STATISTICS.get(plan.at, plan.at)
    efforts = [arm.effort for arm in plan.arms.values()]
    if (
        at not in STATISTICS
        or plan.metric not in (None, *METRICS)
        or min(efforts, default=0) < 0
        or not 0 <= (plan.margin or 0) < inf
    ):
        raise ValueError("out of range")
    return replace(plan, at=at)


def _identified(plan: StudyPlan, folder: Path) -> StudyPlan:
    """Return a plan of format 1 that has the identities of its runs as well."""
    new: dict[str, set[str]] = {}
    for path in folders(folder):
        with suppress(RunError):
            run = open_run(path)
            new.setdefault(plan.arm_of(run) or "", set()).add(run.identity)
    arms = {
        name: replace(arm, identities=(*arm.identities, *sorted(new.get(name, ()))))
        for name, arm in plan.arms.items()
    }
    return replace(plan, arms=arms)


def check_folder(folder: Path, record: StudyPlan, *, chosen: bool = False) -> bool:
    """Refuse a folder that holds another study; return whether it says all of this one already.

    It is the same study as long as it has an arm in common, so that arms and seeds can be added.

    Args:
        folder: of the runs.
        record: of the study.
        chosen: whether the settings of the arms were chosen by a search: then all arms that are
            in both must be the same.

    Raises:
        RunError: it is another study.
    """
    there = None
    with suppress(RunError):
        there = read_study(folder)
    if there is None or there == record or not any(folders(folder)):
        return there == record
    changed = [
        name
        for name, arm in record.arms.items()
        if name in there.arms and set(there.arms[name].identities).isdisjoint(arm.identities)
    ]
    if chosen and changed:
        raise RunError(
            f"{folder}: holds runs of other settings of {', '.join(changed[:6])}, chosen by a "
            "search that was shorter, or of other epochs; move it away, and run the command again"
        )
    common = {each for arm in there.arms.values() for each in arm.identities}
    if all(common.isdisjoint(arm.identities) for arm in record.arms.values()):
        raise RunError(
            f"{folder}: holds another study, whose arms {', '.join(list(there.arms)[:6])} have "
            "other settings or data; give this one another name, or another place with --runs-dir"
        )
    return False


def claim_folder(folder: Path, record: StudyPlan, *, chosen: bool = False) -> None:
    """Write study.json, unless the folder holds another study: see `check_folder`.

    Raises:
        RunError: it does, or the file cannot be written.
    """
    if check_folder(folder, record, chosen=chosen):
        return
    values = {"format": FORMAT} | asdict(record)
    for name, arm in record.arms.items():
        rest = {k: v for k, v in values["arms"][name].items() if k != "identities"}
        values["arms"][name] = {"identity": arm.identities[0]} | rest
    text = json.dumps(values, indent=2, ensure_ascii=False) + "\n"
    with guarded(folder, begun=False):
        folder.mkdir(parents=True, exist_ok=True)
        files.replace(folder / STUDY, text.encode(), owned=False)
