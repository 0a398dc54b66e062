"""`nnexp schema`: the config's JSON Schema."""

from __future__ import annotations

import json

import click

from nnexp.cli.output import say


@click.command(epilog="Example: nnexp schema > nnexp.schema.json")
def schema() -> None:
    """Print the JSON Schema of a config, so that an editor completes its keys."""
    from nnexp.config.json_schema import json_schema

    say(json.dumps(json_schema(), indent=2, ensure_ascii=False))
