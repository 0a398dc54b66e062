"""Examples written in the config itself."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import Discriminator, Field, Tag

from nnexp.data.readers import Options, Reader, Real, Split, Splits, Strict
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


class Inline(Options):
    """Examples written in the config; they are the training set."""

    inline: InlineExamples = Field(description="the examples")

    @property
    def label(self) -> str:
        """The data in a word, for tables."""
        return f"inline, {len(self.inline.x)} examples"


def read(options: Inline) -> Splits:
    """Read {inline: {x: [[...], ...], y: [[...], ...]}}; y may be a list of class numbers."""
    x, y = options.inline.x, options.inline.y
    if len({len(row) for row in x}) != 1:
        raise DataError("the rows of x differ in length")
    if len(x) != len(y):
        raise DataError(f"x has {len(x)} rows, y has {len(y)}")
    if len({len(row) for row in y if isinstance(row, list)}) > 1:
        raise DataError("the rows of y differ in length")
    return Splits("inline", Split(np.array(x, np.float64), np.array(y)))


READER = Reader(
    kind="inline",
    options=Inline,
    read=read,
    form="{inline: {x: [...], y: [...]}}",
    words="""\
Examples in the config itself, `data: {inline: {x: [[0, 0], [0, 1]], y: [[0], [1]]}}`; they are the
training set.""",
)
