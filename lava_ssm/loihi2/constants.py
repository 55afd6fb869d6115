"""The constants of the model: value, range, unit and source of each, in one object."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from typing import Literal

from lava_ssm.loihi2.description import Neuron
from lava_ssm.numerics import real_number

PROFILING = "public profiling script for Loihi 2"
INFERRED = "inferred from the published n-S4D and S5 figures"
ASSUMED = "assumption"

Known = Literal["measured", "public", "inferred", "assumed", "fitted"]


@dataclass(frozen=True)
class Constant:
    """One constant.

    Parameters
    ----------
    value
        What is reckoned with.
    low, high
        The range in which it is believed to lie: at `low` everything is as fast and as frugal as
        can be, at `high` as slow and as costly.
    unit
        Of all three.
    known
        How: measured by its source, published without saying how, inferred from other figures,
        assumed, or fitted here.
    source
        Where it is from.

    Raises
    ------
    ValueError
        Not finite, negative, or outside of its own range.
    """

    value: float
    low: float
    high: float
    unit: str
    known: Known
    source: str

    def __post_init__(self) -> None:
        for name in ("low", "value", "high"):
            real_number(getattr(self, name), name)
        if not 0 <= self.low <= self.value <= self.high:
            raise ValueError(
                f"value {self.value:g} {self.unit} must lie in its range "
                f"[{self.low:g}, {self.high:g}], and that above 0"
            )


@dataclass(frozen=True)
class Constants:
    """All constants of the model; every one can be set.

    `CONSTANTS.with_values(t_syn=0.8)` sets a value within its range;
    `replace(CONSTANTS, t_syn=Constant(...))` sets range and source too.
    """

    t_syn: Constant = Constant(0.66, 0.5, 1.0, "ns/operation", "public", PROFILING)
    t_mem: Constant = Constant(
        0.0, 0.0, 2.0, "ns/word", "assumed", ASSUMED + ": reading synaptic memory is within t_syn"
    )
    t_dend: Constant = Constant(4.0, 4.0, 5.0, "ns/pass", "public", PROFILING)
    passes_relay: Constant = Constant(
        1.0, 1.0, 2.0, "passes/update", "assumed", ASSUMED + "; 2 are public of a sigma-delta ReLU"
    )
    passes_real_state: Constant = Constant(
        4.0, 2.0, 6.0, "passes/update", "assumed", ASSUMED + ": half of a complex state's, rounded"
    )
    passes_complex_state: Constant = Constant(7.0, 4.0, 10.0, "passes/update", "public", PROFILING)
    passes_gate: Constant = Constant(4.0, 2.0, 8.0, "passes/update", "assumed", ASSUMED)
    passes_table: Constant = Constant(3.0, 2.0, 6.0, "passes/update", "assumed", ASSUMED)
    passes_product: Constant = Constant(2.0, 1.0, 4.0, "passes/update", "assumed", ASSUMED)
    passes_inverse_sqrt: Constant = Constant(
        10.0, 5.0, 20.0, "passes/update", "assumed", ASSUMED + ": five Newton steps of two products"
    )
    passes_tap: Constant = Constant(1.0, 1.0, 4.0, "passes/update", "assumed", ASSUMED)
    passes_gated_state: Constant = Constant(
        5.0, 3.0, 10.0, "passes/update", "inferred", "a gate's passes, and one for the state"
    )
    passes_selective_state: Constant = Constant(
        7.0, 4.0, 14.0, "passes/update", "inferred", "a gated state's passes, and two products more"
    )
    t_message: Constant = Constant(5.0, 3.0, 15.0, "ns/message", "assumed", ASSUMED)
    step_floor: Constant = Constant(3.0, 0.2, 6.9, "us/step", "inferred", INFERRED)
    step_floor_many: Constant = Constant(
        10.0, 3.0, 30.0, "us/step", "public", PROFILING + "; the range, a factor of 3, is assumed"
    )
    static_power: Constant = Constant(
        0.175,
        0.109,
        0.28,
        "W/chip",
        "measured",
        "0.23-0.28 W of one chip, 0.109-0.142 W in public notebooks; the middle of both",
    )
    energy_syn: Constant = Constant(22.0, 22 / 3, 66.0, "pJ/operation", "inferred", INFERRED)
    energy_update: Constant = Constant(220.0, 220 / 3, 660.0, "pJ/update", "inferred", INFERRED)

    def __iter__(self) -> Iterator[tuple[str, Constant]]:
        return ((f.name, getattr(self, f.name)) for f in fields(self))

    def passes(self, kind: Neuron) -> Constant:
        """Microcode passes of an update of one such neuron."""
        name = kind.name.lower()
        passes: Constant = getattr(self, f"passes_{name}")
        return passes

    def fitted(self, values: Mapping[str, float]) -> "Constants":
        """Set values, as `with_values`, and mark them as fitted."""
        changed = self.with_values(**values)
        marked = {name: replace(getattr(changed, name), known="fitted") for name in values}
        return replace(changed, **marked)

    def with_values(self, **values: float) -> "Constants":
        """Set values, each within its range.

        Raises
        ------
        ValueError
            No such constant, or a value out of its range.
        """
        changed: dict[str, Constant] = {}
        for name, value in values.items():
            if name not in {f.name for f in fields(self)}:
                raise ValueError(f"no constant {name!r}; there are {', '.join(n for n, _ in self)}")
            old: Constant = getattr(self, name)
            if not old.low <= real_number(value, name) <= old.high:
                raise ValueError(
                    f"{name} must lie in [{old.low:g}, {old.high:g}] {old.unit}, got {value!r}; "
                    "for another range, replace the Constant"
                )
            changed[name] = replace(old, value=float(value))
        return replace(self, **changed)

    def at(self, end: Literal["value", "low", "high"]) -> "Constants":
        """Give the constants with every value at that end of its range."""
        return replace(self, **{name: replace(c, value=getattr(c, end)) for name, c in self})


CONSTANTS = Constants()
"""The public values."""
