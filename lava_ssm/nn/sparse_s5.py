"""The S5 model of the published system for streaming audio."""

from collections.abc import Iterable
from typing import Any

from torch import nn

from lava_ssm.network import Readout
from lava_ssm.nn.chain import Chain, Residual
from lava_ssm.nn.inputs import size
from lava_ssm.nn.linear import Gate
from lava_ssm.nn.s5 import S5
from lava_ssm.numerics import real_number

S5_SIZES: dict[str, dict[str, Any]] = {
    "s5-tiny": {"d_model": 32, "d_state": 16, "n_layers": 2, "blocks": 2},
    "s5-small": {"d_model": 96, "d_state": 64, "n_layers": 3, "blocks": 8},
    "s5-large": {"d_model": 192, "d_state": 128, "n_layers": 3, "blocks": 16},
}
"""Small and large are the published widths k = 1/2 and 1 of the denoisers (arXiv 2502.01330)."""


class S5Block(Chain):
    """One block of a `SparseS5`.

        u = norm(h),   z = act(S5(u)),   g = z sigmoid(W z + b),   h' = g + h

    act is a GELU; or, relufied, a ReLU, and h' = relu(g + h).
    """

    norm: nn.BatchNorm1d
    s5: S5

    def __init__(self, s5: S5, dropout: float, relu: bool) -> None:
        super().__init__(
            {
                "norm": nn.BatchNorm1d(s5.d_model),
                "s5": s5,
                "activation": nn.GELU(),
                "dropout": nn.Dropout(dropout),
                "gate": Gate(s5.d_model),
                "gate_dropout": nn.Dropout(dropout),
                "path": Residual(2),
                "last": nn.Identity(),
            }
        )
        if relu:
            self.relufy()

    def relufy(self) -> None:
        """Rectify where a large linear map follows, and on the states."""
        self.activation, self.last = nn.ReLU(), nn.ReLU()
        for module in self.s5.modules():  # it may be a part of another one
            if isinstance(module, S5):
                module.relu = True


class SparseS5(Chain):
    """encoder -> n_layers x [norm -> S5 -> activation -> gate -> residual] -> decoder.

    (Pierro et al., "Accelerating Linear Recurrent Neural Networks for the Edge with Unstructured
    Sparsity", arXiv 2502.01330.) Dense models have GELUs; relufied ones (`relu`, or later
    `relufy()`) have ReLUs in their place, and more of them where a large linear map follows:
    behind the encoder, behind each residual path, and on the states.

    Parameters
    ----------
    d_input, d_model, d_state, n_layers, d_output
        Width of a token, channels, complex states of a layer, layers, width of the output.
    readout
        "every" (each token's output), "last" (the last one's) or "mean" (over time).
    relu
        Whether the model is relufied from the start.
    dropout
        Of activations and of the gate's output, in [0, 1).
    blocks, discretization, dt_min, dt_max
        Of each `S5` layer.

    Attributes
    ----------
    encoder, decoder : torch.nn.Linear
    blocks : torch.nn.ModuleList
        Of `S5Block`.
    """

    encoder: nn.Linear
    blocks: Iterable[S5Block]
    decoder: nn.Linear

    def __init__(
        self,
        d_input: int,
        d_model: int,
        d_state: int,
        n_layers: int,
        d_output: int,
        readout: str | Readout = "every",
        relu: bool = False,
        dropout: float = 0.0,
        blocks: int = 1,
        discretization: str = "zoh",
        dt_min: float = 1e-3,
        dt_max: float = 1e-1,
    ) -> None:
        d_input, d_model = size(d_input, "d_input"), size(d_model, "d_model")
        n_layers, d_output = size(n_layers, "n_layers"), size(d_output, "d_output")
        dropout = real_number(dropout, "dropout", "[0, 1)")
        encoder = nn.Linear(d_input, d_model)
        of_s5: Any = (d_model, d_state, blocks, relu, discretization, dt_min, dt_max)
        stack = nn.ModuleList(S5Block(S5(*of_s5), dropout, relu) for _ in range(n_layers))
        decoder = nn.Linear(d_model, d_output)
        activation = nn.ReLU() if relu else nn.Identity()
        parts = {"encoder": encoder, "activation": activation, "blocks": stack, "decoder": decoder}
        super().__init__(parts, readout)

    @property
    def relu(self) -> bool:
        """Whether the model is relufied."""
        return isinstance(self.activation, nn.ReLU)

    def relufy(self) -> None:
        """Put ReLUs in place of the activations, and where large linear maps follow.

        The model computes something else afterwards: train on.
        """
        self.activation = nn.ReLU()
        for block in self.blocks:
            block.relufy()
