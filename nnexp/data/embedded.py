"""The MNIST that comes with the package (nnexp/data/mnist/, origin and licence in its README).

The book's split: the first 50,000 training images, the last 10,000 of the training file for
validation, 10,000 test images. The digests are those of the uncompressed files as published.
"""

from __future__ import annotations

from pathlib import Path

from nnexp.data.idx import read_pair
from nnexp.data.parts import Options, Part, Parts

FOLDER = Path(__file__).parent / "mnist"
SIZES = {"train": 50_000, "validation": 10_000, "test": 10_000}
INPUTS, CLASSES = 784, 10
SHA256 = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}


def read(options: Options) -> Parts:
    """Read the first so many images of each set; a file is unpacked only as far as needed."""
    train, validation, test = (options[name] for name in SIZES)
    whole = read_pair(FOLDER, "train", None if validation else train)
    held = Part(whole.x[SIZES["train"] :], whole.y[SIZES["train"] :]).first(validation)
    tested = read_pair(FOLDER, "t10k", test) if test else None
    return Parts("MNIST", whole.first(train), held if validation else None, tested)
