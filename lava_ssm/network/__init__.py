"""Descriptions of layers and networks, float and fixed: frozen data that checks itself."""

from lava_ssm.network.activation import (
    GELU,
    Activation,
    Positive,
    ReLU,
    Sigmoid,
    SiLU,
    Softplus,
    Tanh,
)
from lava_ssm.network.conv1d import Conv1d, FixedConv1d
from lava_ssm.network.file import NetworkFileError, load
from lava_ssm.network.fixed_network import (
    FixedNetwork,
    check_fixed,
    check_float,
    check_network,
)
from lava_ssm.network.float_network import Network
from lava_ssm.network.gate import FixedGate, Gate
from lava_ssm.network.glu import GLU, FixedGLU
from lava_ssm.network.gru import MLGRU, FixedMinGRU, FixedMLGRU, MinGRU
from lava_ssm.network.layer import FixedLayer, FloatLayer, Layer
from lava_ssm.network.linear import FixedLinear, Linear
from lava_ssm.network.neurons import (
    Affine,
    Bilinear,
    Filters,
    GatedRecurrence,
    InverseSqrt,
    Neurons,
    Product,
    Recurrence,
    SelectiveRecurrence,
    Stateful,
    Stateless,
    Taps,
)
from lava_ssm.network.norm import FixedLayerNorm, FixedRMSNorm, LayerNorm, RMSNorm
from lava_ssm.network.normalization import scale_and_shift
from lava_ssm.network.population import (
    Connection,
    Copies,
    Matrix,
    Ones,
    Population,
    Synapse,
)
from lava_ssm.network.readout import Readout
from lava_ssm.network.residual import Residual
from lava_ssm.network.s4d import S4D, FixedS4D
from lava_ssm.network.s5 import S5, FixedS5
from lava_ssm.network.scale import FixedScale, Scale
from lava_ssm.network.selective import FixedSelectiveSSM, SelectiveSSM
from lava_ssm.network.spiking import LIF, FixedDense, FixedLIF, Part, check_parts, dense
from lava_ssm.network.stage import Stage

__all__ = [
    "GELU",
    "GLU",
    "LIF",
    "MLGRU",
    "S4D",
    "S5",
    "Activation",
    "Affine",
    "Bilinear",
    "Connection",
    "Conv1d",
    "Copies",
    "Filters",
    "FixedConv1d",
    "FixedDense",
    "FixedGLU",
    "FixedGate",
    "FixedLIF",
    "FixedLayer",
    "FixedLayerNorm",
    "FixedLinear",
    "FixedMLGRU",
    "FixedMinGRU",
    "FixedNetwork",
    "FixedRMSNorm",
    "FixedS4D",
    "FixedS5",
    "FixedScale",
    "FixedSelectiveSSM",
    "FloatLayer",
    "Gate",
    "GatedRecurrence",
    "InverseSqrt",
    "Layer",
    "LayerNorm",
    "Linear",
    "Matrix",
    "MinGRU",
    "Network",
    "NetworkFileError",
    "Neurons",
    "Ones",
    "Part",
    "Population",
    "Positive",
    "Product",
    "RMSNorm",
    "ReLU",
    "Readout",
    "Recurrence",
    "Residual",
    "Scale",
    "SelectiveRecurrence",
    "SelectiveSSM",
    "SiLU",
    "Sigmoid",
    "Softplus",
    "Stage",
    "Stateful",
    "Stateless",
    "Synapse",
    "Tanh",
    "Taps",
    "check_fixed",
    "check_float",
    "check_network",
    "check_parts",
    "dense",
    "load",
    "scale_and_shift",
]
