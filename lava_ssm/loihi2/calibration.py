"""Calibration on one paper, prediction of the other: how far the model can be believed.

What is fitted to a paper's rows is calibration for that paper, not validation. `validate` fits on
each paper alone and predicts the other; nothing is ever fitted to all rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from rich.table import Table

from lava_ssm.loihi2.constants import CONSTANTS, Constants
from lava_ssm.loihi2.description import Description
from lava_ssm.loihi2.mapping import Mapping, map
from lava_ssm.loihi2.performance import SCHEDULES, Estimate, Interval, Schedule, estimate
from lava_ssm.loihi2.published import (
    ONE_LAYER_POWER,
    ONE_LAYER_STEP,
    S5_SCALES,
    SPREAD,
    TOKENS,
    Paper,
    ns4d,
    published_row,
    s5,
    s5_of_scale,
)
from lava_ssm.tables import Tabular, as_text

FITTED = (
    "passes_complex_state",
    "t_message",
    "step_floor",
    "static_power",
    "energy_syn",
    "energy_update",
)
"""Constants that a fit may change, each within its public range; all others stay."""
PAPERS: tuple[Paper, ...] = ("n-S4D", "S5")
Role = Literal["fitted", "left out", "predicted", "unfitted"]
ROW_ERROR = 0.05
"""Relative error at which a row pulls as hard as a constant at the end of its range does."""


@dataclass(frozen=True)
class Deployment:
    """A paper's network, and its cores, as we take it to have been deployed.

    `variants`: the same under other assumptions, each with its mapping; they widen intervals.
    """

    paper: Paper
    description: Description
    mapping: Mapping
    variants: tuple[tuple[Description, Mapping], ...] = ()

    def estimate(self, schedule: Schedule, constants: Constants) -> Estimate:
        """Model it."""
        return estimate(self.description, self.mapping, schedule, constants)


@dataclass(frozen=True)
class Quantity:
    """A published figure that the model is compared with: of a schedule, `latency` or `energy`.

    It is that of a token falling through, or of a sample pipelined.
    """

    schedule: Schedule
    what: str

    @property
    def name(self) -> str:
        """For tables."""
        return f"{self.what} a {self.unit}, {self.schedule.replace('_', '-')}"

    @property
    def unit(self) -> str:
        """What it is of."""
        return "token" if self.schedule == "fall_through" else "sample"

    def published(self, paper: Paper) -> float:
        """In seconds or joules."""
        row = published_row(paper, self.schedule)
        return row.latency if self.what == "latency" else row.energy

    def modelled(self, result: Estimate, paper: Paper) -> Interval:
        """In seconds or joules."""
        n = 1 if self.unit == "token" else TOKENS[paper]
        if self.what == "latency":
            return result.sample_latency(n)
        return result.sample_energy(n)


QUANTITIES = tuple(Quantity(s, what) for what in ("latency", "energy") for s in SCHEDULES)


def ns4d_deployment() -> Deployment:
    """Give the large n-S4D: 111 cores, 27 a layer, encoder, decoder and receiver.

    Its variants: from a quarter of the messages to all of them.
    """
    mapping = _spread(ns4d())
    quiet = ns4d(relu_activity=0.25, state_activity=0.5)
    busy = ns4d(relu_activity=1.0, state_activity=1.0)
    return Deployment("n-S4D", ns4d(), mapping, ((quiet, mapping), (busy, mapping)))


def s5_deployment() -> Deployment:
    """Give the S5, packed: how it was laid out is not published, nor its width.

    Its variants: the narrowest and the widest in `S5_SCALES`.
    """
    variants = tuple((d, map(d)) for d in (s5_of_scale(k) for k in S5_SCALES))
    return Deployment("S5", s5(), map(s5()), variants)


def _spread(description: Description) -> Mapping:
    cores = SPREAD["n-S4D large"]
    return map(description, strategy="spread", cores_per_layer=cores, receiver=True)


def calibrate(
    deployments: Sequence[Deployment],
    constants: Constants = CONSTANTS,
    quantities: Sequence[Quantity] = QUANTITIES,
) -> Constants:
    """Fit what may be fitted to the published rows of these deployments.

    Least squares of the logarithms of model over published value (in units of `ROW_ERROR`) and of
    fitted over public constant (in units of half its range): a row is met where constants within
    their ranges can, and what rows do not determine stays at its public value.

    Returns
    -------
    Constants
        Fitted ones are marked so; ranges stay as they are, for a row says nothing of them.

    Raises
    ------
    ValueError
        No deployment.
    """
    if not deployments:
        raise ValueError("deployments: nothing to calibrate on")
    olds = [getattr(constants, name) for name in FITTED]
    start = np.log([c.value for c in olds])
    low, high = (np.log([getattr(c, end) for c in olds]) for end in ("low", "high"))
    width = (high - low) / 2

    def values(logs: np.ndarray) -> dict[str, float]:
        # exp of log may miss the end of a range by an ulp
        return {
            name: float(np.clip(np.exp(v), c.low, c.high))
            for name, v, c in zip(FITTED, logs, olds, strict=True)
        }

    def residuals(logs: np.ndarray) -> np.ndarray:
        tried = constants.with_values(**values(logs))
        rows = [
            np.log(q.modelled(d.estimate(q.schedule, tried), d.paper).value / q.published(d.paper))
            for d in deployments
            for q in quantities
        ]
        return np.concatenate([np.array(rows) / ROW_ERROR, (logs - start) / width])

    from scipy.optimize import least_squares

    fit = least_squares(residuals, start, bounds=(low - 1e-9, high + 1e-9), diff_step=1e-3)
    return constants.fitted(values(fit.x))


@dataclass(frozen=True)
class Comparison:
    """One published figure beside the model.

    `calibrated_on`: what the constants were fitted to; `nothing`: the public ones. `role`: `fitted`
    to this figure, `left out` of a fit to its paper, `predicted` from the other paper, or
    `unfitted`. `unit`, `scale`: to print in, a factor from seconds, joules or watts. `model`: with
    its interval, over the constants' ranges and the deployment's variants.
    """

    network: str
    calibrated_on: str
    role: Role
    quantity: str
    unit: str
    scale: float
    published: float
    model: Interval

    @property
    def error(self) -> float:
        """Relative: model over published, less 1."""
        return self.model.value / self.published - 1

    @property
    def contains(self) -> bool:
        """Whether the interval contains the published figure."""
        return self.published in self.model

    def to_json(self) -> dict[str, object]:
        """Plain data, in seconds, joules or watts."""
        return {
            "network": self.network,
            "calibrated_on": self.calibrated_on,
            "role": self.role,
            "quantity": self.quantity,
            "published": self.published,
            "model": self.model.to_json(),
            "error": self.error,
            "contains": self.contains,
        }


@dataclass(frozen=True)
class Validation(Tabular):
    """What the model gives for every published row; prints as a table.

    Parameters
    ----------
    rows
        Fitted and predicted.
    constants
        Those fitted, by the paper they were fitted on.
    """

    rows: tuple[Comparison, ...]
    constants: dict[str, Constants]

    def of(self, calibrated_on: str, network: str) -> tuple[Comparison, ...]:
        """Give the rows of a network, by the constants fitted on something."""
        return tuple(
            r for r in self.rows if (r.calibrated_on, r.network) == (calibrated_on, network)
        )

    def to_json(self) -> dict[str, object]:
        """Everything as plain data."""
        return {
            "rows": [row.to_json() for row in self.rows],
            "implied_static_power": {p: implied_static_power(p) for p in PAPERS},
            "fitted": {
                paper: {name: getattr(constants, name).value for name in FITTED}
                for paper, constants in self.constants.items()
            },
        }

    def __rich__(self) -> Table:
        table = Table(
            title="Model and published figures",
            title_justify="left",
            caption="model: with the interval that the constants' ranges and the unknowns of the "
            "deployment leave; published: by the papers' authors, measured",
        )
        for heading in ("calibrated on", "network", "figure"):
            table.add_column(heading)
        for heading in ("published", "model", "error", "within"):
            table.add_column(heading, justify="right")
        table.add_column("")
        for row in self.rows:
            table.add_row(
                row.calibrated_on,
                row.network,
                f"{row.quantity} ({row.unit})",
                f"{row.published * row.scale:,.4g}",
                row.model.scaled(row.scale).text(),
                f"{row.error:+.0%}",
                "yes" if row.contains else "no",
                row.role,
            )
        return table

    def constants_table(self) -> Table:
        """Give the constants: public, and as fitted on each paper."""
        table = Table(title="Constants of the model", title_justify="left")
        table.add_column("constant")
        table.add_column("unit")
        table.add_column("public", justify="right")
        table.add_column("range", justify="right")
        for paper in self.constants:
            table.add_column(f"fitted on {paper}", justify="right")
        table.add_column("source")
        for name, c in CONSTANTS:
            fitted = (
                f"{getattr(constants, name).value:.3g}" if name in FITTED else ""
                for constants in self.constants.values()
            )
            table.add_row(
                name,
                c.unit,
                f"{c.value:g}",
                f"{c.low:.3g} to {c.high:g}",
                *fitted,
                f"{c.known}: {c.source}",
            )
        return table

    def __str__(self) -> str:
        return as_text(self, self.constants_table(), width=160)


def implied_static_power(paper: Paper) -> float:
    """Give the static power, in watts, that a paper's two rows imply.

    A token has the same operations in both schedules. If they cost the same energy, what its two
    published energies differ by is static power times what its two times differ by:

        P = (E_fall_through - E_pipelined) / (T_fall_through - T_pipelined)

    0.110 W of the n-S4D, as the notebooks measured; **below zero** of the S5: no model with one
    static power and one energy a token fits both its rows.
    """
    falling, pipelined = (published_row(paper, s) for s in SCHEDULES)
    n = TOKENS[paper]
    return (falling.energy - pipelined.energy / n) / (falling.latency - pipelined.latency / n)


def validate(
    constants: Constants = CONSTANTS, deployments: Sequence[Deployment] | None = None
) -> Validation:
    """Fit on each paper alone, predict the other, and the one-layer notebooks with each fit.

    First of all, with nothing fitted, the public constants as they are. Last, a fit on the S5
    without its pipelined energy, which contradicts its other row (see `implied_static_power`).

    Parameters
    ----------
    constants
        To start from.
    deployments
        One of each paper; None: `ns4d_deployment()` and `s5_deployment()`.

    Raises
    ------
    ValueError
        Not one deployment of each paper.
    """
    both = (ns4d_deployment(), s5_deployment()) if deployments is None else deployments
    by_paper = {d.paper: d for d in both}
    if set(by_paper) != set(PAPERS) or len(both) != len(PAPERS):
        raise ValueError(f"deployments must be one of each of {PAPERS}")
    but_energy = tuple(q for q in QUANTITIES if (q.schedule, q.what) != ("pipelined", "energy"))
    fits: dict[str, tuple[Paper | None, tuple[Quantity, ...]]] = {
        "nothing": (None, ()),
        "n-S4D": ("n-S4D", QUANTITIES),
        "S5": ("S5", QUANTITIES),
        "S5 but pipelined energy": ("S5", but_energy),
    }
    rows: list[Comparison] = []
    fitted: dict[str, Constants] = {}
    for calibrated_on, (paper, quantities) in fits.items():
        used = constants
        if paper is not None:
            used = fitted[calibrated_on] = calibrate([by_paper[paper]], constants, quantities)
        for d in by_paper.values():
            for q in QUANTITIES:
                role: Role = "predicted"
                if paper is None:
                    role = "unfitted"
                elif d.paper == paper:
                    role = "fitted" if q in quantities else "left out"
                rows.append(_compare(d, q, used, calibrated_on, role))
        rows += _compare_one_layer(used, calibrated_on, "predicted" if paper else "unfitted")
    return Validation(tuple(rows), fitted)


def _compare(
    deployment: Deployment,
    quantity: Quantity,
    constants: Constants,
    calibrated_on: str,
    role: Role,
) -> Comparison:
    """Put the model of a deployment beside a figure of its paper."""
    paper, q = deployment.paper, quantity
    cases = ((deployment.description, deployment.mapping), *deployment.variants)
    model, *others = (q.modelled(estimate(d, m, q.schedule, constants), paper) for d, m in cases)
    for other in others:
        model |= other
    # of a token in microseconds and microjoules, of a sample in thousandths
    scale, prefix = (1e6, "u") if q.unit == "token" else (1e3, "m")
    return Comparison(
        network=paper,
        calibrated_on=calibrated_on,
        role=role,
        quantity=q.name,
        unit=prefix + ("s" if q.what == "latency" else "J"),
        scale=scale,
        published=q.published(paper),
        model=model,
    )


def _compare_one_layer(
    constants: Constants, calibrated_on: str, role: Role
) -> tuple[Comparison, ...]:
    small = ns4d(128, 4, 1, real=True)
    result = estimate(small, map(small, receiver=True), "pipelined", constants)
    name = "one layer, H=128, N=4 real"
    figures = (
        ("time a step", "us", 1e6, ONE_LAYER_STEP, result.time_per_token),
        ("power", "W", 1.0, ONE_LAYER_POWER, result.power),
    )
    return tuple(Comparison(name, calibrated_on, role, *figure) for figure in figures)
