"""How well a network foretells a text."""

import numpy as np

from lava_ssm import engine
from lava_ssm.language.characters import characters_of
from lava_ssm.network import FixedNetwork, Network
from lava_ssm.numerics import IntArray, RealArray, integer


def loss(
    network: Network | FixedNetwork,
    text: str,
    context: int = 1024,
    n_threads: int | None = None,
) -> float:
    """Cross entropy of each character given those before it, in nats a character.

    Its exponential is the perplexity, over log 2 it is bits a character.

    Parameters
    ----------
    network
        A language model.
    text
        At least two characters. It is cut into pieces that are foretold from the zero state.
    context
        Characters of a piece; the last one may be shorter.
    n_threads
        Of the engine; None: one for each core.

    Raises
    ------
    ValueError
        No language model, a text that is too short, or a character that it does not know.
    """
    numbers = characters_of(network).encode(text)
    context = integer(context, "context", 1)
    if len(numbers) < 2:
        raise ValueError(f"text must have at least 2 characters, got {len(numbers)}")
    context = min(context, len(numbers) - 1)
    whole = (len(numbers) - 1) // context
    pieces = [np.lib.stride_tricks.sliding_window_view(numbers, context + 1)[::context][:whole]]
    if (len(numbers) - 1) % context:
        pieces.append(numbers[np.newaxis, whole * context :])
    eye, total = np.eye(network.d_input), 0.0
    for piece in pieces:
        for some in np.array_split(piece, max(1, piece.size // _AT_ONCE)) if piece.size else ():
            outputs = engine.run(network, eye[some[:, :-1]], n_threads=n_threads).outputs
            total += float(cross_entropy(network.to_float(outputs), some[:, 1:]).sum())
    return total / (len(numbers) - 1)


def cross_entropy(logits: RealArray, numbers: IntArray) -> RealArray:
    """Nats of each token (..., time) under the logits for it, (..., time, vocabulary)."""
    from scipy.special import log_softmax  # what only checks a network does without

    likely = log_softmax(logits, axis=-1)
    return -np.take_along_axis(likely, numbers[..., np.newaxis], -1)[..., 0]


_AT_ONCE = 2**16
"""Tokens that are run at once."""
