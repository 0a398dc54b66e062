"""Examples written in the config itself."""

from __future__ import annotations

import numpy as np

from nnexp.data.parts import Options, Part, Parts
from nnexp.errors import DataError


def read(options: Options) -> Parts:
    """Read {inline: {x: [[...], ...], y: [[...], ...]}}; y may be a list of class numbers."""
    inline = options["inline"]
    x, y = inline["x"], inline["y"]
    if len({len(row) for row in x}) != 1:
        raise DataError("the rows of x differ in length")
    if len(x) != len(y):
        raise DataError(f"x has {len(x)} rows, y has {len(y)}")
    rows = [row for row in y if isinstance(row, list)]
    if rows and (len(rows) < len(y) or len({len(row) for row in rows}) != 1):
        raise DataError("the rows of y differ in length")
    return Parts("inline", Part(np.array(x, np.float64), np.array(y)))
