"""The recipes of docs/cluster.md for batch systems: what dask-jobqueue submits."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path
from typing import Any

import pytest

if not os.environ.get("CI"):  # there it is installed: see the extra dev
    pytest.importorskip("dask_jobqueue")

PAGE = Path(__file__).parents[2] / "docs" / "cluster.md"
RECIPES = [
    block
    for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)
    if "dask_jobqueue" in block
]


@pytest.mark.parametrize("recipe", RECIPES, ids=["slurm", "pbs"])
def test_the_job_script_of_a_recipe_asks_for_one_thread_per_worker(
    recipe: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Cores, memory, time and workers are what the page says, in the words of the batch system."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(signal, "pause", lambda: None)
    names: dict[str, Any] = {}
    exec(recipe.replace("cluster.adapt", "adapted = dict"), names)  # noqa: S102 - submits nothing
    cluster = names["cluster"]
    try:
        script = cluster.job_script()
    finally:
        cluster.close()
    asked = {
        "SLURMCluster": ["#SBATCH --cpus-per-task=16", "#SBATCH --mem=15G", "#SBATCH -t 02:00:00"],
        "PBSCluster": ["#PBS -l select=1:ncpus=16:mem=16gb", "#PBS -l walltime=02:00:00"],
    }[type(cluster).__name__]
    workers = ["--nthreads 1", "--nworkers 16", "--lifetime 110m", "--lifetime-stagger 5m"]
    assert [words for words in asked + workers if words not in script] == [], script
