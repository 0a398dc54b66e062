"""Studies: from a file that names arms, a grid and seeds to the experiments it means."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from pathlib import Path

from nnexp.config.arms import Arm, build, misfits, with_baselines
from nnexp.config.loader import Config, is_study, read, word
from nnexp.config.seeds import parse_seeds
from nnexp.config.study_file import Confirm, StudyFile, Tune, problem, refuse, seeds_of, validated
from nnexp.config.yaml import Document, Key
from nnexp.errors import ConfigError, OptionError, Problem

__all__ = ["Arm", "Confirm", "Study", "Tune", "confirm_seeds", "load_study"]

MANY, MOST = 10_000, 100_000


@dataclass(frozen=True, slots=True)
class Study:
    """A validated study; `tune` and `confirm` are None where the file has none."""

    name: str
    description: str
    arms: tuple[Arm, ...]
    seeds: tuple[int, ...]
    metric: str | None
    at: str
    margin: float | None
    tune: Tune | None
    confirm: Confirm | None
    document: Document

    @property
    def runs(self) -> list[tuple[Arm, Config]]:
        """Every run: each arm with each seed."""
        return [(arm, arm.config.with_seed(seed)) for seed in self.seeds for arm in self.arms]

    def error(self, key: Key, message: str) -> ConfigError:
        """Return the error that says what is wrong with a key, and where it stands."""
        return ConfigError([problem(self.document, key, message)])


def load_study(path: Path | str, *, seeds: str | None = None, many: bool = False) -> Study:
    """Read a study file and validate all its experiments.

    Args:
        path: the YAML file.
        seeds: in place of the file's, as `--seeds` takes them.
        many: allow more than 10,000 runs.

    Raises:
        ConfigError: with all the problems, each by file, line and key.
        OptionError: the seeds are none, or the runs too many.
    """
    path = Path(path)
    document = read(path)
    if not is_study(document.values) and not {"data", "layers"}.isdisjoint(document.values):
        message = f"is a config, not a study: nnexp train {path}"
        raise ConfigError([Problem(str(path), "", message)])
    given = validated(document)
    chosen = parse_seeds(seeds) if seeds is not None else seeds_of(given.seeds)
    _refuse_many(path, given, len(chosen), many=many)
    arms = with_baselines(document, build(document, path, given), given)
    refuse(document, misfits(document, path, arms, given))
    return Study(
        name=given.name or word(path.stem),
        description=given.description,
        arms=tuple(arms),
        seeds=tuple(chosen),
        metric=given.metric,
        at=given.at,
        margin=given.margin,
        tune=given.tune,
        confirm=given.confirm,
        document=document,
    )


def confirm_seeds(study: Study) -> list[int]:
    """Return the seeds of the confirming runs."""
    return seeds_of((study.confirm or Confirm()).seeds)


def _refuse_many(path: Path, given: StudyFile, seeds: int, *, many: bool) -> None:
    """Count the runs before any of them takes memory."""
    arms = len(given.arms) or 1
    settings = prod(map(len, given.grid.values())) * (given.random.n if given.random else 1)
    runs = arms * settings * seeds
    counted = f"{path}: {runs:,} runs (arms {arms:,} x settings {settings:,} x seeds {seeds:,})"
    if runs > MOST:
        raise OptionError(f"{counted} are more than the {MOST:,} a study may have")
    if runs > MANY and not many:
        raise OptionError(f"{counted} are more than {MANY:,}; with --yes they are begun")
