"""How each kind of layer is quantised."""

from typing import Any

from lava_ssm.compress.kinds.conv1d import Conv1dKind
from lava_ssm.compress.kinds.gate import GateKind
from lava_ssm.compress.kinds.glu import GLUKind
from lava_ssm.compress.kinds.gru import MinGRUKind, MLGRUKind
from lava_ssm.compress.kinds.kind import Kind, Rules, Scales, Tensor
from lava_ssm.compress.kinds.linear import LinearKind
from lava_ssm.compress.kinds.norm import LayerNormKind, RMSNormKind
from lava_ssm.compress.kinds.s4d import S4DKind
from lava_ssm.compress.kinds.s5 import S5Kind
from lava_ssm.compress.kinds.scale import ScaleKind
from lava_ssm.network import (
    GLU,
    MLGRU,
    S4D,
    S5,
    Conv1d,
    FloatLayer,
    Gate,
    LayerNorm,
    Linear,
    MinGRU,
    RMSNorm,
    Scale,
)

__all__ = ["KINDS", "Kind", "Rules", "Scales", "Tensor", "kind_of"]

KINDS: dict[type[FloatLayer], Kind[Any, Any]] = {
    Linear: LinearKind(),
    S4D: S4DKind(),
    S5: S5Kind(),
    Gate: GateKind(),
    GLU: GLUKind(),
    MinGRU: MinGRUKind(),
    MLGRU: MLGRUKind(),
    Conv1d: Conv1dKind(),
    LayerNorm: LayerNormKind(),
    RMSNorm: RMSNormKind(),
    Scale: ScaleKind(),
}
"""The rules of each kind."""


def kind_of(layer: FloatLayer) -> Kind[Any, Any]:
    """Give the rules for a float layer."""
    return KINDS[type(layer)]
