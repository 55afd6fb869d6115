"""A fixed network as a C program."""

import re
import textwrap
from dataclasses import dataclass
from pathlib import Path

from lava_ssm import __version__
from lava_ssm.deploy.operations import WRITE
from lava_ssm.deploy.values import WHAT, Body, Value, cast, literal, storage
from lava_ssm.deploy.writer import BASE, Writer, filled, indented, used
from lava_ssm.network import FixedNetwork, Readout, check_fixed
from lava_ssm.numerics import SYNAPSE_BITS, Overflow, flag, real_number, shown, word_range

_TEMPLATES = Path(__file__).parent / "templates"
_COUNTS = f"""\
/* What is counted of a stage. */
enum {{ {", ".join(f"ssm_{what}" for what in WHAT)} }};

"""
_EMIT = """\
/* What is sent last is the output. */
static void @function@(const @kind@ *restrict y, @parameters@int32_t *restrict output@counts@)
{
    for (int i = 0; i < @d_output@; i++) {
@body@
    }
}
"""
_RAISES = """\
/* Overflows of what the rule of overflow holds for. */
static uint32_t raised(const @name@_state *state)
{
    uint32_t n = 0;
    for (int i = 0; i < @stages@; i++) {
        const uint32_t *const counts = state->overflows[i];
        n += counts[ssm_input] + counts[ssm_state] + counts[ssm_message] + counts[ssm_sum];
    }
    return n;
}
"""
_TAKEN = ("host", "main", "ssm")
"""Names that files and functions beside the program begin with."""
READOUTS = {
    Readout.EVERY_TOKEN: "that of the token",
    Readout.LAST_TOKEN: "that of the token; a sample's result is its last",
    Readout.MEAN_OVER_TIME: "the sum since the reset (the mean is that by the tokens' number)",
}


@dataclass(frozen=True)
class Program:
    """A network in C99.

    Parameters
    ----------
    name, about
        With which its names begin; what the network is.
    header, source
        The two files' texts.
    harness
        A main that reads tokens and prints outputs.
    host
        Functions for a host that loads the program: see `Library`.
    flash, state
        Bytes of the constants and of the state structure (without padding).
    """

    name: str
    about: str
    header: str
    source: str
    harness: str
    host: str
    flash: int
    state: int


def check_name(name: str) -> None:
    """Raise a ValueError for what a program's names cannot begin with."""
    if not isinstance(name, str) or not re.fullmatch(r"[a-z][a-z0-9_]{0,30}", name):
        raise ValueError(
            "name must be small letters, digits and _, at most 31, a letter first; "
            f"got {shown(name)}"
        )
    if name in _TAKEN:
        raise ValueError(f"name must not be one of {', '.join(_TAKEN)}, which are taken")


def c(
    network: FixedNetwork,
    name: str = "net",
    overflows: bool = False,
    compressed: float | None = None,
) -> Program:
    """Write a fixed network as C99: no allocation, no float, no library.

    Parameters
    ----------
    network
        Fixed; a float one has to be quantised first.
    name
        With which the names of the program begin: a name of C.
    overflows
        Whether the state counts what left its word: `overflows[stage][what]`, of input, state,
        message, synapse and sum. A network of which the rule is RAISE always does.
    compressed
        Share of weights that are not zero up to which a matrix is stored as compressed rows; None:
        where that takes fewer bytes.

    Raises
    ------
    TypeError
        Not a fixed network.
    ValueError
        A name that C does not allow, or an operation that has no C form.
    """
    check_fixed(network)
    check_name(name)
    if compressed is not None:
        compressed = real_number(compressed, "compressed", "[0, 1]")
    writer = Writer(network, flag(overflows, "overflows"), compressed)
    input_format = network.input_format
    first = writer.buffer(storage(*word_range(input_format.bits)), network.d_input)
    first.low, first.high = input_format.min_mantissa, input_format.max_mantissa
    writer.sent[None] = first
    populations = network.lowered
    last_read: dict[int | None, int] = {}
    for n, p in enumerate(populations):
        last_read |= dict.fromkeys((c.source for c in p.connections), n)
    for n, p in enumerate(populations):
        write = WRITE.get(type(p.neurons))
        if write is None:
            raise ValueError(f"{type(p.neurons).__name__} neurons have no C form")
        write(writer, n, p)
        for source, reader in last_read.items():
            if reader == n:
                writer.free(writer.sent[source])
    _readout(writer)
    return _program(writer, name)


def _readout(writer: Writer) -> None:
    """Write the last statement of a step."""
    network = writer.network
    y = writer.sent[len(network.lowered) - 1]
    body = Body(writer.rules.overflow, writer.counts)
    value, parameters, arguments = Value("y[i]", y.low, y.high), "", [y.place]
    if network.readout is Readout.MEAN_OVER_TIME:
        total = Value("total[i]", *word_range(SYNAPSE_BITS))
        value = body.word(body.let("sum", total + value), SYNAPSE_BITS, "sum")
        body.lines.append(f"total[i] = {value.text};")
        value = total
        parameters = "int32_t *restrict total, "
        arguments.append(writer.carried("total", "int32_t", network.d_output))
    body.lines.append(f"output[i] = {value.text};")
    text = filled(
        _EMIT,
        {
            "kind": y.kind,
            "parameters": parameters,
            "d_output": network.d_output,
            "body": indented(body.lines, 8),
        },
    )
    function = writer.function("emitted", text)
    writer.call(function, *arguments, "output", stage=len(network.stages) - 1)


def _program(writer: Writer, name: str) -> Program:
    network, stages = writer.network, len(writer.network.stages)
    raises = writer.rules.overflow is Overflow.RAISE
    memory = writer.memory
    fields = [f"{b.kind} {b.name}[{b.size}];" for b in memory] or ["char nothing;"]
    buffers = [f"{b.kind} {b.name}[{b.size}];" for b in writer.buffers]
    state = sum(b.nbytes for b in [*memory, *writer.buffers])
    steps = writer.steps
    if writer.counts:
        what = ", ".join(WHAT)
        buffers.append(f"uint32_t overflows[{stages}][{len(WHAT)}]; /* of each stage: {what} */")
        state += 4 * stages * len(WHAT)
    if raises:
        state += sum(b.nbytes for b in memory)
        buffers.append(f"{name}_memory before;")
        steps = [
            "const uint32_t so_far = raised(state);",
            "state->before = state->memory;",
            *steps,
            "if (raised(state) != so_far) {",
            "    state->memory = state->before;",
            f"    return {name.upper()}_OVERFLOW;",
            "}",
        ]
        writer.functions.append(filled(_RAISES, {"name": name, "stages": stages}))
    input_format = network.input_format
    first = writer.sent[None]
    common = {
        "name": name,
        "NAME": name.upper(),
        "about": _comment(name, network),
        "d_input": network.d_input,
        "d_output": network.d_output,
    }
    code = "\n".join([*writer.functions, *steps])
    source = filled(
        (_TEMPLATES / "program.c").read_text(),
        {
            **common,
            "library": used(BASE, code).strip() + "\n",
            "functions": "\n".join(writer.functions),
            "constants": "\n\n".join(writer.constants),
            "counts": _COUNTS if writer.counts else "",
            "input_kind": first.kind,
            "cast": cast("", "int32_t", first.kind),
            "input": first.place,
            "low": literal(input_format.min_mantissa),
            "high": literal(input_format.max_mantissa),
            "steps": indented(steps, 4),
        },
    )
    header = filled(
        (_TEMPLATES / "program.h").read_text(),
        {
            **common,
            "GUARD": name.upper(),
            "input": f"of exponent {input_format.exponent}, "
            f"{input_format.min_mantissa} to {input_format.max_mantissa}",
            "output": f"of exponent {network.exponents[-1]}",
            "memory": indented(fields, 4),
            "buffers": indented(buffers, 4),
            "readout": READOUTS[network.readout],
        },
    )
    return Program(
        name,
        _about(network),
        header,
        source,
        filled((_TEMPLATES / "harness.c").read_text(), common),
        filled((_TEMPLATES / "host.c").read_text(), common),
        writer.constant_bytes,
        state,
    )


def _about(network: FixedNetwork) -> str:
    rules = network.arithmetic
    layers = ", ".join(type(stage.layer).__name__.removeprefix("Fixed") for stage in network.stages)
    return (
        f"A network of {len(network.stages)} stages ({layers}), rounding "
        f"{rules.rounding.value.replace('_', ' ')}, overflow {rules.overflow.value}."
    )


def _comment(name: str, network: FixedNetwork) -> str:
    """What stands at the head of both files."""
    what = textwrap.fill(_about(network), 96, subsequent_indent="   ")
    return (
        f"/* {what}\n"
        f"   Written by lava_ssm {__version__}; all names begin with {name} or are static.\n\n"
        "   SPDX-License-Identifier: BSD-3-Clause\n"
        "   Copyright (c) 2026, the lava_ssm developers: code. The constants are the network's. */"
    )
