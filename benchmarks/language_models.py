"""Language models of equal size: ours, a Transformer of torch's modules, and public code of others.

Each takes one-hot characters (batch, time, vocabulary) and gives logits of that shape.
"""

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lava_ssm import exchange
from lava_ssm.network import Network
from lava_ssm.nn import (
    S5,
    Chain,
    Gate,
    Mamba,
    MatMulFreeLM,
    MinGRU,
    Residual,
    RMSNorm,
    export,
    module,
)

WIDTH, MAMBA_WIDTH, TRANSFORMER_WIDTH = 128, 120, 96


@dataclass(frozen=True)
class Entry:
    """A model, and the rates that it is trained with.

    Parameters
    ----------
    make
        Gives it with random weights, of the number of different characters.
    lr, ssm_lr
        See `train.Recipe`.
    described
        Gives its network; None: there is none.
    """

    make: Callable[[int], nn.Module]
    lr: float
    ssm_lr: float = 2e-3
    described: Callable[[nn.Module], Network] | None = export


def chain(vocabulary: int, width: int, blocks: list[nn.Module]) -> Chain:
    """Blocks between an embedding and a head."""
    return Chain(
        {
            "embedding": nn.Linear(vocabulary, width, bias=False),
            "blocks": nn.Sequential(*blocks),
            "norm": RMSNorm(width),
            "head": nn.Linear(width, vocabulary, bias=False),
        }
    )


def min_gru(vocabulary: int) -> nn.Module:
    """The blocks of the public `minLM`: a gated recurrence, then a network of each token."""
    blocks: list[nn.Module] = []
    for _ in range(2):
        inner = WIDTH * 3 // 2
        down = nn.Linear(inner, WIDTH, bias=False)
        blocks += [RMSNorm(WIDTH), MinGRU(WIDTH, inner), down, Residual(3)]
        blocks += [RMSNorm(WIDTH), nn.Linear(WIDTH, 4 * WIDTH), nn.GELU()]
        blocks += [nn.Linear(4 * WIDTH, WIDTH), Residual(3)]
    return chain(vocabulary, WIDTH, blocks)


def s5(vocabulary: int) -> nn.Module:
    """The blocks of the S5 paper: norm, S5, GELU, gate."""
    blocks: list[nn.Module] = []
    for _ in range(5):
        layer = S5(WIDTH, WIDTH, blocks=8, dt_min=1e-2, dt_max=1.0)
        blocks += [RMSNorm(WIDTH), layer, nn.GELU(), Gate(WIDTH), Residual(3)]
    return chain(vocabulary, WIDTH, blocks)


def mamba(vocabulary: int) -> nn.Module:
    """Ours, with the public code's rank of steps."""
    rank = math.ceil(MAMBA_WIDTH / 16)
    return Mamba(vocabulary, vocabulary, MAMBA_WIDTH, n_layers=4, rank=rank)


class Transformer(nn.Module):
    """Causal encoder layers of torch behind an embedding and sines of the places.

    (Vaswani et al., "Attention Is All You Need", arXiv 1706.03762, section 3.5; norms in front.)

    Parameters
    ----------
    vocabulary
        Number of different tokens.
    """

    def __init__(self, vocabulary: int) -> None:
        super().__init__()
        self.d_input, width = vocabulary, TRANSFORMER_WIDTH
        self.embedding = nn.Linear(vocabulary, width, bias=False)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(
                width, 4, 352, 0.0, "gelu", batch_first=True, norm_first=True
            )
            for _ in range(4)
        )
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, vocabulary, bias=False)

    def embedded(self, x: Tensor, first: int = 0) -> Tensor:
        """Tokens (..., time, vocabulary) of which the first one is at the place `first`."""
        width = TRANSFORMER_WIDTH
        places = torch.arange(first, first + x.shape[-2], device=x.device, dtype=x.dtype)
        rates = torch.exp(
            torch.arange(0, width, 2, device=x.device, dtype=x.dtype) * (-math.log(1e4) / width)
        )
        phases = places[:, None] * rates
        sines = torch.stack([phases.sin(), phases.cos()], -1).flatten(-2)
        return math.sqrt(width) * self.embedding(x) + sines

    def forward(self, x: Tensor) -> Tensor:
        """Logits (batch, time, vocabulary) of x, of that shape."""
        y = self.embedded(x)
        mask = nn.Transformer.generate_square_subsequent_mask(x.shape[1], x.device, x.dtype)
        for layer in self.layers:
            y = layer(y, src_mask=mask, is_causal=True)
        logits: Tensor = self.head(self.norm(y))
        return logits


class OfNumbers(nn.Module):
    """A model that takes numbers of tokens, as one that takes one-hot tokens.

    Parameters
    ----------
    model
        Of (batch, time).
    vocabulary
        Number of different tokens.
    """

    def __init__(self, model: nn.Module, vocabulary: int) -> None:
        super().__init__()
        self.model, self.d_input = model, vocabulary

    def forward(self, x: Tensor) -> Tensor:
        """Logits (batch, time, vocabulary) of x, of that shape."""
        logits: Tensor = self.model(x.argmax(-1))
        return logits


def public_min_gru(vocabulary: int) -> nn.Module:
    """`minLM` of the package mingru-pytorch, with the settings that it comes with."""
    from minGRU_pytorch.minLM import minLM

    return OfNumbers(minLM(num_tokens=vocabulary, dim=WIDTH, depth=2), vocabulary)


def public_min_gru_network(model: nn.Module) -> Network:
    """The network of such a `minLM`, which takes one-hot tokens."""
    public = copy.deepcopy(model.model)
    numbers, width = public.token_emb.weight.shape
    embedding = nn.Linear(numbers, width, bias=False)
    embedding.weight = nn.Parameter(public.token_emb.weight.detach().T.contiguous())
    public.token_emb = embedding
    return exchange.from_torch(public, torch.eye(numbers)[None, :32])


def same_as_public_min_gru(vocabulary: int) -> nn.Module:
    """That network as a model of ours, which begins with the public one's weights."""
    return module(public_min_gru_network(public_min_gru(vocabulary)))


def public_mamba(vocabulary: int) -> nn.Module:
    """`Mamba` of the package mambapy, with the settings that it comes with.

    (Its language model cannot be imported without kernels for CUDA.)
    """
    from mambapy.mamba import Mamba as PublicMamba
    from mambapy.mamba import MambaConfig
    from mambapy.mamba import RMSNorm as PublicRMSNorm

    model = nn.Sequential(
        nn.Linear(vocabulary, MAMBA_WIDTH, bias=False),
        PublicMamba(MambaConfig(MAMBA_WIDTH, n_layers=4)),
        PublicRMSNorm(MAMBA_WIDTH),
        nn.Linear(MAMBA_WIDTH, vocabulary, bias=False),
    )
    model.d_input = vocabulary  # type: ignore[assignment]
    return model


MODELS = {
    "mingru": Entry(min_gru, 4e-3),
    "mingru-same": Entry(same_as_public_min_gru, 4e-3),
    "mingru-public": Entry(public_min_gru, 4e-3, described=public_min_gru_network),
    "mlgru-ternary": Entry(lambda vocabulary: MatMulFreeLM(vocabulary, WIDTH, 2), 6e-3),
    "s5": Entry(s5, 4e-3),
    "transformer": Entry(Transformer, 2e-3, described=None),
    "mamba": Entry(mamba, 5e-3),
    "mamba-public": Entry(public_mamba, 5e-3, described=None),
}
"""In the order in which they are trained: those that take long last."""
