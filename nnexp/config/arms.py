"""The arms of a study: a base, what each arm, the grid and the draws change in it, and its name."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from nnexp.config.identity import identity
from nnexp.config.loader import Config, assign, is_study, read, validate
from nnexp.config.problems import Finding
from nnexp.config.study_file import Overrides, StudyFile, problem, refuse
from nnexp.config.yaml import Document, Key, dotted
from nnexp.errors import ConfigError, OptionError, Problem, did_you_mean, one_of
from nnexp.text import quoted

_LONGEST_NAME, _LONGEST_VALUE = 100, 40
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_CONSTANTS = ("true", "false", "null", "NaN", "Infinity")


@dataclass(frozen=True, slots=True)
class Arm:
    """One set of settings.

    Attributes:
        name: of the arm and its runs, unique in the study.
        arm: the name it has under `arms`; empty without.
        cell: the values that grid and random gave it.
        config: the experiment, seed aside.
        baseline: the name of the arm it is held against; None for a baseline itself.
    """

    name: str
    arm: str
    cell: Mapping[str, Any]
    config: Config
    baseline: str | None = None


def _draws(given: StudyFile) -> list[Overrides]:
    """Return the random settings, equal ones once: of a key, draw i is the same whatever n is."""
    drawn: dict[str, Overrides] = {}
    for i in range(given.random.n if given.random else 1):
        values = {
            key: space.draw(np.random.default_rng([i, *key.encode()]))
            for key, space in given.draws.items()
        }
        drawn.setdefault(json.dumps(values), values)
    return list(drawn.values())


def _cells(given: StudyFile) -> list[Overrides]:
    """Return every combination of the grid, with each of the random draws."""
    combinations = product(*given.grid.values())
    drawn = _draws(given)
    return [
        dict(zip(given.grid, c, strict=True)) | values for c in combinations for values in drawn
    ]


def label(arm: str, cell: Mapping[str, Any]) -> str:
    """Return the name of an arm's runs, fit for a folder.

    >>> label("xent", {"layers": [784, 30, 10], "init": "scaled"})
    'xent+layers=784-30-10+init=scaled'
    >>> label("", {"init": {"hidden": "scaled", "output": "zeros"}})
    'init=hidden-scaled-output-zeros-02eaf09d'
    """
    parts = [f"{key}={_named(value)}" for key, value in cell.items()]
    text = re.sub(r"[^A-Za-z0-9._+=-]", "-", "+".join([arm, *parts] if arm else parts))
    name = text.lstrip("._+=-") or "base"
    if len(name) <= _LONGEST_NAME:
        return name
    return f"{name[: _LONGEST_NAME - 9]}-{_digest(name)[:8]}"


def _named(value: Any) -> str:
    """Write a value as part of a name; with a digest, where it could be taken for another."""
    text = _flat(value)
    if len(text) <= _LONGEST_VALUE and _is_plain(value):
        return text
    clean = re.sub(r"[^A-Za-z0-9._-]", "-", text)
    return f"{clean[: _LONGEST_VALUE - 9]}-{_digest(json.dumps(value, sort_keys=True))[:8]}"


def _is_plain(value: Any) -> bool:
    if isinstance(value, str):
        return bool(_PLAIN.fullmatch(value)) and value not in _CONSTANTS
    if isinstance(value, list):
        return len(value) > 1 and all(type(item) in (int, float) for item in value)
    return not isinstance(value, dict)


def _flat(value: Any) -> str:
    if isinstance(value, dict):
        return "-".join(f"{key}-{_flat(inner)}" for key, inner in value.items())
    if isinstance(value, list):
        return "-".join(map(_flat, value))
    return str(value) if isinstance(value, str) else json.dumps(value)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _base(document: Document, path: Path) -> tuple[Document, Path]:
    """Return the base, and the file that its data's path is relative to."""
    base = document.values["base"]
    if not isinstance(base, str):
        places = {k[1:]: place for k, place in document.places.items() if k[:1] == ("base",)}
        found, file, what = Document(document.file, base, places), path, "holds a study"
    else:
        try:
            file = path.parent / Path(base).expanduser()
            found = read(file)
            what = f"{base} is {'this' if file.resolve() == path.resolve() else 'a'} study"
        except ConfigError as error:
            problems = [problem(document, ("base",), str(p)) for p in error.problems]
            raise ConfigError(problems) from error
        except (OSError, RuntimeError, ValueError) as error:
            message = f"{quoted(base)} leads nowhere: {error}"
            raise ConfigError([problem(document, ("base",), message)]) from error
    if is_study(found.values):
        raise ConfigError([problem(document, ("base",), f"{what}; a config is due")])
    # A published figure belongs to the settings it was published with.
    found.values.pop("reference", None)
    return found, file


def _changed(
    base: Document, document: Document, path: Path, changes: Mapping[Key, Any]
) -> Document:
    """Return a config with what a study says of it, by the keys of the study."""
    made = Document(base.file, deepcopy(base.values), dict(base.places))
    for key, value in changes.items():
        name, where = str(key[-1]), document.where(key)
        try:
            assign(made, name, _located(path, name, deepcopy(value)), where)
        except OptionError as error:
            message = str(error).removeprefix(f"{where}: ")
            raise ConfigError([Problem(where, dotted(key), message)]) from error
    return made


def _located(path: Path, name: str, value: Any) -> Any:
    """Return a value for a config: paths of data are relative to the file they stand in."""
    if name == "data" and isinstance(value, dict) and "path" in value:
        return value | {"path": _located(path, "data.path", value["path"])}
    if name == "data.path" and isinstance(value, str):
        with suppress(OSError, RuntimeError, ValueError):  # validation words what is wrong with it
            return str((path.parent / Path(value).expanduser()).resolve())
    return value


def build(document: Document, path: Path, given: StudyFile) -> list[Arm]:
    """Return every arm in every cell.

    Raises:
        ConfigError: with all that is wrong with any of them.
    """
    base, file = _base(document, path)
    alone = _problems(base, file)
    cells = _cells(given)
    built: list[Arm] = []
    problems: list[Problem] = []
    for arm, overrides in (given.arms or {"": None}).items():
        own: dict[Key, Any] = {("arms", arm, key): v for key, v in (overrides or {}).items()}
        for cell in cells:
            name = label(arm, cell)
            changes = own | {_key_of_cell(given, key): value for key, value in cell.items()}
            try:
                made = _changed(base, document, path, changes)
                made.values["name"] = name
                built.append(Arm(name, arm, cell, Config(validate(made, file), made)))
            except ConfigError as error:
                places = {document.where(key) for key in changes}
                problems += [
                    found
                    if found in alone or found.where in places
                    else Problem(document.where(next(iter(changes), ())), name, str(found))
                    for found in error.problems
                ]
    if problems:
        raise ConfigError(list(dict.fromkeys(problems)))
    refuse(document, _twins(built, given))
    return built


def _key_of_cell(given: StudyFile, key: str) -> Key:
    return ("grid" if key in given.grid else "random", key)


def _problems(base: Document, file: Path) -> Sequence[Problem]:
    """Return what is wrong with a base that nothing is changed in."""
    try:
        validate(base, file)
    except ConfigError as error:
        return error.problems
    return ()


def _twins(arms: Iterable[Arm], given: StudyFile) -> Iterator[Finding]:
    """Find arms that are the same experiment, or would have the same folders."""
    same: dict[str, Arm] = {}
    named: dict[str, Arm] = {}
    for arm in arms:
        key: Key = ("arms", arm.arm) if arm.arm else ("grid" if given.grid else "random",)
        twin = same.setdefault(identity(arm.config.values(), ""), arm)
        namesake = named.setdefault(arm.name.casefold(), arm)
        if twin is not arm:
            yield key, f"{twin.name} and {arm.name} are the same experiment; one of them is enough"
        elif namesake is not arm:
            yield key, f"{namesake.name} and {arm.name} would be the same folder; rename one"


def with_baselines(document: Document, arms: Sequence[Arm], given: StudyFile) -> list[Arm]:
    """Give each arm the one it is held against: the baseline's, with the same grid values."""
    names = [arm.name for arm in arms]
    baseline = given.baseline or arms[0].arm or names[0]
    if baseline not in (*given.arms, *names):
        choices = list(given.arms) or names
        hint = did_you_mean(baseline, choices) or f"; the arms are {one_of(choices[:20])}"
        refuse(document, [(("baseline",), f"{quoted(baseline)} is not an arm{hint}")])

    def against(arm: Arm) -> str | None:
        name = label(baseline, arm.cell) if baseline in given.arms else baseline
        return name if name != arm.name else None

    return [replace(arm, baseline=against(arm)) for arm in arms]


def misfits(
    document: Document, path: Path, arms: Sequence[Arm], given: StudyFile
) -> Iterator[Finding]:
    """Try what is to be searched, each value by itself, in each arm."""
    for name, space in (given.tune.space if given.tune else {}).items():
        key: Key = ("tune", "space", name)
        for arm, value in product(arms, space.samples()):
            try:
                validate(_changed(arm.config.document, document, path, {key: value}), path)
            except ConfigError as error:
                (first, *_) = error.problems
                yield key, first.message if first.key in (name, dotted(key)) else str(first)
                break
