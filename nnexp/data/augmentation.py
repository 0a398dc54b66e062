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

from nnexp.data.readers import Positive, Reduction, Strict
from nnexp.nn.types import Array, Examples

# So few images at a time stay in the cache: ten times as fast as 1,000 at a time.
_BLOCK = 32
# In a frame of zeros, where the image begins, and where it does moved right, left, down and up.
_PLACES = ((1, 1), (1, 0), (1, 2), (0, 1), (2, 1))


class Elastic(Strict):
    """A smooth random displacement of each pixel."""

    alpha: Positive = Field(34.0, description="strength, pixels")
    sigma: Positive = Field(4.0, description="smoothness, pixels")


class Augment(Strict):
    """Augmentation of a training set of images; the random ones are new in each epoch."""

    shifts: bool = Field(
        False, description="add each image moved by one pixel right, left, down and up: 5 n"
    )
    rotate: Annotated[Positive, Field(le=180)] | None = Field(
        None, description="turn by up to so many degrees"
    )
    affine: Reduction | None = Field(
        None, description="stretch and shear: matrix entries differ from 1 by up to so much"
    )
    elastic: Elastic | None = Field(None, description="bend, as in Simard et al. 2003")

    @property
    def copies(self) -> int:
        """How many times as large it makes a set."""
        return len(_PLACES) if self.shifts else 1


def with_shifts(examples: Examples, shape: tuple[int, int]) -> Examples:
    """Return the examples, images of the shape (h, w), and all of them moved: 5 n.

    They are moved one pixel right, left, down and up; the vacated lines are zero.

    >>> one = Examples(np.array([[1, 2, 3, 4]]), np.array([[1.0]]))
    >>> with_shifts(one, (2, 2)).x
    array([[1, 2, 3, 4],
           [0, 1, 0, 3],
           [2, 0, 4, 0],
           [0, 0, 1, 2],
           [3, 4, 0, 0]])
    """
    h, w = shape
    frame = np.pad(examples.x.reshape(-1, h, w), ((0, 0), (1, 1), (1, 1)))
    x = np.concatenate([frame[:, i : i + h, j : j + w] for i, j in _PLACES]).reshape(-1, h * w)
    y = np.tile(examples.y, (len(_PLACES), 1))
    labels = None if examples.labels is None else np.tile(examples.labels, len(_PLACES))
    return Examples(x, y, examples.scale, labels)


def _sample(images: Array, rows: Array, columns: Array) -> Array:
    """Interpolate images (n, h, w) bilinearly at rows and columns, (n, h, w) each; 0 outside.

    `rows` and `columns` are overwritten.
    """
    n, h, w = images.shape
    # A frame of zeros, two pixels wide, is what lies outside.
    frame = np.zeros((n, h + 4, w + 4), images.dtype)
    frame[:, 2:-2, 2:-2] = images
    np.clip(rows, -2, h, out=rows)
    np.clip(columns, -2, w, out=columns)
    rows += 2
    columns += 2
    at, column = rows.astype(np.int32), columns.astype(np.int32)
    rows -= at
    columns -= column
    at *= w + 4
    at += column
    at += (np.arange(n, dtype=np.int32) * ((h + 4) * (w + 4)))[:, None, None]
    flat = frame.ravel()

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


def _affine_map(images: Array, *matrix: Array) -> Array:
    """Sample each image i at (a_i row + b_i column, c_i row + d_i column) about its centre."""
    h, w = images.shape[1:]
    y, x = np.array([(h - 1) / 2, (w - 1) / 2], images.dtype)
    rows, columns = np.mgrid[:h, :w].astype(images.dtype)
    rows, columns = rows - y, columns - x
    a, b, c, d = (entry.astype(images.dtype)[:, None, None] for entry in matrix)
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
    field *= options.alpha
    field += np.mgrid[:h, :w].astype(field.dtype)[:, None]
    return _sample(images, *field)


def _gaussian(size: int, sigma: float, dtype: Any) -> Array:
    """Return the matrix that smooths a vector of `size` by a Gaussian; zero outside."""
    distance = np.subtract.outer(np.arange(size), np.arange(size))
    reach = np.arange(-4 * size, 4 * size + 1)
    kernel, total = (np.exp(-np.square(d) / (2 * sigma**2)) for d in (distance, reach))
    return np.asarray(kernel / total.sum(), dtype)


Change = Callable[[Array, np.random.Generator, Any], Array]
RANDOM: dict[str, Change] = {change.__name__: change for change in (rotate, affine, elastic)}


def augmenter(
    augment: Augment, shape: tuple[int, int], rng: np.random.Generator
) -> Callable[[Array], None] | None:
    """Return the function that changes a chunk of inputs (m, h w) in place, or None without any.

    Args:
        augment: what to apply, in the order of `RANDOM`.
        shape: (h, w).
        rng: the stream of augmentation.
    """
    values = [(function, getattr(augment, name)) for name, function in RANDOM.items()]
    changes = [(function, value) for function, value in values if value is not None]

    def change(chunk: Array) -> None:
        for start in range(0, len(chunk), _BLOCK):
            block = chunk[start : start + _BLOCK]
            images = block.reshape(-1, *shape)
            for function, value in changes:
                images = function(images, rng, value)
            block[...] = images.reshape(block.shape)

    return change if changes else None
