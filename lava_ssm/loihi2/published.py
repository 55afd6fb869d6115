"""The papers' figures, and descriptions of the papers' networks from their widths.

Every number here is published, by others, or says that it is an assumption.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from lava_ssm.loihi2.describe import Builder
from lava_ssm.loihi2.description import Connectivity, Description, Neuron
from lava_ssm.numerics import integer, real_number

NS4D_PAPER = (
    'S. Meyer et al., "A Diagonal Structured State Space Model on Loihi 2 for Efficient Streaming '
    'Sequence Processing" (arXiv 2409.15022)'
)
S5_PAPER = (
    'A. Pierro, S. Abreu et al., "Accelerating Linear Recurrent Neural Networks for the Edge with '
    'Unstructured Sparsity", ICML 2025 (arXiv 2502.01330)'
)

Paper = Literal["n-S4D", "S5"]
Mode = Literal["fall_through", "pipelined"]


@dataclass(frozen=True)
class Published:
    """A row of a paper's table: what it ran on, and how.

    Energy in joules and latency in seconds are of a `unit`, throughput is of units a second.
    """

    paper: Paper
    device: str
    mode: str
    unit: Literal["token", "sample"]
    latency: float
    energy: float
    throughput: float
    source: str


ORIN = "Jetson Orin Nano"
PUBLISHED = (
    Published("n-S4D", "Loihi 2", "fall_through", "token", 66e-6, 16e-6, 15_260, NS4D_PAPER),
    Published("n-S4D", ORIN, "recurrent", "token", 4.98e-3, 16.11e-3, 201, NS4D_PAPER),
    Published("n-S4D", "Loihi 2", "pipelined", "sample", 12.74e-3, 10.36e-3, 80, NS4D_PAPER),
    Published("n-S4D", ORIN, "convolution", "sample", 6.33e-3, 26.89e-3, 158, NS4D_PAPER),
    Published(
        "n-S4D", ORIN, "convolution, batch 64", "sample", 8.476e-3, 0.961e-3, 7_550, NS4D_PAPER
    ),
    Published("S5", "Loihi 2", "fall_through", "token", 76e-6, 13e-6, 13_178, S5_PAPER),
    Published("S5", ORIN, "recurrent, 1 step", "token", 2_688e-6, 15_724e-6, 372, S5_PAPER),
    Published("S5", ORIN, "recurrent, 10 steps", "token", 3_224e-6, 1_936e-6, 3_103, S5_PAPER),
    Published("S5", ORIN, "recurrent, 100 steps", "token", 10_653e-6, 626e-6, 9_516, S5_PAPER),
    Published("S5", ORIN, "scan", "token", 236_717e-6, 404e-6, 15_845, S5_PAPER),
    Published("S5", "Loihi 2", "pipelined", "sample", 60.58e-3, 185.80e-3, 16.58, S5_PAPER),
    Published("S5", ORIN, "scan", "sample", 233.48e-3, 1_512.6e-3, 4.28, S5_PAPER),
    Published("S5", ORIN, "scan, batch 256", "sample", 226.53e-3, 5.89e-3, 1_130, S5_PAPER),
)
"""Both papers' tables."""

TOKENS = {"n-S4D": 1024, "S5": 3750}
"""Tokens of a sample: sCIFAR, and 30 s of audio."""

ONE_LAYER_STEP = 31.03e-6
"""Seconds a step of one layer, 128 channels of 4 real states, with encoder and decoder; 30.98e-6
with sigma-delta neurons (public notebooks)."""
ONE_LAYER_POWER = 0.119
"""Mean watts of the same; 0.129 with sigma-delta neurons."""

SPREAD = {"n-S4D small": 7, "n-S4D large": 27}
"""Cores a layer, so that the published 31 and 111 cores come out: 4 layers, encoder, decoder and
receiver. No document states how the deployments were laid out."""


def published_row(paper: Paper, mode: Mode) -> Published:
    """Give a paper's row for Loihi 2."""
    return next(r for r in PUBLISHED if (r.paper, r.device, r.mode) == (paper, "Loihi 2", mode))


def ns4d(
    d_model: int = 128,
    d_state: int = 64,
    n_layers: int = 4,
    d_input: int = 3,
    d_output: int = 10,
    real: bool = False,
    relu_activity: float = 0.5,
    state_activity: float = 0.8,
    name: str = "",
) -> Description:
    """Describe an n-S4D by its widths; the large one of the paper by default.

    Encoder, layers of S4D, sum, ReLU, dense, ReLU, and decoder, as `describe` describes a network
    of these widths. The paper gives no activity:

    Parameters
    ----------
    real
        Whether states are real, as in some public tables.
    relu_activity
        Share of messages sent behind a ReLU. Default 0.5: it passes half of a symmetric signal.
    state_activity
        Share of states that send: what a fixed network of this size, initialised but not
        trained, does (0.98 in its first layer, 0.57 in its last).
    """
    d_model, d_state = integer(d_model, "d_model", 1), integer(d_state, "d_state", 1)
    n_layers = integer(n_layers, "n_layers", 0)
    d_input, d_output = integer(d_input, "d_input", 1), integer(d_output, "d_output", 1)
    builder = Builder(d_input)
    _dense(builder, "encoder", d_input, d_model, Connectivity.DENSE, 1.0, 1.0)
    kind = Neuron.REAL_STATE if real else Neuron.COMPLEX_STATE
    activity = 1.0
    for i in range(n_layers):
        builder.begin_layer()
        source = builder.tip
        states = builder.population(f"layer {i} states", kind, d_model * d_state)
        expansion = np.full(d_model, d_state)
        builder.synapses(source, states, Connectivity.BLOCK, expansion, activity)
        sums = builder.population(f"layer {i} sums", Neuron.RELAY, d_model)
        ones = np.ones(d_model * d_state)
        builder.synapses(states, sums, Connectivity.BLOCK, ones, state_activity)
        activity = relu_activity
        _dense(builder, f"layer {i} dense", d_model, d_model, Connectivity.DENSE, 1.0, activity)
    builder.label = "decoder"
    _dense(builder, "decoder", d_model, d_output, Connectivity.DENSE, 1.0, activity)
    return builder.built(name or f"n-S4D, H={d_model}, N={d_state}, {n_layers} layers")


S5_SCALE = 2.55
"""Width of the deployed S5, H = 192 k and P = 128 k: an **assumption**, not published. The paper's
models run from 0.5 to 4 million parameters; its sparse ones have, at the quality of a dense one,
half the compute or 36 % less memory. Beside the smallest dense model (508,097 parameters), with
90 % zeros, that makes 5 to 6.4 times as many parameters; 5.7 times, the middle, is k = 2.55."""
S5_SCALES = (2.0, 3.0)
"""The range taken for it."""


def s5(
    d_model: int = round(192 * S5_SCALE),
    d_state: int = round(128 * S5_SCALE),
    n_blocks: int = 3,
    d_input: int = 257,
    d_output: int = 257,
    density: float = 0.1,
    activity: float = 0.5,
    name: str = "",
) -> Description:
    """Describe a sparse S5 by its widths.

    Encoder; blocks of three steps: B into complex states; C and D into relays that rectify; W2
    into gates g = z sigmoid(W2 z + b2), to which the block's input is added; decoder. What has to
    wait for others passes relays.

    Parameters
    ----------
    d_model, d_state
        Widths H and P; see `S5_SCALE` for what is assumed of the deployed one.
    density
        Share of weights that are not zero; the paper's models: 0.1.
    activity
        Share of messages sent behind a ReLU (here: behind all of them, and by a complex state
        behind its own). Not published; 0.5 passes half of a symmetric signal.
    """
    d_model, d_state = integer(d_model, "d_model", 1), integer(d_state, "d_state", 1)
    n_blocks = integer(n_blocks, "n_blocks", 0)
    d_input, d_output = integer(d_input, "d_input", 1), integer(d_output, "d_output", 1)
    density = real_number(density, "density", "(0, 1]")
    builder = Builder(d_input)
    sparse = Connectivity.DENSE if density >= 1 else Connectivity.SPARSE
    ones = np.ones(d_model)
    _dense(builder, "encoder", d_input, d_model, sparse, density, 1.0)
    for i in range(n_blocks):
        builder.label = f"block {i}"
        entered = builder.tip
        states = builder.population(f"{builder.label} states", Neuron.COMPLEX_STATE, d_state)
        fan_out = np.full(d_model, 2 * d_state * density)  # real and imaginary parts
        builder.synapses(entered, states, sparse, fan_out, activity)
        y = builder.population(f"{builder.label} y", Neuron.RELAY, d_model)
        # a state that sends does so with both its parts
        builder.synapses(states, y, sparse, np.full(2 * d_state, d_model * density), activity)
        later = builder.delayed(entered, d_model, 1)
        builder.synapses(later, y, Connectivity.BLOCK, density * ones)  # D
        gate = builder.population(f"{builder.label} gate", Neuron.GATE, d_model)
        builder.synapses(y, gate, sparse, np.full(d_model, d_model * density), activity)
        builder.synapses(y, gate, Connectivity.BLOCK, ones, activity)
        later = builder.delayed(entered, d_model, 2)
        builder.synapses(later, gate, Connectivity.BLOCK, ones)  # the residual path
    builder.label = "decoder"
    _dense(builder, "decoder", d_model, d_output, sparse, density, activity)
    description = builder.built(name or f"S5, H={d_model}, P={d_state}, {n_blocks} blocks")
    # delay lines send what they repeat
    everywhere: dict[str | None, float] = {p.name: activity for p in description.populations}
    return description.with_activity(everywhere)


def s5_of_scale(scale: float, activity: float = 0.5) -> Description:
    """Describe a sparse S5 of width H = 192 k, P = 128 k, both rounded."""
    return s5(round(192 * scale), round(128 * scale), activity=activity)


def _dense(
    builder: Builder,
    name: str,
    n_in: int,
    n_out: int,
    connectivity: Connectivity,
    density: float,
    activity: float,
) -> None:
    source = builder.tip
    target = builder.population(name, Neuron.RELAY, n_out)
    builder.synapses(source, target, connectivity, np.full(n_in, n_out * density), activity)
