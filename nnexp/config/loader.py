"""From a file and overrides to an `Experiment`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import yaml
from pydantic import ValidationError

from nnexp.config.identity import OLD_KEYS
from nnexp.config.plain import renamed
from nnexp.config.problems import findings, rule_findings
from nnexp.config.schema import Experiment
from nnexp.config.yaml import MAX_BYTES, MAX_DEPTH, RESOLVERS, Document, Key, parse, parse_value
from nnexp.data import path_problem
from nnexp.errors import ConfigError, OptionError, Problem
from nnexp.io.files import read_bytes
from nnexp.text import quoted, shorten

STUDY_KEYS = frozenset(
    ("base", "arms", "grid", "random", "seeds", "baseline", "metric", "at", "margin")
) | {"tune", "confirm"}


@dataclass(frozen=True, slots=True)
class Config:
    """A validated experiment and the document it came from, for messages about later findings."""

    experiment: Experiment
    document: Document

    def values(self) -> dict[str, Any]:
        """Return the experiment as a plain mapping, as JSON has it."""
        return self.experiment.model_dump(mode="json")

    def with_seed(self, seed: int) -> Config:
        """Return the same config with another seed."""
        return Config(self.experiment.model_copy(update={"seed": seed}), self.document)

    def shortened(self, factor: int) -> Config:
        """Return the same config with a fraction of its epochs, at least one."""
        epochs = max(1, self.experiment.epochs // factor)
        return Config(self.experiment.model_copy(update={"epochs": epochs}), self.document)

    def error(self, key: Key, message: str) -> ConfigError:
        """Return the error that says what is wrong with a key, and where it stands."""
        where = self.document.where(key)
        return ConfigError([Problem(where, ".".join(map(str, key)), message)])


def load(path: Path | str, overrides: Iterable[str] = ()) -> Config:
    """Read a config file, apply `key=value` overrides, and validate the whole.

    Args:
        path: the YAML file.
        overrides: as `--set` takes them: dotted keys, YAML values.

    Raises:
        ConfigError: with all the problems of the config, each by file, line and key.
        OptionError: an override is not of the form KEY=VALUE or leads nowhere.
    """
    path = Path(path)
    document = read(path)
    if is_study(document.values):
        message = f"is a study, not a config: nnexp sweep {path}"
        raise ConfigError([Problem(str(path), "", message)])
    for override in overrides:
        _apply(document, override)
    return Config(validate(document, path), document)


def load_stored(path: Path) -> Experiment:
    """Read the config of a run folder: no link is followed, and no path in it looked up.

    Raises:
        ConfigError: with all the problems of the config.
    """
    return _validated(read(path, follow=False), path)


def read(path: Path, *, follow: bool = True) -> Document:
    """Read a YAML file, without validating what it says.

    Raises:
        ConfigError: it cannot be read or is not YAML.
    """
    try:
        text = read_bytes(path, MAX_BYTES, follow=follow).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError([Problem(str(path), "", "is not UTF-8 text")]) from error
    except OSError as error:
        hint = _similar(path) if isinstance(error, FileNotFoundError) else ""
        problem = Problem(str(path), "", f"cannot be read: {error.strerror}{hint}")
        raise ConfigError([problem]) from error
    return _with_new_names(parse(text, str(path)))


def _with_new_names(document: Document) -> Document:
    """Return a config whose keys have the names they have today."""
    places = {
        (OLD_KEYS.get(str(k[0]), k[0]), *k[1:]) if k else k: p for k, p in document.places.items()
    }
    return Document(document.file, renamed(document.values), places)


def is_study(values: Mapping[str, Any]) -> bool:
    """Tell whether a document is a study rather than a config.

    >>> is_study({"base": "xent_30.yaml"}), is_study({"data": "mnist", "layers": [784, 10]})
    (True, False)
    """
    return "base" in values or (
        not STUDY_KEYS.isdisjoint(values) and {"data", "layers"}.isdisjoint(values)
    )


def _similar(path: Path) -> str:
    for candidate in (path.with_name(path.name + ".yaml"), Path("configs") / f"{path.stem}.yaml"):
        if candidate.is_file():
            return f"; did you mean {candidate}?"
    return ""


def _apply(document: Document, override: str) -> None:
    name, equals, text = override.partition("=")
    place = f"--set {override}"
    if not equals or not name.strip():
        raise OptionError(f"{place}: KEY=VALUE is due, as in --set eta=0.1")
    assign(document, name.strip(), parse_value(text, place), place)


def assign(document: Document, name: str, value: Any, place: str) -> None:
    """Set a value of a document by its dotted key.

    Args:
        document: is changed.
        name: as in `eta`, `layers.1` or `data.train`.
        value: plain.
        place: where the value was given, for messages about it.

    Raises:
        OptionError: the key leads nowhere.
    """
    key: Key = tuple(
        int(part) if re.fullmatch("[0-9]{1,9}", part) else part for part in name.split(".")
    )
    key = (OLD_KEYS.get(str(key[0]), key[0]), *key[1:])
    *parents, last = key
    if len(key) > MAX_DEPTH:
        raise OptionError(f"{shorten(place)}: deeper than the {MAX_DEPTH} levels a config may have")
    holder: Any = document.values
    for i, part in enumerate(parents):
        if isinstance(holder, dict) and part not in holder:
            holder[part] = {}
        elif i == 0 and part == "data" and isinstance(holder[part], str):
            holder[part] = {"name": holder[part]}
        holder = _child(holder, part, place)
    if isinstance(holder, dict):
        holder[str(last)] = value
    elif isinstance(holder, list) and isinstance(last, int) and last < len(holder):
        holder[last] = value
    else:
        raise OptionError(f"{place}: {'.'.join(map(str, parents))} has no part {last}")
    for known in [k for k in document.places if k[: len(key)] == key]:
        del document.places[known]
    document.places[key] = place


def _child(holder: Any, part: str | int, place: str) -> Any:
    try:
        return holder[part]
    except (KeyError, IndexError, TypeError) as error:
        raise OptionError(f"{place}: there is no {part} to set a part of") from error


def validate(document: Document, path: Path) -> Experiment:
    """Validate a document; relative data paths are taken from the config's folder.

    Raises:
        ConfigError: with all the problems at once, in the order of the file.
    """
    data = document.values.get("data")
    source = data.get("path") if isinstance(data, dict) else None
    absolute, problem = _resolved(path.parent, source) if isinstance(source, str) else (None, "")
    experiment = _validated(document, path, problem)
    if absolute is None:
        return experiment
    located = experiment.data.model_copy(update={"path": str(absolute)})
    return experiment.model_copy(update={"data": located})


def _resolved(folder: Path, source: str) -> tuple[Path | None, str]:
    """Return a data path, taken from a folder, and what is wrong with it."""
    try:
        absolute = (folder / Path(source).expanduser()).resolve()
        return absolute, path_problem(absolute)
    except (OSError, RuntimeError, ValueError) as error:
        return None, f"leads nowhere: {error}"


def _validated(document: Document, path: Path, path_message: str = "") -> Experiment:
    """Validate a document; with a message about its data's path, nothing else is said of them."""
    values = dict(document.values)
    if isinstance(values.get("data"), str):
        values["data"] = {"name": values["data"]}
    found: list[tuple[Key, str]] = []
    experiment = None
    try:
        experiment = Experiment.model_validate(values)
    except ValidationError as error:
        found += findings(error, values)
    if path_message:
        found = [(key, message) for key, message in found if key[0] != "data"]
        found.append((("data", "path"), f"{quoted(values['data']['path'])} {path_message}"))
    found += rule_findings(values, {str(key[0]) for key, _ in found})
    if found or experiment is None:
        order = {place: i for i, place in enumerate(document.places.values())}
        found.sort(key=lambda item: order.get(document.where(item[0]), len(order)))
        raise ConfigError([_problem(document, key, message) for key, message in found])
    return experiment.model_copy(update={"name": experiment.name or word(path.stem)})


def _problem(document: Document, key: Key, message: str) -> Problem:
    return Problem(document.where(key), ".".join(map(str, key)), message)


def word(text: str) -> str:
    """Return a text as a name may be written.

    >>> word("init: {hidden: scaled}")
    'init---hidden--scaled-'
    """
    cleaned = "".join(c if c.isascii() and (c.isalnum() or c in "._+=-") else "-" for c in text)
    return cleaned.lstrip("._+=-")[:100] or "config"


class _Dumper(yaml.SafeDumper):
    """Quotes what YAML 1.1 or 1.2 takes for a number, and writes no aliases."""

    yaml_implicit_resolvers: ClassVar[dict[str, Any]] = {  # type: ignore[misc]
        char: [*yaml.SafeDumper.yaml_implicit_resolvers.get(char, []), *RESOLVERS.get(char, [])]
        for char in {*yaml.SafeDumper.yaml_implicit_resolvers, *RESOLVERS}
    }

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _represent_text(dumper: _Dumper, text: str) -> yaml.Node:
    # Only in double quotes can what is not printable be escaped.
    style = None if text.isprintable() else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_text)


def dump(experiment: Experiment) -> str:
    """Write an experiment as the YAML that repeats it: `load` gives the same experiment back.

    Every character is printable, whatever the texts hold. Keys without a value (no reference, no
    description, no tags) are left out.
    """
    values = experiment.model_dump(exclude_none=True)
    given = {k: value for k, value in values.items() if value or k not in ("description", "tags")}
    text = yaml.dump(
        given,
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        default_flow_style=None,
        width=100,
    )
    return _UNPRINTABLE.sub(_escape, text)


_UNPRINTABLE = re.compile(r"[^\x20-\x7e\n]")


def _escape(found: re.Match[str]) -> str:
    char = found[0]
    return char if char.isprintable() else f"\\U{ord(char):08X}"
