"""A fixed network as a C program."""

import re
import textwrap
from dataclasses import dataclass

from lava_ssm import __version__
from lava_ssm.deploy.operations import WRITE
from lava_ssm.deploy.values import WHAT, Body, Value, cast, literal
from lava_ssm.deploy.vectors import check_fixed
from lava_ssm.deploy.writer import BASE, Writer, filled, indented, used
from lava_ssm.network import FixedNetwork, Readout
from lava_ssm.numerics import SYNAPSE_BITS, Overflow, flag, real_number, shown, word_range

_HEADER = """\
@about@
#ifndef @GUARD@_H
#define @GUARD@_H

#include <stdint.h>

#define @NAME@_INPUTS @d_input@ /* integers of a token, @input@ */
#define @NAME@_OUTPUTS @d_output@ /* integers of an output, @output@ */

/* What @name@_step says. After anything but @NAME@_OK the state is as before. */
enum {
    @NAME@_OK = 0,
    @NAME@_OUT_OF_RANGE = 1, /* an integer of the token is beyond the input's format */
    @NAME@_OVERFLOW = 2 /* an integer left its word, and the network's rule is to raise */
};

/* What the network carries from token to token. */
typedef struct {
@memory@
} @name@_memory;

/* That, and buffers. */
typedef struct {
    @name@_memory memory;
@buffers@
} @name@_state;

#ifdef __cplusplus
extern "C" {
#endif

/* Begin a sample. */
void @name@_reset(@name@_state *state);

/* Take one token; give one output: @readout@. */
int @name@_step(@name@_state *state, const int32_t *token, int32_t *output);

#ifdef __cplusplus
}
#endif

#endif
"""
_SOURCE = """\
@about@
#include "@name@.h"

#include <stddef.h>

@library@
@counts@@functions@
@constants@

/* Take a token in, if all of it lies in the input's format. */
static int taken(const int32_t *restrict token, @input_kind@ *restrict u)
{
    int fits = 1;
    for (int i = 0; i < @d_input@; i++) {
        fits &= (token[i] >= @low@) & (token[i] <= @high@);
        u[i] = @cast@token[i];
    }
    return fits;
}

void @name@_reset(@name@_state *state)
{
    unsigned char *const bytes = (unsigned char *)state;
    for (size_t i = 0; i < sizeof *state; i++) {
        bytes[i] = 0;
    }
}

int @name@_step(@name@_state *state, const int32_t *token, int32_t *output)
{
    if (!taken(token, @input@)) {
        return @NAME@_OUT_OF_RANGE;
    }
@steps@
    return @NAME@_OK;
}
"""
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
_HARNESS = """\
/* Reads tokens, @d_input@ integers each, and prints what @name@_step makes of each, a line each. */
#include "@name@.h"

#include <inttypes.h>
#include <stdio.h>

static @name@_state state;

int main(void)
{
    int32_t token[@NAME@_INPUTS], output[@NAME@_OUTPUTS];
    @name@_reset(&state);
    for (;;) {
        for (int i = 0; i < @NAME@_INPUTS; i++) {
            if (scanf("%" SCNd32, &token[i]) != 1) {
                return i == 0 && feof(stdin) ? 0 : 3;
            }
        }
        const int status = @name@_step(&state, token, output);
        if (status != @NAME@_OK) {
            (void)fprintf(stderr, "@name@_step: %d\\n", status);
            return status;
        }
        for (int i = 0; i < @NAME@_OUTPUTS; i++) {
            (void)printf("%" PRId32 "%c", output[i], i + 1 < @NAME@_OUTPUTS ? ' ' : '\\n');
        }
    }
}
"""
_HOST = """\
/* One stream with its token and output, for a host that cannot lay out a structure. */
#include "@name@.h"

#if defined(_WIN32)
#define EXPORT __declspec(dllexport)
#else
#define EXPORT __attribute__((visibility("default")))
#endif

static @name@_state state;
static int32_t token[@NAME@_INPUTS], output[@NAME@_OUTPUTS];

EXPORT int32_t host_inputs(void);
EXPORT int32_t host_outputs(void);
EXPORT int32_t *host_token(void);
EXPORT int32_t *host_output(void);
EXPORT void *host_memory(void);
EXPORT int32_t host_memory_bytes(void);
EXPORT void host_reset(void);
EXPORT int host_step(void);
EXPORT int host_run(const int32_t *tokens, int32_t *outputs, int32_t n);

int32_t host_inputs(void)
{
    return @NAME@_INPUTS;
}

int32_t host_outputs(void)
{
    return @NAME@_OUTPUTS;
}

int32_t *host_token(void)
{
    return token;
}

int32_t *host_output(void)
{
    return output;
}

void *host_memory(void)
{
    return &state.memory;
}

int32_t host_memory_bytes(void)
{
    return (int32_t)sizeof state.memory;
}

void host_reset(void)
{
    @name@_reset(&state);
}

int host_step(void)
{
    return @name@_step(&state, token, output);
}

/* Takes tokens until one is refused; gives what @name@_step said last. */
int host_run(const int32_t *tokens, int32_t *outputs, int32_t n)
{
    int status = @NAME@_OK;
    for (int32_t t = 0; t < n && status == @NAME@_OK; t++) {
        status = @name@_step(&state, tokens, outputs);
        tokens += @NAME@_INPUTS;
        outputs += @NAME@_OUTPUTS;
    }
    return status;
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
    if not isinstance(name, str) or not re.fullmatch(r"[a-z][a-z0-9_]{0,30}", name):
        raise ValueError(
            "name must be small letters, digits and _, at most 31, a letter first; "
            f"got {shown(name)}"
        )
    if name in _TAKEN:
        raise ValueError(f"name must not be one of {', '.join(_TAKEN)}, which are taken")
    if compressed is not None:
        compressed = real_number(compressed, "compressed", "[0, 1]")
    writer = Writer(network, flag(overflows, "overflows"), compressed)
    input_format = network.input_format
    first = writer.buffer(_input_kind(input_format.bits), network.d_input)
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


def _input_kind(bits: int) -> str:
    return next(f"int{width}_t" for width in (8, 16, 32) if bits <= width)


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
        _SOURCE,
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
        _HEADER,
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
        filled(_HARNESS, common),
        filled(_HOST, common),
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
