"""Augmentation: shifts against rolls, random maps against scipy, and what stays."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import scipy.ndimage

from nnexp.config.loader import load
from nnexp.data.augmentation import (
    RANDOM,
    Augment,
    Elastic,
    affine,
    augmenter,
    elastic,
    rotate,
    with_shifts,
)
from nnexp.errors import ConfigError
from nnexp.nn.network import Network, scaled
from nnexp.nn.sgd import SGD, Batch, Techniques
from nnexp.nn.types import Array, Examples
from nnexp.run.assembly import load_data
from nnexp.run.session import run

if TYPE_CHECKING:
    from conftest import LoadText

SETTINGS = Augment(rotate=30.0, affine=0.3, elastic=Elastic())


def images(n: int, h: int, w: int, dtype: type[np.floating] = np.float64) -> Array:
    """Draw images without any line of zeros."""
    return np.random.default_rng(h * w).uniform(0.1, 1, (n, h, w)).astype(dtype)


@pytest.mark.parametrize("labelled", [True, False])
@pytest.mark.parametrize(("h", "w"), [(5, 4), (1, 3), (1, 1)])
def test_shifts_are_rolls_with_the_vacated_lines_zeroed(h: int, w: int, labelled: bool) -> None:
    """The images, then all of them moved right, left, down and up by a pixel; 5 n in all."""
    pixels = np.random.default_rng(0).integers(1, 256, (6, h, w)).astype(np.uint8)
    y, labels = np.eye(6), np.arange(6) if labelled else None
    original = Examples(pixels.reshape(6, -1), y, 1 / 256, labels)
    result = with_shifts(original, (h, w))
    expected = [pixels]
    for axis, by in ((2, 1), (2, -1), (1, 1), (1, -1)):
        moved = np.moveaxis(np.roll(pixels, by, axis), axis, 0)
        moved[0 if by > 0 else -1] = 0
        expected.append(np.moveaxis(moved, 0, axis))
    np.testing.assert_array_equal(result.x, np.concatenate(expected).reshape(30, -1))
    assert result.x.dtype == np.uint8
    assert (result.scale, len(result)) == (1 / 256, 30)
    np.testing.assert_array_equal(result.y, np.concatenate([y] * 5))
    if labels is None:
        assert result.labels is None
    else:
        assert result.labels is not None
        assert result.labels.tolist() == [*range(6)] * 5


def matrices(name: str, n: int) -> Array:
    """Draw the maps of n images as (n, 2, 2), as they are drawn from seed 7."""
    rng = np.random.default_rng(7)
    if name == "rotate":
        t = np.radians(rng.uniform(-30, 30, n))
        return np.array([[np.cos(t), -np.sin(t)], [np.sin(t), np.cos(t)]]).transpose(2, 0, 1)
    return np.eye(2) + rng.uniform(-0.3, 0.3, (4, n)).T.reshape(n, 2, 2)


@pytest.mark.parametrize(("h", "w"), [(28, 28), (9, 14)])
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-12), (np.float32, 2e-5)])
@pytest.mark.parametrize(("name", "function"), [("rotate", rotate), ("affine", affine)])
def test_rotation_and_affine_map_are_scipys(
    name: str,
    function: Callable[..., Array],
    dtype: type[np.floating],
    tolerance: float,
    h: int,
    w: int,
) -> None:
    """Each image is `affine_transform` by its own matrix about its centre, bilinear, 0 outside."""
    original = images(20, h, w, dtype)
    before = original.copy()
    result = function(original, np.random.default_rng(7), getattr(SETTINGS, name))
    assert result.dtype == dtype
    np.testing.assert_array_equal(original, before)
    centre = np.array([(h - 1) / 2, (w - 1) / 2])
    for image, ours, m in zip(original, result, matrices(name, 20), strict=True):
        grid = np.indices((h, w)).reshape(2, -1) - centre[:, None]
        row, column = (m @ grid + centre[:, None]).reshape(2, h, w)
        whole = {"matrix": m, "offset": centre - m @ centre, "order": 1}
        exact = image.astype(np.float64)
        # "constant" does not interpolate between the edge and what is outside; we do.
        theirs = scipy.ndimage.affine_transform(exact, mode="grid-constant", **whole)
        np.testing.assert_allclose(ours, theirs, atol=tolerance)
        inside = (row >= 0) & (row <= h - 1) & (column >= 0) & (column <= w - 1)
        theirs = scipy.ndimage.affine_transform(exact, mode="constant", **whole)
        np.testing.assert_allclose(ours[inside], theirs[inside], atol=tolerance)
        outside = (row < -1) | (row > h) | (column < -1) | (column > w)
        assert not ours[outside].any()


def test_a_quarter_turn_is_numpys() -> None:
    """Turned by exactly 90 degrees either way an image is that of rot90."""

    class Fixed(np.random.Generator):
        def uniform(self, low: Any = 0.0, high: Any = 1.0, size: Any = None) -> Any:
            return np.array([low, high])

    original = images(2, 7, 7)
    result = rotate(original, Fixed(np.random.PCG64(0)), degrees=90)
    np.testing.assert_allclose(result[0], np.rot90(original[0], 1), atol=1e-12)
    np.testing.assert_allclose(result[1], np.rot90(original[1], -1), atol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_maps_of_no_strength_change_nothing(dtype: type[np.floating]) -> None:
    """No angle, no strength and alpha 0 are the identity."""
    original = images(5, 8, 6, dtype)
    for result in (
        rotate(original, np.random.default_rng(0), degrees=0.0),
        affine(original, np.random.default_rng(0), strength=0.0),
        elastic(original, np.random.default_rng(0), Elastic.model_construct(alpha=0.0, sigma=4.0)),
    ):
        np.testing.assert_array_equal(result, original)


def displacements(n: int, size: int, alpha: float, sigma: float, seed: int) -> Array:
    """Return the displacements (2, n, size, size) of n images, read off images that are ramps."""
    ramp = np.indices((size, size)).astype(np.float64)
    fields, options = [], Elastic(alpha=alpha, sigma=sigma)
    for axis in range(2):
        original = np.broadcast_to(ramp[axis], (n, size, size)).copy()
        fields.append(elastic(original, np.random.default_rng(seed), options) - ramp[axis])
    return np.array(fields)


@pytest.mark.parametrize("sigma", [1.0, 4.0])
def test_the_field_is_noise_smoothed_as_by_scipy(sigma: float) -> None:
    """Where it stays inside, a pixel moves by alpha times `gaussian_filter` of U(-1, 1)."""
    n, size, alpha = 5, 30, 3.0
    result = displacements(n, size, alpha, sigma, seed=3)
    noise = np.random.default_rng(3).uniform(-1, 1, (2, n, size, size))
    for j in range(n):
        expected = np.array(
            [
                alpha * scipy.ndimage.gaussian_filter(f, sigma, mode="constant", truncate=4 * size)
                for f in noise[:, j]
            ]
        )
        place = np.indices((size, size)) + expected
        inside = ((place >= 0) & (place <= size - 1)).all(axis=0)
        assert inside.mean() > 0.9
        np.testing.assert_allclose(result[:, j][:, inside], expected[:, inside], atol=1e-9)


def test_the_mean_displacement_is_zero() -> None:
    """Over many images the field pushes to no side, and by pixels rather than hundredths."""
    inner = displacements(200, 44, 34.0, 4.0, seed=4)[:, :, 12:-12, 12:-12]
    means = inner.mean(axis=(2, 3))
    assert (np.abs(means.mean(axis=1)) < 5 * means.std(axis=1) / 200**0.5).all()
    assert 0.7 < inner.std() < 2.5


@pytest.mark.parametrize("name", RANDOM)
@pytest.mark.parametrize("n", [1, 31, 32, 33, 70])
def test_a_chunk_is_changed_in_place_and_its_frame_is_not(name: str, n: int) -> None:
    """Whatever the number of images, each is changed by itself, and the column of ones stays."""
    original = np.random.default_rng(0).uniform(0.1, 1, (n, 6 * 7 + 1))
    original[:, -1] = 1
    chunk = original.copy()
    change = augmenter(Augment(**{name: getattr(SETTINGS, name)}), (6, 7), np.random.default_rng(1))
    assert change
    change(chunk[:, :-1])
    assert (chunk[:, -1] == 1).all()
    assert (chunk[:, :-1] != original[:, :-1]).any(axis=1).all()
    assert chunk.min() >= 0
    assert chunk.max() <= 1


def test_augmentations_are_applied_one_after_another() -> None:
    """Several at once are each applied to what the one before has made, from one stream."""
    original = images(9, 12, 12)
    chunk = original.reshape(9, -1).copy()
    change = augmenter(SETTINGS, (12, 12), np.random.default_rng(5))
    assert change
    change(chunk)
    rng, expected = np.random.default_rng(5), original
    for name in ("rotate", "affine", "elastic"):
        expected = RANDOM[name](expected, rng, getattr(SETTINGS, name))
    np.testing.assert_array_equal(chunk, expected.reshape(9, -1))


class Spy(SGD):
    """Records its inputs and takes no step."""

    seen: list[Array]

    def run(self, batches: list[Batch]) -> None:
        """Copy the batches."""
        self.seen += [x[:, :-1].copy() for x, _, _ in batches]


def epochs(seed: int) -> list[Array]:
    """Return what three epochs in the same order are trained on."""
    pixels = np.random.default_rng(0).integers(1, 256, (40, 64)).astype(np.uint8)
    pixels.flags.writeable = False
    examples = Examples(pixels, np.zeros((40, 1)), 1 / 256)
    network = Network.random(
        [64, 1],
        activation="tanh",
        output="tanh",
        initializer=scaled,
        rng=np.random.default_rng(0),
        dtype=np.float32,
    )
    augment = augmenter(SETTINGS, (8, 8), np.random.default_rng(seed))
    spy = Spy(network, cost="quadratic", batch_size=15, techniques=Techniques(augment=augment))
    result = []
    for _ in range(3):
        spy.seen = []
        list(spy.epoch(examples, np.arange(40), eta=1.0))
        result.append(np.concatenate(spy.seen))
    np.testing.assert_array_equal(pixels, np.random.default_rng(0).integers(1, 256, (40, 64)))
    return result


def test_each_epoch_sees_other_images_and_a_seed_the_same_bytes() -> None:
    """No image is seen twice alike; the same stream repeats all of them, another gives others."""
    first, again, other = epochs(1), epochs(1), epochs(2)
    for i, j in ((0, 1), (0, 2), (1, 2)):
        assert (first[i] != first[j]).any(axis=1).all()
    assert [a.tobytes() for a in first] == [b.tobytes() for b in again]
    assert all((a != b).any(axis=1).all() for a, b in zip(first, other, strict=True))


@pytest.mark.parametrize(
    "augment", ["{shifts: true}", "{shifts: true, rotate: 15, affine: 0.1, elastic: {}}"]
)
def test_a_run_leaves_the_stored_images_as_they_are(load_text: LoadText, augment: str) -> None:
    """Training on augmented images writes to no set, and evaluates on the images as they are."""
    text = "data: {name: mnist, train: 40, validation: 10, test: 10}\nlayers: [784, 4, 10]\n"
    config = load_text(f"{text}epochs: 2\naugment: {augment}\n")
    dataset = load_data(config)
    before = {name: examples.x.copy() for name, examples in dataset.sets.items()}
    outcome = run(config, dataset, "runs")
    assert len(outcome.rows) == 2
    for name, x in before.items():
        np.testing.assert_array_equal(dataset.sets[name].x, x)
    assert len(dataset.train) == 40


def test_the_penalty_of_shifted_images_is_divided_by_all_of_them(load_text: LoadText) -> None:
    """Trained on 5 n images, λ is divided by 5 n; the costs logged are those of the n."""
    text = "data: {name: mnist, train: 20, validation: 0, test: 0}\nlayers: [784, 10]\nl2: 3\n"
    ends = []
    for more in ("augment: {shifts: true}", "augment: {shifts: false}"):
        config = load_text(f"{text}{more}\nepochs: 1\neta: 1e-20\ndtype: float64\n")
        (row,) = run(config, load_data(config), "runs").rows
        ends.append(row["train_cost"] - row["train_data_cost"])
    assert ends[1] == pytest.approx(5 * ends[0], rel=1e-9)


CSV = "a,b,c\n" + "".join(f"{i}.5,{i}.25,{i % 2}\n" for i in range(20))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("{path: own.csv, target: c}", "csv data are rows of numbers"),
        ("{inline: {x: [[0, 1]], y: [[0, 1]]}}", "inline data are rows of numbers"),
        ("{path: flat.npz}", "flat has rows of numbers"),
    ],
)
def test_rows_of_numbers_are_not_augmented(folder: Path, data: str, message: str) -> None:
    """Data that are no images are refused with the file, the line and the key."""
    Path("own.csv").write_text(CSV)
    write: Any = np.savez
    write("flat.npz", x_train=np.ones((9, 2)), y_train=np.arange(9) % 2)
    for augment in ("{shifts: true}", "{rotate: 10}"):
        path = folder / "a.yaml"
        path.write_text(f"data: {data}\nlayers: [2, 2]\naugment: {augment}\n")
        with pytest.raises(ConfigError) as caught:
            load_data(load(path))
        assert str(caught.value) == f"{path}:3: augment: needs images; {message}"


def test_images_of_an_npz_file_are_augmented(folder: Path) -> None:
    """Images that are not square, in a file of one's own, keep their height and width."""
    pixels = np.random.default_rng(0).integers(1, 256, (12, 5, 3)).astype(np.uint8)
    write: Any = np.savez
    write("own.npz", x_train=pixels, y_train=np.arange(12) % 2)
    path = folder / "a.yaml"
    path.write_text("data: {path: own.npz}\nlayers: [15, 2]\naugment: {shifts: true, rotate: 9}\n")
    config = load(path, ["epochs=1"])
    dataset = load_data(config)
    assert dataset.image == (5, 3)
    assert run(config, dataset, "runs").status == "completed"
