"""What a model does in a phase."""

from collections.abc import Callable

from lava.magma.core.model.py.model import AbstractPyProcessModel, PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyOutPort

from lava_ssm.runtime.phases import SPIKING
from lava_ssm.runtime.synapses import SHORTER

_GUARDS = ("pre_guard", "lrn_guard", "post_guard")


def handler(model: PyLoihiProcessModel, phase: float) -> Callable[[], None]:
    """Return what runs a model's phase: its own handler, or a shorter one that does the same."""
    if phase == SPIKING and _is_plain(model):
        return _spike_of_plain(model)
    own: Callable[[], None] = model._cmd_handlers[phase]
    return own


def _is_plain(model: PyLoihiProcessModel) -> bool:
    """Whether a model has Lava's `_spike` with nothing to do in it but `run_spk`.

    It asks for no other phase, its ports need not hear of the time step, and its attributes are
    set as Lava sets them.
    """
    model_class = type(model)
    as_in_lava = [*_GUARDS, "_spike", "advance_to_time_step", "_handle_pause_or_stop_req"]
    return (
        all(
            getattr(model_class, name) is getattr(PyLoihiProcessModel, name)
            and name not in vars(model)
            for name in as_in_lava
        )
        and model_class.__setattr__ is AbstractPyProcessModel.__setattr__
        and not any(hasattr(model_class, name) for name in ("time_step", "phase"))
        and not any(
            type(port).advance_to_time_step is not PyOutPort.advance_to_time_step
            for port in model.py_ports
            if isinstance(port, PyOutPort)
        )
    )


def _spike_of_plain(model: PyLoihiProcessModel) -> Callable[[], None]:
    """Return `PyLoihiProcessModel._spike` without the parts that do nothing for this model.

    They take longer than the model itself where that is small.
    """
    attributes = vars(model)
    spiking = PyLoihiProcessModel.Phase.SPK
    run = SHORTER[type(model)](model) if type(model) in SHORTER else model.run_spk

    def spike() -> None:
        attributes["time_step"] += 1
        attributes["phase"] = spiking
        run()
        if attributes["_req_pause"] or attributes["_req_stop"]:
            model._handle_pause_or_stop_req()

    return spike
