"""State neurons of S5 layers, and the neurons behind synapses, of a network's kernel.

Loops that do not branch and touch few arrays each are what LLVM makes vectors of: it has to see
that none overlaps another. Words have at most 32 bits; CPUs without AVX-512 multiply two of those,
but not two of 64 bits.
"""

# mypy: disable-error-code="no-untyped-def"

from typing import Any

import numpy as np

from lava_ssm.engine.compiled.block_program import (
    BIAS,
    D_OUTPUT,
    D_STATE,
    DIAGONAL,
    DIRECT,
    DRIVE_BIAS,
    GATE,
    KIND,
    PARAM_EXPONENT,
    PRODUCT_SHIFT,
    RELU,
    RESIDUAL,
    RESIDUAL_SHIFT,
    S5,
    STATE_RELU,
    STATE_SHIFT,
    STATES,
)
from lava_ssm.engine.compiled.compiling import compiled
from lava_ssm.engine.compiled.cpu import ROUNDING_MODE, one_by_one
from lava_ssm.engine.compiled.words import MESSAGE, STATE, word
from lava_ssm.numerics import Rounding

_FLOOR = ROUNDING_MODE[Rounding.FLOOR]
_TOWARD_ZERO = ROUNDING_MODE[Rounding.TOWARD_ZERO]


@compiled
def rounding(n, mode):
    """What `rounded` needs to shift by n, -32 <= n <= 62, to the right."""
    left, right = max(-n, 0), max(n, 0)
    if mode == _FLOOR or n <= 0:
        return left, right, 0, 0, 0
    if mode == _TOWARD_ZERO:
        return left, right, (1 << right) - 1, 0, 0
    return left, right, 0, (1 << (right - 1)) - 1, 1


@compiled
def rounded(v, how):
    """`words.shifted` without a branch, for loops: LLVM makes vectors of what has none."""
    left, right, if_negative, always, if_odd = how
    v <<= left
    return (v + ((v >> 63) & if_negative) + always + ((v >> right) & if_odd)) >> right


@compiled
def cut(v, how):
    """The same where bits are only dropped: to the right, and not to the nearest."""
    return (v + ((v >> 63) & how[2])) >> how[1]


@compiled
def product(a, b):
    """Of two integers that fit 32 bits."""
    return np.int64(np.int32(a)) * np.int64(np.int32(b))


@compiled
def fits(seen, half):
    """Whether all v lie in [-half, half), a power of two; `seen` is all v + half, or-ed."""
    return seen & ~(2 * half - 1) == 0


def rounding_with(rounded: Any) -> Any:
    """Make `states` and `neurons` that round so."""

    @compiled
    def states(row, numbers, rules, re, im, drive, sent, wide, counts):
        """One step of the recurrence of an S5 layer, and what its states send.

        `wide` is int64, (width,): to write on.
        """
        size, overflow, state_bits = row[D_STATE], rules[1], rules[2]
        of_a, of_bias = row[DIAGONAL], row[DRIVE_BIAS]
        a_re, a_im = numbers[of_a : of_a + size], numbers[of_a + size : of_a + 2 * size]
        bias_re = numbers[of_bias : of_bias + size]
        bias_im = numbers[of_bias + size : of_bias + 2 * size]
        x_re, x_im = re[row[STATES] : row[STATES] + size], im[row[STATES] : row[STATES] + size]
        v_re, v_im, new_re = drive[:size], drive[size : 2 * size], wide[:size]
        how = rounding(row[PARAM_EXPONENT], rules[0])
        half = 1 << (state_bits - 1)
        for n in range(size):
            new = rounded(product(a_re[n], x_re[n]), how) - rounded(product(a_im[n], x_im[n]), how)
            new_re[n] = new + np.int64(v_re[n]) + bias_re[n]
        for n in range(size):
            new = rounded(product(a_re[n], x_im[n]), how) + rounded(product(a_im[n], x_re[n]), how)
            x_im[n] = new + np.int64(v_im[n]) + bias_im[n]
        seen = np.int64(0)
        for n in range(size):
            x_re[n] = new_re[n]
            seen |= (x_re[n] + half) | (x_im[n] + half)
        if not fits(seen, half):
            for n in range(size):
                x_re[n] = word(x_re[n], state_bits, overflow, counts, STATE)
                x_im[n] = word(x_im[n], state_bits, overflow, counts, STATE)
        send(row, rules, x_re, x_re, x_im, sent[:size], counts)
        send(row, rules, x_im, x_re, x_im, sent[size : 2 * size], counts)

    @compiled
    def send(row, rules, part, re, im, sent, counts):
        """What states send of their real or imaginary part, to `sent`."""
        how, rectified, bits = rounding(row[STATE_SHIFT], rules[0]), row[STATE_RELU] != 0, rules[3]
        half = 1 << (bits - 1)
        seen = np.int64(0)
        for n in range(sent.size):
            on = (re[n] > 0) | ((re[n] == 0) & (im[n] > 0)) | (not rectified)
            out = rounded(part[n], how) if on else np.int64(0)
            seen |= out + half
            sent[n] = out
        if not fits(seen, half):
            for n in range(sent.size):
                on = re[n] > 0 or (re[n] == 0 and im[n] > 0) or not rectified
                out = rounded(part[n], how) if on else np.int64(0)
                sent[n] = word(out, bits, rules[1], counts, MESSAGE)

    @compiled
    def neurons(row, i, numbers, table, rules, messages, sums, wide, counts):
        """What a stage's neurons make of its last synapse's sums, to messages[i + 1].

        `wide` is int64, (width,): to write on.
        """
        kind, size = row[KIND], row[D_OUTPUT]
        relu, bits = row[RELU] != 0, rules[3]
        biases = numbers[row[BIAS] : row[BIAS] + size]
        how = rounding(row[PRODUCT_SHIFT], rules[0])
        u, y = messages[i], messages[i + 1]
        if kind == GATE:
            for j in range(size):
                wide[j] = min(max((np.int64(sums[j]) + biases[j]) >> 4, -2048), 2047) + 2048
            for j in range(size):
                wide[j] = table[np.uint64(one_by_one(wide[j]))]
            for j in range(size):
                wide[j] = rounded(product(u[j], wide[j]), how)
        elif kind == S5:
            direct = numbers[row[DIRECT] : row[DIRECT] + size]
            for j in range(size):
                through = rounded(product(direct[j], u[j]), how)
                wide[j] = np.int64(sums[j]) + biases[j] + through
        else:
            for j in range(size):
                wide[j] = np.int64(sums[j]) + biases[j]
        if row[RESIDUAL] >= 0:
            r, n = messages[row[RESIDUAL]], row[RESIDUAL_SHIFT]
            left, right = max(-n, 0), max(n, 0)
            for j in range(size):
                wide[j] += (np.int64(r[j]) << left) >> right
        half = 1 << (bits - 1)
        seen = np.int64(0)
        least = 0 if relu else np.int64(-(1 << 63))
        for j in range(size):
            v = max(wide[j], least)
            seen |= v + half
            y[j] = v
        if not fits(seen, half):
            for j in range(size):
                y[j] = word(max(wide[j], least), bits, rules[1], counts, MESSAGE)

    return states, neurons


states, neurons = rounding_with(rounded)
quick_states, quick_neurons = rounding_with(cut)
