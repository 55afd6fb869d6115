"""Synapses with weights: dense, or compressed rows."""

import numpy as np

from lava_ssm.deploy.values import counted, literal
from lava_ssm.deploy.writer import Buffer, Writer, filled
from lava_ssm.network import Connection, Copies, Filters, Matrix, Ones
from lava_ssm.network.description import is_dense
from lava_ssm.numerics import SYNAPSE_BITS, word_range

_DENSE = """\
/* (2 W u) >> shift, in 32 bits that wrap; W (@rows@, @columns@) by rows. */
static void @function@(
    const int8_t *restrict weights, const uint8_t *restrict shifts, const @kind@ *restrict u,
    int32_t *restrict sums@counts@)
{
    for (int i = 0; i < @rows@; i++) {
        const int8_t *const row = weights + (size_t)i * @columns@;
        @sum@ sum = 0;
        for (int j = 0; j < @columns@; j++) {
            sum += @product@;
        }
@finish@
    }
}
"""
_COMPRESSED = """\
/* (2 W u) >> shift, in 32 bits that wrap; of W (@rows@, @columns@) what is not zero, by rows. */
static void @function@(
    const int8_t *restrict weights, const @places@ *restrict columns, const @ends@ *restrict ends,
    const uint8_t *restrict shifts, const @kind@ *restrict u, int32_t *restrict sums@counts@)
{
    uint32_t k = 0;
    for (int i = 0; i < @rows@; i++) {
        @sum@ sum = 0;
        for (; k < ends[i]; k++) {
            sum += @product@;
        }
@finish@
    }
}
"""
_SUMMED = """\
/* Sums of @each@ messages each, in 32 bits that wrap. */
static void @function@(const @kind@ *restrict u, int32_t *restrict sums@counts@)
{
    for (int i = 0; i < @rows@; i++) {
        @sum@ sum = 0;
        for (int j = 0; j < @each@; j++) {
            sum += u[i * @each@ + j];
        }
@finish@
        sums[i] = @word@;
    }
}
"""


def received(writer: Writer, connection: Connection, stage: int) -> Buffer:
    """Write what a connection makes of its messages; gives where that is.

    What a matrix makes is in a buffer that the caller gives back; other messages stay where they
    are. Synapses of ones onto filters' states, and those that sum these, belong to the states.
    """
    source = writer.sent[connection.source]
    synapse = connection.synapse
    if isinstance(synapse, Matrix):
        return _matrix(writer, synapse, source, stage)
    if isinstance(synapse, Copies):
        return source
    if synapse.sums and not _is_summed(writer, connection):
        return _summed(writer, synapse, source, stage)
    if synapse.n_in == synapse.n_out or synapse.sums:
        return source
    raise ValueError(f"a connection from {synapse.n_in} to {synapse.n_out} neurons has no C form")


def given_back(writer: Writer, connection: Connection, buffer: Buffer) -> None:
    """Give back what `received` took."""
    synapse = connection.synapse
    if isinstance(synapse, Matrix) or (synapse.sums and not _is_summed(writer, connection)):
        writer.free(buffer)


def place_of(connection: Connection) -> str:
    """Where in what `received` gives neuron i finds its own."""
    copies = connection.synapse
    if not isinstance(copies, Copies):
        return "i"
    at = "i" if copies.each == 1 else f"i / {copies.each}"
    if copies.n_out > copies.count * copies.each:
        at = f"{at} % {copies.count}"
    return at if copies.first == 0 else f"{copies.first} + {at}"


def _is_summed(writer: Writer, connection: Connection) -> bool:
    """Whether what is to be added up is so already: what filters send."""
    source = connection.source
    return source is not None and isinstance(writer.network.lowered[source].neurons, Filters)


def _summed(writer: Writer, ones: Ones, source: Buffer, stage: int) -> Buffer:
    each, out = ones.n_in // ones.n_out, writer.buffer("int32_t", ones.n_out)
    low, high = each * source.low, each * source.high
    least, most = word_range(SYNAPSE_BITS)
    fits = least <= low and high <= most
    kind = "int32_t" if fits else "int64_t"
    lines = [] if fits else [counted("sum", kind, SYNAPSE_BITS, "synapse")] * writer.counts
    text = filled(
        _SUMMED,
        {
            "each": each,
            "rows": ones.n_out,
            "kind": source.kind,
            "sum": kind,
            "finish": "\n".join(f"        {line}" for line in lines),
            "word": "sum" if fits else "ssm_wrapped64(sum, 32)",
        },
    )
    function = writer.function("summed", text)
    writer.call(function, source.place, out.place, stage=stage)
    out.low, out.high = (low, high) if fits else (least, most)
    return out


def _matrix(writer: Writer, matrix: Matrix, source: Buffer, stage: int) -> Buffer:
    weights = matrix.weights
    rows, columns = weights.shape
    shifts = np.broadcast_to(matrix.shift, rows)
    left = min(max(-int(shifts.min()), 0), SYNAPSE_BITS)
    right = np.clip(shifts + left, 0, SYNAPSE_BITS - 1)

    # the greatest and the least sum of each row, and whether 32 bits hold them all
    positive, negative = np.maximum(weights, 0).sum(axis=1), np.minimum(weights, 0).sum(axis=1)
    most = [
        int(p) * source.high + int(n) * source.low for p, n in zip(positive, negative, strict=True)
    ]
    least = [
        int(p) * source.low + int(n) * source.high for p, n in zip(positive, negative, strict=True)
    ]
    low, high = word_range(SYNAPSE_BITS)
    fits = low <= 2 * min(least) << left and 2 * max(most) << left <= high
    # on the way a sum of small parts may go further than the whole
    size = max(abs(source.low), abs(source.high))
    narrow = left < 29 and 2 * int(np.abs(weights).sum(axis=1).max()) * size << left <= high

    entry = "row[j]", "u[j]"
    dense = _is_dense(writer, weights)
    if not dense:
        entry = "weights[k]", "u[columns[k]]"
    kind = "int32_t" if narrow else "int64_t" if writer.counts else "uint32_t"
    a, b = entry if kind == "int32_t" else (f"({kind}){v}" for v in entry)
    text = filled(
        _DENSE if dense else _COMPRESSED,
        {
            "rows": rows,
            "columns": columns,
            "kind": source.kind,
            "sum": kind,
            "product": f"{a} * {b}",
            "places": _unsigned(columns - 1),
            "ends": _unsigned(int(np.count_nonzero(weights))),
            "finish": _finish(kind, left),
        },
    )
    out = writer.buffer("int32_t", rows)
    arguments = [writer.constant(right, "shifts", "uint8_t"), source.place, out.place]
    if dense:
        arguments.insert(0, writer.constant(weights, "weights", "int8_t"))
    else:
        at, columns_of = np.nonzero(weights)
        ends = np.cumsum(np.bincount(at, minlength=rows))
        arguments[:0] = [
            writer.constant(weights[at, columns_of], "weights", "int8_t"),
            writer.constant(columns_of, "columns", _unsigned(columns - 1)),
            writer.constant(ends, "ends", _unsigned(int(ends[-1]))),
        ]
    name = writer.function("dense" if dense else "compressed", text)
    writer.call(name, *arguments, stage=stage)
    if fits:
        out.low = min((2 * v << left) >> int(r) for v, r in zip(least, right, strict=True))
        out.high = max((2 * v << left) >> int(r) for v, r in zip(most, right, strict=True))
    else:
        out.low, out.high = low >> int(right.min()), high >> int(right.min())
    return out


def _is_dense(writer: Writer, weights: np.ndarray) -> bool:
    if writer.compressed is None:
        return is_dense(weights)
    return np.count_nonzero(weights) > writer.compressed * weights.size


def _finish(kind: str, left: int) -> str:
    """What becomes of a row's sum: times 2, to the left, each time in 32 bits, to the right."""
    if kind == "int32_t":
        return f"        sums[i] = (sum * {literal(2 << left)}) >> shifts[i];"
    if kind == "uint32_t":
        raised = f"sum << {left + 1}" if left < SYNAPSE_BITS - 1 else "sum << 31 << 1"  # nothing
        return f"        sums[i] = (int32_t)({raised}) >> shifts[i];"
    lines = ["sum *= 2;"]
    for factor in (0, left):
        if factor:
            lines.append(f"sum *= INT64_C({1 << factor});")
        if factor or not lines[1:]:
            lines += [
                counted("sum", "int64_t", SYNAPSE_BITS, "synapse"),
                "sum = ssm_wrapped64(sum, 32);",
            ]
    lines.append("sums[i] = (int32_t)sum >> shifts[i];")
    return "\n".join(f"        {line}" for line in lines)


def _unsigned(most: int) -> str:
    return next(f"uint{bits}_t" for bits in (8, 16, 32) if most < 1 << bits)
