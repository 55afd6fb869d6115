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
from lava_ssm.engine.compiled.turns import (
    awaited,
    begun,
    begun_at,
    end,
    is_asleep,
    is_claimed,
    tell,
    tokens_begun,
    wake,
)
from lava_ssm.engine.compiled.words import (
    ASLEEP,
    DONE,
    OVERFLOWS_AT,
    SUM,
    any_counted,
    word,
)
from lava_ssm.engine.executor import ANY, SUMS
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
def advancing(real: np.dtype, is_fixed: bool, is_shared: bool = False) -> Callable[..., int]:
    """Give the kernel of networks, see `advance` in it; filters' floats are `real`.

    `is_shared`: two threads compute the neurons of one sequence.
    """
    data_of = taking(kinds(real, is_fixed))
    step, entered, added = (
        (_step, quantized, _added) if is_fixed else (_step_float, finite, _added_float)
    )
    name = f"{'fixed' if is_fixed else 'float'}_{real}{'_shared' * is_shared}"

    def step_all(data, k, n):
        """Compute all populations."""
        populations = data.populations
        for i in range(populations.size):
            step(populations[i].operation, populations[i], data, k, n)

    def step_other(data, i, n):
        """Compute the other thread's part of a population."""
        theirs = data_of(data.threads[1])
        row = theirs.populations[i]
        if row.operation >= 0:
            step(row.operation, row, theirs, 0, n)

    def step_part(data, k, n):
        """Compute this thread's part of each population; the other's too, if that one sleeps."""
        populations, turns, thread = data.populations, data.turns, data.rules[0].thread
        base = begun_at(turns, thread)
        is_begun = thread > 0 or begun(turns, n)
        is_alone = not is_begun
        for i in range(populations.size):
            row = populations[i]
            if row.awaits > 0 and not is_alone and not awaited(turns, thread, base + row.awaits):
                is_alone = True
                for j in range(i):
                    step_other(data, j, n)
            if row.operation >= 0:
                step(row.operation, row, data, k, n)
            if is_alone:
                step_other(data, i, n)
            elif row.tells != 0:
                tell(turns, thread, base + i + 1)
        if thread == 0 and is_begun:
            count = base + populations.size
            if not is_alone and not awaited(turns, thread, count):
                is_alone = True
                for i in range(populations.size):
                    step_other(data, i, n)
            if is_alone:
                end(turns, count)

    def follow(data):
        """Compute the second thread's part of what the first one begins, until it rests."""
        before, turns = rounding_mode(), data.turns
        set_rounding_mode(np.int32(data.rules[0].rounding))
        wake(turns)
        was_asleep = True  # the first thread waits for it, in a sleep of its own
        while is_claimed(turns, was_asleep):
            step_block(data, 0, tokens_begun(turns))
            was_asleep = False
        set_rounding_mode(before)

    if is_shared:
        step_other = compiled(renamed(step_other, name))
        follow = compiled(renamed(follow, name))
    step_block = compiled(renamed(step_part if is_shared else step_all, name))

    def advance(table, values, tokens, outputs):
        """Run tokens on from a state; as a second thread, help the first one as long as it does.

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
        int
            0: not all values lie in the input's format, no state has changed. DONE, with ASLEEP:
            there is a second thread, which sleeps; beyond bit OVERFLOWS_AT, see
            `Executor.overflowed`.
        """
        data = data_of(table)
        if is_shared and data.rules[0].thread > 0:
            follow(data)
            return DONE
        if values.size > 0 and not entered(values, data.limits, tokens):
            return 0
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
                step_block(data, k, n)
                for t in range(n):
                    for j in range(outputs.shape[2]):
                        value = buffers[last, t, j]
                        if rules.sums:
                            totals[k, j] = added(totals[k, j], value, data)
                            outputs[k, start + t, j] = totals[k, j]
                        else:
                            outputs[k, start + t, j] = value
        set_rounding_mode(before)
        done = DONE
        if is_shared and is_asleep(data.turns):
            done |= ASLEEP
        if any_counted(data.counts) or (is_shared and any_counted(data_of(data.threads[1]).counts)):
            done |= ANY << OVERFLOWS_AT
            if data.counts[-1, SUM] > 0:
                done |= SUMS << OVERFLOWS_AT
        return done

    return kernel(renamed(advance, name))
