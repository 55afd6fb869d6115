"""What runs a network, by name on the command line."""

from typing import TYPE_CHECKING, Literal

from rich.console import Console
from rich.progress import Progress

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from lava_ssm.network import FixedNetwork, Network


Backend = Literal["compiled", "reference", "lava", "lava-fused"]
"""Machine code, NumPy, a Lava graph of synapses and neurons, or of one Process."""


def run(
    network: "Network | FixedNetwork",
    x: "NDArray[np.floating]",
    backend: Backend,
    console: Console,
    last: bool = False,
) -> "tuple[NDArray[np.number], str]":
    """Run samples x (samples, time, d_input).

    Returns
    -------
    tuple
        Outputs of each token, (samples, time, d_output), or of the last one only, (samples, 1,
        d_output), which takes less memory; and what is known of overflows.
    """
    import numpy as np

    from lava_ssm import engine

    kept = slice(-1, None) if last else slice(None)

    if backend == "lava" or backend == "lava-fused":
        from lava_ssm import proc

        outputs = proc.run(network, x, fused=backend == "lava-fused", progress=True)
        return outputs[:, kept], "overflows of synapses are not counted in Lava"
    parts, tallies = [], []
    with Progress(console=console, transient=True) as progress:
        bar = progress.add_task(backend, total=len(x))
        for part in np.array_split(x, max(1, len(x) // 100)):
            done = engine.run(network, part, backend=backend)
            # a copy: a view would keep all tokens
            parts.append(done.outputs[:, kept].copy() if last else done.outputs)
            tallies.append(done.overflows)
            progress.update(bar, advance=len(part))
    total = sum(tally.total for tally in tallies)
    return np.concatenate(parts), f"{total} overflows" if total else "no overflow"


def names_of(network: "Network | FixedNetwork") -> list[str]:
    """Names of the classes of a network; numbers, where it was trained with none."""
    from lava_ssm.data.own import classes_of

    known = classes_of(network.made_by)
    return list(known) if len(known) == network.d_output else [*map(str, range(network.d_output))]


def compare(
    network: "Network | FixedNetwork",
    x: "NDArray[np.floating]",
    outputs: "NDArray[np.number]",
    backend: Backend,
    console: Console,
) -> bool:
    """Print how many tokens another executor gives the same outputs on; whether all are equal."""
    again, _ = run(network, x, backend, console)
    equal = (again == outputs).all(-1)
    console.print(
        f"{backend} gives the same outputs on {equal.sum()} of {equal.size} tokens",
        soft_wrap=True,
    )
    return bool(equal.all())
