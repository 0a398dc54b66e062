"""From a file and overrides to an `Experiment`, and back to YAML."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import yaml
from pydantic import ValidationError

from nnexp.config.identity import new_key, with_new_keys
from nnexp.config.messages import messages
from nnexp.config.rules import broken_rules
from nnexp.config.schema import Experiment
from nnexp.config.yaml import (
    MAX_BYTES,
    MAX_DEPTH,
    RESOLVERS,
    Document,
    Key,
    Mistake,
    dotted,
    parse,
    parse_value,
)
from nnexp.data import path_problem
from nnexp.errors import ConfigError, OptionError, Problem
from nnexp.io.files import read_bytes
from nnexp.text import quoted, sanitize_line, shorten

STUDY_KEYS = frozenset(
    ("base", "arms", "grid", "random", "seeds", "baseline", "metric", "at", "margin")
) | {"tune", "confirm"}

# Longer paths are refused before anything is looked up.
MAX_PATH = 4096


@dataclass(frozen=True, slots=True)
class Config:
    """A valid experiment and the document it is from, for messages about later mistakes."""

    experiment: Experiment
    document: Document

    def values(self) -> dict[str, Any]:
        """Return the experiment as a plain mapping with every key, as JSON has it."""
        return self.experiment.model_dump(mode="json")

    def with_seed(self, seed: int) -> Config:
        """Return the same config with another seed."""
        return Config(self.experiment.model_copy(update={"seed": seed}), self.document)

    def shortened(self, factor: int) -> Config:
        """Return the same config with a fraction of its epochs, at least one."""
        epochs = max(1, self.experiment.epochs // factor)
        return Config(self.experiment.model_copy(update={"epochs": epochs}), self.document)

    def error(self, key: Key, message: str) -> ConfigError:
        """Return the error that says what is wrong with a key, and where it is."""
        return self.document.error(key, message)


def load(path: Path | str, overrides: Iterable[str] = ()) -> Config:
    """Read a config file, apply `key=value` overrides, and validate the whole.

    Args:
        path: the YAML file.
        overrides: as `--set` takes them: dotted keys, YAML values.

    Raises:
        ConfigError: with all the problems of the config, each by file, line and key.
        OptionError: an override is not of the form KEY=VALUE, or no value can be set there.
    """
    document = read(Path(path))
    if is_study(document.values):
        message = f"is a study, not a config: nnexp sweep {path}"
        raise ConfigError([Problem(str(path), "", message)])
    for override in overrides:
        _apply(document, override)
    return to_config(document)


def read(path: Path, *, follow: bool = True) -> Document:
    """Read a YAML file without validating it; keys with old names get their new ones, with a note.

    Raises:
        ConfigError: it cannot be read, is no YAML, or has a key under its old and its new name.
    """
    try:
        text = read_bytes(path, MAX_BYTES, follow=follow).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError([Problem(str(path), "", "is not UTF-8 text")]) from error
    except OSError as error:
        hint = _similar(path) if isinstance(error, FileNotFoundError) else ""
        problem = Problem(str(path), "", f"cannot be read: {error.strerror}{hint}")
        raise ConfigError([problem]) from error
    document = parse(text, str(path))
    _rename_old_keys(document)
    return document


def _rename_old_keys(document: Document) -> None:
    """Give old keys their new names, with a note; refuse a key under both names."""
    new_names: dict[Key, str] = {}
    mistakes: list[Mistake] = []
    for holder, values in _holders_of_keys(document.values):
        renamed = {key: new for key in values if (new := new_key(key)) != key}
        for old, new in renamed.items():
            key = (*holder, old)
            if new in values:
                mistakes.append((key, f"is the old name of {new}, which is there too: keep {new}"))
            document.notes.append(f"{document.where(key)}: {old} is now {new}")
            new_names[key] = new
        if renamed:
            items = [(renamed.get(key, key), value) for key, value in values.items()]
            values.clear()
            values.update(items)
    document.refuse(mistakes)
    sizes = {len(key) for key in new_names}

    def today(key: Key) -> Key:
        for size in sizes:
            if key[:size] in new_names:
                return (*key[: size - 1], new_names[key[:size]], *key[size:])
        return key

    if new_names:
        places = {today(key): place for key, place in document.places.items()}
        document.places.clear()
        document.places.update(places)


def _holders_of_keys(values: dict[str, Any]) -> Iterator[tuple[Key, dict[str, Any]]]:
    """Yield the mappings of a config or study whose keys are those of a config."""
    if not is_study(values):
        yield (), values
        return
    arms, tune = values.get("arms"), values.get("tune")
    holders: dict[Key, Any] = {(key,): values.get(key) for key in ("base", "grid", "random")}
    holders |= {("arms", arm): arms[arm] for arm in arms} if isinstance(arms, dict) else {}
    holders["tune", "space"] = tune.get("space") if isinstance(tune, dict) else None
    yield from ((key, holder) for key, holder in holders.items() if isinstance(holder, dict))


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
        raise OptionError(f"{place}: expected KEY=VALUE, as in --set eta=0.1")
    assign(document, name.strip(), parse_value(text, place), place)


def assign(document: Document, name: str, value: Any, place: str) -> None:
    """Set a value of a document by its dotted key.

    Args:
        document: is changed.
        name: as in `eta`, `layers.1` or `data.train`.
        value: plain.
        place: where the value is from, for messages about it.

    Raises:
        OptionError: no value can be set there.
    """
    if new_key(name) != name:
        document.notes.append(f"{place}: {name} is now {new_key(name)}")
    key: Key = tuple(
        int(part) if re.fullmatch("[0-9]{1,9}", part) else part for part in new_key(name).split(".")
    )
    *parents, last = key
    if len(key) > MAX_DEPTH:
        raise OptionError(f"{shorten(place)}: deeper than the {MAX_DEPTH} levels a config may have")
    holder: Any = document.values
    for i, part in enumerate(parents):
        if isinstance(holder, dict) and part not in holder:
            holder[part] = {}
        elif i == 0 and part == "data" and isinstance(holder[part], str):
            holder[part] = {"name": holder[part]}
        try:
            holder = holder[part]
        except (KeyError, IndexError, TypeError) as error:
            parent = dotted(key[:i])
            raise OptionError(f"{place}: {parent} has no part {part}") from error
    last = str(last) if isinstance(holder, dict) else last
    in_list = isinstance(holder, list) and isinstance(last, int) and last < len(holder)
    if not in_list and not isinstance(holder, dict):
        raise OptionError(f"{place}: {dotted(key[:-1])} has no part {last}")
    if in_list or last in holder:
        _forget(document.places, (*key[:-1], last), holder[last])
    holder[last] = value
    document.places[(*key[:-1], last)] = place


def _forget(places: dict[Key, str], key: Key, value: Any) -> None:
    """Remove the places of a value and all its parts."""
    places.pop(key, None)
    if isinstance(value, dict | list):
        for part in value if isinstance(value, dict) else range(len(value)):
            _forget(places, (*key, part), value[part])


def to_config(document: Document) -> Config:
    """Validate a document; relative data paths are taken from its folder.

    Raises:
        ConfigError: with all the problems at once, in the order of the file.
    """
    data = document.values.get("data")
    source = data.get("path") if isinstance(data, dict) else None
    is_path = isinstance(source, str) and len(source) <= MAX_PATH
    absolute, message = _resolve(document, str(source)) if is_path else (None, "")
    experiment = _validate(document, message)
    if absolute is not None:
        located = experiment.data.model_copy(update={"path": str(absolute)})
        experiment = experiment.model_copy(update={"data": located})
    return Config(experiment, document)


def _resolve(document: Document, source: str) -> tuple[Path | None, str]:
    """Return a data path, taken from the document's folder, and what is wrong with it."""
    try:
        path = Path(document.file).parent / Path(source).expanduser()
        absolute = path.resolve()
        if absolute.suffix != path.suffix:  # a link, whose own ending names the format
            absolute = path.parent.resolve() / path.name
        return absolute, path_problem(absolute)
    except (OSError, RuntimeError, ValueError) as error:
        return None, f"leads nowhere: {error}"


def _validate(document: Document, path_message: str = "") -> Experiment:
    """Validate a document; what is wrong with the path of its data hides their other mistakes."""
    values = dict(document.values)
    if isinstance(values.get("data"), str):
        values["data"] = {"name": values["data"]}
    mistakes: list[Mistake] = []
    try:
        experiment = Experiment.model_validate(values)
    except ValidationError as error:
        mistakes += messages(error, values)
    if path_message:
        mistakes = [(key, message) for key, message in mistakes if key[0] != "data"]
        mistakes.append((("data", "path"), f"{quoted(values['data']['path'])} {path_message}"))
    mistakes += broken_rules(values, {str(key[0]) for key, _ in mistakes})
    document.refuse(mistakes)
    return experiment.model_copy(update={"name": experiment.name or word(Path(document.file).stem)})


def from_file(path: Path) -> dict[str, Any]:
    """Read the config.yaml of a run: every key with its value, as JSON has them.

    No link is followed, and no path in it is looked up.

    Raises:
        ConfigError: with all the problems of the config.
    """
    return _validate(read(path, follow=False)).model_dump(mode="json")


def from_record(config: Mapping[str, Any]) -> Experiment:
    """Return the experiment of the config in a run.json; what is missing gets its default.

    Raises:
        ValueError: it is no config; the message says which key is wrong, and how.
    """
    values = with_new_keys(config)
    try:
        return Experiment.model_validate(values)
    except ValidationError as error:
        key, message = next(messages(error, values))
        raise ValueError(sanitize_line(f"{dotted(key)}: {message}")) from error


def digest(path: Path) -> str:
    """Return the sha256 of a config file, line ends aside; raise OSError if it cannot be read."""
    data = read_bytes(path, MAX_BYTES, follow=False)
    return hashlib.sha256(data.replace(b"\r\n", b"\n")).hexdigest()


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
    description, no tags) are not written.
    """
    values = experiment.model_dump(exclude_none=True)
    values = {k: value for k, value in values.items() if value or k not in ("description", "tags")}
    text = yaml.dump(
        values,
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        default_flow_style=None,
        width=100,
    )
    return _UNPRINTABLE.sub(_escape, text)


_UNPRINTABLE = re.compile(r"[^\x20-\x7e\n]")


def _escape(match: re.Match[str]) -> str:
    char = match[0]
    return char if char.isprintable() else f"\\U{ord(char):08X}"
