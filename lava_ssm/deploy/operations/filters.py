"""`Filters` in C: the states of each channel, and the sum of what they send."""

import numpy as np

from lava_ssm.deploy.recurrences import Diagonal, fits_small, greatest
from lava_ssm.deploy.values import counted, word
from lava_ssm.deploy.writer import Writer, filled, widest
from lava_ssm.network import Filters, Population
from lava_ssm.numerics import SYNAPSE_BITS, Overflow, word_range

_TEMPLATE = """\
/* @d_model@ channels of @d_state@ states: x' = a x + b u, sum of 2 Re(c x'), each product shifted
   on its own. */
static void @function@(
    const @parameter@ *restrict a_re, const @parameter@ *restrict a_im,
    const @parameter@ *restrict b_re, const @parameter@ *restrict b_im,
    const @parameter@ *restrict c_re, const @parameter@ *restrict c_im,
    const uint8_t *restrict param_exponents, const uint8_t *restrict state_exponents,
    @state@ *restrict x_re, @state@ *restrict x_im, const @message@ *restrict u,
    int32_t *restrict sums@counts@)
{
    for (int h = 0; h < @d_model@; h++) {
        const int p = param_exponents[h], s = state_exponents[h];
        const int first = h * @d_state@;
        const int64_t input = u[h] * (INT64_C(1) << s);
        const int32_t v = @input@;
        @total@ total = 0;
@input_count@        for (int n = first; n < first + @d_state@; n++) {
@step@            const @int@ out = @times@(c_re[n], new_re, p) - @times@(c_im[n], new_im, p);
            total += (@total@)ssm_@rounding@(2 * out, s);
        }
@total_count@        sums[h] = @sum@;
    }
}
"""


def write(writer: Writer, n: int, population: Population) -> None:
    """See `operations`."""
    filters, rules = population.neurons, writer.rules
    assert isinstance(filters, Filters)
    d_model, d_state = filters.d_model, filters.d_state
    onto = population.inputs[0].synapse
    widths = {(onto.n_out, onto.n_in)} | {
        (c.synapse.n_in, c.synapse.n_out)
        for q in writer.network.lowered
        for c in q.connections
        if c.source == n
    }
    if widths != {(filters.n_neurons, d_model)}:
        raise ValueError("filters that do not add up each channel's states have no C form")
    p = np.broadcast_to(filters.param_exponent, d_model)
    s = np.broadcast_to(filters.state_exponent, d_model)
    small = (
        fits_small(writer, greatest(np.concatenate([filters.a, filters.b], axis=1)), p, 3)
        and fits_small(writer, greatest(filters.c), p, 4)  # the doubled difference of two
    )
    width = 32 if small else 64
    diagonal = Diagonal(writer, width)
    u = writer.sent[population.inputs[0].source]
    parameter = widest(filters.a, filters.b, filters.c)
    counts = writer.counts
    input_count = counted("input", "int64_t", rules.state_bits, "input")
    text = filled(
        _TEMPLATE,
        {
            "d_model": d_model,
            "d_state": d_state,
            "parameter": parameter,
            "state": diagonal.state,
            "message": u.kind,
            "input": word("input", "int64_t", rules.state_bits, rules.overflow),
            "input_count": f"        {input_count.replace('+= ', f'+= {d_state} * ')}\n"
            if counts
            else "",
            "total": "int64_t" if counts else "uint32_t",
            "step": diagonal.step(
                f"{diagonal.times}(b_re[n], v, p)", f"{diagonal.times}(b_im[n], v, p)"
            ),
            "int": f"int{width}_t",
            "times": diagonal.times,
            "rounding": f"{rules.rounding.value}{width}",
            "total_count": f"        {counted('total', 'int64_t', SYNAPSE_BITS, 'synapse')}\n"
            if counts
            else "",
            "sum": word("total", "int64_t", SYNAPSE_BITS, Overflow.WRAP)
            if counts
            else "(int32_t)total",
        },
    )
    out = writer.buffer("int32_t", d_model)
    out.low, out.high = word_range(SYNAPSE_BITS)
    arguments = [
        writer.constant(m[..., part], f"{name}_{('re', 'im')[part]}", parameter)
        for name, m in (("a", filters.a), ("b", filters.b), ("c", filters.c))
        for part in (0, 1)
    ]
    arguments += [writer.constant(exponents, "exponents", "uint8_t") for exponents in (p, s)]
    arguments += [
        writer.carried(f"x{n}_{part}", diagonal.state, d_model * d_state) for part in ("re", "im")
    ]
    function = writer.function("filters", text)
    writer.call(function, *arguments, u.place, out.place, stage=population.stage)
    writer.sent[n] = out
