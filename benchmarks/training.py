"""A training step on the CPU: our S4D beside the plain one, float and fixed.

python benchmarks/training.py            # a minute and a half; --quick for a first look

The plain S4D is what https://github.com/state-spaces/s4 does without its CUDA kernels, restated
from the paper's equations: the kernel by the full Vandermonde matrix of all powers of all states,
the convolution by FFT (Gu, Gupta, Goel, Ré, NeurIPS 2022, section 3.3).
"""

import argparse
import json
import math
import statistics
from collections.abc import Callable
from pathlib import Path

import torch
from machine import alternate, machine, ratio, say
from memory import peak_megabytes
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from lava_ssm import files
from lava_ssm.compress import FixedModel, Formats, quantize
from lava_ssm.nn import NS4D, S4D, export
from lava_ssm.train import Recipe, Training, memory

RESULTS = Path(__file__).parent / "results" / "training.json"
BATCH, CHANNELS, STATES, TOKENS = 64, 64, 32, 784


class PlainS4D(nn.Module):
    """K_t = 2 Re(sum_n C_n B_n (exp(dt A_n) - 1) / A_n exp(t dt A_n)), y = K * u + D u."""

    def __init__(self, d_model: int, d_state: int) -> None:
        super().__init__()
        log_dt = torch.rand(d_model) * math.log(100) + math.log(1e-3)
        self.log_dt = nn.Parameter(log_dt)
        self.log_a_re = nn.Parameter(torch.full((d_model, d_state), math.log(0.5)))
        self.a_im = nn.Parameter(math.pi * torch.arange(d_state).float().repeat(d_model, 1))
        self.c = nn.Parameter(torch.randn(d_model, d_state, 2) / math.sqrt(2))
        self.d = nn.Parameter(torch.randn(d_model))

    def forward(self, u: Tensor) -> Tensor:
        """Convolve u (batch, d_model, time), as that module has it; same shape."""
        time_ = u.shape[-1]
        a = torch.complex(-self.log_a_re.exp(), self.a_im)
        dt_a = a * self.log_dt.exp()[:, None]
        powers = torch.exp(
            dt_a[..., None] * torch.arange(time_, device=u.device)
        )  # (d_model, d_state, time)
        c = torch.view_as_complex(self.c) * (torch.exp(dt_a) - 1) / a
        k = 2 * torch.einsum("hn,hnl->hl", c, powers).real
        k_f = torch.fft.rfft(k, n=2 * time_)
        u = u.float()  # there are no transforms of 16 bits
        y = torch.fft.irfft(torch.fft.rfft(u, n=2 * time_) * k_f, n=2 * time_)[..., :time_]
        return y + u * self.d[:, None]


class PlainNetwork(nn.Module):
    """The network of `NS4D`, each layer the plain one, in the layout that suits it."""

    def __init__(self, d_model: int, d_state: int, n_layers: int) -> None:
        super().__init__()
        self.encoder, self.decoder = nn.Linear(3, d_model), nn.Linear(d_model, 10)
        self.layers = nn.ModuleList(PlainS4D(d_model, d_state) for _ in range(n_layers))
        self.mixing = nn.ModuleList(nn.Conv1d(d_model, d_model, 1) for _ in range(n_layers))

    def forward(self, x: Tensor) -> Tensor:
        """Logits (batch, 10) of x (batch, time, 3)."""
        y = self.encoder(x).transpose(1, 2)
        for layer, mixing in zip(self.layers, self.mixing, strict=True):
            y = mixing(layer(y).relu()).relu()
        logits: Tensor = self.decoder(y.mean(2))
        return logits


def layer_step(name: str) -> Callable[[], None]:
    """A step of one layer, forward and backward, in its own layout."""
    torch.manual_seed(0)
    if name == "plain S4D":
        layer: nn.Module = PlainS4D(CHANNELS, STATES)
        u = torch.randn(BATCH, CHANNELS, TOKENS, requires_grad=True)
    else:
        layer = S4D(CHANNELS, STATES)
        u = torch.randn(BATCH, TOKENS, CHANNELS, requires_grad=True)
    kind = torch.bfloat16 if name.endswith("bfloat16") else torch.float32
    gradient = torch.randn(u.shape, dtype=kind)

    def step() -> None:
        layer.zero_grad()
        u.grad = None
        with torch.autocast("cpu", kind, enabled=kind is torch.bfloat16):
            y = layer(u)
        y.backward(gradient)

    return step


def model_step(name: str) -> Callable[[], None]:
    """A whole training step of the small n-S4D with 50 samples, optimizer included."""
    torch.manual_seed(0)
    model = NS4D(1, 64, 32, 4, 10, readout="mean")
    x, y = torch.rand(50, TOKENS, 1), torch.arange(50) % 10
    precision = "bfloat16" if name.endswith("bfloat16") else "float32"
    chosen: nn.Module = model
    if name.startswith("fixed"):
        fixed = quantize(export(model), x[:4].numpy(), Formats(search=False, compensate=False))
        chosen = FixedModel(model, fixed, n_threads=torch.get_num_threads())
    training = Training(chosen, x, y, Recipe(epochs=10_000, precision=precision))  # type: ignore[arg-type]

    def step() -> None:
        training.advance()

    return step


def large_step(name: str) -> Callable[[], None]:
    """A whole training step of the large n-S4D of sCIFAR, optimizer included."""
    torch.manual_seed(0)
    plain = name == "plain S4D"
    model = PlainNetwork(128, 64, 4) if plain else NS4D(3, 128, 64, 4, 10, readout="mean")
    x, y = torch.rand(50, 1024, 3), torch.arange(50) % 10
    precision = "bfloat16" if name.endswith("bfloat16") else "float32"
    recipe = Recipe(epochs=10_000, batch_size=50, precision=precision)  # type: ignore[arg-type]
    training = Training(model, x, y, recipe)

    def step() -> None:
        training.advance()

    return step


LAYERS = ("plain S4D", "S4D", "S4D, bfloat16")
LARGE = ("plain S4D", "n-S4D", "n-S4D, bfloat16")
MODELS = ("float", "float, bfloat16", "fixed forward", "fixed forward, backward bfloat16")


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    rounds = 3 if given.quick else 15
    torch.set_num_threads(given.threads)
    console = Console()
    results: dict[str, object] = {
        "machine": machine(),
        "torch": torch.__version__,
        "threads": given.threads,
        "rounds": rounds,
    }
    for title, make, names in (
        (f"layer: batch {BATCH}, {CHANNELS} channels, {TOKENS} tokens", layer_step, LAYERS),
        ("large n-S4D: batch 50, 1024 tokens, with optimizer", large_step, LARGE),
        ("small n-S4D: batch 50, 784 tokens, with optimizer", model_step, MODELS),
    ):
        steps = {name: make(name) for name in names}
        with memory.kept():  # as in all trainings; the plain form gains most by it
            times = alternate(steps, rounds)  # in turns: the machine's speed drifts
        medians = {name: 1e3 * statistics.median(values) for name, values in times.items()}
        table = Table("", "ms a step", "ratio", "peak MB", title=title, title_justify="left")
        rows = {}
        for name in names:
            megabytes = peak_megabytes(make, name)
            of = (
                (times[name], times[names[0]])
                if make is model_step
                else (times[names[0]], times[name])
            )
            shown = {"ms": medians[name], "ratio": ratio(*of), "peak_mb": megabytes}
            table.add_row(
                name,
                *(f"{shown[key]:.{n}f}" for key, n in (("ms", 0), ("ratio", 2), ("peak_mb", 0))),
            )
            rows[name] = shown
            say(name, rows[name])
        console.print(table)
        results[title] = rows
    RESULTS.parent.mkdir(exist_ok=True)
    files.write(RESULTS, json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
