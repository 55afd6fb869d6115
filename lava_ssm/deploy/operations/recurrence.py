"""`Recurrence` in C: states that receive and send real and imaginary parts."""

import numpy as np

from lava_ssm.deploy.recurrences import Diagonal, fits_small, greatest
from lava_ssm.deploy.synapses import given_back, received
from lava_ssm.deploy.values import Value, cast
from lava_ssm.deploy.writer import Writer, bounds, filled, indented, widest
from lava_ssm.network import Population, Recurrence
from lava_ssm.numerics import word_range

_TEMPLATE = """\
/* States, @size@: x' = a x + u + bias, of which r(x') is sent, real parts, then imaginary ones. */
static void @function@(
    const @parameter@ *restrict a_re, const @parameter@ *restrict a_im,
    const @bias_kind@ *restrict bias_re, const @bias_kind@ *restrict bias_im,
    @state@ *restrict x_re, @state@ *restrict x_im, const @kind@ *restrict u,
    @sent@ *restrict sent@counts@)
{
    const int p = @p@;
    for (int n = 0; n < @size@; n++) {
@body@
    }
}
"""
_RECTIFY = (
    "const int32_t on = -(int32_t)((new_re > 0) | ((new_re == 0) & (new_im > 0)));",
    "const int32_t kept_re = new_re & on, kept_im = new_im & on;",
)


def write(writer: Writer, n: int, population: Population) -> None:
    """See `operations`."""
    neurons, rules = population.neurons, writer.rules
    assert isinstance(neurons, Recurrence)
    connection = population.inputs[0]
    u = received(writer, connection, population.stage)
    size = len(neurons.a)
    low, high = bounds(neurons.bias)
    drive = Value("u[n]", u.low, u.high) + Value("bias_re[n]", low, high)
    modular = writer.is_modular
    small = fits_small(
        writer,
        greatest(neurons.a),
        np.full(size, neurons.param_exponent),
        2,
        0 if modular else drive.size,
    )
    diagonal = Diagonal(writer, 32 if small else 64)
    wide = "(uint32_t)" if modular and small else "" if small else "(int64_t)"
    body = writer.body()
    state = word_range(rules.state_bits)
    kept = "kept" if neurons.relu else "new"
    for part, at in (("re", "n"), ("im", f"n + {size}")):
        value = Value(f"{kept}_{part}", *state).shifted(neurons.state_shift, rules.rounding)
        sent = body.word(body.let(f"sent_{part}", value), rules.message_bits, "message")
        body.lines.append(f"sent[{at}] = @cast@{sent.text};")
    out = writer.message(population, sent.low, sent.high)
    drives = [
        f"{wide}u[n{at}] + {wide}bias_{part}[n]" for part, at in (("re", ""), ("im", f" + {size}"))
    ]
    step = [*diagonal.step((drives[0], drives[1])), *(_RECTIFY if neurons.relu else ())]
    parameter, bias_kind = widest(neurons.a), widest(neurons.bias)
    text = filled(
        _TEMPLATE,
        {
            "size": size,
            "parameter": parameter,
            "bias_kind": bias_kind,
            "state": diagonal.state,
            "kind": u.kind,
            "sent": out.kind,
            "p": neurons.param_exponent,
            "body": indented([*step, *body.lines], 8).replace(
                "@cast@", cast("", "int32_t", out.kind)
            ),
        },
    )
    arguments = [
        writer.constant(m[:, part], f"{name}_{('re', 'im')[part]}", kind)
        for name, m, kind in (("a", neurons.a, parameter), ("bias", neurons.bias, bias_kind))
        for part in (0, 1)
    ]
    arguments += [writer.carried(f"x{n}_{part}", diagonal.state, size) for part in ("re", "im")]
    function = writer.function("recurrence", text)
    writer.call(function, *arguments, u.place, out.place, stage=population.stage)
    given_back(writer, connection, u)
    writer.sent[n] = out
