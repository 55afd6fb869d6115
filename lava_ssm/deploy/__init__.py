"""Fixed networks for other machines: the same integers without Python."""

from lava_ssm.deploy.emitter import Program, c
from lava_ssm.deploy.package import write
from lava_ssm.deploy.vectors import Vectors, vectors

__all__ = ["Program", "Vectors", "c", "vectors", "write"]
