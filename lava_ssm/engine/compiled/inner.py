"""Functions that kernels alone call: not made machine code of each by itself.

Numba optimises every function that it compiles, with all that it calls, and makes machine code of
it. Of fifty functions that call each other this takes three times as long as of the kernel alone,
for machine code that nobody calls.
"""

from functools import partial

from numba.core.compiler import CompilerBase, DefaultPassBuilder, PassManager, StateDict
from numba.core.compiler_machinery import register_pass
from numba.core.typed_passes import NativeLowering


@register_pass(mutates_CFG=True, analysis_only=False)
class _Lowering(NativeLowering):
    """Give a function a library that is linked into others, and no more."""

    _name = "lava_ssm_lowering"

    def run_pass(self, state: StateDict) -> bool:
        """See Numba."""
        library = state.targetctx.codegen().create_library(state.func_id.func_qualname)
        library._optimize_final_module = lambda: None
        library._finalize_final_module = partial(setattr, library, "_finalized", True)
        state.library, state.flags.no_compile = library, True
        super().run_pass(state)
        made = state["cr"]._replace(cfunc=[].append)  # a builtin of its own stands for the function
        state.targetctx.insert_user_function(made.cfunc, made.fndesc, [library])
        state["cr"] = made
        return True


class Inner(CompilerBase):
    """Numba's compiler of such functions."""

    def define_pipelines(self) -> list[PassManager]:
        """See Numba."""
        manager = DefaultPassBuilder.define_nopython_pipeline(self.state)
        manager.passes = [
            (_Lowering if each is NativeLowering else each, what) for each, what in manager.passes
        ]
        manager.finalize()
        return [manager]
