"""Augmentation of a training set of images.

`shifts` makes a set five times as large. The others change every image at random each time it is
trained on: in place, a block at a time, so that they need little memory. Pixels from outside an
image are 0. A new one is a function, an entry in `RANDOM`, and a key of `Augment` of the same name.

Sources: Nielsen, chapter 3 ("artificially expanding the training data"); Simard, Steinkraus and
Platt 2003, "Best practices for convolutional neural networks", section 2.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from nnexp.data.readers import Strict
from nnexp.nn.types import Array, Examples

# So few images at a time stay in the cache: ten times as fast as 1,000 at a time.
_BLOCK = 32
_SHIFTS = ((0, 1), (0, -1), (1, 0), (-1, 0))


class Elastic(Strict):
    """A smooth random displacement of each pixel."""

    alpha: Annotated[float, Field(gt=0, allow_inf_nan=False)] = Field(
        34.0, description="strength, pixels"
    )
    sigma: Annotated[float, Field(gt=0, allow_inf_nan=False)] = Field(
        4.0, description="smoothness, pixels"
    )


class Augment(Strict):
    """Augmentation of a training set of images; the random ones are new in each epoch."""

    shifts: bool = Field(
        False, description="add each image moved by one pixel right, left, down and up: 5 n"
    )
    rotate: Annotated[float, Field(gt=0, le=180, allow_inf_nan=False)] | None = Field(
        None, description="turn by up to so many degrees"
    )
    affine: Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False)] | None = Field(
        None, description="stretch and shear: matrix entries differ from 1 by up to so much"
    )
    elastic: Elastic | None = Field(None, description="bend, as in Simard et al. 2003")

    @property
    def copies(self) -> int:
        """How many times as large it makes a set."""
        return 1 + len(_SHIFTS) if self.shifts else 1


def shifted(images: Array, down: int, right: int) -> Array:
    """Return images (n, h, w) moved by whole pixels, the vacated lines zeroed.

    >>> shifted(np.array([[[1, 2], [3, 4]]]), 1, 0)
    array([[[0, 0],
            [1, 2]]])
    """
    h, w = images.shape[1:]
    moved = np.zeros_like(images)
    moved[:, max(down, 0) : h + min(down, 0), max(right, 0) : w + min(right, 0)] = images[
        :, max(-down, 0) : h + min(-down, 0), max(-right, 0) : w + min(-right, 0)
    ]
    return moved


def with_shifts(examples: Examples, shape: tuple[int, int]) -> Examples:
    """Return the examples and each of them moved one pixel right, left, down and up: 5 n."""
    images = examples.x.reshape(-1, *shape)
    moved = [shifted(images, *by).reshape(examples.x.shape) for by in _SHIFTS]
    labels = examples.labels
    return Examples(
        np.concatenate([examples.x, *moved]),
        np.tile(examples.y, (1 + len(moved), 1)),
        examples.scale,
        None if labels is None else np.tile(labels, 1 + len(moved)),
    )


def _sample(images: Array, rows: Array, columns: Array) -> Array:
    """Interpolate images (n, h, w) bilinearly at rows and columns, (n, h, w) each; 0 outside.

    `rows` and `columns` are overwritten.
    """
    n, h, w = images.shape
    # A frame of zeros, two pixels wide, is what lies outside.
    framed = np.zeros((n, h + 4, w + 4), images.dtype)
    framed[:, 2:-2, 2:-2] = images
    np.clip(rows, -2, h, out=rows)
    np.clip(columns, -2, w, out=columns)
    rows += np.asarray(2, images.dtype)
    columns += np.asarray(2, images.dtype)
    at, column = rows.astype(np.int32), columns.astype(np.int32)
    rows -= at
    columns -= column
    at *= w + 4
    at += column
    at += (np.arange(n, dtype=np.int32) * ((h + 4) * (w + 4)))[:, None, None]
    flat = framed.ravel()

    def between(start: int) -> Array:
        left, right = (flat[i:].take(at, mode="clip") for i in (start, start + 1))
        right -= left
        right *= columns
        left += right
        return left

    upper, lower = between(0), between(w + 4)
    lower -= upper
    lower *= rows
    upper += lower
    return upper


def _grid(images: Array) -> tuple[Array, Array, Array, Array]:
    """Return each pixel's row and column relative to the centre, and the centre."""
    h, w = images.shape[1:]
    middle = ((h - 1) / 2, (w - 1) / 2)
    rows, columns = np.mgrid[:h, :w].astype(images.dtype)
    y, x = (np.asarray(value, images.dtype) for value in middle)
    return rows - y, columns - x, y, x


def _affine_map(images: Array, a: Array, b: Array, c: Array, d: Array) -> Array:
    """Sample each image i at (a_i row + b_i column, c_i row + d_i column) about its centre."""
    rows, columns, y, x = _grid(images)
    a, b, c, d = (v.astype(images.dtype)[:, None, None] for v in (a, b, c, d))
    return _sample(images, a * rows + b * columns + y, c * rows + d * columns + x)


def rotate(images: Array, rng: np.random.Generator, degrees: float) -> Array:
    """Turn each image about its centre by an angle from U(-degrees, degrees).

    >>> one = np.eye(3)[None]
    >>> bool(np.allclose(rotate(one, np.random.default_rng(0), degrees=0.0), one))
    True
    """
    angle = np.radians(rng.uniform(-degrees, degrees, len(images)))
    sin, cos = np.sin(angle), np.cos(angle)
    return _affine_map(images, cos, -sin, sin, cos)


def affine(images: Array, rng: np.random.Generator, strength: float) -> Array:
    """Map each image by I + E about its centre, the entries of E from U(-strength, strength)."""
    e = rng.uniform(-strength, strength, (4, len(images)))
    return _affine_map(images, 1 + e[0], e[1], e[2], 1 + e[3])


def elastic(images: Array, rng: np.random.Generator, options: Elastic) -> Array:
    """Displace each pixel by a random field: U(-1, 1) smoothed by a Gaussian, times alpha pixels.

    Simard et al. used sigma 4 and alpha 34 on MNIST. The Gaussian, of standard deviation sigma
    pixels and sum 1, is applied along rows and columns as a matrix product.
    """
    n, h, w = images.shape
    field = rng.uniform(-1, 1, (2, n, h, w)).astype(images.dtype)
    vertical, horizontal = (_gaussian(size, options.sigma, images.dtype) for size in (h, w))
    field = vertical @ field @ horizontal
    rows, columns, y, x = _grid(images)
    field *= np.asarray(options.alpha, images.dtype)
    return _sample(images, rows + y + field[0], columns + x + field[1])


def _gaussian(size: int, sigma: float, dtype: Any) -> Array:
    """Return the matrix that smooths a vector of `size` by a Gaussian; zero outside."""
    distance = np.subtract.outer(np.arange(size), np.arange(size))
    reach = np.arange(-4 * size, 4 * size + 1)
    kernel = np.exp(-np.square(distance) / (2 * sigma**2))
    total = np.exp(-np.square(reach) / (2 * sigma**2)).sum()
    return np.asarray(kernel / total, dtype)


RANDOM: dict[str, Callable[[Array, np.random.Generator, Any], Array]] = {
    "rotate": rotate,
    "affine": affine,
    "elastic": elastic,
}


def augmenter(
    augment: Augment, shape: tuple[int, int], rng: np.random.Generator
) -> Callable[[Array], None] | None:
    """Return the function that changes a chunk of inputs (m, h w) in place, or None without any.

    Args:
        augment: what to apply, in the order of `RANDOM`.
        shape: (h, w).
        rng: the stream of augmentation.
    """
    values = {name: getattr(augment, name) for name in RANDOM}
    changes = [(RANDOM[name], value) for name, value in values.items() if value is not None]

    def change(chunk: Array) -> None:
        for start in range(0, len(chunk), _BLOCK):
            block = chunk[start : start + _BLOCK]
            images = block.reshape(-1, *shape)
            for function, value in changes:
                images = function(images, rng, value)
            block[...] = images.reshape(block.shape)

    return change if changes else None
