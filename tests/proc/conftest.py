"""Every graph of these tests runs in one process, and in the stock runtime made safe."""

import contextlib
from collections.abc import Iterator

import pytest

from lava_ssm import runtime

RUNTIMES = {"in process": runtime.in_process, "stock": contextlib.nullcontext}


@pytest.fixture(params=sorted(RUNTIMES), autouse=True)
def which_runtime(request: pytest.FixtureRequest) -> Iterator[str]:
    with RUNTIMES[request.param]():
        yield request.param
