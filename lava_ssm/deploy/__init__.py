"""Fixed networks for other machines: the same integers without Python."""

from lava_ssm.deploy.emitter import Program, c
from lava_ssm.deploy.library import Library
from lava_ssm.deploy.package import Options, write
from lava_ssm.deploy.targets import TARGETS, CompilerError
from lava_ssm.deploy.vectors import Vectors, vectors

__all__ = [
    "TARGETS",
    "CompilerError",
    "Library",
    "Options",
    "Program",
    "Vectors",
    "c",
    "vectors",
    "write",
]
