"""State neurons of a fixed S4D layer, one channel for a block of tokens.

`reference.fixed.filters` is the specification. Restated here twice:

- `_fast`, in floats. With the CPU's rounding mode set to the rounding of the network's arithmetic,
  `rounded(a * x)` is the product of the mantissas after its shift: scaling a by 2^-p is exact, the
  product is rounded to the float's 24 (or 53) bits in the very direction in which `rounded` then
  drops the fraction, and rounding twice in one direction is rounding once. (For NEAREST it is not,
  hence float64, where products are exact.) This holds as long as every integer on the way
  stays below 2^24 (2^53). |a| < 1 guarantees it for a x, limits of |u| and |x'| that are
  computed from b, c and the words (`limits` of `program`) for all others, and that no word can
  overflow. A sum that exceeds 2^24 is still seen to exceed it.
- `_exact`, in 64-bit integers, for everything else: it takes the block over again from the state
  before it. It counts overflows, too.

What vectorises: the loop over states, whose arrays are padded with zeros.
"""

# mypy: disable-error-code="no-untyped-def"

import numpy as np

from lava_ssm.engine.compiled.compiling import compiled
from lava_ssm.engine.compiled.cpu import from_magnitude
from lava_ssm.engine.compiled.vectors import step_states
from lava_ssm.engine.compiled.words import INPUT, STATE, SYNAPSE, WRAP, shifted, word
from lava_ssm.numerics import SYNAPSE_BITS

# Columns of a channel's numbers.
PARAM_EXPONENT, STATE_EXPONENT, UP, DOWN, U_LIMIT, X_LIMIT, B_NORM = range(7)
N_COLUMNS = 7

ROOT2 = np.sqrt(2.0)
ROUNDING_ERROR = 4.0
"""Three products, each off by less than one, and what the bound itself may be off by."""


@compiled
def layer(
    parameters, first, size, d_state, numbers, of_channels, d_model, re, im, x, peaks, u, y,
    n_tokens, kept, rules, counts,
):  # fmt: skip
    """Step a layer's states over a block of tokens.

    Parameters
    ----------
    parameters
        Reals: from `first` on, for each channel `size` each of re and im of a, b, c, times
        2**-param_exponent.
    size, d_state
        Number of states of a channel, with and without the padding.
    numbers
        float64, (channels, N_COLUMNS); this layer's from `of_channels` on.
    re, im
        Reals: this layer's states from `x` on; updated.
    peaks
        float64, (channels,): bounds on the magnitudes of each channel's states; updated.
    u, y
        int32, (time, at least d_model): messages, and sums over the states, which are written, of
        `n_tokens` tokens.
    kept
        Reals, (2, at least size): to write on.
    rules
        int64: rounding mode, overflow, state_bits, ...
    counts
        int64, (5,): overflows by what overflowed; updated.
    """
    together = max(1, kept.shape[1] // size) if n_tokens > 1 else 1
    for h in range(0, d_model, together):
        n_channels = min(together, d_model - h)
        if n_tokens == 1 and _is_safe(numbers, of_channels + h, peaks, u[0, h]):
            _fast(parameters, first, size, numbers, of_channels, h, 1, re, im, x, peaks, u, y, 1)
        elif not _tried(
            parameters, first, size, numbers, of_channels, h, n_channels, re, im, x, peaks, u, y,
            n_tokens, kept,
        ):  # fmt: skip
            for k in range(h, h + n_channels):
                if n_channels > 1 and _tried(
                    parameters, first, size, numbers, of_channels, k, 1, re, im, x, peaks, u, y,
                    n_tokens, kept,
                ):  # fmt: skip
                    continue
                peaks[of_channels + k] = _exact(
                    parameters, first + 6 * size * k, size, d_state, numbers, of_channels + k,
                    re, im, x + size * k, k, u, y, n_tokens, rules, counts,
                )  # fmt: skip


@compiled
def _is_safe(numbers, c, peaks, u):
    """Whether a channel's states are sure to stay within its limits over one token."""
    most = abs(np.float64(u))
    reached = ROOT2 * peaks[c] + numbers[c, B_NORM] * most + ROUNDING_ERROR
    return reached <= numbers[c, X_LIMIT] and most <= numbers[c, U_LIMIT]


@compiled
def _fast(
    parameters, first, size, numbers, of_channels, h, n_channels, re, im, x, peaks, u, y, n_tokens
):  # fmt: skip
    """Step `n_channels` channels from `h` on in floats.

    Channel by channel within each token, since a state's next step waits for its last. The peaks
    are the greatest magnitudes on the way.
    """
    real = parameters.dtype.type
    for k in range(h, h + n_channels):
        peaks[of_channels + k] = 0
    for t in range(n_tokens):
        for k in range(h, h + n_channels):
            v = real(u[t, k]) * real(numbers[of_channels + k, UP])
            down = real(numbers[of_channels + k, DOWN])
            total, reached = step_states(
                parameters, first + 6 * size * k, size, v, down, re, im, x + size * k
            )
            peak = np.float64(from_magnitude(reached))
            peaks[of_channels + k] = max(peaks[of_channels + k], peak)
            y[t, k] = total


@compiled
def _tried(
    parameters, first, size, numbers, of_channels, h, n_channels, re, im, x, peaks, u, y, n_tokens,
    kept,
):  # fmt: skip
    """The same; say whether all limits were kept. If not, the states are as before."""
    for k in range(h, h + n_channels):
        for t in range(n_tokens):
            if abs(np.int64(u[t, k])) > numbers[of_channels + k, U_LIMIT]:
                return False
    begin = x + size * h
    for n in range(n_channels * size):
        kept[0, n], kept[1, n] = re[begin + n], im[begin + n]
    _fast(
        parameters, first, size, numbers, of_channels, h, n_channels, re, im, x, peaks, u, y,
        n_tokens,
    )  # fmt: skip
    within = True
    for k in range(h, h + n_channels):
        within = within and peaks[of_channels + k] <= numbers[of_channels + k, X_LIMIT]
    if not within:
        for n in range(n_channels * size):
            re[begin + n], im[begin + n] = kept[0, n], kept[1, n]
    return within


@compiled
def _exact(
    parameters, first, size, d_state, numbers, c, re, im, x, h, u, y, n_tokens, rules, counts
):
    """Step a channel in integers; give the greatest magnitude of a state after the last token."""
    p, s = np.int64(numbers[c, PARAM_EXPONENT]), np.int64(numbers[c, STATE_EXPONENT])
    for t in range(n_tokens):
        total = np.int64(0)
        for n in range(d_state):
            new_re, new_im, out = exact_state(
                parameters, first + n, size, p, s, np.int64(re[x + n]), np.int64(im[x + n]),
                np.int64(u[t, h]), rules, counts,
            )  # fmt: skip
            re[x + n], im[x + n] = new_re, new_im
            total += out
        y[t, h] = word(total, SYNAPSE_BITS, WRAP, counts, SYNAPSE)
    peak = 0.0
    for n in range(d_state):
        peak = max(peak, max(abs(np.float64(re[x + n])), abs(np.float64(im[x + n]))))
    return peak


@compiled
def exact_state(parameters, at, size, p, s, x_re, x_im, u, rules, counts):
    """Step one state in 64-bit integers; give its new parts and what is sent.

    Parameters
    ----------
    parameters
        Reals: at `at` and each `size` further on: re and im of a, b, c, times 2**-p.
    x_re, x_im, u
        int64.
    """
    mode, overflow, bits = rules[0], rules[1], rules[2]
    one = 2.0**p
    a_re, a_im = _mantissa(parameters, at, one), _mantissa(parameters, at + size, one)
    at += 2 * size
    b_re, b_im = _mantissa(parameters, at, one), _mantissa(parameters, at + size, one)
    at += 2 * size
    c_re, c_im = _mantissa(parameters, at, one), _mantissa(parameters, at + size, one)
    v = word(u << s, bits, overflow, counts, INPUT)
    new_re = (
        shifted(a_re * x_re, p, mode) - shifted(a_im * x_im, p, mode) + shifted(b_re * v, p, mode)
    )
    new_im = (
        shifted(a_re * x_im, p, mode) + shifted(a_im * x_re, p, mode) + shifted(b_im * v, p, mode)
    )
    new_re = word(new_re, bits, overflow, counts, STATE)
    new_im = word(new_im, bits, overflow, counts, STATE)
    out = 2 * (shifted(c_re * new_re, p, mode) - shifted(c_im * new_im, p, mode))
    return new_re, new_im, shifted(out, s, mode)


@compiled
def _mantissa(parameters, at, one):
    return np.int64(np.float64(parameters[at]) * one)
