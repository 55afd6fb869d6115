"""The runtimes that tests choose from."""

import contextlib
from collections.abc import Callable, Iterator

import pytest

from lava_ssm import runtime

Run = Callable[[], contextlib.AbstractContextManager[None]]


@contextlib.contextmanager
def plain_lava() -> Iterator[None]:
    """Give graphs that are built in the `with` block Lava's runtime without any change."""
    runtime.set_hygiene(False)
    try:
        yield
    finally:
        runtime.set_hygiene(True)


RUNTIMES: dict[str, Run] = {"in process": runtime.in_process, "stock": contextlib.nullcontext}


@pytest.fixture(params=sorted(RUNTIMES))
def on_runtime(request: pytest.FixtureRequest) -> Run:
    """Both runtimes in turn: in process, and stock with hygiene."""
    return RUNTIMES[request.param]
