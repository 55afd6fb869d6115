"""What both runtimes of this room share: when a graph may run, and its Vars."""

from lava.magma.compiler.executable import Executable
from lava.magma.core.run_conditions import AbstractRunCondition
from lava.magma.runtime.runtime import Runtime

from lava_ssm.runtime import variables
from lava_ssm.runtime.conditions import CONTINUOUS, steps_of
from lava_ssm.runtime.patches import ForgetsItself


class OwnRuntime(ForgetsItself, Runtime):
    """Takes the place of Lava's Runtime, which a Process makes, starts, and asks for Vars."""

    interrupted = False
    """Whether a model ended the last run before all its steps were done."""

    def __init__(self, executable: Executable, *args: object, **kwargs: object) -> None:
        super().__init__(executable, *args, **kwargs)
        self._is_running = False
        self._run_length = 0
        self._failure: BaseException | None = None

    def __del__(self) -> None:
        """Lava stops the graph here; a finalizer does it, without waiting."""

    def start(self, run_condition: AbstractRunCondition) -> None:
        """Run a graph, see `AbstractProcess.run` and `conditions.steps_of`.

        GraphStopped: it was stopped, or one of its models failed.
        """
        self._refuse_ended("run")
        steps = steps_of(run_condition)
        if self._is_running:
            if self._run_length == CONTINUOUS and self._is_alive():
                raise RuntimeError("the graph runs continuously: pause or stop it first")
            self.wait()
            self._refuse_ended("run")
        self.num_steps = self._run_length = steps
        self._is_started = self._is_running = True
        self._begin(steps, run_condition.blocking)

    def get_var(self, var_id: int, idx: variables.Index = None) -> variables.Value | None:
        """Return the value of a Var, None while the graph runs."""
        if self._is_running:
            return None
        var = variables.Declared.find(self._executable, var_id)
        self._refuse_ended(f"get Var '{var.name}'", reading=True)
        self._refuse_unstarted()
        return variables.to_host(self._read(var), var, idx)

    def set_var(self, var_id: int, value: object, idx: variables.Index = None) -> None:
        """Set the value of a Var; a RuntimeError while the graph runs, or before it was started."""
        var = variables.Declared.find(self._executable, var_id)
        if self._is_running:
            raise RuntimeError(f"cannot set Var '{var.name}' while the graph runs: pause() it")
        self._refuse_ended(f"set Var '{var.name}'")
        self._refuse_unstarted()
        self._write(var, variables.from_host(value, idx, var, lambda: self.get_var(var_id)))

    def _refuse_unstarted(self) -> None:
        if not self._is_started:
            raise RuntimeError("Runtime has not started")

    def stop_at_exit(self) -> None:
        """End a run within a short time."""
        raise NotImplementedError

    def _is_alive(self) -> bool:
        """Whether the last run goes on."""
        return True

    def _begin(self, steps: int, blocking: bool) -> None:
        raise NotImplementedError

    def _refuse_ended(self, verb: str, reading: bool = False) -> None:
        """Raise `GraphStopped` if nothing can be done, or read, any more."""
        raise NotImplementedError

    def _read(self, var: variables.Declared) -> variables.Values:
        raise NotImplementedError

    def _write(self, var: variables.Declared, values: variables.Values) -> None:
        raise NotImplementedError
