"""What makes two runs runs of one arm, and what makes them the same run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nnexp.config.identity import LATER_KEYS, identity, identity_v1, run_key
from nnexp.config.loader import load

CONFIG = "data: {path: d.csv, target: kind}\nlayers: [2, 4, 3]\noutput: softmax\n"


@pytest.fixture
def values(tmp_path: Path) -> Any:
    """Return the plain mapping of a config with some changes, read from a folder."""

    def read(*changes: str, folder: str = "here") -> dict[str, Any]:
        path = tmp_path / folder / "c.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(CONFIG, encoding="utf-8")
        return load(path, changes).values()

    return read


def test_moved_project(values: Any) -> None:
    """Runs on the same data at another place are the same run."""
    here, there = values(), values(folder="there")
    assert here["data"]["path"] != there["data"]["path"]
    assert run_key(here, "digest") == run_key(there, "digest")


def test_the_path_tells_data_apart_whose_digest_is_not_there(values: Any) -> None:
    """Before the data are read, another file is another experiment."""
    assert identity(values(), "") != identity(values(folder="there"), "")
    assert identity(values(), "") == identity(values("seed=3"), "")


@pytest.mark.parametrize("change", ["name=x", "description=x", "tags=[x]", "reference.output=1"])
def test_words_make_no_other_run(values: Any, change: str) -> None:
    """Name, description, tags and reference decide nothing."""
    assert run_key(values(change), "d") == run_key(values(), "d")


@pytest.mark.parametrize("change", ["seed=1", "monitor=[test]", "monitor_every=2"])
def test_seed_and_monitor_make_another_run_of_the_same_arm(values: Any, change: str) -> None:
    """They decide which numbers are there, not what is compared."""
    assert identity(values(change), "d") == identity(values(), "d")
    assert run_key(values(change), "d") != run_key(values(), "d")


@pytest.mark.parametrize(
    "change", ["eta=1", "epochs=2", "layers.1=5", "data.test=0.1", "softmax_scale=2"]
)
def test_any_other_key_makes_another_arm(values: Any, change: str) -> None:
    """Settings, sizes and the shares of the data count."""
    assert identity(values(change), "d") != identity(values(), "d")


def test_other_data_make_another_arm(values: Any) -> None:
    """The digest of the data counts."""
    assert identity(values(), "d") != identity(values(), "e")


def test_studies_of_format_1_are_known_by_their_digests() -> None:
    """The identity that version 0.1.0 wrote into study.json is computed again."""
    config = load(Path("configs") / "xent_30.yaml").values()
    assert identity_v1(config)[:20] == "7aff7cb0843cf01fc906"
    assert identity_v1(config | {"softmax_scale": 2.0})[:20] == "aa9a45c4eb00ac9f6720"


@pytest.mark.parametrize(
    ("name", "digest"),
    [("xent_30", "8978400217af2d5a6137"), ("chapter3/exercise_elastic", "8a1bce06fe8c1abc83e2")],
)
def test_studies_of_format_2_are_known_by_their_digests(name: str, digest: str) -> None:
    """A new key, or a new default, leaves what study.json records true: see LATER_KEYS."""
    assert identity(load(Path("configs") / f"{name}.yaml").values(), "d")[:20] == digest


@pytest.mark.parametrize("identify", [identity_v1, lambda config: identity(config, "d")])
def test_a_later_key_makes_another_arm_only_by_another_value(
    values: Any, monkeypatch: pytest.MonkeyPatch, identify: Any
) -> None:
    """With the value that versions without the key acted by, it is in no digest."""
    monkeypatch.setitem(LATER_KEYS, "clip", None)
    monkeypatch.setitem(LATER_KEYS, "data.separator", ",")
    before = values()

    def later(clip: float | None, separator: str) -> str:
        data = {**before["data"], "separator": separator}
        return str(identify({**before, "clip": clip, "data": data}))

    assert later(None, ",") == identify(before)
    assert len({later(None, ","), later(1.0, ","), later(None, ";"), later(1.0, ";")}) == 4
