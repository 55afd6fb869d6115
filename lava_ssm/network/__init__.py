"""Descriptions of layers and networks, float and fixed: frozen data that checks itself."""

from lava_ssm.network.file import NetworkFileError, load
from lava_ssm.network.fixed_network import FixedNetwork
from lava_ssm.network.float_network import Network
from lava_ssm.network.linear import FixedLinear, Linear
from lava_ssm.network.readout import Readout
from lava_ssm.network.relu import ReLU
from lava_ssm.network.s4d import S4D, FixedS4D
from lava_ssm.network.stage import Stage

__all__ = [
    "S4D",
    "FixedLinear",
    "FixedNetwork",
    "FixedS4D",
    "Linear",
    "Network",
    "NetworkFileError",
    "ReLU",
    "Readout",
    "Stage",
    "load",
]
