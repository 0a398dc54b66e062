"""The configs that come with nnexp."""

from __future__ import annotations

from pathlib import Path

import pytest

from nnexp.config.loader import load
from nnexp.config.study import load_study
from nnexp.run.assembly import DataCache
from nnexp.stats.summary import Published

CONFIGS = Path(__file__).parents[1] / "configs"
STUDIES = sorted((CONFIGS / "studies").glob("*.yaml"))
FILES = sorted(set(CONFIGS.rglob("*.yaml")) - set(STUDIES))


@pytest.fixture(scope="module")
def cache() -> DataCache:
    """Give a cache, so that MNIST is read once for all configs."""
    return DataCache()


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(CONFIGS)))
def test_a_config_loads_and_so_do_its_data(path: Path, cache: DataCache) -> None:
    """Each config is valid, says what it is for, and has data that fit its layers and cost."""
    config = load(path)
    dataset = cache.load(config)
    assert config.experiment.name == path.stem
    assert config.experiment.description
    assert len(dataset.train) > 0


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_a_study_loads_and_so_do_its_data(path: Path, cache: DataCache) -> None:
    """Each study is valid, asks a question, and each of its arms has data that fit."""
    study = load_study(path)
    assert study.description.endswith("?")
    assert all(len(cache.load(arm.config).train) > 0 for arm in study.arms)


@pytest.mark.parametrize(
    ("name", "cost", "hidden", "eta", "published"),
    [
        ("quadratic_30", "quadratic", 30, 3.0, 95.42),
        ("quadratic_100", "quadratic", 100, 3.0, 96.59),
        ("xent_30", "cross_entropy", 30, 0.5, 95.49),
        ("xent_100", "cross_entropy", 100, 0.5, 96.82),
    ],
)
def test_a_published_experiment_is_as_it_was_published(
    name: str, cost: str, hidden: int, eta: float, published: float
) -> None:
    """The reproductions have the book's network, cost, rate, batches, epochs, init and figure."""
    found = load(CONFIGS / f"{name}.yaml").experiment
    assert found.layers == [784, hidden, 10]
    assert (found.cost, found.activation, found.output) == (cost, "sigmoid", "sigmoid")
    assert (found.eta, found.epochs, found.batch_size, found.init) == (eta, 30, 10, "large")
    known = Published.of(found.model_dump())
    assert known.figures == {"test_accuracy": pytest.approx(published / 100)}
    assert known.statistic == "peak"
