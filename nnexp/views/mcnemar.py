"""The page of `nnexp compare --mcnemar`: two single runs, example by example."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from nnexp.errors import RunError
from nnexp.numbers import change, p_value
from nnexp.run.reader import Run
from nnexp.stats.estimate import ALPHA
from nnexp.stats.selection import incomparable
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
    a, b = _predictions(first), _predictions(second)
    why = incomparable(first, second)
    if why is None and (a["set"] != b["set"] or not np.array_equal(a["labels"], b["labels"])):
        why = f"{a['set']} set of {len(a['labels']):,}, {b['set']} set of {len(b['labels']):,}"
    if why is not None:
        raise RunError(f"{first.id} and {second.id} did not predict the same examples: {why}")
    if not len(a["labels"]):
        raise RunError(f"{first.id} and {second.id} have predictions of no examples")
    result = mcnemar(a["labels"], a["predicted"], b["predicted"])
    significant = result.p <= ALPHA
    data = {
        "first": first.id,
        "second": second.id,
        "set": a["set"],
        "n": result.n,
        "only_first": result.only_first,
        "only_second": result.only_second,
        "difference": result.difference,
        "p": result.p,
        "verdict": "different" if significant else "cannot tell",
        "note": LIMIT,
    }
    better = first.id if result.difference > 0 else second.id
    verdict = f"{better} is the better network" if significant else "cannot tell"
    difference = change("test_accuracy", result.difference)
    lines = [
        f"{first.id} compared with {second.id}: {verdict}",
        f"  difference {difference}, p {p_value(result.p)} (McNemar's exact test)",
        f"  of the {result.n:,} examples of the {a['set']} set",
        f"  only {first.id} is right on {result.only_first:,},",
        f"  only {second.id} is right on {result.only_second:,}",
        LIMIT,
    ]
    return Page([Block(lines)], data)


def _predictions(run: Run) -> Mapping[str, Any]:
    if run.predictions is None:
        raise RunError(f"{run.folder}: has no readable predictions.npz, which McNemar's test needs")
    return run.predictions
