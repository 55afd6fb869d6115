"""Vars whose value is kept elsewhere in the model."""

import numpy as np
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.type import LavaPyType


class LiveVar(LavaPyType):
    """The type of a Var that a model's method `fetch` gives, an array, each time that it is read.

    Lava reads a Var as an attribute of the model. What the engine holds in another form, and
    changes at each token, would have to be copied there at each token.
    """

    def __init__(self, d_type: type, fetch: str) -> None:
        super().__init__(np.ndarray, d_type)
        self.fetch = fetch

    def __get__(
        self, model: PyLoihiProcessModel | None, owner: type | None = None
    ) -> "LiveVar | np.ndarray":
        return self if model is None else getattr(model, self.fetch)()

    def __set__(self, model: PyLoihiProcessModel, value: object) -> None:
        raise AttributeError("a live Var is set through the array that was read")
