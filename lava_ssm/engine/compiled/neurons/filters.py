"""Complex states, each with an input and an output of its own, one channel for a block of tokens.

`reference.fixed.filters` is the specification. Restated here twice:

- `_fast`, in floats. With the CPU's rounding mode set to the rounding of the network's arithmetic,
  `rounded(a * x)` is the product of the mantissas after its shift: scaling a by 2^-p is exact, the
  product is rounded to the float's 24 (or 53) bits in the very direction in which `rounded` then
  drops the fraction, and rounding twice in one direction is rounding once. (For NEAREST it is not,
  hence float64, where products are exact.) This holds as long as every integer on the way
  stays below 2^24 (2^53). |a| < 1 guarantees it for a x, limits of |u| and |x'| that are
  computed from b, c and the words (`channels_of`) for all others, and that no word can
  overflow. A sum that exceeds 2^24 is still seen to exceed it.
- `_exact`, in 64-bit integers, for everything else: of a block that left a limit, taken over again
  from the state before it, the tokens that do. It counts overflows, too.

What vectorises: the loop over states, whose arrays are padded with zeros.
"""

# mypy: disable-error-code="no-untyped-def"

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lava_ssm.engine.compiled.compiling import compiled
from lava_ssm.engine.compiled.cpu import from_magnitude
from lava_ssm.engine.compiled.neurons.operation import Memory, Operation
from lava_ssm.engine.compiled.vectors import filter_states, step_states
from lava_ssm.engine.compiled.words import INPUT, STATE, SYNAPSE, WRAP, shifted, word
from lava_ssm.engine.compiled.writer import Writer
from lava_ssm.network import Filters
from lava_ssm.numerics import SYNAPSE_BITS, Arithmetic, Rounding, word_range

CHANNEL = (
    "param_exponent",
    "state_exponent",
    "up",  # 2**state_exponent
    "down",  # 2**(1 - state_exponent)
    "u_limit",
    "x_limit",
    "b_norm",
)
"""Numbers of a channel, see `channels_of`: of a population all of one, then all of the next."""
UP, DOWN, U_LIMIT, X_LIMIT = range(2, 6)
LANES = 16
"""States are padded to a multiple of this: the floats of a 512-bit vector."""

ROOT2 = np.sqrt(2.0)
ROUNDING_ERROR = 4.0
"""Three products, each off by less than one, and what the bound itself may be off by."""


def lay_out(writer: Writer, row: np.void, neurons: Filters) -> None:
    """Of each channel `padded` each of re and im of a, b, c; and its numbers."""
    rules = writer.rules
    row["channels"], row["d_state"] = neurons.d_model, neurons.d_state
    row["padded"] = padded(neurons.d_state)
    row["parameters"] = writer.put("parameters", scaled(neurons, writer.real))
    row["states"] = writer.states(neurons.d_model * row["padded"])
    if rules is not None:
        row["first"] = writer.put("numbers", channels_of(neurons, rules, writer.real))
        row["n_peaks"], row["peaks"] = neurons.d_model, writer.carry(neurons.d_model)


def padded(d_state: int) -> int:
    """Round a number of states up to full vectors."""
    return -(-d_state // LANES) * LANES


def float_type(rules: Arithmetic, param_bits: int) -> np.dtype:
    """float32 where a state fits it and rounding twice is rounding once; float64 otherwise."""
    single = rules.state_bits <= 24 and param_bits <= 24 and rules.rounding is not Rounding.NEAREST
    return np.dtype(np.float32 if single else np.float64)


def scaled(layer: Filters, real: np.dtype) -> np.ndarray:
    """Give values of a, b, c, (d_model, 6, padded): exact in `real`, of integers."""
    parameters = (layer.a, layer.b, layer.c)
    if np.iscomplexobj(layer.a):
        parts = [part for v in parameters for part in (v.real, v.imag)]
    else:
        scale = np.exp2(-np.reshape(np.broadcast_to(layer.param_exponent, layer.d_model), (-1, 1)))
        parts = [v[..., i] * scale for v in parameters for i in (0, 1)]
    rows: np.ndarray = np.zeros((layer.d_model, 6, padded(layer.d_state)), real)
    rows[..., : layer.d_state] = np.stack(parts, axis=1)
    return rows


def channels_of(layer: Filters, rules: Arithmetic, real: np.dtype) -> NDArray[np.float64]:
    """Give the numbers of channels, (len(CHANNEL), d_model): exponents, and limits of floats.

    Within `u_limit` of its input and `x_limit` of its new state no word overflows, no integer
    leaves the float's significant bits, and no sum over states its 32 bits. `b_norm` is the
    greatest |b| 2**state_exponent: of u, not of v.
    """
    p = np.broadcast_to(layer.param_exponent, layer.d_model)
    s = np.broadcast_to(layer.state_exponent, layer.d_model)
    b = np.abs(layer.b).max(axis=(1, 2)) * np.exp2(-p)
    c = np.abs(layer.c).sum(axis=2).max(axis=1) * np.exp2(-p)
    exact = 2.0 ** (np.finfo(real).nmant + 1)
    most = float(word_range(rules.state_bits)[1])
    # |out| <= 2 (|c_re x_re| + |c_im x_im|) 2^-s and a unit of rounding, d_state of them
    largest_out = 2.0 ** (SYNAPSE_BITS - 1) / layer.d_state - 4
    largest_c_x = np.minimum(exact, largest_out * np.exp2(s - 1)) - 4
    with np.errstate(divide="ignore"):
        u_limit = np.floor(np.minimum(most, exact / b) * np.exp2(-s))
        x_limit = np.floor(np.minimum(most, largest_c_x / c))
    if layer.param_bits + rules.state_bits > np.finfo(np.float64).nmant:
        u_limit = np.full(layer.d_model, -1.0)  # never in floats
    return np.stack([p, s, np.exp2(s), np.exp2(1 - s), u_limit, x_limit, b * np.exp2(s)])


@compiled
def _numbers_of(numbers, row):
    """Of all channels: up, down, u_limit, x_limit, b_norm."""
    n, first = row.channels, row.first + UP * row.channels
    up, down = numbers[first : first + n], numbers[first + n : first + 2 * n]
    u_limit, x_limit = (
        numbers[first + 2 * n : first + 3 * n],
        numbers[first + 3 * n : first + 4 * n],
    )
    return up, down, u_limit, x_limit, numbers[first + 4 * n : first + 5 * n]


@compiled
def step(row, data, k, n):
    """See `Operation`: in floats, channels together, where they keep their limits."""
    n_channels, whole = row.channels, (np.int64(0), n)
    if n == 1 and _are_safe(row, data, k, 0, n_channels):
        _fast(row, data, k, 0, n_channels, whole)
        return
    together = max(1, data.kept.shape[1] // row.padded)
    for h in range(0, n_channels, together):
        m = min(together, n_channels - h)
        if n == 1 and _are_safe(row, data, k, h, m):
            _fast(row, data, k, h, m, whole)
        elif not _tried(row, data, k, h, m, whole):
            for i in range(h, h + m):
                if m > 1 and _tried(row, data, k, i, 1, whole):
                    continue
                for t in range(n):
                    span = t, t + 1
                    if n == 1 or not _tried(row, data, k, i, 1, span):
                        _exact(row, data, k, i, span)


@compiled
def _are_safe(row, data, k, h, m):
    """Whether the states of m channels are sure to stay within their limits over one token."""
    _, _, u_limit, x_limit, b_norm = _numbers_of(data.numbers, row)
    us = data.buffers[row.source, 0]
    peaks = data.carried[k, row.peaks : row.peaks + row.channels]
    are_safe = True
    for i in range(h, h + m):
        u = abs(np.float64(us[i]))
        reached = ROOT2 * peaks[i] + b_norm[i] * u + ROUNDING_ERROR
        are_safe &= (reached <= x_limit[i]) & (u <= u_limit[i])
    return are_safe


@compiled
def _fast(row, data, k, h, m, span):
    """Step m channels from h on in floats, over a span of the block's tokens.

    Channel by channel within each token, since a state's next step waits for its last. The peaks
    are the greatest magnitudes on the way.
    """
    parameters, re, im, size = data.parameters, data.re[k], data.im[k], row.padded
    up, down, _, _, _ = _numbers_of(data.numbers, row)
    peaks = data.carried[k, row.peaks : row.peaks + row.channels]
    real, first, states = parameters.dtype.type, row.parameters, row.states
    source, out = data.buffers[row.source], data.buffers[row.out]
    for i in range(h, h + m):
        peaks[i] = 0
    for t in range(span[0], span[1]):
        u, y = source[t], out[t]
        for i in range(h, h + m):
            drive = real(u[i]) * real(up[i]), real(down[i])
            at = first + 6 * size * i, states + size * i
            total, reached = step_states(parameters, re, im, at, size, drive)
            peaks[i] = max(peaks[i], np.float64(from_magnitude(reached)))
            y[i] = total


@compiled
def _tried(row, data, k, h, m, span):
    """The same; say whether all limits were kept. If not, the states are as before."""
    _, _, u_limit, x_limit, _ = _numbers_of(data.numbers, row)
    source, peaks = data.buffers[row.source], data.carried[k, row.peaks :]
    for t in range(span[0], span[1]):
        for i in range(h, h + m):
            if abs(np.float64(source[t, i])) > u_limit[i]:
                return False
    begin, size = row.states + row.padded * h, row.padded * m
    kept, re, im = data.kept, data.re[k], data.im[k]
    for i in range(size):
        kept[0, i], kept[1, i] = re[begin + i], im[begin + i]
    _fast(row, data, k, h, m, span)
    within = True
    for i in range(h, h + m):
        within &= peaks[i] <= x_limit[i]
    if not within:
        for i in range(size):
            re[begin + i], im[begin + i] = kept[0, i], kept[1, i]
    return within


@compiled
def _exact(row, data, k, h, span):
    """Step a channel in integers; its peak is the greatest magnitude after the last token."""
    numbers, parameters = data.numbers, data.parameters
    rules, counts = data.rules[0], data.counts[row.stage]
    exponents = np.int64(numbers[row.first + h]), np.int64(numbers[row.first + row.channels + h])
    size, at, re, im = row.padded, row.states + row.padded * h, data.re[k], data.im[k]
    for t in range(span[0], span[1]):
        u = np.int64(data.buffers[row.source, t, h])
        total = np.int64(0)
        for i in range(row.d_state):
            x = np.int64(re[at + i]), np.int64(im[at + i])
            place = row.parameters + 6 * size * h + i, size
            new_re, new_im, out = exact_state(parameters, place, exponents, x, u, rules, counts)
            re[at + i], im[at + i] = new_re, new_im
            total += out
        data.buffers[row.out, t, h] = word(total, SYNAPSE_BITS, WRAP, counts, SYNAPSE)
    peak = 0.0
    for i in range(row.d_state):
        peak = max(peak, max(abs(np.float64(re[at + i])), abs(np.float64(im[at + i]))))
    data.carried[k, row.peaks + h] = peak


@compiled
def exact_state(parameters, place, exponents, x, u, rules, counts):
    """Step one state in 64-bit integers; give its new parts and what is sent.

    Parameters
    ----------
    parameters, place
        Reals, and where those of the state are: at place[0] and each place[1] further on re and im
        of a, b, c, times 2**-param_exponent.
    exponents
        Of the parameters, of the states.
    x, u
        int64: re and im, and the input.
    """
    mode, overflow, bits = rules.rounding, rules.overflow, rules.state_bits
    (at, size), (x_re, x_im), (p, s) = place, x, exponents
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


@compiled
def step_float(row, data, k, n):
    """See `Operation`."""
    size = row.padded
    for h in range(row.channels):
        at = row.parameters + 6 * size * h, row.states + size * h
        for t in range(n):
            u = data.buffers[row.source, t, h]
            data.buffers[row.out, t, h] = filter_states(
                data.parameters, data.re[k], data.im[k], at, size, u
            )


def parts(row: np.void, memory: Memory) -> Sequence[np.ndarray]:
    """See `Operation`."""
    first, size, n = row["states"], row["padded"], row["channels"]
    wanted = slice(first, first + n * size)
    return [
        memory[name][:, wanted].reshape(-1, n, size)[..., : row["d_state"]] for name in ("re", "im")
    ]


def forget(row: np.void, memory: Memory) -> None:
    """See `Operation`: how great the states are."""
    memory["carried"][:, row["peaks"] : row["peaks"] + row["n_peaks"]] = np.inf


FILTERS = Operation(
    Filters,
    ("channels", "d_state", "padded", "parameters", "states", "first", "peaks", "n_peaks"),
    lay_out,
    step,
    step_float,
    parts,
    forget,
)
