"""The MNIST that comes with the package (nnexp/data/mnist/, origin and licence in its README).

The book's split: the first 50,000 training images, the last 10,000 of the training file for
validation, 10,000 test images. The digests are those of the uncompressed files as published.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from nnexp.data.idx_folder import read_pair
from nnexp.data.readers import Reader, Splits

FOLDER = Path(__file__).parent / "mnist"
SHA256 = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}


class Mnist(Reader):
    """The MNIST that comes with nnexp, or the first so many images of each set."""

    kind = "mnist"
    form = "mnist, {name: mnist, train: N}"
    words = """\
`data: mnist` is the whole of MNIST in the book's split: the first 50,000 training images for
training, the last 10,000 of the training file for validation, 10,000 for the test. It comes with
nnexp; nothing is downloaded. Pixels are value / 256, as in the book.

`data: {name: mnist, train: 1000}` is a part of it, the first so many images of each set."""
    images = True
    layers = (784, 10)

    name: Literal["mnist"] = Field(description="the data set that comes with nnexp")
    train: int = Field(50_000, ge=1, le=50_000, description="training images")
    validation: int = Field(10_000, ge=0, le=10_000, description="validation images")
    test: int = Field(10_000, ge=0, le=10_000, description="test images")

    def read(self) -> Splits:
        """Read the first so many images of each set; a file is unpacked only as far as needed."""
        whole = read_pair(FOLDER, "train", None if self.validation else self.train)
        last = slice(50_000, 50_000 + self.validation)
        train, validation = whole.cut(slice(self.train), last)
        test = read_pair(FOLDER, "t10k", self.test) if self.test else None
        return Splits("MNIST", train, validation, test)
