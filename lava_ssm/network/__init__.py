"""Descriptions of layers and networks, float and fixed: frozen data that checks itself."""

from lava_ssm.network.activation import Activation
from lava_ssm.network.file import NetworkFileError, load
from lava_ssm.network.fixed_network import FixedNetwork, check_network
from lava_ssm.network.float_network import Network
from lava_ssm.network.gate import FixedGate, Gate
from lava_ssm.network.gelu import GELU
from lava_ssm.network.glu import GLU, FixedGLU
from lava_ssm.network.layer import FixedLayer, FloatLayer, Layer
from lava_ssm.network.linear import FixedLinear, Linear
from lava_ssm.network.neurons import Affine, Filters, Neurons, Product, Recurrence
from lava_ssm.network.normalization import scale_and_shift
from lava_ssm.network.population import Connection, Matrix, Ones, Population, Synapse
from lava_ssm.network.readout import Readout
from lava_ssm.network.relu import ReLU
from lava_ssm.network.residual import Residual
from lava_ssm.network.s4d import S4D, FixedS4D
from lava_ssm.network.s5 import S5, FixedS5
from lava_ssm.network.stage import Stage

__all__ = [
    "GELU",
    "GLU",
    "S4D",
    "S5",
    "Activation",
    "Affine",
    "Connection",
    "Filters",
    "FixedGLU",
    "FixedGate",
    "FixedLayer",
    "FixedLinear",
    "FixedNetwork",
    "FixedS4D",
    "FixedS5",
    "FloatLayer",
    "Gate",
    "Layer",
    "Linear",
    "Matrix",
    "Network",
    "NetworkFileError",
    "Neurons",
    "Ones",
    "Population",
    "Product",
    "ReLU",
    "Readout",
    "Recurrence",
    "Residual",
    "Stage",
    "Synapse",
    "check_network",
    "load",
    "scale_and_shift",
]
