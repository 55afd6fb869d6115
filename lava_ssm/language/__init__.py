"""Text: characters as tokens, how well a network foretells them, and what it writes."""

from lava_ssm.language.characters import VOCABULARY, Characters, characters_of
from lava_ssm.language.generation import Generator, generate
from lava_ssm.language.loss import cross_entropy, loss

__all__ = [
    "VOCABULARY",
    "Characters",
    "Generator",
    "characters_of",
    "cross_entropy",
    "generate",
    "loss",
]
