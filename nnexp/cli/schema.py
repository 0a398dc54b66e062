"""`nnexp schema`: the JSON Schema of a config or a study."""

from __future__ import annotations

import json

import click

from nnexp.cli.output import say


@click.command(epilog="Example: nnexp schema > nnexp.schema.json")
@click.option("--study", is_flag=True, help="Print the schema of a study file instead.")
def schema(study: bool) -> None:
    """Print the JSON Schema of a config, with which an editor completes and checks its keys."""
    from nnexp.config.study_file import json_schema, study_schema

    content = study_schema() if study else json_schema()
    say(json.dumps(content, indent=2, ensure_ascii=False))
