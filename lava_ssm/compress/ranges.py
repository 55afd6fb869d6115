"""What calibration data cause in a float network, stage by stage."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from lava_ssm import engine
from lava_ssm.network import Filters, Network, Readout, Recurrence
from lava_ssm.numerics import RealArray


@dataclass(frozen=True)
class Ranges:
    """Largest magnitudes in one stage, and moments of what enters it.

    Parameters
    ----------
    inputs
        Of what enters, for each channel, (d_input,).
    mean, std
        Of what enters, each (d_input,).
    gram
        Sum of u u^T over what enters, (d_input, d_input).
    peaks
        Of the values that a probe is shown, by population and what: for each neuron; of the states
        of `Filters` for each channel.
    mean_sent
        Mean of what states that are one population for all channels send, complex, (d_state,).
    """

    inputs: RealArray
    mean: RealArray
    std: RealArray
    gram: RealArray
    peaks: Mapping[tuple[str, str], RealArray] = field(default_factory=dict)
    mean_sent: np.ndarray | None = None

    @classmethod
    def of(cls, u: RealArray) -> "Ranges":
        """Begin with what enters, (..., d_input)."""
        rows = u.reshape(-1, u.shape[-1])
        peaks = np.abs(rows).max(axis=0)
        return cls(peaks, rows.mean(axis=0), rows.std(axis=0), rows.T @ rows)

    @property
    def states(self) -> RealArray:
        """Of the real and imaginary parts of states: by channel, or each."""
        return self.peaks["states", "state"]

    @property
    def drive(self) -> RealArray:
        """Of what the synapse to the states accumulates."""
        return self.peaks["states", "sum"]

    @property
    def sums(self) -> RealArray:
        """Of what the synapse to the stage's last neurons accumulates, (d_output,)."""
        return self.peaks["neurons", "sum"]

    @property
    def second(self) -> RealArray:
        """Of what these receive beside that, (d_output,)."""
        return self.peaks["neurons", "second"]

    @property
    def messages(self) -> RealArray:
        """Of what they send, (d_output,)."""
        return self.peaks["neurons", "sent"]


@dataclass(frozen=True)
class Observed:
    """What calibration data cause in a float network.

    Parameters
    ----------
    stages
        Of each stage.
    total
        Largest magnitude of the outputs (of their running sum, of a mean readout).
    """

    stages: tuple[Ranges, ...]
    total: float

    def ending(self, input_range: float | None) -> "Observed":
        """Give the same, with all inputs of the network as large as the largest may become."""
        first = self.stages[0]
        largest = float(first.inputs.max()) if input_range is None else input_range
        first = replace(first, inputs=np.full(len(first.inputs), largest))
        return replace(self, stages=(first, *self.stages[1:]))


def observe(network: Network, x: RealArray) -> Observed:
    """Run calibration data (..., time, d_input) and note what they cause.

    Raises
    ------
    ValueError
        Values leave the range of doubles.
    """
    populations = network.lowered
    ranges = [Ranges.of(x)]
    peaks: list[dict[tuple[str, str], RealArray]] = [{} for _ in network.stages]
    mean_sent: dict[int, np.ndarray] = {}
    total = 0.0

    def see(population: int, what: str, values: np.ndarray) -> None:
        nonlocal total
        p = populations[population]
        channel = -1 if what != "state" else -3 if isinstance(p.neurons, Filters) else -2
        others = tuple(i for i in range(values.ndim) if i != values.ndim + channel)
        peak = np.abs(values).max(axis=others)
        if not np.isfinite(peak).all():
            raise ValueError(
                f"calibration: makes {_NAMES[what]} of stage {p.stage} leave the range of doubles; "
                "scale the data or the weights before it"
            )
        if what == "sent" and p.name == "neurons":
            ranges.append(Ranges.of(values))
            if population == len(populations) - 1:
                mean = network.readout is Readout.MEAN_OVER_TIME
                sums = np.cumsum(values, axis=-2) if mean else values
                total = float(np.abs(sums).max())
        elif what == "sent" and isinstance(p.neurons, Recurrence):
            re, im = np.split(values.reshape(-1, values.shape[-1]).mean(axis=0), 2)
            mean_sent[p.stage] = re + 1j * im
        of_stage, key = peaks[p.stage], (p.name, what)
        of_stage[key] = np.maximum(of_stage.get(key, peak), peak)

    engine.run(network, x, probe=see)
    stages = [
        replace(entering, peaks=of_stage, mean_sent=mean_sent.get(i))
        for i, (entering, of_stage) in enumerate(zip(ranges, peaks, strict=False))
    ]
    return Observed(tuple(stages), total)


_NAMES = {
    "sum": "the sums",
    "second": "the second inputs",
    "state": "the states",
    "sent": "the messages",
}
