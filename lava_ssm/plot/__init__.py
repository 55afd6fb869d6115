"""Pictures of networks and of what they compute, each one call."""

from lava_ssm.extras import needed

with needed("matplotlib"):
    import matplotlib  # noqa: F401

from lava_ssm.plot.signals import messages, outputs
from lava_ssm.plot.systems import kernels, poles

__all__ = ["kernels", "messages", "outputs", "poles"]
