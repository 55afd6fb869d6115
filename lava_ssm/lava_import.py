"""Lava on Pythons newer than the one it was made for: mended when it is imported.

Lava 0.10.0, the last, says that it needs Python 3.10, NumPy 1 and networkx 2.8. In fact it runs on
3.11 to 3.13, NumPy 2 and networkx 3, but for what stands in `_MENDS`. `import lava_ssm` puts the
finder in place, so that what follows may import Lava as ever.
"""

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import CodeType, ModuleType

_MENDS = {
    # Since Python 3.11 a default of a dataclass must be hashable, which an instance of a dataclass
    # with __eq__ is not by itself.
    "lava.magma.compiler.var_model": (
        r"@dataclass(?=\nclass ByteEncoder:)",
        "@dataclass(unsafe_hash=True)",
    ),
    # NumPy 2.4 has no keyword `newshape` any more, NumPy 1 no `shape`.
    "lava.magma.core.process.ports.ports": (
        r"ft\.partial\(np\.reshape, newshape=(self\.\w+)\)",
        r"lambda array, shape=\1: np.reshape(array, shape)",
    ),
    # Since NumPy 2.4 an array with one element in a dimension is no number.
    "lava.proc.clp.nsm.models": (
        r"(?<=alloc_signal\[0\] = )self\.next_alloc_id",
        "np.asarray(self.next_alloc_id).item()",
    ),
    "lava.proc.graded.models": (
        r"(?<=inv_sqrt\()a_in_data(?=, 5\))",
        "a_in_data.item()",
    ),
}
"""By module: a pattern in its source, and what stands in its place; lines keep their numbers."""


class _MendingLoader(SourceFileLoader):
    def get_code(self, fullname: str) -> CodeType:
        # not SourceFileLoader's, which would take and leave bytecode beside the source
        import re  # only here: it takes longer than all else that `import lava_ssm` loads

        source = re.sub(*_MENDS[fullname], self.get_data(self.path).decode())
        return self.source_to_code(source.encode(), self.path)


class _Finder:
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname not in _MENDS:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _MendingLoader(fullname, spec.loader.path)
        return spec


def mend() -> None:
    """Mend Lava from here on, on a Python that needs it; a second call does nothing."""
    if sys.version_info >= (3, 11) and not any(isinstance(f, _Finder) for f in sys.meta_path):
        sys.meta_path.insert(0, _Finder())
