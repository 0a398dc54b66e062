"""Seeds as the command line and studies write them."""

from __future__ import annotations

import re

from nnexp.errors import OptionError

_MAX = 10_000


def parse_seeds(text: str, place: str = "--seeds") -> list[int]:
    """Read "0-9", "0,3,5" or a mixture.

    Raises:
        OptionError: it is something else, a range runs backwards, or a seed stands twice.

    >>> parse_seeds("0-2,7")
    [0, 1, 2, 7]
    """
    seeds: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d{1,18})(?:-(\d{1,18}))?\s*", part, re.ASCII)
        if match is None:
            raise OptionError(f"{place} {text}: seeds are written as 0-9 or 0,3,5")
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first:
            raise OptionError(f"{place} {text}: {part.strip()} runs backwards")
        if last - first >= _MAX:
            raise OptionError(f"{place} {text}: more than {_MAX:,} seeds")
        seeds += range(first, last + 1)
    doubled = next((seed for seed in seeds if seeds.count(seed) > 1), None)
    if doubled is not None:
        raise OptionError(f"{place} {text}: seed {doubled} stands twice")
    return seeds
