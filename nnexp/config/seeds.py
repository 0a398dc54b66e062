"""Seeds as the command line and studies write them."""

from __future__ import annotations

import re
from collections import Counter

from nnexp.errors import OptionError
from nnexp.text import shorten

MAX = 10_000


def parse_seeds(text: str, place: str = "--seeds") -> list[int]:
    """Read "0-9", "0,3,5" or a mixture.

    Raises:
        OptionError: it is something else, a range runs backwards, or a seed stands twice.

    >>> parse_seeds("0-2,7")
    [0, 1, 2, 7]
    """
    try:
        return seeds_in(text)
    except ValueError as error:
        raise OptionError(f"{place} {shorten(text)}: {error}") from error


def seeds_in(text: str) -> list[int]:
    """Do the same; raise ValueError, without the place."""
    seeds: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d{1,18})(?:-(\d{1,18}))?\s*", part, re.ASCII)
        if match is None:
            raise ValueError("seeds are written as 0-9 or 0,3,5")
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first:
            raise ValueError(f"{part.strip()} runs backwards; write {last}-{first}")
        if len(seeds) + last - first >= MAX:
            raise ValueError(f"more than {MAX:,} seeds")
        seeds += range(first, last + 1)
    ((seed, times),) = Counter(seeds).most_common(1)
    if times > 1:
        raise ValueError(f"seed {seed} stands twice")
    return seeds
