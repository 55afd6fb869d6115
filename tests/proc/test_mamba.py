"""A language model of Mamba's blocks as Lava Processes."""

from dataclasses import replace
from typing import Literal

import numpy as np
import pytest

from lava_ssm import compress, engine, language, proc

VOCABULARY = "\n abcde"


@pytest.mark.parametrize("schedule", ["pipelined", "fall_through"])
@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("n", [20, pytest.param(500, marks=pytest.mark.slow)])
def test_graphs_give_what_wrote_the_tokens(
    n: int, fused: bool, schedule: Literal["pipelined", "fall_through"]
) -> None:
    torch = pytest.importorskip("torch")
    from lava_ssm import nn

    torch.manual_seed(0)
    model = nn.Mamba(len(VOCABULARY), len(VOCABULARY), 6, 1, d_state=4)
    with torch.no_grad():
        model.get_parameter("decoder.weight").mul_(4)
    network = replace(nn.export(model), made_by={language.VOCABULARY: VOCABULARY})
    one_hot = np.eye(len(VOCABULARY))
    rng = np.random.default_rng(0)
    fixed = compress.quantize(network, one_hot[rng.integers(7, size=(8, 64))], input_range=1)
    text = "a" + "".join(language.generate(fixed, "a", n - 1))
    tokens = engine.as_tokens(fixed, one_hot[language.Characters(VOCABULARY).encode(text)])
    assert len(set(text)) > 3
    found = proc.run(fixed, tokens, schedule=schedule, fused=fused)
    assert (found == engine.run(fixed, tokens).outputs).all()
