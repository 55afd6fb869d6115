"""Spiking neurons and synapses as descriptions."""

import pytest

from lava_ssm.network import LIF, FixedDense, FixedLIF


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (lambda: LIF(0), "n must be .*, got 0"),
        (lambda: LIF(2, du=1.5), r"du must lie in \[0, 1\]"),
        (lambda: LIF(2, bias=[1.0, 2.0, 3.0]), r"bias must be one number or have shape \(2,\)"),
        (lambda: FixedLIF(1, dv=4096), "dv must .*4095.*, got 4096"),
        (lambda: FixedLIF(1, vth=131072), "vth must .*131071.*, got 131072"),
        (lambda: FixedLIF(1, bias_mant=4096), r"bias_mant: .*\[-4096, 4095\]"),
        (lambda: FixedLIF(2, bias_exp=[0, 8]), r"bias_exp must lie in \[0, 7\]"),
        (lambda: FixedDense([[256]]), r"weights: .*\[-256, 255\]"),
        (lambda: FixedDense([1, 2]), r"weights must have shape \(d_output, d_input\)"),
        (lambda: FixedDense([[1, -2]]), "weights: those of both signs must be even"),
    ],
)
def test_what_lavas_processes_do_not_take_is_refused(made: object, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        made()  # type: ignore[operator]


def test_one_number_holds_for_all_neurons() -> None:
    assert LIF(2, bias=0.5) == LIF(2, bias=[0.5, 0.5])
    assert FixedLIF(2, bias_mant=3, bias_exp=[1, 1]) == FixedLIF(2, bias_mant=[3, 3], bias_exp=1)
    assert FixedLIF(2).bias_mant.tolist() == [0, 0]
