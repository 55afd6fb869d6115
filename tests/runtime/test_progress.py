"""`run` shows how far it is and gives what `net.run` gives."""

from typing import Any

import pytest
from lava.magma.core.run_configs import Loihi2SimCfg

from lava_ssm import runtime
from tests.runtime.conftest import Run
from tests.runtime.graphs.processes import Failing, chain

CFG = Loihi2SimCfg(select_tag="fixed_pt")


def test_all_steps_are_run_and_shown(on_runtime: Run, capsys: pytest.CaptureFixture[str]) -> None:
    processes = chain(3)
    with on_runtime():
        runtime.run(processes[0], 1234, CFG)
        runtime.run(processes[0], 66)
    assert processes[-1].last.get()[0] == 1300
    shown = capsys.readouterr().out
    assert "1234/1234" in shown
    assert "66/66" in shown
    assert "steps/s" in shown
    processes[0].stop()


def test_without_progress_nothing_is_shown(
    on_runtime: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    processes = chain(3)
    with on_runtime():
        runtime.run(processes[0], 20, CFG, progress=False)
    assert processes[-1].last.get()[0] == 20
    assert capsys.readouterr().out == ""
    processes[0].stop()


@pytest.mark.parametrize("how", ["pause", "stop"])
def test_a_model_that_ends_the_run_ends_it(on_runtime: Run, how: str) -> None:
    processes = chain(3, last=Failing(how, time_step=7))
    with on_runtime():
        runtime.run(processes[0], 1000, CFG)
    if how == "pause":
        assert processes[0].count.get()[0] == 7
        processes[0].stop()
    with pytest.raises(runtime.GraphStopped):
        runtime.run(processes[0], 5)


def test_what_a_model_raises_is_raised(on_runtime: Run) -> None:
    processes = chain(3, last=Failing("raise", time_step=50))
    with on_runtime(), pytest.raises(ValueError, match="bad input"):
        runtime.run(processes[0], 1000, CFG)


@pytest.mark.parametrize("n_steps", [0, -3, 1.5, True, "10"])
def test_a_wrong_number_of_steps_is_refused(n_steps: Any) -> None:
    with pytest.raises(ValueError, match=r"n_steps must be an integer in \[1, "):
        runtime.run(chain(2)[0], n_steps, CFG)


def test_a_graph_that_is_not_built_needs_a_run_cfg() -> None:
    with pytest.raises(ValueError, match="run_cfg must be given"):
        runtime.run(chain(2)[0], 5)
