"""How each kind of layer is quantised: a file a kind."""

import importlib
import pkgutil

from lava_ssm.compress.kinds.kind import KINDS, Kind, Rules, Scales, Tensor, kind_of

__all__ = ["KINDS", "Kind", "Rules", "Scales", "Tensor", "kind_of"]

for _file in pkgutil.iter_modules(__path__, f"{__name__}."):
    importlib.import_module(_file.name)  # which enters its rules in KINDS
