"""What lays a network out puts its arrays one behind another, and says where each begins."""

from collections.abc import Mapping

import numpy as np

from lava_ssm.engine.compiled.arguments import Kinds
from lava_ssm.numerics import Arithmetic

LINE = 64
"""Bytes of a line of the cache; arrays of inputs and outputs are padded to so many elements."""


def aligned(x: np.ndarray) -> np.ndarray:
    """Copy an array to where a vector's load never touches two lines of the cache."""
    space = np.empty(x.nbytes + LINE, np.uint8)
    begin = -space.ctypes.data % LINE
    copy = space[begin : begin + x.nbytes].view(x.dtype).reshape(x.shape)
    copy[...] = x
    return copy


class Writer:
    """Collects the arrays of a network.

    Parameters
    ----------
    kinds
        Of all arrays that a kernel takes; those of one dimension may be put into.
    rules
        Of fixed point; None: the network is float.
    n_parameters
        Of all filters together.

    Attributes
    ----------
    real
        Type of the floats of filters.
    n_states, n_carried
        Numbers that the operations carry from token to token: parts of filters' states, and numbers
        of others.
    """

    def __init__(self, kinds: Kinds, rules: Arithmetic | None, n_parameters: int) -> None:
        self.rules, self.n_parameters = rules, n_parameters
        self.real = np.dtype(kinds["states"][0])
        self._kinds = {name: kind for name, (kind, ndim) in kinds.items() if ndim == 1}
        self._parts: dict[str, list[np.ndarray]] = {name: [] for name in self._kinds}
        self._sizes = dict.fromkeys(self._kinds, 0)
        self.n_states = self.n_carried = 0

    def put(self, name: str, values: np.ndarray) -> int:
        """Add to an array; gives where what was added begins."""
        begin = self._sizes[name]
        self._parts[name].append(np.ravel(values).astype(self._kinds[name]))
        self._sizes[name] += values.size
        return begin

    def put_lines(self, name: str, values: np.ndarray) -> int:
        """The same, filled up to whole lines with zeros."""
        return self.put(name, np.pad(np.ravel(values), (0, -values.size % LINE)))

    def states(self, n: int) -> int:
        """Have so many parts of complex states carried; gives where they begin."""
        self.n_states += n
        return self.n_states - n

    def carry(self, n: int) -> int:
        """Have so many numbers carried; gives where they begin."""
        self.n_carried += n
        return self.n_carried - n

    @property
    def arrays(self) -> Mapping[str, np.ndarray]:
        """All of them, by name."""
        return {
            name: aligned(np.concatenate([np.zeros(0, self._kinds[name]), *parts]))
            for name, parts in self._parts.items()
        }
