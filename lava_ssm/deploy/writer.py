"""What the parts of a C program are written into."""

import re
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lava_ssm.deploy.values import Body, storage, width
from lava_ssm.network import FixedNetwork, Population
from lava_ssm.numerics import IntArray, Overflow, word_range

_LINE = 96
_LATER = "function", "counts"
_NAME = re.compile(r"static inline \w+ (\w+)\(")


def filled(template: str, values: Mapping[str, object]) -> str:
    """Put values in the places of a template, `@name@`; `@function@`, `@counts@` may be left."""

    def value(place: re.Match[str]) -> str:
        name = place.group(1)
        return str(values.get(name, place.group(0)) if name in _LATER else values[name])

    return re.sub(r"@(\w+)@", value, template)


def used(library: str, text: str) -> str:
    """The blocks of a library, parted by blank lines, that a text uses, and those that they use."""
    taken = ""
    for block in reversed(library.strip().split("\n\n")):
        name = _NAME.search(block)
        if name is None or re.search(rf"\b{name.group(1)}\b", taken + text):
            taken = f"{block}\n\n{taken}"
    return taken


BASE = (Path(__file__).parent / "base.c").read_text()


@dataclass
class Buffer:
    """An array of the state structure.

    Parameters
    ----------
    name, kind, size
        Its name, the type of its elements, and how many there are.
    low, high
        Bounds on what it holds at the moment.
    """

    name: str
    kind: str
    size: int
    low: int = 0
    high: int = 0

    @property
    def nbytes(self) -> int:
        """Bytes."""
        return self.size * width(self.kind) // 8

    @property
    def place(self) -> str:
        """As a step reaches it."""
        return f"state->{self.name}"


class Writer:
    """Gathers constants, functions, buffers and the statements of a step.

    Parameters
    ----------
    network
        What is written.
    counts
        Whether overflows are counted.
    compressed
        Share of weights that are not zero up to which a matrix is compressed; None: where that
        takes fewer bytes.
    """

    def __init__(self, network: FixedNetwork, counts: bool, compressed: float | None) -> None:
        self.network, self.rules = network, network.arithmetic
        self.counts = counts or self.rules.overflow is Overflow.RAISE
        self.compressed = compressed
        self.constants: list[str] = []
        self.constant_bytes = 0
        self.functions: list[str] = []
        self.steps: list[str] = []
        self.memory: list[Buffer] = []  # carried from token to token
        self.buffers: list[Buffer] = []
        self.sent: dict[int | None, Buffer] = {}  # by population
        self._names: dict[tuple[str, bytes], str] = {}
        self._free: list[Buffer] = []
        self._counting: set[str] = set()
        self._told: set[int] = set()

    @property
    def is_modular(self) -> bool:
        """Whether of what goes into a word only the low 32 bits matter."""
        return self.rules.overflow is Overflow.WRAP and not self.counts

    def constant(self, values: IntArray, name: str, kind: str | None = None) -> str:
        """Add an array of constants in its own width; gives its name. Equal ones are one."""
        flat = np.ravel(values) if values.size else np.zeros(1, np.int64)  # C has none of size 0
        kind = kind or storage(int(flat.min(initial=0)), int(flat.max(initial=0)))
        key = kind, flat.astype(np.int64).tobytes()
        if key not in self._names:
            self._names[key] = name = f"{name}_{len(self._names)}"
            self.constants.append(f"static const {kind} {name}[{flat.size}] = {{\n{_rows(flat)}}};")
            self.constant_bytes += flat.size * width(kind) // 8
        return self._names[key]

    def function(self, name: str, text: str) -> str:
        """Add a function, of which `@function@` is the name; gives that. Equal ones are one.

        `@counts@` stands behind its parameters: what counts overflows is handed where.
        """
        key = name, text.encode()
        if key not in self._names:
            self._names[key] = unique = f"{name}_{len(self._names)}"
            counts = ""
            if "counts[" in text:
                self._counting.add(unique)
                counts = ", uint32_t *restrict counts"
            self.functions.append(filled(text, {"function": unique, "counts": counts}))
        return self._names[key]

    def carried(self, name: str, kind: str, size: int) -> str:
        """Add to what is carried from token to token; gives how a step reaches it."""
        self.memory.append(Buffer(name, kind, size))
        return f"state->memory.{name}"

    def buffer(self, kind: str, size: int) -> Buffer:
        """Take a buffer that nobody uses."""
        fitting = [b for b in self._free if b.kind == kind]
        if fitting:
            taken = max(fitting, key=lambda b: b.size)
            self._free.remove(taken)
        else:
            taken = Buffer(f"b{len(self.buffers)}", kind, 0)
            self.buffers.append(taken)
        taken.size = max(taken.size, size)
        return taken

    def free(self, buffer: Buffer) -> None:
        """Give a buffer back."""
        self._free.append(buffer)

    def call(self, function: str, *arguments: str, stage: int) -> None:
        """Add a call to the step."""
        given = [*arguments]
        if function in self._counting:
            given.append(f"state->overflows[{stage}]")
        if stage not in self._told:
            self._told.add(stage)
            layer = self.network.stages[stage].layer
            name = type(layer).__name__.removeprefix("Fixed")
            self.steps.append(f"/* {stage}: {name}, {layer.d_input} to {layer.d_output}. */")
        call = f"{function}({', '.join(given)});"
        self.steps += textwrap.wrap(call, _LINE, subsequent_indent="    ", break_on_hyphens=False)

    def body(self) -> Body:
        """Begin the body of a loop."""
        return Body(self.rules.overflow, self.counts)

    def message(self, population: Population, low: int, high: int) -> Buffer:
        """Take a buffer for what a population sends, within bounds that its word makes narrower."""
        least, most = word_range(population.rules(self.rules).message_bits)
        if not (least <= low and high <= most):
            low, high = least, most
        out = self.buffer(storage(low, high), population.neurons.n_neurons)
        out.low, out.high = low, high
        return out


def widest(*arrays: IntArray) -> str:
    """The narrowest type that holds all of them."""
    return storage(min(int(v.min()) for v in arrays), max(int(v.max()) for v in arrays))


def indented(lines: Sequence[str], blanks: int) -> str:
    """Lines of text, each behind so many blanks."""
    return "\n".join(" " * blanks + line for line in lines)


def bounds(values: IntArray) -> tuple[int, int]:
    """The least and the greatest."""
    return int(np.min(values)), int(np.max(values))


def _rows(values: IntArray) -> str:
    text = ",".join("INT32_MIN" if v == -(1 << 31) else str(v) for v in values.tolist())
    lines = []
    while len(text) > _LINE:
        cut = text.rindex(",", 0, _LINE) + 1
        lines.append(text[:cut])
        text = text[cut:]
    return "".join(f"    {line}\n" for line in [*lines, text])
