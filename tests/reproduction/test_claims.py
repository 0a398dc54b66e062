"""The claims of chapter 3: none without its configs, and each can be found true and false."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from run_folders import record_of

from nnexp.config.loader import Config, load
from nnexp.config.schema import Experiment
from nnexp.reproduction.__main__ import ROOT_CONFIGS, write
from nnexp.reproduction.checks import SIZES, Finding
from nnexp.reproduction.claims import CLAIMS, Claim
from nnexp.run.log import Log
from nnexp.run.reader import Run
from nnexp.stats.summary import facts

CONFIGS = Path(__file__).parents[2] / "configs"
PATHS = {path.stem: path for path in sorted((CONFIGS / "chapter3").glob("*.yaml"))} | {
    name: CONFIGS / f"{name}.yaml" for name in ROOT_CONFIGS
}
Columns = dict[str, Sequence[float]]

USUAL: Columns = {
    "eta": [0.5] * 3,
    "train_cost": [0.6, 0.3, 0.2],
    "train_accuracy": [0.9, 0.95, 0.96],
    "validation_accuracy": [0.85, 0.93, 0.94],
    "test_cost": [0.6, 0.5, 0.4],
    "test_accuracy": [0.85, 0.93, 0.94],
}
# What every claim is true of; a[0,0] and confidently_wrong are of the other logs of a run.
TRUE: dict[str, Columns] = {
    "neuron_quadratic_easy": {"a[0,0]": [0.8, 0.3, 0.094]},
    "neuron_quadratic_hard": {"a[0,0]": [0.98] * 155 + [0.203]},
    "neuron_xent_easy": {"a[0,0]": [0.8, 0.3, 0.01]},
    "neuron_xent_hard": {"a[0,0]": [0.98, 0.3] + [0.01] * 24},
    "neuron_xent_easy_printed": {"a[0,0]": [0.8, 0.3, 0.09]},
    "neuron_xent_hard_printed": {"a[0,0]": [0.98, 0.3, 0.09]},
    "neuron_linear_easy": {"a[0,0]": [1.5, 0.3, 0.0]},
    "neuron_linear_hard": {"a[0,0]": [4.0, 1.0, 0.0]},
    "quadratic_30": {"test_accuracy": [0.9, 0.956, 0.95]},
    "xent_30": {"test_accuracy": [0.9, 0.957, 0.95]},
    "quadratic_100": {"test_accuracy": [0.9, 0.963, 0.96]},
    "xent_100": {"test_accuracy": [0.9, 0.965, 0.96]},
    "slowdown_quadratic_100": {"confidently_wrong": [0.05, 0.03, 0.02]},
    "slowdown_xent_100": {"confidently_wrong": [0.05, 0.01, 0.001]},
    "overfitting_1000": {
        "train_accuracy": [0.9, 0.99, 1.0],
        "test_accuracy": [0.7, 0.8, 0.82],
        "test_cost": [0.9, 0.8, 1.2],
    },
    "overfitting_full": {"train_accuracy": [0.9, 0.97, 0.98], "test_accuracy": [0.9, 0.95, 0.954]},
    "l2_1000": {"test_accuracy": [0.7, 0.8, 0.87], "test_data_cost": [0.9, 0.6, 0.61]},
    "l2_full": {"train_accuracy": [0.9, 0.96, 0.97], "test_accuracy": [0.9, 0.95, 0.965]},
    "l2_100": {"validation_accuracy": [0.95, 0.979, 0.978]},
    "l2_100_slow": {"validation_accuracy": [0.95, 0.98, 0.978]},
    **{
        f"more_data_{n:05d}": {"validation_accuracy": [0.1, 0.2, 0.6 + i / 30]}
        for i, n in enumerate(SIZES)
    },
    **{f"init_large_{n}": {"validation_accuracy": [0.8, 0.9, 0.96]} for n in (30, 100)},
    **{f"init_scaled_{n}": {"validation_accuracy": [0.93, 0.95, 0.962]} for n in (30, 100)},
    "eta_0025": {"train_cost": [0.9, 0.3, 0.3]},
    "eta_0250": {"train_cost": [0.4, 0.2, 0.21]},
    "eta_2500": {"train_cost": [0.5, 0.9, 0.7]},
    "hyper_1_nothing_learned": {"validation_accuracy": [0.1, 0.1, 0.1]},
    "hyper_2_small_and_fast": {"validation_accuracy": [0.1, 0.1, 0.1]},
    "hyper_3_less_l2": {"validation_accuracy": [0.2, 0.4, 0.4]},
    "hyper_4_eta_100": {"validation_accuracy": [0.1, 0.2, 0.1]},
    "hyper_5_eta_1": {"validation_accuracy": [0.5, 0.7, 0.7]},
    "chapter1_eta_0001": {"test_accuracy": [0.14, 0.18, 0.2]},
    "chapter1_eta_100": {"test_accuracy": [0.1, 0.1, 0.1]},
}
# A change to one run that makes a claim false.
FALSE: dict[str, tuple[str, Columns]] = {
    "One neuron, a little wrong": ("neuron_quadratic_easy", {"a[0,0]": [0.8, 0.3, 0.1]}),
    "One neuron, badly wrong": ("neuron_quadratic_hard", {"a[0,0]": [0.98, 0.3, 0.01]}),
    "Cross-entropy, eta as printed": ("neuron_xent_hard_printed", {"a[0,0]": [1, 0.9, 0.78]}),
    "Cross-entropy, eta 0.15": ("neuron_xent_hard", {"a[0,0]": [0.98] * 25 + [0.01]}),
    "A linear output": ("neuron_linear_hard", {"a[0,0]": [4.0, 3.0, 2.0]}),
    "Costs, 30 hidden neurons": ("quadratic_30", {"test_accuracy": [0.8, 0.86, 0.86]}),
    "Costs, 100 hidden neurons": ("xent_100", {"test_accuracy": [0.9, 0.979, 0.98]}),
    "The slowdown as a number": ("slowdown_xent_100", {"confidently_wrong": [0.05, 0.03, 0.02]}),
    "Overfitting 1,000 images": ("overfitting_1000", {"train_accuracy": [0.9, 0.98, 0.99]}),
    "The full training set": ("overfitting_full", {"test_accuracy": [0.9, 0.85, 0.82]}),
    "L2 on 1,000 images": ("l2_1000", {"test_data_cost": [0.9, 0.5, 1.2]}),
    "L2 on 50,000 images": ("l2_full", {"test_accuracy": [0.9, 0.95, 0.95]}),
    "L2, 100 hidden neurons": ("l2_100", {"validation_accuracy": [0.95, 0.975, 0.974]}),
    "The same, η 0.1, 60 epochs": ("l2_100_slow", {"validation_accuracy": [0.9, 0.97, 0.97]}),
    "More training data": ("more_data_00500", {"validation_accuracy": [0.1, 0.2, 0.3]}),
    "Weight initialization, 30": ("init_large_30", {"validation_accuracy": [0.92, 0.95, 0.96]}),
    "Weight initialization, 100": ("init_large_100", {"validation_accuracy": [0.8, 0.9, 0.94]}),
    "Three learning rates": ("eta_2500", {"train_cost": [0.3, 0.2, 0.1]}),
    "Hyper-parameters: first guess": ("hyper_1_nothing_learned", USUAL),
    "Hyper-parameters: small and fast": ("hyper_2_small_and_fast", USUAL),
    "Hyper-parameters: λ 20": ("hyper_3_less_l2", {"validation_accuracy": [0.1, 0.1, 0.09]}),
    "Hyper-parameters: η 100": ("hyper_4_eta_100", USUAL),
    "Hyper-parameters: η 1": ("hyper_5_eta_1", {"validation_accuracy": [0.1, 0.1, 0.1]}),
    "Chapter 1: η 0.001": ("chapter1_eta_0001", {"test_accuracy": [0.1, 0.1, 0.1]}),
    "Chapter 1: η 100": ("chapter1_eta_100", USUAL),
}
LOGS = {"a[0,0]": "parameters.csv", "confidently_wrong": "diagnostics.csv"}


@pytest.fixture(scope="module")
def configs() -> dict[str, Config]:
    """Give the configs of all experiments by name."""
    return {name: load(path) for name, path in PATHS.items()}


def made_up(config: Config, folder: Path, columns: Columns) -> Run:
    """Return a run of a config with three epochs of made-up figures."""
    folder.mkdir(parents=True, exist_ok=True)
    given = USUAL | columns
    rows = [
        {"epoch": float(i + 1)} | {name: values[i] for name, values in given.items()}
        for i in range(3)
    ]
    for name, file in LOGS.items():
        if name in columns:
            with (folder / file).open("w", newline="") as stream:
                writer = csv.writer(stream)
                writer.writerow(["epoch", name])
                writer.writerows([i + 1, value] for i, value in enumerate(columns[name]))
    metrics: list[dict[str, float | None]] = [
        {name: value for name, value in row.items() if name not in LOGS} for row in rows
    ]
    record: dict[str, Any] = {"data": {"train": 1000}, "stopped": None}
    return a_run(folder, record, config.experiment, metrics, "completed")


def a_run(
    folder: Path,
    record: Mapping[str, Any],
    experiment: Experiment | None,
    rows: list[dict[str, float | None]],
    status: str,
) -> Run:
    """Return a run that needs no folder for its config and metrics."""
    config = experiment.model_dump(mode="json") if experiment else None
    log = Log(dict.fromkeys(key for row in rows for key in row), rows)
    written = record_of(**{**record, "config": config or {}})
    return Run(folder, written, status, facts(rows), _logs={"metrics.csv": log})


def judged(claim: Claim, runs: Mapping[str, Run]) -> Finding:
    """Return the result of a claim's check."""
    return claim.check(*(runs[name] for name in claim.names))


def all_runs(configs: dict[str, Config], root: Path) -> dict[str, Run]:
    """Return runs of which every claim is true."""
    return {
        name: made_up(config, root / name, TRUE.get(name, {})) for name, config in configs.items()
    }


def test_no_claim_is_without_its_configs_and_no_config_without_a_claim() -> None:
    """Each name in a claim is a config's, and each config of the chapter is in some claim."""
    named = {name for claim in CLAIMS for name in claim.names}
    assert named == set(PATHS)
    assert len({claim.title for claim in CLAIMS}) == len(CLAIMS)
    assert {f"more_data_{n:05d}" for n in SIZES} <= named


def test_the_sizes_and_rates_in_the_names_are_those_of_the_configs(
    configs: dict[str, Config],
) -> None:
    """An experiment whose name says a number has that number."""
    for n in SIZES:
        assert getattr(configs[f"more_data_{n:05d}"].experiment.data, "train", None) == n
    etas = [configs[f"eta_{name}"].experiment.eta for name in ("0025", "0250", "2500")]
    assert etas == [0.025, 0.25, 2.5]
    for name in ("large", "scaled"):
        for hidden in (30, 100):
            experiment = configs[f"init_{name}_{hidden}"].experiment
            assert (experiment.init, experiment.layers) == (name, [784, hidden, 10])


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.title)
def test_a_claim_can_be_true_and_can_be_false(
    claim: Claim, configs: dict[str, Config], tmp_path: Path
) -> None:
    """Of figures as the book has them each claim repeats, of others it does not."""
    runs = all_runs(configs, tmp_path)
    found = judged(claim, runs)
    assert found.measured
    assert found.sentence.endswith(".")
    if claim.title not in FALSE:
        assert found.repeats is None
        return
    assert found.repeats is True
    name, columns = FALSE[claim.title]
    assert name in claim.names
    runs[name] = made_up(configs[name], tmp_path / "false", TRUE.get(name, {}) | columns)
    assert judged(claim, runs).repeats is False


def test_every_false_case_is_of_a_claim() -> None:
    """The cases above are of claims there are."""
    assert set(FALSE) <= {claim.title for claim in CLAIMS}


def test_a_run_that_diverged_is_explained_by_its_decay(
    configs: dict[str, Config], tmp_path: Path
) -> None:
    """A network of NaNs is not one at chance; where ηλ/n makes the weights grow, that is said."""
    claim = next(c for c in CLAIMS if c.title == "Hyper-parameters: small and fast")
    runs = all_runs(configs, tmp_path)
    run = runs[claim.names[0]]
    nan = float("nan")
    rows: list[dict[str, float | None]] = [
        {"epoch": 1.0, "validation_accuracy": 0.1, "train_cost": nan}
    ]
    runs[claim.names[0]] = a_run(run.folder, run.record, run.experiment, rows, "diverged")
    found = judged(claim, runs)
    assert found.repeats is False
    assert (
        "diverges in epoch 1: ηλ/n is 10, each step multiplies the weights by -9" in found.sentence
    )


@pytest.mark.parametrize("quick", [False, True], ids=["whole", "quick"])
def test_the_report_has_every_claim_and_picture(
    quick: bool, configs: dict[str, Config], tmp_path: Path
) -> None:
    """One line and one section a claim, its picture beside it; a quick report judges nothing."""
    runs = all_runs(configs, tmp_path / "runs")
    path = tmp_path / "reproduction.md"
    yes, claims = write(runs, path, quick=quick)
    assert (yes, claims) == (len(FALSE), len(FALSE))
    text = path.read_text(encoding="utf-8")
    for claim in CLAIMS:
        assert f"\n## {claim.title}\n" in text
        (line,) = [line for line in text.splitlines() if line.startswith(f"| {claim.title} |")]
        verdict = "quick" if quick else "yes" if claim.title in FALSE else "–"
        assert line.endswith(f" | {verdict} |")
    assert ("QUICK" in text) == quick
    assert (f"Of {claims} claims, {yes} repeat." in text) == (not quick)
    pictures = sorted((tmp_path / "reproduction").iterdir())
    assert [p.stem for p in pictures] == sorted(c.names[-1] for c in CLAIMS if c.curves)
    for picture in pictures:
        assert f"](reproduction/{picture.name})" in text
        assert picture.read_text(encoding="utf-8").rstrip().endswith("</svg>")
