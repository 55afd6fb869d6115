"""Images that are moved a little at random before they are learned."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from lava_ssm.nn.inputs import size
from lava_ssm.numerics import real_number


class RandomAffine:
    """Turn, scale, shift and mirror each image at random; what comes in from outside is zero.

    Parameters
    ----------
    image_shape
        Height and width.
    order
        Pixel (row by row) that is token 0, 1, ...; None: row by row.
    turn
        Largest angle, in degrees.
    scale
        Largest change of size, as a share.
    shift
        Largest shift along each axis, in pixels; of whole ones where images are neither turned nor
        scaled, which leaves them sharp.
    mirror
        Whether left and right change places in half of the images.

    Raises
    ------
    ValueError
        A number outside its range.
    """

    def __init__(
        self,
        image_shape: tuple[int, int],
        order: Sequence[int] | None = None,
        turn: float = 0.0,
        scale: float = 0.0,
        shift: float = 0.0,
        mirror: bool = False,
    ) -> None:
        height, width = image_shape
        self.image_shape = size(height, "image_shape"), size(width, "image_shape")
        self.turn, self.scale = (
            real_number(turn, "turn", "[0, inf)"),
            real_number(scale, "scale", "[0, 1)"),
        )
        self.shift, self.mirror = real_number(shift, "shift", "[0, inf)"), bool(mirror)
        self.order = None if order is None else torch.as_tensor(order)
        self.place = None if self.order is None else self.order.argsort()

    def __call__(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Images of x (batch, time, channels), moved; same shape."""
        batch, _, channels = x.shape
        height, width = self.image_shape
        if self.order is not None and self.order.device != x.device:
            self.order = self.order.to(x.device)
            self.place = self.order.argsort()
        rows = x if self.place is None else x[:, self.place]
        images = rows.transpose(1, 2).reshape(batch, channels, height, width)
        # drawn on the CPU: the same numbers on any device
        angle, size, down, right = 2 * torch.rand(4, batch, generator=generator) - 1
        down, right = self._shifts(down), self._shifts(right)
        angle = angle * math.radians(self.turn)
        size = 1 + size * self.scale
        # where in the old image, whose axes go from -1 to 1, a pixel of the new one comes from
        cos, sin = angle.cos() / size, angle.sin() / size
        back = torch.stack(
            [
                torch.stack([cos, -sin * height / width, 2 * right / width], -1),
                torch.stack([sin * width / height, cos, 2 * down / height], -1),
            ],
            dim=1,
        )  # (batch, 2, 3)
        if self.mirror:
            back[torch.rand(batch, generator=generator) < 0.5, :, 0] *= -1
        back = back.to(x.device, non_blocking=True)
        grid = torch.nn.functional.affine_grid(back, list(images.shape), align_corners=False)
        moved = torch.nn.functional.grid_sample(images, grid, align_corners=False)
        rows = moved.reshape(batch, channels, -1).transpose(1, 2)
        return rows if self.order is None else rows[:, self.order]

    def _shifts(self, share: Tensor) -> Tensor:
        """Pixels of shares, in [-1, 1), of the largest shift."""
        if self.turn or self.scale:
            return self.shift * share
        most = math.floor(self.shift)
        return ((most + 0.5) * share).round().clamp(-most, most)
