"""What calibration data cause in a float network, stage by stage."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from lava_ssm import engine
from lava_ssm.network import Activation, Affine, Network, Readout, Recurrence, Taps
from lava_ssm.numerics import RealArray
from lava_ssm.tables import Shaped


@dataclass(frozen=True)
class Moments(Shaped):
    """Of what enters a stage.

    Parameters
    ----------
    mean, std
        Each (d_input,).
    gram
        Sum of u u^T, (d_input, d_input).
    count, tokens
        Number of tokens, of all sequences and of one.
    sent
        Of what states that are one population for all channels send: of real parts, then of
        imaginary ones.
    taps
        Of the last tokens, where a layer keeps them: channel by channel, (d_input * length,).
    """

    mean: RealArray
    std: RealArray
    gram: RealArray
    count: int
    tokens: int
    sent: "Moments | None" = None
    taps: "Moments | None" = None

    @classmethod
    def of(cls, u: RealArray) -> "Moments":
        """Of values (..., time, d_input)."""
        rows = u.reshape(-1, u.shape[-1])
        return cls(rows.mean(axis=0), rows.std(axis=0), rows.T @ rows, len(rows), u.shape[-2])

    @property
    def centred(self) -> RealArray:
        """Sum of (u - mean) (u - mean)^T, (d_input, d_input); of what does not move, zeros."""
        centred: RealArray = self.gram - self.count * np.outer(self.mean, self.mean)
        # what is left of an input that does not move is the rounding of the difference, of any sign
        still = np.diag(centred) <= 1e-12 * np.diag(self.gram)
        centred[still], centred[:, still] = 0, 0
        return centred

    def scaled(self, k: RealArray) -> "Moments":
        """Of inputs `k` times as large, (d_input,), and states that are as they were."""
        taps = self.taps
        if taps is not None:
            taps = taps.scaled(np.repeat(k, len(taps.mean) // len(k)))
        gram = np.outer(k, k) * self.gram
        return replace(self, mean=k * self.mean, std=k * self.std, gram=gram, taps=taps)


@dataclass(frozen=True)
class Ranges(Shaped):
    """Largest magnitudes in one stage.

    Parameters
    ----------
    inputs
        Of what enters, for each channel, (d_input,).
    peaks
        Of the values that a probe is shown, by population and what: for each neuron; of the states
        of `Filters` for each channel.
    """

    inputs: RealArray
    peaks: Mapping[tuple[str, str], RealArray]

    def times(self, k: float) -> "Ranges":
        """Give `k` times as large ones."""
        return Ranges(k * self.inputs, {key: k * peak for key, peak in self.peaks.items()})

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
        """Of what they send, and of what a table's entry is multiplied with, (d_output,)."""
        sent = self.peaks["neurons", "sent"]
        return np.maximum(sent, self.peaks.get(("neurons", "activated"), sent))

    @property
    def reach(self) -> RealArray:
        """The same, and of what is rectified a share of the sums: that calibration data make a
        channel send little may be chance.
        """
        return np.maximum(self.messages, self.peaks.get(("neurons", "rectified"), 0.0))


@dataclass(frozen=True)
class Observed:
    """What calibration data cause in a float network.

    Parameters
    ----------
    stages
        Of each stage.
    moments
        The same; none, if they were not wanted.
    total
        Largest magnitude of the outputs (of their running sum, of a mean readout).
    """

    stages: tuple[Ranges, ...]
    moments: tuple[Moments, ...]
    total: float

    def ending(self, input_range: float | None) -> "Observed":
        """Give the same, with all inputs of the network as large as the largest may become."""
        first = self.stages[0]
        largest = float(first.inputs.max()) if input_range is None else input_range
        first = replace(first, inputs=np.full(len(first.inputs), largest))
        return replace(self, stages=(first, *self.stages[1:]))

    def clipped(self, share: float) -> "Observed":
        """Give the same, with no message larger than such a share of the largest."""
        key = "neurons", "sent"
        stages = (replace(s, peaks={**s.peaks, key: share * s.peaks[key]}) for s in self.stages)
        return replace(self, stages=tuple(stages))

    def widened(self, stage: int) -> "Observed":
        """Give the same, with all in one stage twice as large."""
        stages = list(self.stages)
        stages[stage] = stages[stage].times(2)
        total = 2 * self.total if stage == len(stages) - 1 else self.total
        return replace(self, stages=tuple(stages), total=total)


def observe(network: Network, x: RealArray, moments: bool = True) -> Observed:
    """Run calibration data (..., time, d_input) and note what they cause.

    Parameters
    ----------
    moments
        Whether they are wanted, which takes long, and not the ranges alone.

    Raises
    ------
    ValueError
        Values leave the range of doubles.
    """
    populations = network.lowered
    inputs = [_peaks(x)]
    entering = [Moments.of(x)] if moments else []
    peaks: list[dict[tuple[str, str], RealArray]] = [{} for _ in network.stages]
    of_states: dict[int, Moments] = {}
    of_taps: dict[int, Moments] = {}
    total = 0.0

    def see(population: int, what: str, values: np.ndarray) -> None:
        nonlocal total
        p = populations[population]
        channel = -len(p.neurons.state_shape or ()) if what == "state" else -1
        # over the outermost axes first: rows of memory are compared with rows
        inner = values.reshape(-1, *values.shape[channel:])
        peak = np.maximum(inner.max(axis=0), -inner.min(axis=0))
        peak = peak.reshape(len(peak), -1).max(axis=1)
        if not np.isfinite(peak).all():
            raise ValueError(
                f"calibration: makes {_NAMES[what]} of stage {p.stage} leave the range of doubles; "
                "scale the data or the weights before it"
            )
        if what == "sent" and p.name == "neurons":
            if moments:
                entering.append(Moments.of(values))
            inputs.append(peak)
            if population == len(populations) - 1:
                mean = network.readout is Readout.MEAN_OVER_TIME
                sums = np.cumsum(values, axis=-2) if mean else values
                total = float(np.abs(sums).max())
        elif moments and what == "sent" and isinstance(p.neurons, Recurrence):
            of_states[p.stage] = Moments.of(values)
        elif moments and what == "sent" and isinstance(p.neurons, Taps):
            of_taps[p.stage] = Moments.of(values)
        of_stage, key = peaks[p.stage], (p.name, what)
        of_stage[key] = np.maximum(of_stage.get(key, peak), peak)

    engine.observe(network, x, see)
    for p in populations:
        if (
            p.name == "neurons"
            and p.activation is Activation.RELU
            and isinstance(p.neurons, Affine)
        ):
            peaks[p.stage][p.name, "rectified"] = _RECTIFIED * peaks[p.stage][p.name, "sum"]
    stages = tuple(map(Ranges, inputs, peaks))
    of_stages = (
        replace(m, sent=of_states.get(i), taps=of_taps.get(i)) for i, m in enumerate(entering[:-1])
    )
    return Observed(stages, tuple(of_stages), total)


_RECTIFIED = 0.25
"""Share of the sums of rectified neurons that they may send."""


def _peaks(u: RealArray) -> RealArray:
    return np.abs(u.reshape(-1, u.shape[-1])).max(axis=0)


_NAMES = {
    "sum": "the sums",
    "second": "the second inputs",
    "activated": "what is activated",
    "state": "the states",
    "sent": "the messages",
}
