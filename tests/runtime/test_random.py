"""Each model draws from NumPy's global state as if it were alone."""

# ruff: noqa: NPY002  (NumPy's global state is what is tested)

import contextlib
import threading
from typing import Any

import numpy as np
import pytest
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg

from lava_ssm.runtime import in_process
from lava_ssm.runtime.numpy_random import RandomStreams, _layout_is_known
from tests.runtime.conftest import plain_lava
from tests.runtime.graphs.processes import Noise, Relay

STEPS = 12


def draws(where: contextlib.AbstractContextManager[None], how: str, odd: bool) -> list[Any]:
    """Return what each of three sources drew, and what the caller draws afterwards."""
    rng = np.random.default_rng(2)
    sink = Relay((100,))
    sources = [Noise(how, rng=rng), Noise(how, rng=rng), Noise(how, every=3, rng=rng)]
    for source in sources:
        source.s_out.connect(sink.a_in)
    np.random.seed(3)
    np.random.randn(3 if odd else 4)  # after an odd number NumPy keeps a variate for later
    with where:
        sink.run(condition=RunSteps(5), run_cfg=Loihi2SimCfg(select_tag="fixed_pt"))
    np.random.rand()
    sink.run(condition=RunSteps(STEPS - 5))
    drawn = [source.drawn.get() for source in sources]
    sink.stop()
    return [*drawn, np.random.randn(3)]


@pytest.mark.parametrize("odd", [False, True])
@pytest.mark.parametrize("how", ["uniform", "normal", "reseed", "own"])
def test_random_numbers_equal_those_of_plain_lava(how: str, odd: bool) -> None:
    wanted = draws(plain_lava(), how, odd)
    got = draws(in_process(strict=True), how, odd)
    for one, other in zip(wanted, got, strict=True):
        np.testing.assert_array_equal(one, other)


def test_two_sources_emit_the_same_numbers() -> None:
    first, second, _, _ = draws(in_process(), "uniform", odd=False)
    assert np.count_nonzero(first) == STEPS
    np.testing.assert_array_equal(first, second)


def test_the_fast_way_into_numpys_state_is_open() -> None:
    assert _layout_is_known()


def test_streams_through_numpys_functions_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = draws(in_process(), "normal", odd=True)
    monkeypatch.setattr("lava_ssm.runtime.numpy_random._layout_is_known", lambda: False)
    assert type(RandomStreams()._state).__name__ == "_SlowState"
    for one, other in zip(wanted, draws(in_process(), "normal", odd=True), strict=True):
        np.testing.assert_array_equal(one, other)


def test_graphs_in_several_threads_do_not_disturb_each_other() -> None:
    def build() -> tuple[Noise, Relay]:
        np.random.seed(9)
        noise, sink = Noise("normal"), Relay((100,))
        noise.s_out.connect(sink.a_in)
        with in_process():
            noise.create_runtime(run_cfg=Loihi2SimCfg(select_tag="fixed_pt"))
        return noise, sink

    alone, _ = build()
    alone.run(condition=RunSteps(90))
    together = [build() for _ in range(4)]
    np.random.seed(4)
    threads = [threading.Thread(target=noise.run, args=(RunSteps(90),)) for noise, _ in together]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for noise, _ in together:
        np.testing.assert_array_equal(noise.drawn.get(), alone.drawn.get())
    after = np.random.rand()
    np.random.seed(4)
    assert after == np.random.rand()


def test_a_model_may_run_a_graph_itself() -> None:
    def draw(inner: bool) -> list[float]:
        np.random.seed(6)
        noise, sink = Noise("nested" if inner else "normal"), Relay((100,))
        noise.s_out.connect(sink.a_in)
        with in_process():
            noise.run(condition=RunSteps(5), run_cfg=Loihi2SimCfg(select_tag="fixed_pt"))
        values: list[float] = noise.drawn.get().tolist()
        return values

    assert draw(inner=True) == draw(inner=False)


def test_a_graph_built_while_another_runs_starts_from_the_callers_state() -> None:
    def drawn(beside: bool) -> list[float]:
        background, other = Noise("uniform"), Relay((100,))
        background.s_out.connect(other.a_in)
        with in_process():
            background.create_runtime(run_cfg=Loihi2SimCfg(select_tag="fixed_pt"))
            np.random.seed(8)
            if beside:
                background.run(condition=RunSteps(90, blocking=False))
            noise, sink = Noise("uniform"), Relay((100,))
            noise.s_out.connect(sink.a_in)
            noise.run(condition=RunSteps(9), run_cfg=Loihi2SimCfg(select_tag="fixed_pt"))
        values: list[float] = noise.drawn.get().tolist()
        background.stop()
        return values

    assert drawn(beside=True) == drawn(beside=False)
