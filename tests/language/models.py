"""A small language model with random weights, as integers, and what it writes."""

from dataclasses import replace

import numpy as np
import torch

from lava_ssm import compress, engine, language, nn
from lava_ssm.network import FixedNetwork, Network
from lava_ssm.numerics import IntArray

VOCABULARY = "\n abcde"


def language_model(d_model: int = 6, n_layers: int = 1) -> tuple[Network, FixedNetwork]:
    """Float and fixed; weights such that its logits differ enough to write this and that."""
    torch.manual_seed(3)
    model = nn.MatMulFreeLM(len(VOCABULARY), d_model, n_layers)
    with torch.no_grad():
        model.head.weight *= 4  # type: ignore[operator]
    made_by = {language.VOCABULARY: VOCABULARY}
    network = replace(nn.export(model), made_by=made_by)
    tokens = np.eye(len(VOCABULARY))[
        np.random.default_rng(0).integers(len(VOCABULARY), size=(8, 64))
    ]
    return network, compress.quantize(network, tokens, input_range=1)


def written(fixed: FixedNetwork, n: int) -> tuple[IntArray, IntArray]:
    """Tokens that the model writes, and the engine's outputs of them, (n, vocabulary) each."""
    text = "a" + "".join(language.generate(fixed, "a", n - 1))
    one_hot = np.eye(len(VOCABULARY))[language.Characters(VOCABULARY).encode(text)]
    tokens = engine.as_tokens(fixed, one_hot)
    return tokens, engine.run(fixed, tokens).outputs
