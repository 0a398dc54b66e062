"""Two single runs, example by example."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from nnexp.errors import RunError
from nnexp.numbers import change, p_value
from nnexp.run.reader import Run
from nnexp.stats.estimate import ALPHA
from nnexp.stats.judge import incomparable
from nnexp.stats.significance import mcnemar
from nnexp.views.formats import Block, Page

LIMIT = (
    "This speaks of these two trained networks, not of the two methods: another seed gives another "
    "network. For the methods, compare several seeds."
)


def page(first: Run, second: Run) -> Page:
    """Compare the predictions of two runs after their last epoch.

    Raises:
        RunError: a run has none, or they are not of the same examples.
    """
    found = record(first, second)
    return Page([Block(sentences(found))], found)


def record(first: Run, second: Run) -> dict[str, Any]:
    """Return the counts, the test and the verdict; raise RunError as `page` does."""
    a, b = _predictions(first), _predictions(second)
    why = incomparable(first, second)
    if why is None and (a["set"] != b["set"] or not np.array_equal(a["labels"], b["labels"])):
        why = f"{a['set']} set of {len(a['labels']):,}, {b['set']} set of {len(b['labels']):,}"
    if why is not None:
        raise RunError(f"{first.id} and {second.id} did not predict the same examples: {why}")
    if not len(a["labels"]):
        raise RunError(f"{first.id} and {second.id} have predictions of no examples")
    found = mcnemar(a["labels"], a["predicted"], b["predicted"])
    return {
        "first": first.id,
        "second": second.id,
        "set": a["set"],
        "n": found.n,
        "only_first": found.only_first,
        "only_second": found.only_second,
        "difference": found.difference,
        "p": found.p,
        "verdict": "different" if found.p <= ALPHA else "cannot tell",
        "note": LIMIT,
    }


def _predictions(run: Run) -> Mapping[str, Any]:
    if run.predictions is None:
        raise RunError(f"{run.folder}: has no readable predictions.npz, which McNemar's test needs")
    return run.predictions


def sentences(found: Mapping[str, Any]) -> list[str]:
    """Write the result for people."""
    better = found["first" if found["difference"] > 0 else "second"]
    verdict = f"{better} is the better network" if found["p"] <= ALPHA else "cannot tell"
    difference = change("test_accuracy", found["difference"])
    return [
        f"{found['first']} against {found['second']}: {verdict}",
        f"  difference {difference}, p {p_value(found['p'])} (McNemar, exact)",
        f"  of the {found['n']:,} examples of the {found['set']} set",
        f"  only {found['first']} is right on {found['only_first']:,},",
        f"  only {found['second']} is right on {found['only_second']:,}",
        LIMIT,
    ]
