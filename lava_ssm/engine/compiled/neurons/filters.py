"""Complex states, each with an input and an output of its own, some channels for a block of tokens.

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

A group of channels lies side by side in vectors, `lanes_of` says how many: arrays are padded with
channels of zeros. Of a large network mantissas of 16 bits are stored as such, as to read them takes
longer than to compute; a block of tokens takes them widened to floats (`vectors.widen`).
"""

# mypy: disable-error-code="no-untyped-def"

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lava_ssm.engine.compiled.compiling import compiled
from lava_ssm.engine.compiled.cpu import features, second_cache
from lava_ssm.engine.compiled.neurons.operation import Memory, Operation, Part
from lava_ssm.engine.compiled.vectors import filter_states, lanes_of, step_states, widen
from lava_ssm.engine.compiled.words import INPUT, STATE, SYNAPSE, WRAP, shifted, word
from lava_ssm.engine.compiled.writer import Writer
from lava_ssm.network import Filters
from lava_ssm.numerics import SYNAPSE_BITS, Arithmetic, ComplexArray, Rounding, word_range

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
PACKED_BITS = 16
CACHED = second_cache() // (8 if "avx512f" in features() else 4)
"""Parameters of a network up to which they are stored as floats: where these stay in the second
cache, packed ones take 40 to 50 % longer. (From further away floats take longer, with AVX2 alone,
where widening costs more, only if they do not fit it at all.)"""

ROOT2 = np.sqrt(2.0)
ROUNDING_ERROR = 4.0
"""Three products, each off by less than one, and what the bound itself may be off by."""


def lay_out(writer: Writer, row: np.void, neurons: Filters) -> None:
    """Of each group of channels its parameters, state by state, and up, down, scale."""
    rules, lanes, d_model = writer.rules, lanes_of(writer.real), neurons.d_model
    row["channels"], row["d_state"], row["lanes"] = d_model, neurons.d_state, lanes
    is_packed = writer.n_parameters > CACHED and neurons.param_bits <= PACKED_BITS
    row["states"] = writer.states(2 * -(-d_model // lanes) * lanes * neurons.d_state)
    if rules is None:
        row["parameters"] = writer.put("parameters", reals_of(neurons, writer.real))
        return
    row["packed"] = -1
    if is_packed:
        row["packed"] = writer.put("packed", pairs_of(neurons, lanes))
    else:
        row["parameters"] = writer.put("parameters", scaled(neurons, writer.real))
    channels = channels_of(neurons, rules, writer.real)
    row["of_channels"] = writer.put("numbers", channels)
    row["n_peaks"], row["peaks"] = d_model, writer.carry(d_model)
    scale = np.exp2(-channels[0] - PACKED_BITS) if is_packed else np.ones(d_model)
    numbers = np.stack([channels[UP], channels[DOWN], scale], axis=-1)
    row["scales"] = writer.put("scales", np.moveaxis(grouped(numbers, lanes), 1, -1))


def float_type(rules: Arithmetic, param_bits: int) -> np.dtype:
    """float32 where a state fits it and rounding twice is rounding once; float64 otherwise."""
    single = rules.state_bits <= 24 and param_bits <= 24 and rules.rounding is not Rounding.NEAREST
    return np.dtype(np.float32 if single else np.float64)


def grouped(values: np.ndarray, lanes: int) -> np.ndarray:
    """Give values of channels, (d_model, ...), as (n_groups, lanes, ...): zeros fill the last."""
    padded = np.pad(values, [(0, -len(values) % lanes), *[(0, 0)] * (values.ndim - 1)])
    return padded.reshape(-1, lanes, *values.shape[1:])


def scaled(layer: Filters, real: np.dtype) -> np.ndarray:
    """Give values of a, b, c of integers as `vectors.step_states` takes them, exact in `real`."""
    p = np.broadcast_to(layer.param_exponent, layer.d_model)
    parts = np.concatenate((layer.a, layer.b, layer.c), axis=-1)
    return in_vectors(parts * np.exp2(-p)[:, np.newaxis, np.newaxis], real)


def in_vectors(parts: np.ndarray, real: np.dtype) -> np.ndarray:
    """Give (d_model, d_state, parts) as (groups, d_state, parts, lanes)."""
    return np.moveaxis(grouped(parts, lanes_of(real)), 1, -1)


def unit(layer: Filters, real: np.dtype) -> ComplexArray:
    """Give b, of which states of a float network are kept as multiples: none is near zero."""
    least = np.sqrt(np.finfo(real).tiny)
    return np.where(np.abs(layer.b) < least, least, layer.b)


def reals_of(layer: Filters, real: np.dtype) -> np.ndarray:
    """Give values of a, c of a float network as `vectors.filter_states` takes them.

    Of z = x / b: z' = a z + u, and 2 Re(c x') = Re(2 b c z'). So b is not read.
    """
    c = 2 * unit(layer, real) * layer.c
    parts = np.stack((layer.a.real, layer.a.imag, c.real, c.imag), axis=-1)
    return in_vectors(parts, real)


def pairs_of(layer: Filters, lanes: int) -> np.ndarray:
    """Give mantissas of a, b, c as `vectors.step_states` takes them."""
    parts = grouped(np.stack((layer.a, layer.b, layer.c), axis=2), lanes)
    return np.moveaxis(parts, 1, 3)


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
def _place(row, what, h):
    """Where a number of channel h is, see `CHANNEL`."""
    return row.of_channels + what * row.channels + h


@compiled
def step(row, data, k, n):
    """See `Operation`: in floats, a group of channels at a time, where they keep their limits."""
    lanes, n_channels = row.lanes, row.channels
    all_safe = n == 1 and _are_safe(row, data, k, 0, n_channels)
    for h in range(0, n_channels, lanes):
        if all_safe or (n == 1 and _are_safe(row, data, k, h, min(lanes, n_channels - h))):
            if row.packed >= 0:
                parameters = data.packed, row.packed + 6 * row.d_state * h
                _fast(row, data, parameters, k, h, (0, 1))
            else:
                _fast(row, data, _widened(row, data, h), k, h, (0, 1))
        else:
            _checked(row, data, k, h, n)


@compiled
def _are_safe(row, data, k, h, m):
    """Whether the states of m channels are sure to stay within their limits over one token."""
    at, first, n = row.source_at + h, _place(row, U_LIMIT, h), row.channels
    us = data.buffers[row.source, 0, at : at + m]
    numbers = data.numbers
    u_limit, x_limit = numbers[first : first + m], numbers[first + n : first + n + m]
    b_norm = numbers[first + 2 * n : first + 2 * n + m]
    peaks = data.carried[k, row.peaks + h : row.peaks + h + m]
    are_safe = True
    for i in range(m):
        u = abs(np.float64(us[i]))
        reached = ROOT2 * peaks[i] + b_norm[i] * u + ROUNDING_ERROR
        are_safe &= (reached <= x_limit[i]) & (u <= u_limit[i])
    return are_safe


@compiled
def _widened(row, data, h):
    """Parameters, reals, of the group that begins with channel h, and where they begin."""
    size = row.d_state
    if row.packed < 0:
        return data.parameters, row.parameters + 6 * size * h
    scales = data.scales, row.scales + 3 * h
    widen(data.packed, row.packed + 6 * size * h, size, scales, data.widened)
    return data.widened, np.int64(0)


@compiled
def _checked(row, data, k, h, n):
    """Step the channels from h on; those that leave their limits token by token, in integers."""
    lanes, parameters = row.lanes, _widened(row, data, h)
    of_channels = range(h, min(h + lanes, row.channels))
    _keep(row, data, k, h)
    _fast(row, data, parameters, k, h, (0, n))
    all_within = True
    for i in of_channels:
        all_within &= _is_within(row, data, k, i)
    if all_within:
        return
    for i in range(h, h + lanes):
        _put_back(row, data, k, i)
    for t in range(n):
        _keep(row, data, k, h)
        _fast(row, data, parameters, k, h, (t, t + 1))
        for i in of_channels:
            if not _is_within(row, data, k, i):
                _put_back(row, data, k, i)
                _exact(row, data, parameters, k, i, t)


@compiled
def _begin(row, h):
    """Where the states of the group that begins with channel h begin."""
    return row.states + 2 * row.d_state * h


@compiled
def _fast(row, data, parameters, k, h, span):
    """Step the channels from h on in floats, over a span of the block's tokens.

    Their peaks are the greatest magnitudes on the way.
    """
    begin, reached, carried = _begin(row, h), data.reached, data.carried[k]
    for t in range(span[0], span[1]):
        before = reached[min(t - span[0], 1)]  # zeros, or this block's
        step_states(
            parameters[0], data.states[k], (parameters[1], begin), row.d_state,
            (data.buffers[row.source, t], row.source_at + h, data.scales, row.scales + 3 * h),
            (data.buffers[row.out, t], row.out_at + h), (before, reached[1]),
        )  # fmt: skip
    for i in range(min(row.lanes, row.channels - h)):
        carried[row.peaks + h + i] = reached[1, i]


@compiled
def _keep(row, data, k, h):
    """Keep the states of the group that begins with channel h."""
    begin, kept, states = _begin(row, h), data.kept, data.states[k]
    for i in range(2 * row.lanes * row.d_state):
        kept[i] = states[begin + i]


@compiled
def _put_back(row, data, k, h):
    """Set the states of channel h to those that were kept."""
    lane, kept, states = h % row.lanes, data.kept, data.states[k]
    begin = _begin(row, h - lane)
    for i in range(lane, 2 * row.lanes * row.d_state, row.lanes):
        states[begin + i] = kept[i]


@compiled
def _is_within(row, data, k, h):
    """Whether channel h has kept its limits on the way, see `_fast`."""
    u = np.float64(data.reached[1, row.lanes + h % row.lanes])
    u_limit = data.numbers[_place(row, U_LIMIT, h)]
    x_limit = data.numbers[_place(row, X_LIMIT, h)]
    return (u <= u_limit) & (data.carried[k, row.peaks + h] <= x_limit)


@compiled
def _exact(row, data, parameters, k, h, t):
    """Step a channel in integers; its peak is the greatest magnitude afterwards."""
    rules, counts, lanes = data.rules[0], data.counts[row.stage], row.lanes
    p, s = data.numbers[_place(row, 0, h)], data.numbers[_place(row, 1, h)]
    exponents = np.int64(p), np.int64(s)
    lane, states = h % lanes, data.states[k]
    u = np.int64(data.buffers[row.source, t, row.source_at + h])
    total, peak = np.int64(0), 0.0
    for i in range(row.d_state):
        at = _begin(row, h - lane) + 2 * lanes * i + lane
        place = parameters[1] + 6 * lanes * i + lane, lanes
        x = np.int64(states[at]), np.int64(states[at + lanes])
        re, im, out = exact_state(parameters[0], place, exponents, x, u, rules, counts)
        states[at], states[at + lanes] = re, im
        total += out
        peak = max(peak, np.float64(max(abs(re), abs(im))))
    sent = word(total, SYNAPSE_BITS, WRAP, counts, SYNAPSE)
    data.buffers[row.out, t, row.out_at + h] = sent
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
    for h in range(0, row.channels, row.lanes):
        at = row.parameters + 4 * row.d_state * h, _begin(row, h)
        for t in range(n):
            filter_states(
                data.parameters, data.states[k], at, row.d_state,
                (data.buffers[row.source, t], row.source_at + h),
                (data.buffers[row.out, t], row.out_at + h),
            )  # fmt: skip


def parts(row: np.void) -> Sequence[Part]:
    """See `Operation`."""
    channels, n = np.arange(row["channels"])[:, np.newaxis], np.arange(row["d_state"])
    lanes = row["lanes"]
    group, lane = channels // lanes, channels % lanes
    places = row["states"] + 2 * (group * row["d_state"] + n) * lanes + lane
    return [("states", places), ("states", places + lanes)]


def forget(row: np.void, memory: Memory) -> None:
    """See `Operation`: how great the states are."""
    memory["carried"][:, row["peaks"] : row["peaks"] + row["n_peaks"]] = np.inf


FILTERS = Operation(
    Filters,
    (
        "channels", "d_state", "lanes", "parameters", "packed", "scales", "states", "of_channels",
        "peaks", "n_peaks",
    ),
    lay_out,
    step,
    step_float,
    parts,
    forget,
    unit,
)  # fmt: skip
