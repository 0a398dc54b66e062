"""Bounded time: checks are linear in what they check, or bounded by count before they start."""

from __future__ import annotations

from pathlib import Path
from time import process_time

import pytest

from nnexp.config.loader import load
from nnexp.config.yaml import parse
from nnexp.errors import ConfigError

CONFIG = "data: {inline: {x: [[0.0], [1.0]], y: [[0.0], [1.0]]}}\nlayers: [1, 1]\n"


def test_values_of_one_line_share_the_text_of_their_place() -> None:
    """A place names the file, or a whole `--set`, whose length is not paid for each value."""
    document = parse(f"tags: [{'a, ' * 1000}]", "long" * 1000)
    assert len({id(place) for place in document.places.values()}) == 1


def test_many_overrides_take_linear_time(tmp_path: Path) -> None:
    """Four times as many overrides take about four times as long, where squares were sixteen."""
    path = tmp_path / "a.yaml"

    def seconds(n: int) -> float:
        path.write_text(f"{CONFIG}tags: [{'a, ' * n}]\n")
        began = process_time()
        load(path, [f"tags.{i}=b" for i in range(n)])
        return process_time() - began

    assert min(seconds(2400) for _ in range(3)) < 8 * min(seconds(600) for _ in range(3))


def test_the_message_about_a_layer_does_not_grow_with_the_network(tmp_path: Path) -> None:
    """Each of many mistakes has a short message, and only so many are worded."""
    n = 2000
    text = CONFIG.replace("[1, 1]", f"[{'1, ' * n}1]")
    path = tmp_path / "a.yaml"
    path.write_text(f"{text}init: {{weights: [{'[], ' * n}], biases: [{'[], ' * n}]}}\n")
    with pytest.raises(ConfigError) as refusal:
        load(path)
    assert len(refusal.value.problems) <= 200
    assert max(len(problem.message) for problem in refusal.value.problems) < 200
