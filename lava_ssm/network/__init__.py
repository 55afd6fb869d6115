"""Descriptions of layers and networks, float and fixed: frozen data that checks itself."""

from lava_ssm.network.file import NetworkFileError, load
from lava_ssm.network.fixed_network import FixedNetwork, check_network
from lava_ssm.network.float_network import Network
from lava_ssm.network.gate import FixedGate, Gate
from lava_ssm.network.gelu import GELU
from lava_ssm.network.linear import FixedLinear, Linear
from lava_ssm.network.normalization import scale_and_shift
from lava_ssm.network.readout import Readout
from lava_ssm.network.relu import ReLU
from lava_ssm.network.residual import Residual
from lava_ssm.network.s4d import S4D, FixedS4D
from lava_ssm.network.s5 import S5, FixedS5
from lava_ssm.network.stage import Stage

__all__ = [
    "GELU",
    "S4D",
    "S5",
    "FixedGate",
    "FixedLinear",
    "FixedNetwork",
    "FixedS4D",
    "FixedS5",
    "Gate",
    "Linear",
    "Network",
    "NetworkFileError",
    "ReLU",
    "Readout",
    "Residual",
    "Stage",
    "check_network",
    "load",
    "scale_and_shift",
]
