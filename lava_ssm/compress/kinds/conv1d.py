"""Causal convolutions."""

from dataclasses import replace

import numpy as np

from lava_ssm.compress.drift import Drift
from lava_ssm.compress.kinds.kind import Rules
from lava_ssm.compress.kinds.linear import MapKind
from lava_ssm.compress.parameters import weight_mantissas
from lava_ssm.compress.ranges import Moments
from lava_ssm.compress.weights import compensated
from lava_ssm.network import Conv1d, FixedConv1d
from lava_ssm.network.description import Exponent
from lava_ssm.numerics import IntArray, RealArray


class Conv1dKind(MapKind[Conv1d, FixedConv1d], of=Conv1d):
    """y_t = sum_k W_k u_(t - length + 1 + k) + b."""

    def rescaled(self, layer: Conv1d, before: RealArray, behind: RealArray) -> Conv1d:
        of_group = np.reshape(before, (layer.groups, -1))  # inputs
        of_row = np.repeat(of_group, layer.d_output // layer.groups, axis=0)
        bias = None if layer.bias is None else layer.bias * behind
        weights = layer.weights * behind[:, np.newaxis, np.newaxis] / of_row[..., np.newaxis]
        return Conv1d(weights, bias, layer.groups)

    def matrices(self, layer: Conv1d) -> tuple[np.ndarray, ...]:
        """See `Kind`: the largest weights of all taps."""
        taps = layer.matrix.reshape(layer.d_output, layer.d_input, layer.length)
        return (np.abs(taps).max(axis=2),)

    def following(self, layer: Conv1d, drift: Drift) -> tuple[Conv1d, Moments]:
        u, v = (_taps(values, layer.length) for values in (drift.u, drift.v))
        taps = Drift.of(u, v, drift.moments)
        matrix, bias = taps.followed(layer.matrix, layer.bias)
        n = layer.groups
        own = matrix.reshape(n, -1, n, matrix.shape[1] // n)[range(n), :, range(n)]
        weights = own.reshape(layer.weights.shape)
        passes = _passing(layer)
        weights[passes] = layer.weights[passes]
        if bias is not None:
            bias = np.where(passes, 0.0, bias)
        return replace(layer, weights=weights, bias=bias), replace(drift.moments, taps=taps.moments)

    def parameters(
        self, layer: Conv1d, moments: Moments, rules: Rules
    ) -> tuple[FixedConv1d, Conv1d]:
        """A bias makes up for rounding at the mean input, once all taps have one."""
        rows = layer.weights.reshape(layer.d_output, -1)
        weighs = layer.bias is not None and (layer.groups == 1 or rules.formats.per_channel)
        if weighs:  # what a row's weights meet differs from group to group
            of_group = np.split(np.repeat(moments.std, layer.length), layer.groups)
            pairs = [
                weight_mantissas(part, rules.formats, std)
                for part, std in zip(np.split(rows, layer.groups), of_group, strict=True)
            ]
            weights = np.concatenate([w for w, _ in pairs])
            each = [np.atleast_1d(e) for _, e in pairs]
            exponent = np.concatenate(each) if rules.formats.per_channel else int(each[0][0])
        else:
            weights, exponent = weight_mantissas(rows, rules.formats)
        if rules.formats.compensate:
            weights = _together(layer, rules, exponent, moments.taps or moments)
        fixed = FixedConv1d(weights.reshape(layer.weights.shape), exponent, groups=layer.groups)
        values = fixed.dequantize()
        if layer.bias is None:
            return fixed, values
        lost = (layer.matrix - values.matrix) @ np.repeat(moments.mean, layer.length)
        return fixed, replace(values, bias=layer.bias + lost)


def _passing(layer: Conv1d) -> np.ndarray:
    """Channels (d_output,) that give their token as it is, as half of Mamba's: they stay exact."""
    passes = (layer.weights[..., -1] == 1).all(1) & ~layer.weights[..., :-1].any((1, 2))
    if layer.bias is not None:
        passes &= layer.bias == 0
    return passes & (layer.groups == layer.d_output)


def _taps(u: RealArray, length: int) -> RealArray:
    """Each token's last `length` values, channel by channel, the oldest first.

    Of u (..., time, d), (..., time, d * length); zeros before the first token.
    """
    before = [(0, 0)] * (u.ndim - 2) + [(length - 1, 0), (0, 0)]
    taps = np.lib.stride_tricks.sliding_window_view(np.pad(u, before), length, axis=-2)
    return taps.reshape(*u.shape[:-1], -1)


def _together(layer: Conv1d, rules: Rules, exponent: Exponent, taps: Moments) -> IntArray:
    """Weights of each group rounded with regard to each other, see `compensated`."""
    rows = layer.weights.reshape(layer.groups, -1, layer.weights[0].size)
    of_row = np.broadcast_to(exponent, layer.d_output).reshape(layer.groups, -1)
    n = rows.shape[-1]
    gram = taps.gram if layer.bias is None else taps.centred
    return np.concatenate(
        [
            compensated(weights, rules.formats.width, e, gram[i : i + n, i : i + n])
            for weights, e, i in zip(rows, of_row, range(0, len(gram), n), strict=True)
        ]
    )
