"""Data sets as streams of tokens."""

from lava_ssm.data.cifar import cifar
from lava_ssm.data.digits import digits
from lava_ssm.data.mnist import mnist
from lava_ssm.data.ndns import Clip, ndns, stacked
from lava_ssm.data.order import bit_reversal, seeded
from lava_ssm.data.own import own
from lava_ssm.data.source import DataDamagedError, DataNotFoundError
from lava_ssm.data.split import Split, TokenData, joined
from lava_ssm.data.spoken import spoken_digits
from lava_ssm.data.tasks import TASKS, load
from lava_ssm.data.text import TEXTS, Text, brown, load_text, own_text, shakespeare
from lava_ssm.data.ucr import ucr

__all__ = [
    "TASKS",
    "TEXTS",
    "Clip",
    "DataDamagedError",
    "DataNotFoundError",
    "Split",
    "Text",
    "TokenData",
    "bit_reversal",
    "brown",
    "cifar",
    "digits",
    "joined",
    "load",
    "load_text",
    "mnist",
    "ndns",
    "own",
    "own_text",
    "seeded",
    "shakespeare",
    "spoken_digits",
    "stacked",
    "ucr",
]
