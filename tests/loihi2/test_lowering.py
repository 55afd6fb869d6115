"""The lowered graph: its parameters, its emulation, and what happens without a chip."""

from typing import Any

import numpy as np
import pytest
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.resources import CPU
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol
from lava.proc.dense.models import PyDenseModelFloat
from lava.proc.dense.process import Dense
from lava.proc.io.sink import RingBuffer as Sink
from lava.proc.io.source import RingBuffer as Source
from lava.proc.s4d.process import S4d

from lava_ssm import loihi2, runtime
from lava_ssm.loihi2.lowering import hardware
from lava_ssm.network import FixedLinear, FixedNetwork, FixedS4D, Readout, ReLU
from lava_ssm.numerics import Arithmetic, Overflow, Rounding
from tests.networks import random_fixed_linear, random_fixed_network, random_fixed_s4d


@implements(proc=S4d, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class ChipS4d(PyLoihiProcessModel):
    """The published arithmetic of the chip's neuron, in Python's integers.

    x' = tz(a x, 12) + tz(b v, 12), out = tz(2 (...), 6); v has been shifted by 6 on its way in.
    """

    a_in = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    s_out = LavaPyType(PyOutPort.VEC_DENSE, np.int32)
    s4_exp: np.ndarray = LavaPyType(np.ndarray, np.int32)
    inp_exp: np.ndarray = LavaPyType(np.ndarray, np.int32)
    s4_state: np.ndarray = LavaPyType(np.ndarray, complex)
    a: np.ndarray = LavaPyType(np.ndarray, complex)
    b: np.ndarray = LavaPyType(np.ndarray, complex)
    c: np.ndarray = LavaPyType(np.ndarray, complex)

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        exp = proc_params["s4_exp"]
        self.mantissas = [
            [(int(v.real * 2**exp), int(v.imag * 2**exp)) for v in proc_params[name]]
            for name in ("a", "b", "c")
        ]
        self.exps = exp, proc_params["inp_exp"]
        self.x = [(0, 0) for _ in proc_params["a"]]

    def run_spk(self) -> None:
        p, s = self.exps

        def tz(v: int, n: int) -> int:
            return (abs(v) >> n) * (1 if v >= 0 else -1)

        sent = []
        for k, v in enumerate(self.a_in.recv().tolist()):
            (a, ai), (b, bi), (c, ci) = (m[k] for m in self.mantissas)
            x, xi = self.x[k]
            new = tz(a * x, p) - tz(ai * xi, p) + tz(b * v, p)
            new_i = tz(a * xi, p) + tz(ai * x, p) + tz(bi * v, p)
            self.x[k] = x, xi = new, new_i
            sent.append(tz(2 * (tz(c * x, p) - tz(ci * xi, p)), s))
        self.s_out.send(np.array(sent))


@pytest.mark.parametrize("per_channel", [False, True])
def test_the_graph_for_the_chip_computes_the_networks_integers(per_channel: bool) -> None:
    # upstream's fixed-point models of synapses and relays, and the arithmetic above for S4d
    rng = np.random.default_rng(11)
    layers = (
        random_fixed_linear(rng, 3, 5, per_channel),
        random_fixed_s4d(rng, 5, 2),
        ReLU(),
        random_fixed_linear(rng, 5, 5, per_channel),
        ReLU(),
        random_fixed_s4d(rng, 5, 2),
        random_fixed_linear(rng, 5, 4, per_channel),
    )
    fixed = FixedNetwork(layers, input_exponent=8)
    x = rng.integers(-4000, 4000, (25, 3))
    lowered = loihi2.lower(fixed)
    steps = len(x) + lowered.latency
    columns = np.zeros((3, steps), int)
    columns[:, : len(x)] = x.T
    source, sink = Source(data=columns), Sink(shape=(4,), buffer=steps)
    for port in lowered.graph.entries:
        source.s_out.connect(port)
    lowered.graph.s_out.connect(sink.a_in)
    run_cfg = Loihi2SimCfg(select_tag="fixed_pt", exception_proc_model_map={S4d: ChipS4d})
    with runtime.in_process():
        source.run(RunSteps(steps), run_cfg)
    sent = sink.data.get()[:, lowered.latency :].T
    source.stop()
    wanted = fixed.run(x)
    assert np.count_nonzero(wanted) > wanted.size / 2
    np.testing.assert_array_equal(sent, wanted)


@pytest.mark.parametrize("readout", list(Readout))
def test_emulation_agrees_with_the_float_network_of_the_same_parameters(readout: Readout) -> None:
    rng = np.random.default_rng(7)
    fixed = random_fixed_network(rng, n_layers=3, d_model=8, d_state=4, readout=readout)
    x = rng.integers(-1000, 1000, (30, 2))
    emulated = loihi2.emulate(loihi2.lower(fixed)).run(x)
    wanted = fixed.dequantize().run(x * 2.0**-fixed.input_exponent)
    scale = np.abs(wanted).max()
    assert scale > 0
    np.testing.assert_allclose(emulated, wanted, rtol=1e-6, atol=1e-6 * scale)


def test_emulation_agrees_where_rows_have_exponents_of_their_own() -> None:
    rng = np.random.default_rng(8)
    layers = (
        random_fixed_linear(rng, 3, 6, per_channel=True),
        ReLU(),
        random_fixed_s4d(rng, 6, 3),
        random_fixed_linear(rng, 6, 4, per_channel=True),
    )
    fixed = FixedNetwork(layers, input_exponent=5)
    lowered = loihi2.lower(fixed)
    shifts = [name for name in lowered.processes if name.startswith("stage0_synapse_shift")]
    assert len(shifts) == len(np.unique(layers[0].exponent)) > 1
    x = rng.integers(-1000, 1000, (20, 3))
    emulated = loihi2.emulate(lowered).run(x)
    wanted = fixed.dequantize().run(x * 2.0**-5)
    np.testing.assert_allclose(emulated, wanted, rtol=1e-6, atol=1e-6 * np.abs(wanted).max())


def test_a_network_that_begins_with_states_is_emulated_too() -> None:
    rng = np.random.default_rng(9)
    fixed = FixedNetwork((random_fixed_s4d(rng, 3, 2),))
    x = rng.integers(-1000, 1000, (15, 3))
    emulated = loihi2.emulate(loihi2.lower(fixed)).run(x)
    np.testing.assert_allclose(emulated, fixed.dequantize().run(1.0 * x), rtol=1e-6, atol=1e-3)


def test_parameters_are_in_the_chips_conventions() -> None:
    rng = np.random.default_rng(1)
    fixed = random_fixed_network(rng, n_layers=1, d_model=4, d_state=3)
    lowered = loihi2.lower(fixed)
    layer = fixed.layers[1]
    assert isinstance(layer, FixedS4D)
    states = lowered.processes["stage1_states"]
    assert isinstance(states, S4d)
    assert (states.s4_exp.init, states.inp_exp.init) == (12, 6)
    for name in ("a", "b", "c"):
        # what the chip's model makes of them: (v * 2**s4_exp).astype(int)
        values = getattr(states, name).init * 2**12
        mantissas = np.stack([values.real.astype(int), values.imag.astype(int)], axis=-1)
        np.testing.assert_array_equal(mantissas.reshape(4, 3, 2), getattr(layer, name))
    rows = {row["name"]: row for row in lowered.rows()}
    assert rows["stage1_expansion"]["weight_exp"] == 6
    assert rows["stage1_expansion"]["sign_mode"] == "EXCITATORY"
    assert rows["stage1_reduction"]["weight_exp"] == 0
    dense = lowered.processes["stage0_synapse"]
    assert isinstance(dense, Dense)
    first = fixed.layers[0]
    assert isinstance(first, FixedLinear)
    np.testing.assert_array_equal(dense.weights.init, 2 * first.weights)
    assert dense.proc_params["weight_exp"] == -first.shift(fixed.input_exponent)
    assert all(row.get("num_message_bits", 24) == 24 for row in rows.values())
    assert "S4d" in str(lowered)


def test_a_single_state_a_channel_is_reduced_without_a_shift() -> None:
    one = np.full((2, 1, 2), 5)
    rows = {
        row["name"]: row for row in loihi2.lower(FixedNetwork((FixedS4D(one, one, one),))).rows()
    }
    assert rows["stage0_expansion"]["weight_exp"] == 6
    assert rows["stage0_reduction"]["weight_exp"] == 0


def test_rectifying_stages_get_rectifying_neurons() -> None:
    linear = FixedLinear(np.full((2, 2), 3))
    lowered = loihi2.lower(FixedNetwork((linear, ReLU(), linear)))
    kinds = [row["process"] for row in lowered.rows() if "neurons" in row["name"]]
    assert kinds == ["GradedReluVec", "GradedVec"]
    assert all(row["vth"] == 0 for row in lowered.rows() if "neurons" in row["name"])


def s4d_network(rules: Arithmetic | None = None, **options: object) -> FixedNetwork:
    a, b, c = np.full((3, 2, 2, 2), 100)
    layer = FixedS4D(a, b, c, **options)  # type: ignore[arg-type]
    return FixedNetwork((layer,), arithmetic=rules or Arithmetic())


@pytest.mark.parametrize(
    ("network", "text"),
    [
        (s4d_network(state_exponent=5), "shifts by 6, this layer's state_exponent is 5"),
        (s4d_network(param_exponent=[12, 11]), "one param_exponent for all neurons"),
        (s4d_network(param_bits=20), "16 bits for a, b, c"),
        (s4d_network(Arithmetic(rounding=Rounding.FLOOR)), "TOWARD_ZERO, this network FLOOR"),
        (s4d_network(Arithmetic(message_bits=16)), "message_bits are 24, this network's 16"),
    ],
)
def test_what_the_chip_would_compute_otherwise_is_refused(network: FixedNetwork, text: str) -> None:
    with pytest.raises(loihi2.LoweringError, match=text):
        loihi2.lower(network)


def test_other_things_than_fixed_networks_are_refused() -> None:
    with pytest.raises(TypeError, match="must be a FixedNetwork, got Network"):
        loihi2.lower(s4d_network().dequantize())  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"what ssm\.loihi2\.lower gives"):
        loihi2.emulate(s4d_network())  # type: ignore[arg-type]
    lowered = loihi2.lower(s4d_network(Arithmetic(overflow=Overflow.SATURATE)))
    with pytest.raises(ValueError, match=r"x must have shape \(time, 2\)"):
        loihi2.emulate(lowered).run(np.zeros((2, 3, 2)))


def test_without_a_chip_nothing_pretends_to_run() -> None:
    assert not loihi2.is_available()
    lowered = loihi2.lower(s4d_network())
    with pytest.raises(loihi2.HardwareUnavailableError, match="lava-loihi is not installed") as e:
        lowered.run(np.zeros((3, 2)))
    assert "INRC" in str(e.value)
    with pytest.raises(ValueError, match="x must have shape"):  # bad input comes first
        lowered.run(np.zeros((3, 7)))


def test_a_board_must_be_chosen_even_with_lava_loihi(monkeypatch: pytest.MonkeyPatch) -> None:
    from lava.utils import loihi

    monkeypatch.setattr(loihi, "is_installed", lambda: True)
    assert not loihi2.is_available()
    with pytest.raises(loihi2.HardwareUnavailableError, match="no Loihi 2 board was chosen"):
        hardware.check()
    monkeypatch.setattr(loihi, "host", "SLURM")
    assert loihi2.is_available()
    hardware.check()


def test_the_chips_run_configuration_never_falls_back_to_the_cpu() -> None:
    run_cfg = hardware.chip_only()
    dense = loihi2.lower(FixedNetwork((FixedLinear(np.ones((1, 1), int)),))).processes[
        "stage0_synapse"
    ]
    with pytest.raises(loihi2.HardwareUnavailableError, match="would run on the CPU"):
        run_cfg.select(dense, [PyDenseModelFloat])
