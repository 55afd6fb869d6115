"""Small trained networks that come with the package, each with how it was made and what it scores.

`lava_ssm.load("ns4d-smnist")` gives the fixed network, `lava_ssm.load("ns4d-smnist-float")` the
float one that it was made from; `lava_ssm.zoo.card("ns4d-smnist")` tells about both.
"""

from lava_ssm.zoo.card import Card, ClassifierCard, DenoiserCard, LanguageCard, card
from lava_ssm.zoo.networks import NAMES, load

__all__ = ["NAMES", "Card", "ClassifierCard", "DenoiserCard", "LanguageCard", "card", "load"]
