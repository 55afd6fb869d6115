"""The kernel of a fixed network: sequences, block by block, a stage at a time."""

# mypy: disable-error-code="no-untyped-def"

import numpy as np

from lava_ssm.engine.compiled.arguments import taking
from lava_ssm.engine.compiled.compiling import compiled, kernel
from lava_ssm.engine.compiled.cpu import rounding_mode, set_rounding_mode
from lava_ssm.engine.compiled.neurons import layer
from lava_ssm.engine.compiled.program import (
    CHANNELS,
    COMMON_SHIFT,
    D_INPUT,
    D_OUTPUT,
    D_STATE,
    IS_LINEAR,
    MOST_GAIN,
    PADDED,
    PARAMETERS,
    RELU,
    STATES,
)
from lava_ssm.engine.compiled.synapses import linear, messages
from lava_ssm.engine.compiled.tokens import quantized
from lava_ssm.engine.compiled.words import SUM, word
from lava_ssm.numerics import SYNAPSE_BITS


def kinds(real):
    """Of the arrays in the table of `advance`, see `arguments.taking`; states are `real`."""
    return (
        (np.int64, 2), (real, 1), (np.float64, 2), (np.int8, 1), *[(np.int64, 1)] * 2,
        *[(real, 2)] * 2, (np.float64, 2), *[(np.int64, 2)] * 2, (np.int32, 3), (np.float64, 1),
    )  # fmt: skip


_arrays = taking(kinds)


@kernel
def advance(table, kept, values, tokens, outputs):
    """Run tokens on from a state.

    Parameters
    ----------
    table
        stages, parameters, channels, weights, shifts, rules
            See `program.Program`.
        re, im, peaks, totals
            State of each sequence, (batch, ...): states, bounds on their magnitudes
            (channels), running sums. Updated.
        counts
            int64, (n_stages, 5), updated.
        signals
            int32, (2, tokens of a block, width): to write on.
        limits
            See `tokens.Tokens`.
    kept
        Reals, (2, states of at least one channel): to write on.
    values
        float64, (batch d_input,): one token of each sequence, to be rounded to `tokens`, or none.
    tokens, outputs
        int64, (batch, time, d_input) and (batch, time, d_output), which is written.

    Returns
    -------
    bool
        Whether all values lie in the input's format; otherwise no state changes.
    """
    (
        stages, parameters, channels, weights, shifts, rules, re, im, peaks, totals, counts,
        signals, limits,
    ) = _arrays(table, kept)  # fmt: skip
    if values.size > 0 and not quantized(values, limits, tokens):
        return False
    before = rounding_mode()
    set_rounding_mode(np.int32(rules[0]))
    block = signals.shape[1]
    n_tokens = tokens.shape[1]
    for k in range(tokens.shape[0]):
        start = 0
        while start < n_tokens:
            stop = min(start + block, n_tokens)
            now = 0
            for t in range(stop - start):
                for j in range(tokens.shape[2]):
                    signals[0, t, j] = tokens[k, start + t, j]
            for i in range(stages.shape[0]):
                stage(
                    stages, i, parameters, channels, weights, shifts, rules, re[k], im[k],
                    peaks[k], signals[now], signals[1 - now], stop - start, counts[i], kept,
                )  # fmt: skip
                now = 1 - now
            for t in range(stop - start):
                for j in range(outputs.shape[2]):
                    value = np.int64(signals[now, t, j])
                    if rules[4]:
                        total = totals[k, j] + value
                        value = word(total, SYNAPSE_BITS, rules[1], counts[-1], SUM)
                        totals[k, j] = value
                    outputs[k, start + t, j] = value
            start = stop
    set_rounding_mode(before)
    return True


@compiled
def stage(
    stages, i, parameters, channels, weights, shifts, rules, re, im, peaks, u, y, n_tokens, counts,
    kept,
):  # fmt: skip
    """Take a block of tokens through one stage: its synapses, and the neurons behind them."""
    relu = stages[i, RELU] != 0
    d_input, d_output = stages[i, D_INPUT], stages[i, D_OUTPUT]
    first, of_channels = stages[i, PARAMETERS], stages[i, CHANNELS]
    if stages[i, IS_LINEAR]:
        linear(
            weights, first, d_input, d_output, stages[i, MOST_GAIN], stages[i, COMMON_SHIFT],
            shifts, of_channels, u, y, n_tokens, rules, relu, counts,
        )  # fmt: skip
        return
    size, d_state, x = stages[i, PADDED], stages[i, D_STATE], stages[i, STATES]
    layer(
        parameters, first, size, d_state, channels, of_channels, d_output, re, im, x, peaks, u, y,
        n_tokens, kept, rules, counts,
    )  # fmt: skip
    for t in range(n_tokens):
        messages(y[t], d_output, rules, relu, counts)
