"""What quantisation asks of a kind of layer."""

from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np

from lava_ssm.compress.balance import found_scale
from lava_ssm.compress.drift import Drift
from lava_ssm.compress.formats import Formats
from lava_ssm.compress.headroom import ANY
from lava_ssm.compress.parameters import fitted_exponents, on_grid, saturated
from lava_ssm.compress.ranges import Moments, Ranges
from lava_ssm.network import FixedLayer, FloatLayer
from lava_ssm.network.description import BIAS_BITS, WEIGHT_BITS, Exponent
from lava_ssm.numerics import CHIP, Arithmetic, IntArray, RealArray

F = TypeVar("F", bound=FloatLayer)
X = TypeVar("X", bound=FixedLayer)


@dataclass(frozen=True)
class Rules:
    """What holds for all layers of a network.

    Parameters
    ----------
    formats
        Of the parameters.
    arithmetic
        Of the fixed network.
    weigh
        Whether weights of linear layers without bias get the exponents with the least error of
        their products, instead of those at which the largest weight fits.
    level
        Whether states that share a format are scaled to be alike.
    spare
        How many times what is known to occur must fit: 2 where data tell it, which leaves one spare
        bit, 1 where it is proven.
    """

    formats: Formats
    arithmetic: Arithmetic
    weigh: bool = False
    level: bool = False
    spare: int = 2


@dataclass(frozen=True)
class Tensor:
    """A field that holds mantissas, for reports.

    Parameters
    ----------
    name
        Of the field, in the float and in the fixed layer.
    bits
        Width of a mantissa, or the name of the field that says it.
    exponent
        The field that holds its exponents; None: it has that of messages, and no row of its own.
    along
        Fields that are quantised with it: biases that make up for its rounding.
    """

    name: str
    bits: int | str = 0
    exponent: str | None = None
    along: tuple[str, ...] = ()

    def width(self, fixed: FixedLayer, weights: int) -> int:
        """Bits of a mantissa in a layer whose matrices have so many."""
        if isinstance(self.bits, str):
            width: int = getattr(fixed, self.bits)
            return width
        return weights if self.bits == WEIGHT_BITS else self.bits


class Scales(Enum):
    """Which powers of two a layer passes on, channel by channel."""

    ANY = "any"
    """Any: its weights take them in."""
    SAME = "same"
    """Its outputs are multiplied by what its inputs are."""
    NONE = "none"
    """Neither can be multiplied."""


class Kind(Generic[F, X]):
    """How layers of one kind are quantised; F is the float layer, X the fixed one.

    First `parameters`, then, once the ranges of the network with their values are known, exponents
    of messages by the methods that end in `headroom`, then `finish`.

    A subclass names the float layer, `class LinearKind(Kind[Linear, FixedLinear], of=Linear)`, and
    is known by that from then on.
    """

    tensors: ClassVar[tuple[Tensor, ...]]
    maps: ClassVar[tuple[tuple[str, str], ...]] = ()
    """Matrices that its inputs enter by, and what is added to what they make."""
    hands_on: ClassVar[bool] = False
    """Whether its messages have the exponent of what enters."""
    message_bits: ClassVar[int] = CHIP.message_bits
    """Width of messages in published networks of such layers."""
    scales: ClassVar[Scales] = Scales.NONE
    together: ClassVar[frozenset[str]] = frozenset()
    """Fields rounded with regard to each other, of layers that training does not set to their
    mantissas: what rounding moved them by stays."""

    def __init_subclass__(cls, of: type[FloatLayer] | None = None) -> None:
        if of is not None:
            KINDS[of] = cls()

    def rescaled(self, layer: F, before: RealArray, behind: RealArray) -> F:
        """Give the layer that takes inputs `before` times as large, and gives `behind` times so.

        Parameters
        ----------
        before, behind
            Powers of two, (d_input,) and (d_output,), as `scales` allows them.
        """
        return layer

    def is_on_grid(self, layer: F) -> bool:
        """Whether weights of it are on a grid of few bits."""
        matrices = (np.abs(getattr(layer, t.name)) for t in self.tensors if t.bits == WEIGHT_BITS)
        return any(map(on_grid, matrices))

    def passes(self, layer: F) -> Scales:
        """Which powers of two a layer passes on: none, if its weights are on a grid of few bits."""
        return Scales.NONE if self.is_on_grid(layer) else self.scales

    def scaled(self, layer: F, k: RealArray) -> F:
        """Give the layer with states `k` times as large, one factor a state.

        Without states the layer itself.
        """
        return layer

    def of_states(self, layer: F) -> tuple[np.ndarray, np.ndarray] | None:
        """Parameters before and behind each state, the states' axes first; None without states."""
        return None

    def scaled_like(self, layer: F, values: F) -> F:
        """Give a layer, its states if it has any scaled as those of its quantised values were."""
        of_layer, of_values = self.of_states(layer), self.of_states(values)
        if of_layer is None or of_values is None:
            return layer
        return self.scaled(layer, found_scale(of_layer, of_values))

    def matrices(self, layer: F) -> tuple[np.ndarray, ...]:
        """Give the matrices of few bits that inputs enter by, a column each."""
        return tuple(getattr(layer, name) for name, _ in self.maps)

    def row_steps(self, layer: F, moments: Moments, formats: Formats) -> IntArray:
        """Scales of outputs at which its weights are nearest to mantissas, see `row_steps`."""
        return np.zeros(layer.d_output, np.int64)

    def column_steps(self, layer: F, formats: Formats) -> IntArray:
        """Scales of inputs at which its weights are nearest to mantissas, see `column_steps`."""
        return np.zeros(layer.d_input, np.int64)

    def weighed(self, layer: F) -> bool:
        """Whether its weights depend on `Rules.weigh`."""
        return False

    def prepared(self, layer: F, moments: Moments, formats: Formats) -> F:
        """Give the layer with some parameters on their grid, and others that make up for that."""
        return layer

    def following(self, layer: F, drift: Drift) -> tuple[F, Moments]:
        """Give the layer that makes of what quantised layers send what it made of real ones'.

        As nearly as its weights can; where they are on a grid of few bits it is not asked. Beside
        it the moments of what enters behind quantised layers.
        """
        moved: dict[str, RealArray | None] = {}
        for name, bias in self.maps:
            moved[name], moved[bias] = drift.followed(getattr(layer, name), getattr(layer, bias))
        return replace(layer, **moved) if moved else layer, drift.moments

    def parameters(self, layer: F, moments: Moments, rules: Rules) -> tuple[X, F]:
        """Quantise the weights; biases and exponents of messages come later.

        Parameters
        ----------
        moments
            Of what enters, on calibration data.

        Returns
        -------
        tuple
            The fixed layer; and the float one of its values, with biases that make up for the
            rounding of the weights.

        Raises
        ------
        ValueError
            A format cannot hold the weights.
        """
        raise NotImplementedError

    def input_headroom(self, fixed: X, ranges: Ranges, rules: Rules) -> int:
        """Largest exponent of what enters at which the sums of the first synapses fit."""
        return ANY

    def state_headroom(self, fixed: X, ranges: Ranges, rules: Rules) -> IntArray | None:
        """Of states that share a word with what enters: for each channel the largest sum of both
        exponents at which they fit, (d_model,); None without.
        """
        return None

    def output_headroom(self, layer: F, ranges: Ranges, rules: Rules) -> int:
        """Largest exponent of its messages at which fits what they are made of."""
        return ANY

    def finest(self, fixed: X, input_exponent: int, residual: bool) -> int:
        """Exponent of its messages beyond which it would only append zeros.

        Parameters
        ----------
        residual
            Whether an earlier message is added to them.
        """
        return ANY

    def output_limit(
        self, fixed: X, layer: F, input_exponent: int, ranges: Ranges, rules: Rules
    ) -> int:
        """Largest exponent of its messages to which neurons can shift what they are made of.

        `finish` can meet it and each that is smaller. `NONE`: there is none.
        """
        return ANY

    def finish(self, fixed: X, layer: F, ends: tuple[int, int], ranges: Ranges, rules: Rules) -> X:
        """Give a layer its biases and the exponents of its messages and states.

        Parameters
        ----------
        layer
            The float layer of the values.
        ends
            Exponents of what enters, and of what it gives.
        """
        raise NotImplementedError

    def state_exponents(self, fixed: X, input_exponent: int) -> Exponent | None:
        """Of its states: one or a channel's; None without states."""
        return None

    def bias_exponents(self, fixed: X, input_exponent: int) -> dict[str, int]:
        """Exponents of the biases that the layer has, by field."""
        raise NotImplementedError

    def fitted(self, fixed: X, layer: F, width: int = WEIGHT_BITS) -> dict[str, Exponent]:
        """Exponents at which weights of `layer` fit so many bits, by field."""
        exponents: dict[str, Exponent] = {}
        for tensor in self.tensors:
            assert tensor.exponent is not None
            one = isinstance(getattr(fixed, tensor.exponent), int)
            fits = fitted_exponents(getattr(layer, tensor.name), width, not one)
            exponents[tensor.exponent] = int(fits) if one else fits
        return exponents

    def rounded(
        self,
        fixed: X,
        layer: F,
        input_exponent: int,
        fitted: bool = False,
        width: int = WEIGHT_BITS,
    ) -> X:
        """Give the fixed layer with the parameters of another float layer.

        Exponents stay, except, if they are `fitted`, those of weights. What is beyond a format
        saturates.

        Parameters
        ----------
        width
            Of a mantissa of the weights of matrices.
        """
        exponents = self.fitted(fixed, layer, width) if fitted else {}
        mantissas: dict[str, IntArray] = {}
        for tensor in self.tensors:
            values = getattr(layer, tensor.name)
            if tensor.exponent is not None and values is not None:
                bits = tensor.width(fixed, width)
                e = exponents.get(tensor.exponent, getattr(fixed, tensor.exponent))
                mantissas[tensor.name] = self.mantissas(tensor.name, values, bits, e)
        for name, e in self.bias_exponents(fixed, input_exponent).items():
            mantissas[name] = saturated(getattr(layer, name), BIAS_BITS, e)
        return replace(fixed, **exponents, **mantissas)

    def mantissas(self, name: str, values: np.ndarray, bits: int, exponent: Exponent) -> IntArray:
        """Give the mantissas of a field that are nearest to values; beyond the format the last."""
        return saturated(values, bits, exponent)


KINDS: dict[type[FloatLayer], Kind[Any, Any]] = {}
"""The rules of each kind of layer: of all that are defined."""


def kind_of(layer: FloatLayer) -> Kind[Any, Any]:
    """Give the rules for a float layer."""
    return KINDS[type(layer)]
