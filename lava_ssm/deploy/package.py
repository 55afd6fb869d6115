"""Folders with a network for another machine: its program, test vectors, and how to use them."""

from os import PathLike
from pathlib import Path

from numpy.typing import ArrayLike

from lava_ssm import files
from lava_ssm.deploy.emitter import Program, c
from lava_ssm.deploy.vectors import text_of, vectors
from lava_ssm.network import FixedNetwork

_README = """\
# {name}

{about}

A token is {d_input} integers of exponent {e_in} (value = integer / 2^{e_in}), from {low} to {high}.
An output is {d_output} integers of exponent {e_out}.

```c
#include "{name}.h"

static {name}_state state;

{name}_reset(&state);                         /* at the start of each sample */
int status = {name}_step(&state, token, output); /* for each token */
```

`{name}_step` gives {NAME}_OK, or says why it took nothing: see `{name}.h`. Constants take
{flash:,} bytes, the state {state:,}.

`inputs.txt` holds tokens, a line each, `outputs.txt` what has to come of them.
"""
_TRY_IT = """
```
cc -std=c99 -O2 {name}.c {name}_main.c -o {name}
./{name} < inputs.txt | diff - outputs.txt
```
"""


def write(
    network: FixedNetwork,
    folder: str | PathLike[str],
    name: str = "net",
    overflows: bool = False,
    harness: bool = False,
    tokens: ArrayLike | None = None,
) -> list[Path]:
    """Write a network as C99 into a folder, with a README and test vectors.

    Parameters
    ----------
    network, name, overflows
        See `c`.
    folder
        Made if it is not there.
    harness
        Whether to write a main, too, that reads tokens and prints outputs.
    tokens
        Of the test vectors, see `vectors`.

    Returns
    -------
    list
        The files that were written.

    Raises
    ------
    TypeError, ValueError, OSError
        As `c`, `vectors` and `files.write` do.
    """
    program = c(network, name, overflows)
    place = Path(files.name_of(folder))
    contents = texts(network, program, tokens)
    contents[f"{name}.h"], contents[f"{name}.c"] = program.header, program.source
    if harness:
        contents[f"{name}_main.c"] = program.harness
        contents["README.md"] += _TRY_IT.format(name=name)
    place.mkdir(parents=True, exist_ok=True)
    for file, text in contents.items():
        files.write(place / file, text)
    return [place / file for file in contents]


def texts(network: FixedNetwork, program: Program, tokens: ArrayLike | None) -> dict[str, str]:
    """README and test vectors, by the file's name."""
    run = vectors(network, tokens)
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
        flash=program.flash,
        state=program.state,
    )
    return {
        "README.md": readme,
        "inputs.txt": text_of(run.inputs),
        "outputs.txt": text_of(run.outputs),
    }
