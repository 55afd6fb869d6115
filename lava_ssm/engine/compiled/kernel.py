"""The kernel of a fixed network: sequences, block by block, a population at a time.

`reference.fixed` is the specification.
"""

# mypy: disable-error-code="no-untyped-def"

import numpy as np

from lava_ssm.engine.compiled.arguments import taking
from lava_ssm.engine.compiled.block_neurons import neurons, states, wide_neurons
from lava_ssm.engine.compiled.compiling import kernel
from lava_ssm.engine.compiled.cpu import rounding_mode, set_rounding_mode
from lava_ssm.engine.compiled.layout import FILTERS, MATRIX, POPULATION, RECURRENCE
from lava_ssm.engine.compiled.neurons import layer
from lava_ssm.engine.compiled.synapses import messages, synapse
from lava_ssm.engine.compiled.tokens import quantized
from lava_ssm.engine.compiled.words import SUM, word
from lava_ssm.numerics import SYNAPSE_BITS


def kinds(real):
    """Of the arrays in the table of `advance`, see `arguments.taking`; filters' are `real`."""
    return (
        (POPULATION, 1), (MATRIX, 1), (np.int8, 1), (np.uint16, 1), (np.uint8, 1), (np.int32, 1),
        (np.int64, 1), *[(np.int32, 1)] * 2, (np.float64, 1), (real, 1), (np.float64, 2),
        (np.int32, 1), (np.int64, 1),
        *[(real, 2)] * 2, *[(np.float64, 2)] * 3, *[(np.int64, 2)] * 2,
        (np.int32, 3), (np.int32, 2), (np.int64, 1), (np.float64, 2), (np.uint8, 1),
        (np.float64, 1),
    )  # fmt: skip


_arrays = taking(kinds)


@kernel
def advance(table, kept, values, tokens, outputs):
    """Run tokens on from a state.

    Parameters
    ----------
    table
        populations, ..., rules
            See `layout.Layout`.
        re, im, slow_re, slow_im, peaks, totals
            State of each sequence, (batch, ...): of filters, reals; of recurrences, float64; bounds
            on the magnitudes of filters' channels; running sums. Updated.
        counts
            int64, (n_stages, 5), updated.
        buffers
            int32, (n_buffers, tokens of a block, width): messages, to write on.
        sums, wide, doubles, window
            int32, (2, width), int64, (width + 1,), float64, (2, width): to write on; see
            `windows.add_windows`.
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
        populations, matrices, weights, places, steps, tables, pointers, shifts, offsets, numbers,
        parameters, channels, sigmoid, rules, re, im, slow_re, slow_im, peaks, totals, counts,
        buffers, sums, wide, doubles, window, limits,
    ) = _arrays(table, kept)  # fmt: skip
    if values.size > 0 and not quantized(values, limits, tokens):
        return False
    before = rounding_mode()
    set_rounding_mode(np.int32(rules[0]))
    block, n_tokens = buffers.shape[1], tokens.shape[1]
    for k in range(tokens.shape[0]):
        for start in range(0, n_tokens, block):
            n = min(block, n_tokens - start)
            for t in range(n):
                for j in range(tokens.shape[2]):
                    buffers[0, t, j] = tokens[k, start + t, j]
            for i in range(populations.size):
                p = populations[i]
                counted = counts[p.stage]
                if p.operation == FILTERS:
                    layer(
                        parameters, p.parameters, p.padded, p.d_state, channels, p.channels, p.size,
                        re[k], im[k], p.states, peaks[k], buffers[p.source], buffers[p.out], n,
                        kept, rules, counted,
                    )  # fmt: skip
                    continue
                for t in range(n):
                    y = buffers[p.out, t]
                    s = sums[0] if p.operation == RECURRENCE else y
                    if p.matrix >= 0:
                        synapse(
                            matrices[p.matrix], weights, places, steps, tables, pointers, shifts,
                            offsets, buffers[p.source, t], s, wide, window, counted,
                        )  # fmt: skip
                    elif p.source != p.out:
                        for j in range(p.size):
                            s[j] = buffers[p.source, t, j]
                    if p.operation == RECURRENCE:
                        states(p, numbers, rules, slow_re[k], slow_im[k], s, y, doubles, counted)
                        continue
                    if p.plain:
                        messages(y, p.size, rules, p.relu != 0, counted)
                        continue
                    u = buffers[max(p.second, 0), t]
                    if p.second_matrix >= 0:
                        synapse(
                            matrices[p.second_matrix], weights, places, steps, tables, pointers,
                            shifts, offsets, u, sums[1], wide, window, counted,
                        )  # fmt: skip
                        u = sums[1]
                    r = buffers[max(p.residual, 0), t]
                    if p.wide:
                        wide_neurons(p, numbers, sigmoid, rules, y, u, r, wide, counted)
                    else:
                        neurons(p, numbers, sigmoid, rules, y, u, r, doubles[0], counted)
            last = populations[populations.size - 1].out
            for t in range(n):
                for j in range(outputs.shape[2]):
                    value = np.int64(buffers[last, t, j])
                    if rules[4]:
                        total = totals[k, j] + value
                        value = word(total, SYNAPSE_BITS, rules[1], counts[-1], SUM)
                        totals[k, j] = value
                    outputs[k, start + t, j] = value
    set_rounding_mode(before)
    return True
