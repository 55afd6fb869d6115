"""Images that move."""

import numpy as np
import scipy.ndimage
import torch

from lava_ssm.data import digits
from lava_ssm.train import RandomAffine


def sequences() -> torch.Tensor:
    return torch.from_numpy(digits().test.x[:6])


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(3)


def test_without_movement_an_image_stays_what_it_is() -> None:
    x = sequences()
    torch.testing.assert_close(RandomAffine((8, 8))(x, generator()), x)


def test_images_are_shifted_by_whole_pixels_all_as_often() -> None:
    x = torch.rand(1, 64, 1, generator=generator()).repeat(1000, 1, 1)
    moved = RandomAffine((8, 8), shift=2.5)(x, generator()).reshape(1000, 8, 8).numpy()
    wide = np.pad(x[0].reshape(8, 8).numpy(), 2)
    places = [(down, right) for down in range(5) for right in range(5)]
    wanted = np.stack([wide[down : down + 8, right : right + 8] for down, right in places])
    distances = np.abs(moved[:, None] - wanted).max((2, 3))
    np.testing.assert_allclose(distances.min(1), 0, atol=1e-5)
    assert np.bincount(distances.argmin(1), minlength=25).min() > 20


def test_a_shift_of_images_that_change_size_is_the_one_of_scipy() -> None:
    x = sequences()
    moved = RandomAffine((8, 8), shift=2.5, scale=1e-9)(x, generator()).reshape(6, 8, 8)
    _, _, down, right = 2 * torch.rand(4, 6, generator=generator()) - 1
    for image, result, dy, dx in zip(x.reshape(6, 8, 8), moved, down, right, strict=True):
        wide = np.pad(image, 4)
        wanted = scipy.ndimage.shift(wide, (-2.5 * float(dy), -2.5 * float(dx)), order=1)
        np.testing.assert_allclose(result, wanted[4:-4, 4:-4], atol=1e-5)


def test_turning_turns_all_the_way() -> None:
    x = sequences()
    affine = RandomAffine((8, 8), turn=90)
    angles = (2 * torch.rand(4, 6, generator=generator()) - 1)[0] * 90
    moved = affine(x, generator()).reshape(6, 8, 8)
    for image, result, angle in zip(x.reshape(6, 8, 8), moved, angles, strict=True):
        wide = np.pad(image, 4)
        wanted = scipy.ndimage.rotate(wide, float(angle), reshape=False, order=1)
        np.testing.assert_allclose(result, wanted[4:-4, 4:-4], atol=1e-4)


def test_half_of_the_images_are_mirrored() -> None:
    x = torch.rand(200, 64, 3)
    flipped = x.reshape(200, 8, 8, 3).flip(2).reshape(200, 64, 3)
    moved = RandomAffine((8, 8), mirror=True)(x, generator())
    is_same = (moved - x).abs().amax((1, 2)) < 1e-5
    is_flipped = (moved - flipped).abs().amax((1, 2)) < 1e-5
    assert (is_same ^ is_flipped).all()
    assert 70 < is_flipped.sum() < 130


def test_pixels_in_another_order_move_as_images_do() -> None:
    x = sequences()
    order = np.random.default_rng(0).permutation(64)
    plain = RandomAffine((8, 8), turn=20, scale=0.2, shift=1)
    shuffled = RandomAffine((8, 8), order.tolist(), turn=20, scale=0.2, shift=1)
    torch.testing.assert_close(shuffled(x[:, order], generator()), plain(x, generator())[:, order])
