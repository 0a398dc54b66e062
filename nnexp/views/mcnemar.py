"""Two single runs, example by example."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from nnexp.errors import RunError
from nnexp.evidence.amounts import change
from nnexp.evidence.estimate import ALPHA
from nnexp.evidence.mcnemar import mcnemar
from nnexp.store.reader import Run

LIMIT = (
    "This speaks of these two trained networks, not of the two methods: another seed gives another "
    "network. For the methods, compare several seeds."
)


def record(first: Run, second: Run) -> dict[str, Any]:
    """Compare the predictions of two runs after their last epoch.

    Raises:
        RunError: a run has none, or they are not of the same examples.
    """
    a, b = _predictions(first), _predictions(second)
    same = a["set"] == b["set"] and np.array_equal(a["labels"], b["labels"])
    if not same or first.digest != second.digest:
        raise RunError(f"{first.id} and {second.id} did not predict the same examples")
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
        "note": LIMIT,
    }


def _predictions(run: Run) -> Mapping[str, Any]:
    if run.predictions is None:
        raise RunError(f"{run.folder}: has no readable predictions.npz, which McNemar's test needs")
    return run.predictions


def sentences(found: Mapping[str, Any]) -> list[str]:
    """Write the result for people."""
    n = found["n"]
    different = found["p"] <= ALPHA
    verdict = "the two networks differ" if different else "no difference can be shown"
    return [
        f"Of the {n:,} examples of the {found['set']} set",
        f"  only {found['first']} is right on {found['only_first']:,},",
        f"  only {found['second']} is right on {found['only_second']:,}:",
        f"a difference of {change('test_accuracy', found['difference'])},",
        f"p {found['p']:.2g} (McNemar, exact): {verdict}.",
        LIMIT,
    ]
