"""nnexp: an experiment is a YAML file, a result is a folder, a claim is a comparison.

The layers, each importing only from those before it:

    names, numbers, text, errors    the vocabulary; how numbers, texts and refusals are written
    io        one door in, one door out: bounded reads, durable writes, locks
    nn        the mathematics: arrays in, arrays out
    data      bytes in, a Dataset out
    config    YAML in, an Experiment or a Study out
    stats     numbers of runs in, verdicts out
    run       one run and its folder: create, append, finish, resume, find, read
    study     many runs: jobs, engines, sweep, tuning
    views     run folders in; tables, pages and pictures out
    cli       options in, exit codes out; reproduction: chapter 3 as a whole

From Python:

    import nnexp
    config = nnexp.load_config("configs/smoke.yaml")
    outcome = nnexp.train(config, nnexp.load_data(config), "runs")
    again = nnexp.open_run(outcome.folder)
"""

from importlib import import_module

# Nothing else is imported here: `python -m nnexp` has to put its path in order first.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__version__ = "0.2.0"

_PUBLIC = {
    "load_config": ("nnexp.config.loader", "load"),
    "load_data": ("nnexp.run.assembly", "load_data"),
    "train": ("nnexp.run.session", "run"),
    "open_run": ("nnexp.run.reader", "open_run"),
    "NnexpError": ("nnexp.errors", "NnexpError"),
}

__all__ = ["__version__", *_PUBLIC]  # noqa: PLE0604 - all are strings


def __getattr__(name: str) -> "Any":
    """Import a public name when it is first used, so that `import nnexp` costs nothing."""
    if name not in _PUBLIC:
        raise AttributeError(f"module 'nnexp' has no attribute {name!r}")
    module, attribute = _PUBLIC[name]
    return getattr(import_module(module), attribute)
