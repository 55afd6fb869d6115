"""The kernels: sequences, block by block, a population at a time.

`reference` is the specification.
"""

# mypy: disable-error-code="no-untyped-def"

from collections.abc import Callable
from functools import cache

import numpy as np

from lava_ssm.engine.compiled.arguments import taking
from lava_ssm.engine.compiled.compiling import choosing, compiled, kernel, renamed
from lava_ssm.engine.compiled.cpu import rounding_mode, set_rounding_mode
from lava_ssm.engine.compiled.layout import kinds
from lava_ssm.engine.compiled.neurons import OPERATIONS
from lava_ssm.engine.compiled.tokens import finite, quantized
from lava_ssm.engine.compiled.words import SUM, word
from lava_ssm.numerics import SYNAPSE_BITS

_step = choosing("step", [each.step for each in OPERATIONS])
_step_float = choosing("step_float", [each.step_float for each in OPERATIONS])


@compiled
def _added(total, y, data):
    """A running sum, 32 bits."""
    sum_ = total + np.int64(y)
    return word(sum_, SYNAPSE_BITS, data.rules[0].overflow, data.counts[-1], SUM)


@compiled
def _added_float(total, y, data):
    return total + y


@cache
def advancing(real: np.dtype, is_fixed: bool) -> Callable[..., bool]:
    """Give the kernel of networks, see `advance` in it; filters' floats are `real`."""
    data_of = taking(kinds(real, is_fixed))
    step, entered, added = (
        (_step, quantized, _added) if is_fixed else (_step_float, finite, _added_float)
    )

    def advance(table, values, tokens, outputs):
        """Run tokens on from a state.

        Parameters
        ----------
        table
            Of the arrays `kinds`, see `Arguments`.
        values
            float64, (batch d_input,): one token of each sequence, to be brought to `tokens`, or
            none.
        tokens, outputs
            int64 or float64, (batch, time, d_input) and (batch, time, d_output), which is written.

        Returns
        -------
        bool
            Whether all values lie in the input's format; otherwise no state changes.
        """
        data = data_of(table)
        if values.size > 0 and not entered(values, data.limits, tokens):
            return False
        before, rules = rounding_mode(), data.rules[0]
        set_rounding_mode(np.int32(rules.rounding))
        populations, buffers, totals = data.populations, data.buffers, data.totals
        block, n_tokens = buffers.shape[1], tokens.shape[1]
        last = populations[populations.size - 1].out
        for k in range(tokens.shape[0]):
            for start in range(0, n_tokens, block):
                n = min(block, n_tokens - start)
                for t in range(n):
                    for j in range(tokens.shape[2]):
                        buffers[0, t, j] = tokens[k, start + t, j]
                for i in range(populations.size):
                    step(populations[i].operation, populations[i], data, k, n)
                for t in range(n):
                    for j in range(outputs.shape[2]):
                        value = buffers[last, t, j]
                        if rules.sums:
                            totals[k, j] = added(totals[k, j], value, data)
                            outputs[k, start + t, j] = totals[k, j]
                        else:
                            outputs[k, start + t, j] = value
        set_rounding_mode(before)
        return True

    return kernel(renamed(advance, f"{'fixed' if is_fixed else 'float'}_{real}"))
