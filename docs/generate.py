"""Write docs/: the tables of configuration.md and studies.md, cli.md and glossary.md.

`make docs` runs it; a test fails where a page is not up to date.
"""

from __future__ import annotations

import re
from math import inf
from pathlib import Path
from typing import Any

import click

from nnexp.cli import cli
from nnexp.cli.reference import GLOSSARY
from nnexp.config.study_file import json_schema, study_schema
from nnexp.data import READERS
from nnexp.nn.activations import OUTPUT
from nnexp.nn.costs import COSTS, TARGETS, Cost

DOCS = Path(__file__).parent
_BEGIN = "<!-- generated: {} -->"
_END = "<!-- end -->"
# A bound beyond this is no bound for people.
_ANY = 1e15
# The heading under which a page has the table of a mapping, by the name of its class.
Sections = dict[str, str]


def _type(node: dict[str, Any], sections: Sections) -> str:
    if "$ref" in node:
        return _mapping([node], sections)
    if "const" in node:
        return f"`{node['const']}`"
    if "enum" in node:
        return ", ".join(f"`{value}`" for value in node["enum"])
    for key in ("anyOf", "oneOf"):
        if key in node:
            members = [n for n in node[key] if n.get("type") != "null"]
            named = [n for n in members if "$ref" in n]
            kinds = [_type(n, sections) for n in members if "$ref" not in n]
            return "; or ".join(kinds + ([_mapping(named, sections)] if named else []))
    if node.get("type") == "array":
        inner = _type(node.get("items", {}), sections)
        inner = re.sub(r"^(integer|number|text|list|mapping)\b", r"\1s", inner)
        of = f" {'from' if '`' in inner else 'of'} {inner}"
        return "list" if inner == "any" else f"list{of}"
    names = {
        "integer": "integer",
        "number": "number",
        "string": "text",
        "boolean": "true, false",
        "object": "mapping",
    }
    name = names.get(node.get("type", ""), "any")
    bounds = {
        "exclusiveMinimum": "above",
        "minimum": "from",
        "exclusiveMaximum": "below",
        "maximum": "to",
    }
    limits = [
        f"{word} {node[key]:g}" for key, word in bounds.items() if abs(node.get(key, inf)) < _ANY
    ]
    return " ".join([name, *limits])


def _mapping(references: list[dict[str, Any]], sections: Sections) -> str:
    names = [node["$ref"].rpartition("/")[2] for node in references]
    headings = dict.fromkeys(sections[name] for name in names if name in sections)
    links = ", ".join(f"[{h}](#{h.lower().replace(' ', '-')})" for h in headings)
    return f"mapping, see {links}" if links else "mapping"


def _sections(page: str) -> Sections:
    """Return under which heading of a page each mapping has its table."""
    sections, heading = {}, ""
    for line in page.splitlines():
        if re.match("###? ", line):
            heading = line.lstrip("# ")
        elif match := re.fullmatch(_BEGIN.format(r"(\w+)"), line):
            names = [reader.__name__ for reader in READERS.values()]
            sections |= dict.fromkeys(names if match[1] == "formats" else [match[1]], heading)
    return sections


def _default(name: str, node: dict[str, Any], required: list[str]) -> str:
    if name in required:
        return "required"
    value = node.get("default")
    if isinstance(value, float) and not value.is_integer():
        value = round(value, 4)
    if value in (None, ""):
        return ""
    return f"`{value}`".replace("'", "").replace("False", "false").replace("True", "true")


def _markdown(headings: list[str], rows: list[list[str]]) -> str:
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |" for cells in lines
    )


def table(schema: dict[str, Any], sections: Sections) -> str:
    """Write the keys of one mapping as a Markdown table."""
    required = schema.get("required", [])
    rows = [
        [
            f"`{name}`",
            _type(node, sections),
            _default(name, node, required),
            node.get("description", ""),
        ]
        for name, node in schema["properties"].items()
    ]
    return _markdown(["key", "value", "default", "meaning"], rows)


def costs() -> str:
    """Write the costs, their outputs and their targets as a Markdown table."""

    def outputs(cost: Cost) -> str:
        everywhere = len(cost.values) == len(OUTPUT)
        return "all" if everywhere else ", ".join(f"`{output}`" for output in cost.values)

    rows = [
        [f"`{name}`: {cost.formula}", outputs(cost), TARGETS[cost.targets]]
        for name, cost in COSTS.items()
    ]
    return _markdown(["cost", "outputs", "targets"], rows)


def formats(definitions: dict[str, Any], sections: Sections) -> str:
    """Write what each data format is, and the keys it takes."""
    sections = []
    for reader in READERS.values():
        model = definitions[reader.__name__]
        nested = [node.get("$ref", "") for node in model["properties"].values()]
        if len(nested) == 1 and nested[0]:
            model = definitions[nested[0].rpartition("/")[2]]
        sections += [f"### {reader.kind}", reader.words, table(model, sections)]
    return "\n\n".join(sections)


def with_tables(page: Path, name: str, schema: dict[str, Any]) -> str:
    """Return a page with new tables; `name` stands for the schema itself."""
    definitions = {**schema["$defs"], name: schema}
    written = page.read_text(encoding="utf-8")
    sections = _sections(written)

    def block(match: re.Match[str]) -> str:
        name = match[1]
        special = {"costs": costs, "formats": lambda: formats(definitions, sections)}
        text = special[name]() if name in special else table(definitions[name], sections)
        return f"{_BEGIN.format(name)}\n{text}\n{_END}"

    pattern = _BEGIN.format(r"(\w+)") + r".*?" + _END
    return re.sub(pattern, block, written, flags=re.DOTALL)


def command_line() -> str:
    """Return cli.md: the help of every command."""
    parts = [
        "# Command line",
        "What `nnexp COMMAND --help` prints.",
    ]
    settings = {**cli.context_settings, "terminal_width": 100}
    context = click.Context(cli, info_name="nnexp", **settings)
    parts.append(f"```\n{cli.get_help(context)}\n```")
    for name, command in sorted(cli.commands.items()):
        inner = click.Context(command, info_name=name, parent=context, terminal_width=100)
        parts.append(f"## nnexp {name}\n\n```\n{command.get_help(inner)}\n```")
    return "\n\n".join(parts) + "\n"


def glossary() -> str:
    """Return glossary.md: the glossary of the package with a title."""
    intro = (
        "The words of the field and of nnexp. `nnexp explain TERM` prints an entry, also for the "
        "other words in the second column."
    )
    return f"# Glossary\n\n{intro}\n\n{GLOSSARY.read_text(encoding='utf-8')}"


def generated() -> dict[Path, str]:
    """Return the text that each generated file should have."""
    configuration, studies = DOCS / "configuration.md", DOCS / "studies.md"
    return {
        configuration: with_tables(configuration, "Experiment", json_schema()),
        studies: with_tables(studies, "StudyFile", study_schema()),
        DOCS / "cli.md": command_line(),
        DOCS / "glossary.md": glossary(),
    }


if __name__ == "__main__":
    for path, text in generated().items():
        path.write_text(text, encoding="utf-8")
