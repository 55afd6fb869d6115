"""Operations of neurons in C, one file each: `write` adds a population's step to a program.

To emit a new operation, write its file and enter it in `WRITE`; kinds of layers that are made of
known operations need nothing. `write(writer, n, population)`:

1. takes what the population receives: `synapses.received(writer, connection, stage)`, a `Buffer`
   with the bounds of what is in it (`given_back` at the end); messages themselves are in
   `writer.sent[source]`;
2. adds arrays: `writer.constant(values, name)` in their own width, `writer.carried(name, kind,
   size)` for what is kept from token to token, `writer.buffer(kind, size)` or
   `writer.message(population, low, high)` for what is sent;
3. adds a function, `writer.function(name, text)` (`@function@` is its name, `@counts@` where it
   counts overflows; equal ones are one), and its call, `writer.call(function, *arguments,
   stage=...)`;
4. enters what is sent, with its bounds: `writer.sent[n] = out`.

Of a loop over neurons `loop.write` does all that, given an expression (`Value`, whose bounds choose
its type; `Body.let` names one, `Body.word` brings it to a word). What C has no operator for
is an inline function of `base.c`, of which a program has those that it calls. Other synapses are a
case of `synapses.received`. ONNX has its own table, in `exchange.to_onnx`.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from lava_ssm.deploy.operations import (
    affine,
    bilinear,
    filters,
    gated_recurrence,
    inverse_sqrt,
    product,
    recurrence,
    selective_recurrence,
    taps,
)
from lava_ssm.deploy.operations.loop import Loop, write
from lava_ssm.deploy.values import Value
from lava_ssm.deploy.writer import Writer
from lava_ssm.network import (
    Affine,
    Bilinear,
    Filters,
    GatedRecurrence,
    InverseSqrt,
    Neurons,
    Population,
    Product,
    Recurrence,
    SelectiveRecurrence,
    Taps,
)

_LOOPS: dict[type[Neurons], tuple[str, Callable[[Loop, Any], Value]]] = {
    Affine: ("Affine: a sum, a multiple of a second input, a bias.", affine.value),
    Bilinear: ("Bilinear: two inputs multiplied, a weight, a bias.", bilinear.value),
    GatedRecurrence: (
        "Gated: h' = c + f (h - c), f the sigmoid of a sum, c a second input.",
        gated_recurrence.value,
    ),
    InverseSqrt: ("Inverse root: of a sum.", inverse_sqrt.value),
    Product: ("Product: a second input times the sigmoid of a sum.", product.value),
    SelectiveRecurrence: ("selective", selective_recurrence.value),
}
WRITE: dict[type[Neurons], Callable[[Writer, int, Population], None]] = {
    Filters: filters.write,
    Recurrence: recurrence.write,
    Taps: taps.write,
    **{kind: partial(write, *of) for kind, of in _LOOPS.items()},
}

__all__ = ["WRITE"]
