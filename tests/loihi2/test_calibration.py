"""Calibration and validation against the published rows."""

import numpy as np
import pytest

from lava_ssm.loihi2 import (
    PUBLISHED,
    Validation,
    calibrate,
    describe,
    estimate,
    ns4d,
    s5,
    validate,
)
from lava_ssm.loihi2.calibration import (
    FITTED,
    QUANTITIES,
    implied_static_power,
    ns4d_deployment,
    s5_deployment,
)
from lava_ssm.loihi2.constants import CONSTANTS
from lava_ssm.loihi2.published import published_row, s5_of_scale
from lava_ssm.network import FixedLinear, FixedNetwork, FixedS4D


@pytest.fixture(scope="module")
def validation() -> Validation:
    return validate()


def test_published_times_and_throughputs_agree() -> None:
    for row in PUBLISHED:
        if row.device == "Loihi 2":
            assert row.latency * row.throughput == pytest.approx(1, rel=0.03)


def test_published_widths_have_the_published_parameters() -> None:
    # n-S4D large with d_in = 1: 264,064 parameters, 6 of them to a complex state
    large = ns4d(128, 64, 4, d_input=1)
    states = sum(p.n_neurons for p in large.populations if "states" in p.name)
    weights = sum(s.n_synapses for s in large.synapses if s.connectivity.value == "dense")
    assert weights + 6 * states == 264_064 - 4 * 128  # less a time step for each channel
    # S5 of scale 1: 508,097 parameters, of which 3 x (2 x 128 a, 192 D and b2...) are no matrix
    dense = s5(192, 128, density=1.0)
    matrices = sum(s.n_synapses for s in dense.synapses if s.connectivity.value == "dense")
    assert matrices == 3 * (4 * 128 * 192 + 192**2) + 2 * 257 * 192
    assert 0.99 < matrices / 508_097 < 1


def test_the_builder_of_the_paper_gives_what_describes_a_network_of_its_widths() -> None:
    rng = np.random.default_rng(0)
    a, b, c = rng.integers(1, 2000, (3, 6, 4, 2))
    fixed = FixedNetwork(
        (
            FixedLinear(np.full((6, 3), 5)),
            FixedS4D(a, b, c),
            FixedLinear(np.full((6, 6), 5)),
            FixedLinear(np.full((10, 6), 5)),
        )
    )
    ours = describe(fixed)
    paper = ns4d(6, 4, 1, relu_activity=1.0, state_activity=1.0)
    assert ours.latency == paper.latency == 5
    assert (ours.operations, ours.updates) == (paper.operations, paper.updates)
    for mine, theirs in zip(ours.populations, paper.populations, strict=True):
        assert (mine.kind, mine.n_neurons, mine.step, mine.layer) == (
            theirs.kind,
            theirs.n_neurons,
            theirs.step,
            theirs.layer,
        )


def test_a_fit_meets_its_own_rows_within_the_public_ranges(validation: Validation) -> None:
    assert all(abs(r.error) < 0.06 for r in validation.of("n-S4D", "n-S4D"))
    for constants in validation.constants.values():
        for name, c in constants:
            public = getattr(CONSTANTS, name)
            assert (c.low, c.high) == (public.low, public.high)
            if name in FITTED:
                assert c.known == "fitted"
                assert public.low <= c.value <= public.high
            else:
                assert c == public


def test_a_fit_never_sees_the_other_paper(validation: Validation) -> None:
    again = calibrate([ns4d_deployment()])
    for name, c in again:
        assert c.value == pytest.approx(getattr(validation.constants["n-S4D"], name).value)
    roles = {(r.calibrated_on, r.network): r.role for r in validation.rows}
    assert roles["n-S4D", "S5"] == roles["S5", "n-S4D"] == "predicted"
    assert roles["n-S4D", "n-S4D"] == "fitted"


def test_each_paper_predicts_the_others_latencies(validation: Validation) -> None:
    for fitted_on, network in (("n-S4D", "S5"), ("S5", "n-S4D")):
        errors = [r.error for r in validation.of(fitted_on, network) if "latency" in r.quantity]
        assert len(errors) == 2
        assert all(abs(e) < 0.35 for e in errors), errors


def test_energies_are_predicted_within_a_factor_of_two_where_the_rows_agree(
    validation: Validation,
) -> None:
    # the S5's pipelined energy contradicts its other row: neither fitted nor predicted
    consistent = [
        r
        for on, network in (("n-S4D", "S5"), ("S5 but pipelined energy", "n-S4D"))
        for r in validation.of(on, network)
        if "energy" in r.quantity and (network, r.quantity) != ("S5", "energy a sample, pipelined")
    ]
    assert len(consistent) == 3
    assert all(0.5 < 1 + r.error < 2 for r in consistent)


def test_the_s5_rows_contradict_any_single_static_power() -> None:
    # by hand: (16 - 10360 / 1024) uJ / (66 - 12740 / 1024) us, and the same of the S5
    assert implied_static_power("n-S4D") == pytest.approx(0.1098, abs=1e-3)
    assert implied_static_power("S5") == pytest.approx(-0.611, abs=1e-3)


def test_intervals_contain_the_published_figures_of_at_least_six_of_eight_rows(
    validation: Validation,
) -> None:
    for on in ("nothing", "n-S4D", "S5"):
        rows = [*validation.of(on, "n-S4D"), *validation.of(on, "S5")]
        assert len(rows) == len(QUANTITIES) * 2 == 8
        assert sum(r.contains for r in rows) >= 6


def test_the_width_that_is_not_published_decides_the_s5_rows() -> None:
    constants = calibrate([ns4d_deployment()])
    published = published_row("S5", "fall_through").latency
    narrow, wide = (
        estimate(s5_of_scale(k), schedule="fall_through", constants=constants).latency.value
        for k in (2.0, 3.0)
    )
    assert narrow < 0.95 * published < 1.5 * published < wide


def test_the_report_says_what_was_fitted_and_what_not(validation: Validation) -> None:
    text = str(validation)
    for word in ("fitted", "predicted", "published", "one layer"):
        assert word in text
    assert repr(validation) == text.rstrip()
    assert validation._repr_html_().count("<tr>") == 1 + len(validation.rows)
    data = validation.to_json()
    assert data["implied_static_power"]["S5"] < 0
    assert set(data["fitted"]["n-S4D"]) == set(FITTED)
    assert all(row["model"]["low"] <= row["model"]["value"] for row in data["rows"])


def test_nothing_to_calibrate_on_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing to calibrate on"):
        calibrate([])
    assert s5_deployment().mapping.n_chips == 1
