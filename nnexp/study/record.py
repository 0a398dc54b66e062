"""What a study's folder records: study.json says what its runs are, tune.json how it is searched.

study.json names the runs of each arm, and how the arms are compared. tune.json has the rules by
which trials are made and judged: those of other rules are another search.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from importlib.metadata import version
from math import inf
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter

import nnexp
from nnexp.config.identity import LATER_KEYS, identity, with_new_keys, without_later_keys
from nnexp.config.study import Study, Tune
from nnexp.errors import LaterError, RunError
from nnexp.io.files import guarded, make_folder, read_bytes
from nnexp.io.folder import Folder
from nnexp.io.json_files import is_deep, parse_mapping
from nnexp.names import METRICS, OLD_STATISTICS, STATISTICS
from nnexp.run.assembly import DataCache
from nnexp.run.find import folders
from nnexp.run.layout import STUDY, later_format
from nnexp.run.reader import open_run
from nnexp.stats.selection import ArmPlan, StudyPlan
from nnexp.study.jobs import Job, changed_data
from nnexp.text import command, quoted

# Format 1 identifies arms with the absolute path of their data, where format 2 has their digest.
FORMAT, FORMATS = 2, (1, 2)
TUNE, TUNE_FORMAT = "tune.json", 1
MAX_BYTES, MAX_DEPTH = 32_000_000, 20

T = TypeVar("T")
_PLAN = TypeAdapter(StudyPlan)


def record_of(study: Study, data: DataCache, effort: int = 0) -> StudyPlan:
    """Return what is to be recorded of a study whose settings were chosen from `effort` trials.

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
    advice = "the next `nnexp sweep` writes it anew"
    read = _read(folder / STUDY, FORMATS, _plan, advice)
    if read is None:
        return None
    format_, plan = read
    return plan if format_ == FORMAT else _identified(plan, folder)


def _read(
    path: Path, formats: Collection[int], parse: Callable[[dict[str, Any]], T], advice: str
) -> T | None:
    """Read a JSON file of a study's folder; None where there is none."""
    try:
        values = _parsed(read_bytes(path, MAX_BYTES, follow=False))
        format_ = values.get("format")
        if later := later_format(format_, max(formats)):
            raise LaterError(f"{path}: {later}")
        if format_ not in formats:
            message = f"format {quoted(format_)} is not one that this version of nnexp reads"
            raise RunError(f"{path}: {message}: {', '.join(map(str, formats))}")
        return parse(values)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise RunError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise RunError(f"{path}: is damaged; {advice}") from error


def _laid_out(path: Path, values: dict[str, Any]) -> bytes:
    """Lay out a file; refuse one that `_read` would not read."""
    data = (json.dumps(values, indent=2, ensure_ascii=False) + "\n").encode()
    try:
        _parsed(data)
    except ValueError as error:
        message = f"could not be read back ({error}); divide the study into several"
        raise RunError(f"{path}: {message}") from error
    return data


def _parsed(data: bytes) -> dict[str, Any]:
    if len(data) > MAX_BYTES:
        raise ValueError(f"more than {MAX_BYTES:,} bytes")
    values = parse_mapping(data)
    if is_deep(values, MAX_DEPTH):
        raise ValueError("nested too deep")
    return values


def _write(path: Path, data: bytes) -> None:
    with guarded(path.parent, begun=False):
        make_folder(path.parent)
        with Folder(path.parent) as folder:
            folder.replace(path.name, data, owned=False)


def _plan(values: dict[str, Any]) -> tuple[int, StudyPlan]:
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
    return values["format"], replace(plan, at=at)


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


def check_folder(
    folder: Path, record: StudyPlan, jobs: Sequence[Job] = (), *, chosen: bool = False
) -> bool:
    """Refuse a folder that holds another study; return whether it says all of this one already.

    It is the same study as long as it has an arm in common, so that arms and seeds can be added.
    Where the settings were `chosen` by a search, all arms that are in both must be the same.

    Raises:
        RunError: it is another study, one of a later nnexp, or too large to be read back, or the
            data of all `jobs` have changed.
    """
    _study_file(folder, record)
    try:
        there = read_study(folder)
    except LaterError:
        raise
    except RunError:  # what is damaged is written anew
        there = None
    if there is None or there == record or not any(folders(folder)):
        return there == record
    other = [
        name
        for name, arm in record.arms.items()
        if name in there.arms and set(there.arms[name].identities).isdisjoint(arm.identities)
    ]
    if chosen and other:
        raise RunError(
            f"{folder}: holds runs of other settings of {', '.join(other[:6])}, chosen by a "
            "search that was shorter, or of other epochs; move it away, and run the command again"
        )
    before = {each for arm in there.arms.values() for each in arm.identities}
    if all(before.isdisjoint(arm.identities) for arm in record.arms.values()):
        if changed := _changed_data(folder, jobs):
            raise RunError(
                f"{folder}: its runs were trained on other data: {changed}; restore it to continue "
                "this study, or train on the new data in another place, as in "
                + command("--runs-dir", folder.parent / "new")
            )
        raise RunError(
            f"{folder}: holds another study, whose arms {', '.join(list(there.arms)[:6])} have "
            "other settings or data; give this one another name, or another place with --runs-dir"
        )
    return False


def _changed_data(folder: Path, jobs: Sequence[Job]) -> str:
    by_arm = {identity(job.config.values(), "-"): job for job in jobs}
    for path in folders(folder):
        with suppress(RunError):
            run = open_run(path)
            job = run.config and by_arm.get(identity(run.config, "-"))
            if job and (words := changed_data(job, run)):
                return words
    return ""


def claim_folder(folder: Path, record: StudyPlan, *, chosen: bool = False) -> None:
    """Write study.json, unless the folder holds another study: see `check_folder`.

    Raises:
        RunError: it does, or the file cannot be written.
    """
    if check_folder(folder, record, chosen=chosen):
        return
    _write(folder / STUDY, _study_file(folder, record))


def _study_file(folder: Path, record: StudyPlan) -> bytes:
    values = {"format": FORMAT} | asdict(record)
    for name, arm in record.arms.items():
        rest = {k: v for k, v in values["arms"][name].items() if k != "identities"}
        values["arms"][name] = {"identity": arm.identities[0]} | rest
    return _laid_out(folder / STUDY, values)


def claim_search(tune: Tune, folder: Path, *, write: bool = True) -> list[str]:
    """Write tune.json into a study's folder, or only look whether that can be used; return notes.

    Raises:
        RunError: the trials there are of another search, or the file cannot be read or written.
    """
    rules = without_later_keys(tune.model_dump(exclude={"trials"}), "tune.")
    versions = {"nnexp": nnexp.__version__, "optuna": version("optuna")}
    advice = (
        "the trials are not: if the study is still the one they are of, delete this file, and run "
        "the command again"
    )
    read = _read(folder / TUNE, (TUNE_FORMAT,), _rules, advice)
    if read is None:
        if write:
            values = {"format": TUNE_FORMAT, "tune": rules, "versions": versions}
            _write(folder / TUNE, _laid_out(folder / TUNE, values))
        return []
    before, began = read
    pairs = {key: [_rule(each, key) for each in (before, rules)] for key in before | rules}
    lines = [
        f"  {k}: {quoted(old)} -> {quoted(new)}" for k, (old, new) in pairs.items() if old != new
    ]
    if lines:
        raise RunError(
            "\n".join([f"{folder}: holds trials of another search:", *lines])
            + "\ngive this study another name, or another place with --runs-dir"
        )
    old, new = began.get("optuna"), versions["optuna"]
    return [] if old == new else [f"begun with Optuna {old}; the next settings are chosen by {new}"]


def _rules(values: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    rules = dict(values["tune"])
    rules["space"] = with_new_keys(rules["space"])
    return rules, dict(values["versions"])


def _rule(rules: dict[str, Any], key: str) -> Any:
    return rules.get(key, LATER_KEYS.get(f"tune.{key}"))
