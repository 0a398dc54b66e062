"""nnexp: an experiment is a YAML file, a result is a folder, a claim is a comparison.

The layers, each importing only from those before it:

    text, errors   texts of strangers made harmless; what is refused and how it is said
    files, ...     files, archives of arrays and JSON, read within bounds; blas, NumPy's BLAS
    nn             the mathematics: arrays in, arrays out
    data           bytes in, Dataset out
    config         YAML in, a validated Experiment out
    evidence       the numbers of runs in, summaries out
    store          run folders: create, append, finish, find, read
    experiment     one run: config -> data -> nn -> store
    study          many runs
    views          runs in; tables and plots out
    cli            options in, exit codes out; reproduction: chapter 3 as a whole

From Python:

    import nnexp
    config = nnexp.load_config("configs/smoke.yaml")
    outcome = nnexp.run(config, nnexp.load_data(config), "runs")
    again = nnexp.open_run(outcome.folder)
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_PUBLIC = {
    "load_config": ("nnexp.config.loader", "load"),
    "load_data": ("nnexp.experiment", "load_data"),
    "run": ("nnexp.experiment", "run"),
    "open_run": ("nnexp.store.reader", "open_run"),
    "NnexpError": ("nnexp.errors", "NnexpError"),
}

__all__ = ["__version__", *_PUBLIC]  # noqa: PLE0604 - all are strings


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that `import nnexp` costs nothing."""
    if name not in _PUBLIC:
        raise AttributeError(f"module 'nnexp' has no attribute {name!r}")
    module, attribute = _PUBLIC[name]
    return getattr(import_module(module), attribute)
