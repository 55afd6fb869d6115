"""In one process a graph gives what it gives on plain Lava, to the last bit."""

import contextlib
import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.magma.core.sync.domain import SyncDomain
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol
from lava.proc.dense.process import Dense, LearningDense
from lava.proc.io.source import RingBuffer
from lava.proc.learning_rules.stdp_learning_rule import STDPLoihi
from lava.proc.lif.process import LIF
from lava.proc.monitor.process import Monitor
from lava.proc.sparse.process import Sparse
from scipy.sparse import csr_matrix

from lava_ssm.runtime import in_process
from tests.runtime.conftest import plain_lava
from tests.runtime.graphs.processes import Counter, Relay, Writer, chain

STEPS = 40
# A graph: a Process of it, and what is read when it has run.
Graph = tuple[Any, list[Callable[[], Any]]]


def recorded(monitor: Monitor, process: str, watched: str) -> Any:
    return monitor.get_data()[process][watched]


def monitored(process: Any, *ports_and_vars: Any) -> list[Callable[[], Any]]:
    read: list[Callable[[], Any]] = []
    for watched in ports_and_vars:
        monitor = Monitor()
        monitor.probe(watched, STEPS)
        read.append(functools.partial(recorded, monitor, process.name, watched.name))
    return read


def input_spikes(n: int, dtype: type) -> RingBuffer:
    spikes = np.random.default_rng(7).random((n, STEPS)) < 0.3
    return RingBuffer(data=spikes.astype(dtype))


def layers(tag: str, recurrent: bool) -> Graph:
    rng = np.random.default_rng(1)
    scale = 1.0 if tag == "fixed_pt" else 0.05
    decay = (1000, 200) if tag == "fixed_pt" else (0.3, 0.1)
    source: Any = input_spikes(16, int if tag == "fixed_pt" else float)
    read: list[Callable[[], Any]] = []
    last = source
    for _ in range(3):
        weights = np.round(rng.normal(scale=60, size=(16, 16)) / 2) * 2 * scale
        dense = Dense(weights=weights)
        lif = LIF(shape=(16,), du=decay[0], dv=decay[1], vth=9 if tag == "fixed_pt" else 5.0)
        last.s_out.connect(dense.s_in)
        dense.a_out.connect(lif.a_in)
        if recurrent:
            back = Dense(weights=np.rint(rng.normal(scale=30, size=(16, 16)) / 2) * 2 * scale)
            lif.s_out.connect(back.s_in)
            back.a_out.connect(lif.a_in)
        read += monitored(lif, lif.v, lif.s_out)
        read += [lif.u.get, lif.v.get]
        last = lif
    return source, read


def learning() -> Graph:
    rule = STDPLoihi(
        learning_rate=1, A_plus=2, A_minus=-2, tau_plus=10, tau_minus=10, t_epoch=4, rng_seed=11
    )
    source = input_spikes(8, int)
    dense = LearningDense(
        weights=np.full((6, 8), 20), learning_rule=rule, name="plastic", weight_exp=0
    )
    lif = LIF(shape=(6,), du=4095, dv=400, vth=1)
    source.s_out.connect(dense.s_in)
    dense.a_out.connect(lif.a_in)
    lif.s_out.connect(dense.s_in_bap)
    return source, [dense.weights.get, *monitored(lif, lif.v), *monitored(dense, dense.weights)]


def references() -> Graph:
    counter, relay, target = Counter(), Relay(), Relay()
    counter.s_out.connect([relay.a_in, target.a_in])
    writer, adder = Writer(), Writer(add=True)
    writer.ref.connect_var(counter.count)
    adder.ref.connect_var(relay.last)
    return counter, [
        counter.count.get,
        relay.last.get,
        *monitored(target, target.s_out),
        *monitored(counter, counter.count),
    ]


def sparse() -> Graph:
    source = input_spikes(16, int)
    weights = csr_matrix(np.eye(16, dtype=int)[::-1] * 12)
    synapse = Sparse(weights=weights)
    lif = LIF(shape=(16,), du=2000, dv=100, vth=2)
    source.s_out.connect(synapse.s_in)
    synapse.a_out.connect(lif.a_in)
    return source, [lif.v.get, lambda: synapse.weights.get().toarray()]


def reshaped() -> Graph:
    source, sink = Counter((2, 6)), Relay((3, 4))
    other = Counter((3, 4))
    source.s_out.reshape((3, 4)).connect(sink.a_in)
    other.s_out.connect(sink.a_in)
    return source, [sink.last.get, *monitored(sink, sink.s_out)]


GRAPHS: dict[str, Callable[[], Graph]] = {
    "LIF and Dense, fixed": lambda: layers("fixed_pt", recurrent=False),
    "LIF and Dense, float": lambda: layers("floating_pt", recurrent=False),
    "recurrent, fixed": lambda: layers("fixed_pt", recurrent=True),
    "recurrent, float": lambda: layers("floating_pt", recurrent=True),
    "learning": learning,
    "RefPorts and Monitor": references,
    "Sparse": sparse,
    "reshaped ports": reshaped,
}


def run(
    graph: Callable[[], Graph], where: contextlib.AbstractContextManager[None], tag: str
) -> list[np.ndarray[Any, Any]]:
    process, read = graph()
    with where:
        for steps in (1, STEPS - 11, 10):
            process.run(condition=RunSteps(steps), run_cfg=Loihi2SimCfg(select_tag=tag))
    try:
        return [np.asarray(one()) for one in read]
    finally:
        process.stop()


@pytest.mark.parametrize("name", GRAPHS)
def test_results_equal_those_of_plain_lava(name: str) -> None:
    tag = "floating_pt" if "float" in name else "fixed_pt"
    wanted = run(GRAPHS[name], plain_lava(), tag)
    for where in (contextlib.nullcontext(), in_process(strict=True)):
        got = run(GRAPHS[name], where, tag)
        for one, other in zip(wanted, got, strict=True):
            assert one.dtype == other.dtype
            np.testing.assert_array_equal(one, other)
    assert any(len(np.unique(one)) > 2 for one in wanted), "the graph did nothing"


def test_domains_that_are_synchronised_apart_give_the_same() -> None:
    results = []
    for where in (plain_lava(), in_process(strict=True)):
        counter, relay, writer = Counter(name="counter"), Relay(name="relay"), Writer(name="writer")
        counter.s_out.connect(relay.a_in)
        writer.ref.connect_var(relay.last)
        domains = [
            SyncDomain("sender", LoihiProtocol(), [counter]),
            SyncDomain("receiver", LoihiProtocol(), [relay, writer]),
        ]
        with where:
            counter.run(RunSteps(7), Loihi2SimCfg(custom_sync_domains=domains))
        results.append((counter.count.get().tolist(), relay.last.get().tolist()))
        counter.stop()
    assert results[0] == results[1] == ([7] * 4, [7] * 4)


def test_results_do_not_depend_on_where_a_run_is_split() -> None:
    whole = run(GRAPHS["recurrent, fixed"], in_process(), "fixed_pt")
    process, read = GRAPHS["recurrent, fixed"]()
    with in_process():
        for _ in range(STEPS):
            process.run(condition=RunSteps(1), run_cfg=Loihi2SimCfg(select_tag="fixed_pt"))
    for one, other in zip(whole, read, strict=True):
        np.testing.assert_array_equal(one, other())


def test_a_model_keeps_what_it_received_while_the_sender_changes_its_array() -> None:
    counter, first, second = Counter(), Relay(), Relay()
    counter.s_out.connect([first.a_in, second.a_in])
    with in_process():
        counter.run(condition=RunSteps(3), run_cfg=Loihi2SimCfg(select_tag="fixed_pt"))
        before = first.last.get()
        counter.count.set(np.full(4, 100))
    assert before.tolist() == first.last.get().tolist() == [3, 3, 3, 3]


def test_a_long_chain_in_reverse_order_of_construction_runs() -> None:
    relays = [Relay() for _ in range(30)][::-1]
    counter = Counter()
    senders: list[Any] = [counter, *relays[:-1]]
    for source, target in zip(senders, relays, strict=True):
        source.s_out.connect(target.a_in)
    with in_process():
        relays[-1].run(condition=RunSteps(5), run_cfg=Loihi2SimCfg(select_tag="fixed_pt"))
    assert relays[-1].last.get().tolist() == [5, 5, 5, 5]


def test_several_graphs_take_turns() -> None:
    graphs = [chain(3) for _ in range(4)]
    with in_process():
        for steps in (1, 2, 3):
            for processes in graphs:
                processes[0].run(
                    condition=RunSteps(steps), run_cfg=Loihi2SimCfg(select_tag="fixed_pt")
                )
    assert [processes[-1].last.get()[0] for processes in graphs] == [6, 6, 6, 6]
