"""A language model as Lava Processes."""

from typing import Literal

import pytest

from lava_ssm import proc
from tests.language.models import language_model, written


@pytest.mark.parametrize("schedule", ["pipelined", "fall_through"])
@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("n", [50, pytest.param(500, marks=pytest.mark.slow)])
def test_graphs_give_what_wrote_the_tokens(
    n: int, fused: bool, schedule: Literal["pipelined", "fall_through"]
) -> None:
    _, fixed = language_model()
    tokens, outputs = written(fixed, n)
    assert len(set(map(tuple, tokens.tolist()))) > 3
    found = proc.run(fixed, tokens, schedule=schedule, fused=fused)
    assert (found == outputs).all()
