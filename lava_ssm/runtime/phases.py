"""The phases of the Loihi protocol, as Lava numbers them."""

from lava.magma.core.model.py.model import PyLoihiProcessModel

from lava_ssm.runtime.errors import Location

_Phase = PyLoihiProcessModel.Phase

SPIKING, PRE_MANAGEMENT, LEARNING, POST_MANAGEMENT, HOST = (
    float(phase[0])
    for phase in (_Phase.SPK, _Phase.PRE_MGMT, _Phase.LRN, _Phase.POST_MGMT, _Phase.HOST)
)
NAMES = {
    SPIKING: "spiking phase",
    PRE_MANAGEMENT: "pre-management phase",
    LEARNING: "learning phase",
    POST_MANAGEMENT: "post-management phase",
    HOST: "host phase",
}
# In these a model answers its VarPorts once its own handler is done.
ANSWERING = {PRE_MANAGEMENT, POST_MANAGEMENT, HOST}


def location_of(process: str, model: PyLoihiProcessModel) -> Location:
    """Return where a model is; an asynchronous one has no phase and no time step."""
    phase = getattr(model, "phase", None)
    name = "no phase" if phase is None else NAMES[float(phase[0])]
    return Location(process, type(model).__name__, name, getattr(model, "time_step", 0))
