"""The order in which models are run lets as few as possible wait."""

from lava_ssm.runtime.order import best_order
from lava_ssm.runtime.scheduler import Task, Turn


def turns(needs: dict[str, str]) -> list[Turn]:
    tasks = {name: Task(name) for name in needs}
    for name, senders in needs.items():
        tasks[name].needs = {tasks[sender] for sender in senders}
    return [(task, lambda: None) for task in tasks.values()]


def names(order: list[Turn]) -> str:
    return "".join(task.name for task, _ in order)


def test_receivers_come_after_their_senders() -> None:
    assert names(best_order(turns({"d": "c", "c": "ab", "b": "a", "a": ""}), [])) == "abcd"


def test_an_order_without_waits_is_kept() -> None:
    assert names(best_order(turns({"a": "", "b": "", "c": "a", "d": "b"}), [])) == "abcd"


def test_a_cycle_starts_with_the_one_that_sends_first() -> None:
    cycle = turns({"l": "d", "d": "l"})
    assert names(best_order(cycle, [cycle[1][0]])) == "dl"
    assert names(best_order(cycle[::-1], [cycle[1][0]])) == "dl"


def test_only_a_model_that_lets_another_go_on_opens_a_cycle() -> None:
    # Layers l, m with synapses a: l -> m, r: l -> l, s: m -> m; all synapses send first.
    # Before l only r is needed; a waits for nothing when it comes after l.
    graph = turns({"a": "l", "l": "r", "m": "as", "r": "l", "s": "m"})
    synapses = [task for task, _ in graph if task.name in "ars"]
    assert names(best_order(graph, synapses)) in ("rlasm", "rlsam")


def test_a_model_that_sends_to_itself_is_run_once() -> None:
    assert names(best_order(turns({"a": "a", "b": "a"}), [])) == "ab"
