"""From a study file to the experiments it means."""

from __future__ import annotations

import json
import re
import tracemalloc
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnexp.config import study_file, yaml
from nnexp.config.loader import STUDY_KEYS, assign, is_study, to_config
from nnexp.config.schema import Experiment
from nnexp.config.space import Log, parse
from nnexp.config.study import Study, confirm_seeds, label, load_study
from nnexp.errors import ConfigError, OptionError

BASE = """\
description: two points
data: {inline: {x: [[0], [1]], y: [[0], [1]]}}
layers: [1, 2, 1]
epochs: 3
reference: {test_accuracy: 90}
"""
ARMS = "base: base.yaml\narms:\n  slow: {eta: 0.1}\n  fast: {eta: 1}\n  plain:\n"
WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+=-]{0,99}")
SCALARS = st.none() | st.booleans() | st.integers(-99, 99) | st.floats(0, 9) | st.text(max_size=60)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner)
)


@pytest.fixture
def study(folder: Path) -> Any:
    """Give a function that loads the text of a study, beside a base."""
    (folder / "base.yaml").write_text(BASE)

    def call(text: str, **options: Any) -> Study:
        Path("study.yaml").write_text(text, encoding="utf-8")
        return load_study("study.yaml", **options)

    return call


def names(study: Study) -> list[str]:
    """Return the names of a study's arms."""
    return [arm.name for arm in study.arms]


def test_arms_times_grid_times_draws_times_seeds(study: Any) -> None:
    """Every arm is run in every cell of the grid, with every draw and every seed."""
    text = f"{ARMS}grid: {{layers.1: [2, 3], l2: [0, 1]}}\n"
    text += "random: {batch_size: {int: [1, 1000000]}, n: 5}\nseeds: 0-6\n"
    loaded = study(text)
    assert len(loaded.arms) == 3 * (2 * 2) * 5
    assert len(loaded.runs) == 60 * 7
    for arm in loaded.arms:
        experiment = arm.config.experiment
        assert experiment.eta == {"slow": 0.1, "fast": 1.0, "plain": 0.5}[arm.arm]
        assert experiment.layers[1] == arm.cell["layers.1"]
        assert experiment.l2 == arm.cell["l2"]
        assert experiment.batch_size == arm.cell["batch_size"]
        assert experiment.name == arm.name
    assert len(set(names(loaded))) == 60
    keys = {(config.experiment.name, config.experiment.seed) for _, config in loaded.runs}
    assert len(keys) == 420


def test_a_study_without_arms_is_its_base(study: Any) -> None:
    """The base alone is an arm, so that a study of seeds needs no more than two keys."""
    loaded = study("base: base.yaml\nseeds: 3\n")
    (arm,) = loaded.arms
    assert (arm.name, arm.arm, arm.cell, arm.baseline) == ("base", "", {}, None)
    assert loaded.seeds == (3,)
    assert loaded.name == "study"


def test_an_arm_is_held_against_the_baseline_in_its_own_cell(study: Any) -> None:
    """With a grid, each arm's baseline is the baseline's arm with the same values."""
    loaded = study(f"{ARMS}grid: {{layers.1: [2, 3]}}\nbaseline: fast\n")
    assert {arm.name: arm.baseline for arm in loaded.arms} == {
        "slow+layers.1=2": "fast+layers.1=2",
        "slow+layers.1=3": "fast+layers.1=3",
        "fast+layers.1=2": None,
        "fast+layers.1=3": None,
        "plain+layers.1=2": "fast+layers.1=2",
        "plain+layers.1=3": "fast+layers.1=3",
    }


@pytest.mark.parametrize(
    ("text", "baseline"),
    [
        (ARMS, "slow"),
        (f"{ARMS}baseline: plain\n", "plain"),
        ("base: base.yaml\ngrid: {eta: [1, 2]}\n", "eta=1"),
        ("base: base.yaml\ngrid: {eta: [1, 2]}\nbaseline: eta=2\n", "eta=2"),
        (f"{ARMS}grid: {{l2: [0, 1]}}\nbaseline: plain+l2=1\n", "plain+l2=1"),
    ],
)
def test_the_baseline_is_the_one_named_or_the_first(study: Any, text: str, baseline: str) -> None:
    """Without a grid, or where a cell is named, all arms are compared with one."""
    baselines = {arm.name: arm.baseline for arm in study(text).arms}
    assert baselines.pop(baseline) is None
    assert set(baselines.values()) == {baseline}


def test_draws_do_not_shift_when_there_are_more_of_them(study: Any) -> None:
    """Draw i of a key depends on i and the key alone: neither on n nor on the other keys."""
    eta, l2 = "eta: {log: [0.01, 10]}", "l2: {uniform: [0, 5]}"

    def drawn(text: str) -> list[Mapping[str, Any]]:
        return [arm.cell for arm in study(f"base: base.yaml\nrandom: {{{text}}}\n").arms]

    few, many = drawn(f"{eta}, {l2}, n: 7"), drawn(f"{eta}, {l2}, n: 30")
    assert len({cell["eta"] for cell in many}) == 30
    assert many[:7] == few
    assert [dict(cell) for cell in drawn(f"n: 7, {l2}, {eta}")] == [dict(cell) for cell in few]
    assert [c["eta"] for c in drawn(f"{eta}, n: 7")] == [c["eta"] for c in few]


def test_equal_draws_are_one_arm(study: Any) -> None:
    """Drawing thirty times from three values gives three arms, not twins."""
    loaded = study("base: base.yaml\nrandom: {batch_size: [1, 2, 3], n: 30}\n")
    assert sorted(names(loaded)) == ["batch_size=1", "batch_size=2", "batch_size=3"]


@given(
    st.sampled_from(["log", "uniform", "int"]),
    st.integers(1, 10**6),
    st.integers(1, 10**6),
    st.integers(0, 2**32),
)
def test_a_draw_lies_between_the_ends(kind: str, low: int, more: int, seed: int) -> None:
    """A value drawn from a range is in it, whatever its rounding, and of its type."""
    spec = {kind: [low, low + more]}
    value = parse(spec).draw(np.random.default_rng(seed))
    assert low <= value <= low + more
    assert type(value) is (int if kind == "int" else float)


def test_a_logarithmic_draw_is_as_often_in_each_decade() -> None:
    """Of 3,000 draws from [0.01, 10], a third falls into each power of ten, within 4 sigma."""
    rng = np.random.default_rng(0)
    values = [Log(0.01, 10).draw(rng) for _ in range(3000)]
    counts = np.histogram(np.log10(values), bins=[-2, -1, 0, 1])[0]
    assert abs(counts - 1000).max() < 4 * np.sqrt(3000 * (1 / 3) * (2 / 3))


@given(st.lists(st.tuples(VALUES, VALUES), min_size=2, max_size=2))
def test_labels_are_unique_and_fit_for_file_names(cells: list[tuple[Any, Any]]) -> None:
    """Cells of other values have other names, and every name can be a run's on any system."""
    given_names = [label("arm", {"layers.1": first, "init": last}) for first, last in cells]
    assert all(WORD.fullmatch(name) for name in given_names)
    assert given_names[0] != given_names[1] or json.dumps(cells[0]) == json.dumps(cells[1])


def test_a_long_label_keeps_its_beginning(study: Any) -> None:
    """Names over 100 characters are cut, and a digest keeps them different."""
    long = "a" * 95
    loaded = study(f"base: base.yaml\narms: {{{long}: {{}}}}\ngrid: {{eta: [1, 2]}}\n")
    assert all(name.startswith(long[:90]) and len(name) <= 100 for name in names(loaded))
    assert len(set(names(loaded))) == 2


@pytest.mark.parametrize(
    ("seeds", "meant"),
    [
        ("0-9", list(range(10))),
        ("7", [7]),
        ("'7'", [7]),
        ("0,3,5", [0, 3, 5]),
        ("0-2,9", [0, 1, 2, 9]),
        ("[0, 3, 5]", [0, 3, 5]),
        ("[4, 10-12]", [4, 10, 11, 12]),
    ],
)
def test_seeds_are_written_in_many_ways(study: Any, seeds: str, meant: list[int]) -> None:
    """A number, a range, a list or a mixture; the command line's take their place."""
    assert list(study(f"{ARMS}seeds: {seeds}\n").seeds) == meant
    assert study(f"{ARMS}seeds: {seeds}\n", seeds="20-21").seeds == (20, 21)


def test_paths_of_data_are_relative_to_the_file_they_stand_in(folder: Path) -> None:
    """The base's path is taken from the base's folder, an arm's and a grid's from the study's."""
    for place in ("configs", "studies"):
        Path(place).mkdir()
    csv = "data: {path: points.csv, target: y}\nlayers: [2, 2]\n"
    Path("configs/base.yaml").write_text(csv)
    study_text = "base: ../configs/base.yaml\narms:\n  base:\n  own: {data.path: own.csv}\n"
    study_text += "  whole: {data: {path: whole.csv, target: z}}\n"
    Path("studies/s.yaml").write_text(study_text)
    Path("studies/grid.yaml").write_text(
        "base: ../configs/base.yaml\ngrid: {data.path: [a.csv, sub/b.csv]}\n"
    )
    Path("studies/inline.yaml").write_text(f"base:\n  {csv.replace(chr(10), chr(10) + '  ')}\n")

    def paths(name: str) -> list[str]:
        arms = load_study(f"studies/{name}.yaml").arms
        paths = [Path(str(getattr(arm.config.experiment.data, "path", ""))) for arm in arms]
        return [str(path.relative_to(folder.resolve())) for path in paths]

    assert paths("s") == ["configs/points.csv", "studies/own.csv", "studies/whole.csv"]
    assert paths("grid") == ["studies/a.csv", "studies/sub/b.csv"]
    assert paths("inline") == ["studies/points.csv"]


def test_a_base_written_inline_is_the_base_in_a_file(study: Any) -> None:
    """The same text means the same experiments, whether it is in the study or beside it."""
    text = ARMS.replace("base.yaml", "\n  " + BASE.replace("\n", "\n  "))
    inline, beside = study(text), study(ARMS)
    assert [a.config.experiment for a in inline.arms] == [a.config.experiment for a in beside.arms]


def test_a_base_need_not_be_valid_by_itself(study: Any) -> None:
    """What the arms give need not stand in the base."""
    text = "base: {data: mnist}\narms: {a: {layers: [784, 10]}, b: {layers: [784, 5, 10]}}\n"
    assert [arm.config.experiment.layers[1] for arm in study(text).arms] == [10, 5]


def test_a_published_figure_stays_with_its_settings(study: Any) -> None:
    """The base's reference is not carried over to arms, whose settings are others."""
    assert all(arm.config.experiment.reference is None for arm in study(ARMS).arms)


@pytest.mark.parametrize("many", [False, True])
def test_a_grid_of_a_million_millions_is_refused_before_it_takes_memory(
    study: Any, many: bool
) -> None:
    """Runs are counted, not made: the refusal takes less than three megabytes."""
    values = ", ".join(map(str, range(1, 1001)))
    text = f"base: base.yaml\ngrid: {{eta: [{values}], l2: [{values}], l1: [{values}]}}\n"
    text += f"random: {{epochs: {{int: [1, {10**15}]}}, n: 1000}}\n"
    tracemalloc.start()
    with pytest.raises(OptionError, match=r"1,000,000,000,000 runs .* more than the 100,000"):
        study(text, many=many)
    assert tracemalloc.get_traced_memory()[1] < 3e6
    tracemalloc.stop()


def test_more_than_ten_thousand_runs_are_meant_if_yes_is_said(study: Any) -> None:
    """9,999 runs are a study, 10,002 need `--yes`, and the refusal says how they come about."""
    assert len(study(f"{ARMS}seeds: 0-3332\n").runs) == 9_999
    with pytest.raises(OptionError, match=r"10,002 runs \(arms 3 x settings 1 x seeds 3,334\)"):
        study(f"{ARMS}seeds: 0-3333\n")
    assert len(study(f"{ARMS}seeds: 0-3333\n", many=True).runs) == 10_002


def test_every_problem_of_every_arm_is_told_once(study: Any) -> None:
    """A mistake of the base is reported as such, once; one of a combination names its arm."""
    Path("base.yaml").write_text(BASE.replace("epochs: 3", "epochs: 0"))
    with pytest.raises(ConfigError) as caught:
        study(f"{ARMS.replace('eta: 1', 'output: linear')}grid: {{l2: [0, 1]}}\n")
    message = "base.yaml:1: cost: cross_entropy is not defined for output linear"
    first, *rest = str(caught.value).splitlines()
    assert first == "base.yaml:4: epochs: expected an integer of at least 1, got 0"
    assert [line.partition(": use")[0] for line in rest] == [
        f"study.yaml:4: fast+l2={l2}: {message}" for l2 in (0, 1)
    ]


def test_the_confirming_seeds_are_fresh(study: Any) -> None:
    """Those of `confirm`, or 100-109, never that of the trials."""
    tune = f"{ARMS}tune: {{space: {{eta: {{log: [0.1, 1]}}}}, seed: 3}}\n"
    assert confirm_seeds(study(tune)) == tuple(range(100, 110))
    assert confirm_seeds(study(f"{tune}confirm: {{seeds: [5, 7-8]}}\n")) == (5, 7, 8)
    with pytest.raises(ConfigError, match="expected fresh seeds, got 3, the seed of the trials"):
        study(f"{tune}confirm: {{seeds: 0-9}}\n")


def test_studies_and_configs_are_told_apart() -> None:
    """A document is a study by the keys that only a study has."""
    assert set(study_file.StudyFile.model_fields) - set(Experiment.model_fields) == STUDY_KEYS
    assert is_study({"arms": {}})
    assert not is_study({"data": "mnist", "layers": [1, 2], "metric": "x"})


@pytest.mark.parametrize(
    "text",
    [
        "base: {data: {inline: {x: [%s], y: [0]}}, layers: [1, 1]}\ngrid: {eta: [%s]}\n",
        "base: base.yaml\narms: {a: {init: {weights: [%s]}}}\ngrid: {eta: [%s]}\n",
        "base: base.yaml\ngrid: {layers: [[%s]], eta: [%s]}\n",
        "base: base.yaml\ntune: {space: {init: [{weights: [%s]}], eta: [%s]}}\n"
        "arms: {a: {init: {weights: [" + "1, " * 2000 + "1]}}}\n",
    ],
    ids=["base", "arm", "grid", "search"],
)
def test_configs_with_too_many_values_in_all_are_refused_before_any_is_made(
    study: Any, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    """The message names the count and the bound."""
    monkeypatch.setattr("nnexp.config.study.to_config", lambda document: pytest.fail("was made"))
    many, values = ", ".join(["1"] * 2000), ", ".join(map(str, range(1, 3001)))
    with pytest.raises(OptionError, match=r"values in all, more than the 5,000,000 .*: put long"):
        study(text % (many, values))


def test_a_study_is_given_up_after_two_hundred_wrong_arms(
    study: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The time to refuse 9,999 values of a grid does not grow with their number."""
    calls = []

    def counted(document: Any) -> Any:
        calls.append(document)
        return to_config(document)

    monkeypatch.setattr("nnexp.config.study.to_config", counted)
    with pytest.raises(ConfigError, match=r"expected a number above 0, got -1\n") as caught:
        study(f"base: base.yaml\ngrid: {{eta: {list(range(-9999, 0))[::-1]}}}\n")
    assert len(caught.value.problems) == 200
    assert len(calls) == 201


def test_changes_cost_what_they_change() -> None:
    """Setting a key looks at the places of the value that it replaces, and at no others."""
    document = yaml.parse("a: {b: [1, 2], c: 3}\nd: 4\n", "a.yaml")
    seen: list[Any] = []

    class Places(dict[Any, str]):
        def __iter__(self) -> Any:
            seen.append("all")
            return super().__iter__()

        def items(self) -> Any:
            seen.append("all")
            return super().items()

    document.places = Places(document.places)
    assign(document, "a.b", [5], "--set a.b=[5]")
    assign(document, "e", 6, "--set e=6")
    assert not seen
    assert document.where(("a", "b", 1)) == document.where(("a", "b")) == "--set a.b=[5]"
    assert (document.where(("a", "c")), document.where(("e",))) == ("a.yaml:1", "--set e=6")
