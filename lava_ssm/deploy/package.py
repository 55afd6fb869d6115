"""Folders with a network for another machine: its program, test vectors, and how to use them."""

from dataclasses import dataclass
from os import PathLike
from pathlib import Path

from numpy.typing import ArrayLike

from lava_ssm import files
from lava_ssm.deploy.emitter import READOUTS, Program, c, check_name
from lava_ssm.deploy.page import page
from lava_ssm.deploy.targets import TARGETS, check_fits, compiled, harness, sizes
from lava_ssm.deploy.vectors import Vectors, text_of, vectors
from lava_ssm.network import FixedNetwork, check_fixed
from lava_ssm.numerics import flag, instance, integer, one_of

_README = """\
# {name}

{about}

`{name}.h` and `{name}.c` are all of it: C99, no allocation, no float, no library. {takes}
Each stream has a `{name}_state` of its own; as many as you like run at once.

```c
#include "{name}.h"

static {name}_state state;
int32_t token[{NAME}_INPUTS], output[{NAME}_OUTPUTS];

{name}_reset(&state);                            /* at the start of each sample */
int status = {name}_step(&state, token, output); /* for each token */
```

A token: {d_input} of round(value * 2^{e_in}), {low} to {high}.
An output: {d_output} of value * 2^{e_out}: {readout}.
`{name}_step` gives {NAME}_OK, or says why it took nothing: see `{name}.h`.

`inputs.txt` holds tokens, a line each, `outputs.txt` what has to come of them.
"""
_TRY_IT = """
```
{command}
```
"""


@dataclass(frozen=True)
class Options:
    """What of a program is wanted.

    Parameters
    ----------
    name
        With which its names and those of its files begin, see `c`.
    overflows
        Whether overflows are counted, see `c`.
    harness
        Whether to write a main, too, that reads tokens and prints outputs; compiled, where the
        target is.
    flash, ram
        Bytes of the part, in place of those of the target's usual one.
    """

    name: str = "net"
    overflows: bool = False
    harness: bool = False
    flash: int | None = None
    ram: int | None = None

    def __post_init__(self) -> None:
        check_name(self.name)
        for name in ("overflows", "harness"):
            flag(getattr(self, name), name)
        for name in ("flash", "ram"):
            if getattr(self, name) is not None:
                integer(getattr(self, name), name, 1)


def write(
    network: FixedNetwork,
    folder: str | PathLike[str],
    target: str = "c",
    options: Options = Options(),
    tokens: ArrayLike | None = None,
) -> list[Path]:
    """Write a network as a program into a folder, with a README and test vectors.

    Parameters
    ----------
    network
        Fixed.
    folder
        Made if it is not there.
    target
        "c": C99; "native", "wasm": that, compiled, for `Library`; "aarch64", "cortex-m4",
        "cortex-m7": with an object file; "html": a page with the network inside, to be opened.
    tokens
        Of the test vectors, see `vectors`; a page of numbers offers them as its example.

    Returns
    -------
    list
        The files that were written.

    Raises
    ------
    MissingPackageError
        There is no compiler; the message is the command that installs one.
    CompilerError
        The compiler refused the program.
    TypeError, ValueError, OSError
        As `c`, `vectors` and `files.write` do; an unknown target, or a network that is too large
        for it.
    """
    check_fixed(network)
    instance(options, Options, "options", "Options")
    one_of(target, ("c", "html", *TARGETS), "target")
    place, name = Path(files.name_of(folder)), options.name
    files.check_folder(place)
    machine = TARGETS["wasm"] if target == "html" else TARGETS.get(target)
    for what in ("flash", "ram"):
        if getattr(options, what) is not None and (machine is None or machine.flash is None):
            parts = ", ".join(name for name, one in TARGETS.items() if one.flash is not None)
            raise ValueError(f"{what} is that of a part: {parts}; target is {target}")
    compressed = None if machine is None else machine.compressed
    program = c(network, name, options.overflows, compressed)
    run = vectors(network, tokens)
    contents: dict[str, str | bytes] = {f"{name}.h": program.header, f"{name}.c": program.source}
    takes = f"Constants take {program.flash:,} bytes, the state {program.state:,}."
    if options.harness:
        contents[f"{name}_main.c"] = program.harness
    if machine is not None:
        product = compiled(program, machine)
        contents[f"{name}{machine.product}"] = product
        if target == "html":
            contents[f"{name}.html"] = page(
                network, program, product, None if tokens is None else run.inputs
            )
        if machine.linked:
            contents["host.c"] = program.host
        if machine.flash is not None:
            needed = sizes(program, machine, product)
            takes = (
                f"On a {target} it takes {needed.flash:,} bytes of flash, {needed.ram:,} of RAM."
            )
            check_fits(target, needed, options.flash or machine.flash, options.ram or machine.ram)
        if options.harness and machine.has_main:
            contents[name] = harness(program, target, machine)
    readme, inputs, outputs = _texts(network, program, run, takes)
    if options.harness:
        readme += _TRY_IT.format(command=_command(name, target))
    contents |= {"README.md": readme, "inputs.txt": inputs, "outputs.txt": outputs}
    place.mkdir(parents=True, exist_ok=True)
    for file, content in contents.items():
        files.write(place / file, content)
    if name in contents:
        (place / name).chmod(0o755)
    return [place / file for file in contents]


def _command(name: str, target: str) -> str:
    """How the test vectors are tried."""
    compare = "< inputs.txt | diff - outputs.txt"
    if target == "aarch64":
        return f"qemu-aarch64 ./{name} {compare}   # or ./{name} on such a machine"
    if target.startswith("cortex"):
        board = "mps2-an386" if target == "cortex-m4" else "mps2-an500"
        return (
            f"qemu-system-arm -M {board} -nographic -monitor none -serial none \\\n"
            f"    -semihosting-config enable=on,target=native -kernel {name} {compare}"
        )
    build = (
        f"cc -std=c99 -O2 {name}.c {name}_main.c -o {name}\n"
        if target in ("c", "wasm", "html")
        else ""
    )
    return f"{build}./{name} {compare}"


def _texts(
    network: FixedNetwork, program: Program, run: Vectors, takes: str
) -> tuple[str, str, str]:
    """README, inputs and outputs of the test vectors."""
    form = network.input_format
    readme = _README.format(
        name=program.name,
        NAME=program.name.upper(),
        about=program.about,
        d_input=network.d_input,
        d_output=network.d_output,
        e_in=form.exponent,
        e_out=network.exponents[-1],
        low=form.min_mantissa,
        high=form.max_mantissa,
        takes=takes,
        readout=READOUTS[network.readout],
    )
    return readme, text_of(run.inputs), text_of(run.outputs)
