"""PyTorch: S4D and S5, models to train, and the way from them to a network description."""

import warnings
from typing import Any

from lava_ssm.extras import needed

with needed("torch"):
    import torch  # noqa: F401

from lava_ssm.nn.activation import Positive
from lava_ssm.nn.chain import Chain, Residual, stretch
from lava_ssm.nn.conv1d import Conv1d
from lava_ssm.nn.differences import differences
from lava_ssm.nn.export import assign, export, module
from lava_ssm.nn.few_bits import FewBits, few_bits
from lava_ssm.nn.gru import MLGRU, MinGRU
from lava_ssm.nn.initialization import Initialization
from lava_ssm.nn.layer import LayerModule
from lava_ssm.nn.linear import GLU, Gate
from lava_ssm.nn.mamba import Mamba, mamba_block
from lava_ssm.nn.matmul_free import MatMulFreeLM
from lava_ssm.nn.norm import LayerNorm, RMSNorm, Scale
from lava_ssm.nn.ns4d import NS4D, SIZES
from lava_ssm.nn.regularized import regularize
from lava_ssm.nn.s4d import S4D
from lava_ssm.nn.s5 import S5
from lava_ssm.nn.selective import SelectiveSSM
from lava_ssm.nn.sparse_s5 import S5_SIZES, S5Block, SparseS5

__all__ = [
    "GLU",
    "MLGRU",
    "NS4D",
    "S4D",
    "S5",
    "S5_SIZES",
    "SIZES",
    "Chain",
    "Conv1d",
    "FewBits",
    "Gate",
    "Initialization",
    "LayerModule",
    "LayerNorm",
    "Mamba",
    "MatMulFreeLM",
    "MinGRU",
    "Positive",
    "RMSNorm",
    "Residual",
    "S5Block",
    "Scale",
    "SelectiveSSM",
    "SparseS5",
    "assign",
    "differences",
    "export",
    "few_bits",
    "mamba_block",
    "module",
    "regularize",
    "stretch",
]


def __getattr__(name: str) -> Any:
    from lava_ssm import train  # for one release: what trains lies there now

    if name not in train.__all__:
        raise AttributeError(f"module 'lava_ssm.nn' has no attribute {name!r}")
    warnings.warn(
        f"lava_ssm.nn.{name} has moved to lava_ssm.train.{name}", DeprecationWarning, stacklevel=2
    )
    return getattr(train, name)
