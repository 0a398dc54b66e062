"""From a file and overrides to an `Experiment`, and back to YAML."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from nnexp.config.identity import new_key, with_new_keys
from nnexp.config.messages import messages
from nnexp.config.rules import broken_rules
from nnexp.config.schema import Experiment
from nnexp.config.yaml import (
    MAX_BYTES,
    MAX_DEPTH,
    PATTERNS,
    Document,
    Key,
    Mistake,
    dotted,
    file_error,
    parse,
    parse_value,
)
from nnexp.data import path_problem
from nnexp.errors import ConfigError, OptionError
from nnexp.io.files import read_bytes
from nnexp.text import command, quoted, sanitize_line, shorten

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
        raise file_error(path, f"is a study, not a config: {command('nnexp', 'sweep', Path(path))}")
    for override in overrides:
        name, equals, text = override.partition("=")
        place = f"--set {override}"
        if not equals or not name.strip():
            raise OptionError(f"{place}: expected KEY=VALUE, as in --set eta=0.1")
        assign(document, name.strip(), parse_value(text, place), place)
    return to_config(document)


def read(path: Path, *, follow: bool = True) -> Document:
    """Read a YAML file without validating it; keys with old names get their new ones, with a note.

    Raises:
        ConfigError: it cannot be read, is no YAML, or has a key under its old and its new name.
    """
    try:
        text = read_bytes(path, MAX_BYTES, follow=follow).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise file_error(path, "is not UTF-8 text") from error
    except OSError as error:
        hint = _similar(path) if isinstance(error, FileNotFoundError) else ""
        raise file_error(path, f"cannot be read: {error.strerror}{hint}") from error
    document = parse(text, str(path))
    _rename_old_keys(document)
    return document


def _rename_old_keys(document: Document) -> None:
    """Give old keys their new names, with a note; refuse a key under both names."""
    new_keys: dict[Key, Key] = {}
    mistakes: list[Mistake] = []
    for holder, values in _holders_of_keys(document.values):
        new_names = {name: new for name in values if (new := new_key(name)) != name}
        for old, new in new_names.items():
            key = (*holder, old)
            if new in values:
                mistakes.append((key, f"is the old name of {new}, which is there too: keep {new}"))
            document.notes.append(f"{document.where(key)}: {old} is now {new}")
            new_keys[key] = (*holder, new)
        if new_names:
            items = [(new_names.get(name, name), value) for name, value in values.items()]
            values.clear()
            values.update(items)
    document.refuse(mistakes)
    for size in {len(key) for key in new_keys}:
        document.places = {
            (*new_keys.get(key[:size], key[:size]), *key[size:]): place
            for key, place in document.places.items()
        }


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
    candidates = (path.with_name(path.name + ".yaml"), Path("configs") / f"{path.stem}.yaml")
    return next((f"; did you mean {file}?" for file in candidates if file.is_file()), "")


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
    if not name.isprintable():
        raise OptionError(f"{shorten(place)}: expected a key of printable characters")
    if new_key(name) != name:
        document.notes.append(f"{place}: {name} is now {new_key(name)}")
    *parents, last = new_key(name).split(".")
    if len(parents) >= MAX_DEPTH:
        raise OptionError(f"{shorten(place)}: deeper than the {MAX_DEPTH} levels a config may have")
    holder: Any = document.values
    key: Key = ()

    def part(text: str) -> str | int:
        if isinstance(holder, dict):
            return text
        is_index = isinstance(holder, list) and re.fullmatch("[0-9]{1,9}", text)
        if is_index and int(text) < len(holder):
            return int(text)
        raise OptionError(f"{place}: {dotted(key)} has no part {text}")

    for text in parents:
        key = (*key, part(text))
        if isinstance(holder, dict):
            holder.setdefault(text, {})
            if key == ("data",) and isinstance(holder["data"], str):
                holder["data"] = {"name": holder["data"]}
        holder = holder[key[-1]]
    key = (*key, part(last))
    document.forget(key, holder.get(last) if isinstance(holder, dict) else holder[key[-1]])
    holder[key[-1]] = value
    document.places[key] = place


def to_config(document: Document) -> Config:
    """Validate a document; relative data paths are taken from its folder.

    Raises:
        ConfigError: with all the problems at once, in the order of the file.
    """
    data = document.values.get("data")
    source = data.get("path") if isinstance(data, dict) else None
    absolute, message = None, ""
    if isinstance(source, str) and len(source) <= MAX_PATH:
        try:
            path = Path(document.file).parent / Path(source).expanduser()
            absolute = path.resolve()
            if absolute.suffix != path.suffix:  # a link, whose own ending names the format
                absolute = path.parent.resolve() / path.name
            message = path_problem(absolute)
            message += f", got {quoted(source)}" if message else ""
        except (OSError, RuntimeError, ValueError) as error:
            absolute, message = None, f"{quoted(source)} leads nowhere: {error}"
    experiment = _validate(document, message)
    if absolute is not None:
        located = experiment.data.model_copy(update={"path": str(absolute)})
        experiment = experiment.model_copy(update={"data": located})
    return Config(experiment, document)


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
        mistakes.append((("data", "path"), path_message))
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
    """Quotes what YAML 1.1 or 1.2 takes for a number; escapes what is not printable."""

    def represent_text(self, text: str) -> yaml.Node:
        # Only in double quotes can what is not printable be escaped.
        style = None if text.isprintable() else '"'
        return self.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _Dumper.represent_text)
for _pattern in PATTERNS.values():
    _Dumper.add_implicit_resolver("!", _pattern, None)


def dump(experiment: Experiment) -> str:
    """Write an experiment as the YAML that repeats it: `load` gives the same experiment back.

    Every character is printable, whatever the texts hold. Keys without a value (no reference, no
    description, no tags) are not written.
    """
    values = experiment.model_dump(exclude_none=True)
    values = {k: value for k, value in values.items() if value or k not in ("description", "tags")}
    options: Any = {"sort_keys": False, "allow_unicode": True, "default_flow_style": None}
    text = yaml.dump(values, Dumper=_Dumper, width=100, **options)
    return "".join(c if c == "\n" or c.isprintable() else f"\\U{ord(c):08X}" for c in text)
