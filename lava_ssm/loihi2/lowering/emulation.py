"""A lowered graph on this CPU, in floating point."""

# First: it guards the import of Lava.
from lava_ssm.numerics import instance

import lava_ssm.runtime  # noqa: F401  # isort: skip
from dataclasses import dataclass

import numpy as np
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.io.sink import RingBuffer as Sink
from lava.proc.io.source import RingBuffer as Source
from numpy.typing import ArrayLike, NDArray

from lava_ssm import runtime
from lava_ssm.loihi2.lowering.graph import Graph, Lowered, emitted, sample
from lava_ssm.loihi2.lowering.parts import FloatParts
from lava_ssm.network import Readout


@dataclass(frozen=True, eq=False)
class Emulation:
    """The same graph as a lowered one, in floating point.

    Parameters
    ----------
    lowered
        The graph for the chip.
    """

    lowered: Lowered

    def graph(self) -> Graph:
        """Build the Processes: connections as on the chip, weights times 2^weight_exp."""
        return Graph(self.lowered.network, FloatParts())

    def run(self, x: ArrayLike, progress: bool = False) -> NDArray[np.float64]:
        """Run tokens of one sample, from the zero state.

        Parameters
        ----------
        x
            Tokens (time, d_input): floats are values, rounded to the input format, and integers
            mantissas.
        progress
            Whether to show a progress bar.

        Returns
        -------
        ndarray
            Real values of what the network emits at each token, (time, d_output): those of
            `lowered.network.dequantize().run` on the same tokens.

        Raises
        ------
        ValueError
            A wrong shape, or values beyond the input format.
        """
        network = self.lowered.network
        tokens = sample(network, x)
        steps = len(tokens) + network.latency
        columns = np.zeros((network.d_input, steps))
        columns[:, : len(tokens)] = tokens.T
        graph = self.graph()
        source, sink = Source(data=columns), Sink(shape=(network.d_output,), buffer=steps)
        for port in graph.entries:
            source.s_out.connect(port)
        graph.s_out.connect(sink.a_in)
        try:
            with runtime.in_process():
                run_cfg = Loihi2SimCfg(select_tag="floating_pt")
                runtime.run(source, steps, run_cfg, progress=progress)
            recorded = sink.data.get()
        finally:
            source.stop()
        outputs = recorded[:, network.latency :].T  # (time, d_output), in mantissas
        values = np.ldexp(emitted(network, outputs), -network.exponents[-1])
        if network.readout is Readout.MEAN_OVER_TIME:
            values = values / np.arange(1, len(values) + 1)[:, np.newaxis]
        return np.asarray(values)


def emulate(lowered: Lowered) -> Emulation:
    """Emulate a lowered graph on this CPU, in floating point.

    No upstream model runs the graph itself on a CPU: `S4d` has a float model only, fixed `Dense`
    rejects floats, and float `Dense` ignores `weight_exp`. Here every Process is replaced by one
    that computes the same in floating point: weights times 2^weight_exp, upstream's `S4dModel`,
    our float relays. It checks connections, delays, parameters and scales; not the chip's
    rounding and words, which `fixed.run` has.

    Raises
    ------
    TypeError
        Not a lowered graph.
    """
    instance(lowered, Lowered, "lowered", "what ssm.loihi2.lower gives")
    return Emulation(lowered)
