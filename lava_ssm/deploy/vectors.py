"""Test vectors: what every population of a network sends and keeps, token by token."""

import io
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from lava_ssm import files
from lava_ssm.engine import as_tokens, run
from lava_ssm.network import FixedNetwork, check_fixed
from lava_ssm.numerics import FixedPointOverflow, IntArray, RealArray, integer, integers
from lava_ssm.tables import Shaped


@dataclass(frozen=True)
class Vectors(Shaped):
    """Integers of a run from the zero state.

    Parameters
    ----------
    inputs, outputs
        (time, d_input) and (time, d_output): what `step` takes and gives.
    sent
        Messages of each population, (time, n_neurons), by name: `stage1_states`, ...; of states
        that are added up in a synapse, each state's.
    states
        Of each population that has any, after each token, (time, *state_shape): re, im.
    """

    inputs: IntArray
    outputs: IntArray
    sent: dict[str, IntArray]
    states: dict[str, IntArray]

    def arrays(self) -> dict[str, IntArray]:
        """All of them by name: `inputs`, `outputs`, `stage0_neurons.sent`, ..."""
        return {
            "inputs": self.inputs,
            "outputs": self.outputs,
            **{f"{name}.sent": values for name, values in self.sent.items()},
            **{f"{name}.state": values for name, values in self.states.items()},
        }

    def write(self, folder: str | PathLike[str]) -> list[Path]:
        """Write `vectors.npz`, and a text file for each array: a line a token.

        Raises
        ------
        OSError
            The folder is not there, or nothing may be written into it.
        """
        place, arrays = Path(files.name_of(folder)), self.arrays()
        content = io.BytesIO()
        np.savez_compressed(content, **arrays)
        written = [place / "vectors.npz"]
        files.write(written[0], content.getvalue())
        for name, values in arrays.items():
            written.append(place / f"{name}.txt")
            files.write(written[-1], text_of(values))
        return written


def vectors(
    network: FixedNetwork, tokens: ArrayLike | None = None, n_tokens: int = 32, seed: int = 0
) -> Vectors:
    """Run a network by the reference and note every integer.

    Parameters
    ----------
    network
        Fixed.
    tokens
        (time, d_input): values or mantissas. None: random ones, small and large, and the ends of
        the input's format.
    n_tokens, seed
        Of random ones.

    Raises
    ------
    TypeError
        Not a fixed network.
    ValueError
        Tokens that do not fit the network.
    FixedPointOverflow
        A word overflows, and the network's rule says RAISE.
    """
    check_fixed(network)
    if tokens is None:
        return _random(network, n_tokens, seed)
    mantissas = as_tokens(network, tokens, "tokens")
    if mantissas.ndim != 2 or len(mantissas) == 0:
        raise ValueError(
            f"tokens must have shape (time, {network.d_input}), time at least 1; "
            f"got {mantissas.shape}"
        )
    sent: dict[str, list[IntArray]] = {}
    states: dict[str, list[IntArray]] = {}
    names = [f"stage{p.stage}_{p.name}" for p in network.lowered]

    def see(n: int, what: str, values: IntArray) -> None:
        if what == "state":
            states.setdefault(names[n], []).append(values.copy())
        elif what == "sent":
            sent.setdefault(names[n], []).append(values.copy())

    outputs = run(network, mantissas, backend="reference", probe=see).outputs
    return Vectors(
        mantissas,
        outputs,
        {name: _stacked(values, len(mantissas)) for name, values in sent.items()},
        {name: np.stack(values) for name, values in states.items()},
    )


def _random(network: FixedNetwork, n_tokens: int, seed: int) -> Vectors:
    """Vectors of random tokens, as large as they may be where an overflow is an error."""
    n_tokens = integer(n_tokens, "n_tokens", 1, 1 << 20)
    rng = np.random.default_rng(integer(seed, "seed", 0))
    drawn = rng.uniform(-1, 1, (n_tokens, network.d_input))
    for bits in range(network.input_format.bits, -1, -1):
        tokens = _grown(network, drawn, bits)
        try:
            run(network, tokens)
        except FixedPointOverflow:
            if bits:
                continue
        break
    return vectors(network, tokens)


def _grown(network: FixedNetwork, drawn: RealArray, bits: int) -> IntArray:
    """Tokens that grow from ones to so many bits."""
    low, high = network.input_format.min_mantissa, network.input_format.max_mantissa
    sizes = np.exp2(np.linspace(0, bits - 1, len(drawn)))[:, np.newaxis]
    return np.clip(np.rint(drawn * sizes).astype(np.int64), low, high)


def text_of(values: IntArray) -> str:
    """Integers as text, a line for each entry of the first axis."""
    rows = integers(values).reshape(len(values), -1).tolist()
    return "".join(" ".join(map(str, row)) + "\n" for row in rows)


def _stacked(values: list[IntArray], n_tokens: int) -> IntArray:
    """Messages that were shown at once, (time, n), or token by token."""
    return values[0] if len(values) == 1 and values[0].ndim == 2 else np.stack(values)
