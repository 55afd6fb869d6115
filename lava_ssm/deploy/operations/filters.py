"""`Filters` in C: the states of each channel, and the sum of what they send."""

import numpy as np

from lava_ssm.deploy.recurrences import Diagonal, fits_small, greatest
from lava_ssm.deploy.values import cast, counted, word
from lava_ssm.deploy.writer import Writer, filled, indented, widest
from lava_ssm.network import Filters, Population
from lava_ssm.numerics import SYNAPSE_BITS, Overflow, word_range

_TEMPLATE = """\
/* Filters, @d_model@ of @d_state@ states each: x' = a x + b u, and the sum of 2 Re(c x') is sent;
   each product is shifted on its own. */
static void @function@(
    const @parameter@ *restrict a_re, const @parameter@ *restrict a_im,
    const @parameter@ *restrict b_re, const @parameter@ *restrict b_im,
    const @parameter@ *restrict c_re, const @parameter@ *restrict c_im,
    @exponents@const uint8_t *restrict state_exponents,
    @state@ *restrict x_re, @state@ *restrict x_im, const @message@ *restrict u,
    int32_t *restrict sums@counts@)
{
    for (int h = 0; h < @d_model@; h++) {
        const int p = @p@, s = state_exponents[h];
        const int first = h * @d_state@, end = first + @d_state@;
        const int64_t input = u[h] * (INT64_C(1) << s);
        const int32_t v = @input@;
        @total@ total = 0;
@input_count@        if (v != 0) {
            for (int n = first; n < end; n++) {
@driven@
            }
        } else {
            for (int n = first; n < end; n++) {
@free@
            }
        }
@total_count@        sums[h] = @sum@;
    }
}
"""
_OUT = """\
const @int@ out = @times@(c_re[n], new_re, p)
    - @times@(c_im[n], new_im, p);
total += @cast@ssm_@rounding@(2 * out, s);
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
    add = "(uint32_t)" if writer.is_modular and small else ""
    input_count = counted("input", "int64_t", rules.state_bits, "input")
    total = "int64_t" if counts else "uint32_t"
    out = filled(
        _OUT,
        {
            "int": f"int{width}_t",
            "times": diagonal.times,
            "rounding": f"{rules.rounding.value}{width}",
            "cast": cast("", f"int{width}_t", total),
        },
    ).splitlines()
    drives = [f"{add}{diagonal.times}(b_{part}[n], v, p)" for part in ("re", "im")]
    one_p = len(np.unique(p)) == 1
    text = filled(
        _TEMPLATE,
        {
            "d_model": d_model,
            "d_state": d_state,
            "parameter": parameter,
            "state": diagonal.state,
            "message": u.kind,
            "exponents": "" if one_p else "const uint8_t *restrict param_exponents, ",
            "p": p[0] if one_p else "param_exponents[h]",
            "input": word("input", "int64_t", rules.state_bits, rules.overflow),
            "input_count": f"        {input_count.replace('+= ', f'+= {d_state} * ')}\n"
            if counts
            else "",
            "total": total,
            "driven": indented([*diagonal.step((drives[0], drives[1])), *out], 16),
            "free": indented([*diagonal.step(None), *out], 16),
            "total_count": f"        {counted('total', 'int64_t', SYNAPSE_BITS, 'synapse')}\n"
            if counts
            else "",
            "sum": word("total", "int64_t", SYNAPSE_BITS, Overflow.WRAP)
            if counts
            else "(int32_t)total",
        },
    )
    sent = writer.buffer("int32_t", d_model)
    sent.low, sent.high = word_range(SYNAPSE_BITS)
    arguments = [
        writer.constant(m[..., part], f"{name}_{('re', 'im')[part]}", parameter)
        for name, m in (("a", filters.a), ("b", filters.b), ("c", filters.c))
        for part in (0, 1)
    ]
    arguments += [
        writer.constant(exponents, "exponents", "uint8_t")
        for exponents in ([s] if one_p else [p, s])
    ]
    arguments += [
        writer.carried(f"x{n}_{part}", diagonal.state, d_model * d_state) for part in ("re", "im")
    ]
    function = writer.function("filters", text)
    writer.call(function, *arguments, u.place, sent.place, stage=population.stage)
    writer.sent[n] = sent
