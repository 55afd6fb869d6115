"""In which order models are run, so that few have to wait."""

from collections.abc import Collection, Sequence

from lava_ssm.runtime.scheduler import Task, Turn


def best_order(turns: Sequence[Turn], early: Collection[Task]) -> list[Turn]:
    """Return the turns with each model behind those whose messages it receives.

    Where models form a cycle, one that sends before it receives (`early`, as Lava's synapses do)
    goes first: it has to wait for the rest of its turn, but nobody waits for it. Of several the
    one is taken that lets another model go on.
    """
    left = list(turns)
    ours = {task for task, _ in turns}
    missing = {task: (task.needs & ours) - {task} for task in ours}
    order = []
    while left:
        ready = [turn for turn in left if not missing[turn[0]]]
        if not ready:
            ready = [_opening(left, missing, early)]
        for turn in ready:
            left.remove(turn)
            for needed in missing.values():
                needed.discard(turn[0])
        order += ready
    return order


def _opening(left: Sequence[Turn], missing: dict[Task, set[Task]], early: Collection[Task]) -> Turn:
    """Return the turn to start a cycle with."""
    candidates = [turn for turn in left if turn[0] in early] or list(left)
    only_needs = [next(iter(needed)) for needed in missing.values() if len(needed) == 1]
    for turn in candidates:
        if turn[0] in only_needs:
            return turn
    return candidates[0]
