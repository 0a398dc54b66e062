"""Keys as older versions named them are read under their names of today, with a note."""

from __future__ import annotations

from pathlib import Path

import pytest

from nnexp.config.loader import from_file, from_record, load
from nnexp.config.study import load_study
from nnexp.errors import ConfigError

CONFIG = "data: mnist\nlayers: [784, 10]\noutput: softmax\n"
OLD = f"{CONFIG}temperature: 2\nexpand: {{shifts: true}}\n"


def write(folder: Path, text: str, name: str = "a.yaml") -> str:
    """Write a file into the working folder and return its name."""
    (folder / name).write_text(text, encoding="utf-8")
    return name


def test_old_keys_of_a_config_are_read_and_noted(folder: Path) -> None:
    """Each note names file, line, the old key and the new one."""
    config = load(write(folder, OLD))
    assert config.experiment.softmax_scale == 2
    assert config.experiment.augment is not None
    assert config.document.notes == [
        "a.yaml:4: temperature is now softmax_scale",
        "a.yaml:5: expand is now augment",
    ]


def test_an_old_key_is_taken_from_the_command_line(folder: Path) -> None:
    """`--set` sets the new key, whether the file has the old one, the new one or none."""
    for text in (CONFIG, OLD, f"{CONFIG}softmax_scale: 3\n"):
        overrides = ["temperature=4", "expand.rotate=5"]
        config = load(write(folder, text), overrides)
        assert config.experiment.softmax_scale == 4
        assert config.experiment.augment is not None
        assert config.experiment.augment.rotate == 5
        assert config.document.notes[-2:] == [
            "--set temperature=4: temperature is now softmax_scale",
            "--set expand.rotate=5: expand.rotate is now augment.rotate",
        ]


@pytest.mark.parametrize(
    "text",
    [
        f"{CONFIG}softmax_scale: 1\ntemperature: 2\n",
        f"{CONFIG}temperature: 2\nsoftmax_scale: 1\n",
        "base: a.yaml\narms:\n  a: {softmax_scale: 1,\n\n    temperature: 2}\n",
        "base: a.yaml\ngrid:\n  softmax_scale: [1]\n  temperature: [2]\n",
    ],
)
def test_a_key_under_both_names_is_refused(folder: Path, text: str) -> None:
    """It would be open which of the two counts."""
    read = load_study if text.startswith("base") else load
    with pytest.raises(ConfigError, match="temperature: is the old name of softmax_scale") as error:
        read(write(folder, text))
    line = 1 + text[: text.index("temperature")].count("\n")
    assert str(error.value).startswith(f"a.yaml:{line}: ")


def test_old_keys_are_read_everywhere_in_a_study(folder: Path) -> None:
    """In the base, inline or in a file, in arms, grid, random and the space of tune."""
    text = (
        "base: old.yaml\narms: {one: {expand.rotate: 5}, two: {expand: {affine: 0.1}}}\n"
        "grid: {temperature: [3, 4]}\ntune: {space: {expand.rotate: [5, 6]}}\n"
    )
    write(folder, OLD, "old.yaml")
    study = load_study(write(folder, text, "s.yaml"))
    assert [arm.config.experiment.softmax_scale for arm in study.arms] == [3, 4, 3, 4]
    assert study.tune is not None
    assert set(study.tune.space) == {"augment.rotate"}
    assert study.document.notes == [
        "s.yaml:3: temperature is now softmax_scale",
        "s.yaml:2: expand.rotate is now augment.rotate",
        "s.yaml:2: expand is now augment",
        "s.yaml:4: expand.rotate is now augment.rotate",
        "old.yaml:4: temperature is now softmax_scale",
        "old.yaml:5: expand is now augment",
    ]
    inline = "base: {data: mnist, layers: [784, 10], output: softmax, temperature: 7}\n"
    random = "random: {n: 2, temperature: {log: [1, 9]}}\n"
    (arm, _) = load_study(write(folder, inline + random, "s.yaml")).arms
    assert list(arm.cell) == ["softmax_scale"]
    assert arm.config.experiment.softmax_scale == arm.cell["softmax_scale"] != 7


def test_old_run_folders_are_read_with_the_new_keys(folder: Path) -> None:
    """Their config.yaml and run.json keep the old names, and nobody is asked to change them."""
    config = from_file(folder / write(folder, OLD))
    assert config["softmax_scale"] == 2
    assert "temperature" not in config
    old = {key: value for key, value in config.items() if key != "softmax_scale"}
    assert from_record(old | {"temperature": 2}).model_dump(mode="json") == config
