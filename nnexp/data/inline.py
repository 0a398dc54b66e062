"""Examples written in the config itself."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import Discriminator, Field, Tag

from nnexp.data.readers import Reader, Real, Split, Splits, Strict
from nnexp.errors import DataError

Targets = Annotated[
    Annotated[list[list[Real]], Field(min_length=1), Tag("rows")]
    | Annotated[list[Real], Field(min_length=1), Tag("numbers")],
    Discriminator(
        lambda y: "rows" if isinstance(y, list) and y and isinstance(y[0], list) else "numbers"
    ),
]


class InlineExamples(Strict):
    """Examples in the config."""

    x: list[list[Real]] = Field(min_length=1, description="one row of inputs per example")
    y: Targets = Field(description="per example, one row of targets or one number (a class)")


class Inline(Reader):
    """Examples written in the config; they are the training set."""

    kind = "inline"
    form = "{inline: {x: [...], y: [...]}}"
    words = """\
Examples in the config itself, `data: {inline: {x: [[0, 0], [0, 1]], y: [[0], [1]]}}`; they are the
training set."""

    inline: InlineExamples = Field(description="the examples")

    def read(self) -> Splits:
        """Return {inline: {x: [[...], ...], y: [[...], ...]}} as arrays; y may be class numbers."""
        x, y = self.inline.x, self.inline.y
        if len({len(row) for row in x}) != 1:
            raise DataError("the rows of x differ in length")
        if len(x) != len(y):
            raise DataError(f"x has {len(x)} rows, y has {len(y)}")
        if len({len(row) for row in y if isinstance(row, list)}) > 1:
            raise DataError("the rows of y differ in length")
        return Splits("inline", Split(np.array(x, np.float64), np.array(y)))
