"""What both Processes of a network have in common: ports, schedule, tag."""

from typing import TYPE_CHECKING

import numpy as np
from lava.magma.compiler.executable import Executable
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.run_configs import RunConfig
from numpy.typing import ArrayLike

from lava_ssm.network import FixedNetwork, Network, check_network
from lava_ssm.numerics import integer, reals
from lava_ssm.proc import checks
from lava_ssm.proc.neuron import FIXED, FLOATING
from lava_ssm.proc.schedule import Schedule, ScheduleName, period_of
from lava_ssm.tables import Tabular

if TYPE_CHECKING:
    from rich.table import Table


class AbstractNetwork(AbstractProcess, Tabular):
    """A network that takes tokens and gives outputs at the steps that its schedule names.

    Parameters as of `SSMNetwork`; `batch`: what shapes of `a_in` and `s_out` have before the width.
    """

    _runtime = None  # Lava's `__del__` asks for it, also of a Process whose checks failed

    def __init__(
        self,
        network: Network | FixedNetwork,
        schedule: ScheduleName | None,
        period: int | None,
        offset: int,
        reset_every: int | None,
        batch: tuple[int, ...],
        name: str | None,
        **params: object,
    ) -> None:
        check_network(network)
        period = period_of(schedule, period, network.latency)
        self.entry = Schedule(period, offset, reset_every)
        """When tokens enter; `exit`: when their outputs come."""
        self.exit = self.entry.later(network.latency)
        super().__init__(
            network=network,
            batch=batch,
            entry=self.entry,
            exit=self.exit,
            name=name,
            **params,
        )
        self.network = network
        self.a_in = InPort(shape=(*batch, network.d_input))
        self.s_out = OutPort(shape=(*batch, network.d_output))

    def __rich__(self) -> "Table":
        every = "" if self.reset_every is None else f", samples of {self.reset_every} tokens"
        title = (
            f"{type(self).__name__} {self.name!r} of a {type(self.network).__name__} ({self.tag}), "
            f"a token every {self.period} steps, latency {self.latency}{every}"
        )
        return self.network.as_table(title)

    @property
    def tag(self) -> str:
        """The tag that runs this network: `fixed_pt` or `floating_pt`."""
        return FIXED if isinstance(self.network, FixedNetwork) else FLOATING

    @property
    def latency(self) -> int:
        """Time steps from a token's entry to its output."""
        return self.network.latency

    @property
    def offset(self) -> int:
        """Time steps before the first token enters."""
        return self.entry.offset

    @property
    def period(self) -> int:
        """Time steps from one token's entry to the next one's."""
        return self.entry.period

    @property
    def reset_every(self) -> int | None:
        """Tokens of a sample, or None."""
        return self.entry.reset_every

    def step_of(self, token: int) -> int:
        """Time step, from 1, at which `s_out` carries the output of a token, from 0."""
        return self.exit.step_of(integer(token, "token", 0))

    def steps_for(self, n_tokens: int) -> int:
        """Time steps to run for the outputs of the first `n_tokens` tokens."""
        return self.exit.step_of(integer(n_tokens, "n_tokens", 1) - 1)

    def outputs(self, recorded: ArrayLike, n_tokens: int) -> np.ndarray:
        """Pick the tokens' outputs out of what a sink or Monitor recorded of `s_out`.

        Parameters
        ----------
        recorded
            One column a time step from step 1 on, as in Lava's sink: the shape of `s_out`, steps.

        Returns
        -------
        ndarray
            (n_tokens, d_output), behind the batch if there is one; int64 of a fixed network.

        Raises
        ------
        TypeError
            `recorded` is no array of numbers.
        ValueError
            It has another shape, or fewer steps than these tokens need.
        """
        columns = reals(recorded, "recorded")
        steps = self.steps_for(n_tokens)
        if columns.ndim < 2 or columns.shape[:-1] != self.s_out.shape:
            wanted = ", ".join(map(str, self.s_out.shape))
            raise ValueError(f"recorded must have shape ({wanted}, steps), got {columns.shape}")
        if columns.shape[-1] < steps:
            raise ValueError(
                f"n_tokens: {n_tokens} tokens need {steps} steps, {columns.shape[-1]} were recorded"
            )
        first = self.step_of(0) - 1
        picked = np.moveaxis(columns[..., first : steps : self.period], -1, -2)
        return picked.astype(np.int64) if self.tag == FIXED else picked

    def compile(
        self, run_cfg: RunConfig, compile_config: dict[str, object] | None = None
    ) -> Executable:
        """Compile the graph; refuses a run configuration whose tag cannot run this network."""
        checks.run_config(run_cfg)
        chosen = getattr(run_cfg, "select_tag", self.tag)
        if chosen != self.tag:
            kind = type(self.network).__name__
            raise ValueError(f"select_tag must be {self.tag!r} for a {kind}, got {chosen!r}")
        return super().compile(run_cfg, compile_config)
