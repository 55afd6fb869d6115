"""What a network's file tells of how it was made."""

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lava_ssm.network import FixedNetwork, Network


def join_of(network: "Network | FixedNetwork") -> int:
    """How many tokens of its data set are one of the network's, see `data.joined`."""
    return int(json.loads(network.made_by.get("config", "{}")).get("join", 1))
