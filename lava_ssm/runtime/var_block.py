"""Memory that a graph's children share with their parent, for the values of one Var at a time."""

import math
import mmap

import numpy as np
from lava.magma.compiler.builders.py_builder import PyProcessBuilder
from lava.magma.compiler.executable import Executable
from lava.magma.compiler.utils import VarInitializer
from lava.magma.core.model.py.model import AbstractPyProcessModel
from lava.magma.runtime.mgmt_token_enums import MGMT_COMMAND, MGMT_RESPONSE, enum_to_np
from lava.magma.runtime.runtime_services.runtime_service import PyRuntimeService
from scipy.sparse import issparse

from lava_ssm.runtime import variables

_SMALLEST = 8192  # elements: room for strings, which may grow, and for error texts


class VarBlock:
    """A block of shared memory for `n_elements`, made before the children are forked.

    It holds either the elements of a Var or the text of an error. The messages of Lava's
    protocol that ask for a Var or set it stay as they are, with no elements in them.
    """

    def __init__(self, n_elements: int) -> None:
        memory = mmap.mmap(-1, 24 + 8 * n_elements)
        self._header = np.frombuffer(memory, np.int64, 3)  # (is an error, size, rows or 0)
        self._elements = np.frombuffer(memory, np.float64, n_elements, 24)
        self._bytes = self._elements.view(np.uint8)

    @classmethod
    def for_graph(cls, executable: Executable) -> "VarBlock":
        """Return a block that holds any one Var of a graph."""
        sizes = [
            _size(builder, initializer)
            for builder in executable.proc_builders.values()
            for initializer in builder.vars.values()
        ]
        return cls(max([_SMALLEST, *sizes]))

    def put(self, values: variables.Values) -> None:
        """Write the elements of a Var; a ValueError for more than the largest of the graph has."""
        if values.size > self._elements.size:
            raise ValueError(
                f"{values.size} elements were given; the largest Var of the graph has "
                f"{self._elements.size} or fewer."
            )
        self._header[:] = 0, values.size, len(values) if values.ndim == 2 else 0
        self._elements[: values.size] = values.ravel()

    def put_error(self, error: Exception) -> None:
        """Write why there are no elements."""
        text = f"{type(error).__name__}\n{error}".encode()[: self._bytes.size]
        self._header[:] = 1, len(text), 0
        self._bytes[: len(text)] = np.frombuffer(text, np.uint8)

    def take(self) -> variables.Values:
        """Return a copy of the elements, or raise the error that was put."""
        self.raise_error()
        return self._values()

    def _values(self) -> variables.Values:
        _, size, n_rows = self._header
        values = self._elements[:size].copy()
        return values.reshape(n_rows, -1) if n_rows else values

    def raise_error(self) -> None:
        """Raise the error that was put, if one was."""
        is_error, size, _ = self._header
        if is_error:
            name, text = bytes(self._bytes[:size]).decode(errors="replace").split("\n", 1)
            raise (ValueError if name == "ValueError" else TypeError)(text)

    def serve(self, actor: AbstractPyProcessModel | PyRuntimeService) -> None:
        """Let a model get and set its Vars through this block (called in the child)."""
        if isinstance(actor, AbstractPyProcessModel):
            actor._cmd_handlers[MGMT_COMMAND.GET_DATA[0]] = lambda: self._answer_get(actor)
            actor._cmd_handlers[MGMT_COMMAND.SET_DATA[0]] = lambda: self._answer_set(actor)

    def _answer_get(self, model: AbstractPyProcessModel) -> None:
        name = model.var_id_to_var_map[int(model.service_to_process.recv()[0])]
        try:
            self.put(variables.read(model, name))
        except (TypeError, ValueError) as error:
            self.put_error(error)
        model.process_to_service.send(enum_to_np(0))

    def _answer_set(self, model: AbstractPyProcessModel) -> None:
        name = model.var_id_to_var_map[int(model.service_to_process.recv()[0])]
        model.service_to_process.recv()  # the number of elements that follow: none
        try:
            variables.write(model, name, self._values())
        except (TypeError, ValueError) as error:
            self.put_error(error)
        model.process_to_service.send(MGMT_RESPONSE.SET_COMPLETE)
        model.on_var_update()


def _size(builder: PyProcessBuilder, initializer: VarInitializer) -> int:
    size = math.prod(initializer.shape)
    if not variables.declared_sparse(builder, initializer.name):
        return size
    return 3 * int(initializer.value.nnz if issparse(initializer.value) else size)
