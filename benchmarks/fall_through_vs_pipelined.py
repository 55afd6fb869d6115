"""How fast, and at what energy, token by token and sample by sample: the papers' question.

    python benchmarks/fall_through_vs_pipelined.py          about three minutes
    python benchmarks/fall_through_vs_pipelined.py --only lm-shakespeare

The networks of the papers, not trained, and a language model of the zoo, which falls through while
it writes and is pipelined while it reads a prompt, run on this CPU with Lava and without; beside
them, what the model says of Loihi 2 and what the papers measured on Loihi 2 and a Jetson Orin Nano.
For a network of your own: `lava-ssm bench fall-through-vs-pipelined net.safetensors`. Writes
`results/fall_through_vs_pipelined.json`, `-bars.png` and `-edp.png`.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from denoiser_speed import network as random_s5
from denoiser_speed import noise
from networks import SIZES, float_network
from rich.console import Console
from rich.progress import Progress
from scipy.ndimage import zoom

from lava_ssm import compress, data, language, load, loihi2
from lava_ssm.cli.bench.comparison import Comparison, compare, write
from lava_ssm.cli.bench.machine import machine
from lava_ssm.loihi2.published import S5_SCALE, SPREAD
from lava_ssm.network import FixedNetwork

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Subject:
    """A network of a paper.

    Parameters
    ----------
    name
        As in the table.
    paper
        Whose rows stand beside; None: nobody's.
    made
        Gives the network and one sample of its tokens, (time, d_input).
    layouts
        Options of `loihi2.map`, one for each row of the model.
    """

    name: str
    paper: str | None
    made: Callable[[], tuple[FixedNetwork, np.ndarray]]
    layouts: tuple[dict[str, Any], ...]


def ns4d_large() -> tuple[FixedNetwork, np.ndarray]:
    """n-S4D large; a sample is a handwritten digit of 32 x 32 = 1,024 pixels."""
    images = data.digits().train.x[:4].reshape(-1, 8, 8)
    larger = np.clip([zoom(image, 4, order=1) for image in images], 0, 1)
    tokens = larger.reshape(len(images), -1, 1)  # (samples, time, 1)
    network = float_network(*SIZES["large"])
    return compress.quantize(network, tokens[:2]), tokens[0]


def s5_sparse() -> tuple[FixedNetwork, np.ndarray]:
    """S5 of the width deduced of the deployed one, 90 % sparse; a sample is 30 s of noise."""
    rng = np.random.default_rng(0)
    network = random_s5(rng, S5_SCALE, density=0.1)
    tokens = np.concatenate([noise(rng) for _ in range(8)])[: loihi2.TOKENS["S5"]]
    return network, np.clip(tokens, 0, network.input_format.max)


def language_model() -> tuple[FixedNetwork, np.ndarray]:
    """The zoo's; a sample is a prompt of 500 characters."""
    network = load("lm-shakespeare")
    assert isinstance(network, FixedNetwork)
    prompt = ("To be, or not to be: that is the question:\n" * 12)[:500]
    numbers = language.characters_of(network).encode(prompt)
    return network, np.eye(network.d_input)[numbers]


SUBJECTS = (
    Subject(
        "n-S4D large",
        "n-S4D",
        ns4d_large,
        (
            {"strategy": "pack"},
            {
                "strategy": "spread",
                "cores_per_layer": SPREAD["n-S4D large"],
                "receiver": True,
            },
        ),
    ),
    Subject("S5, 90 % sparse", "S5", s5_sparse, ({"strategy": "pack"},)),
    Subject("lm-shakespeare", None, language_model, ({"strategy": "pack"},)),
)


def compared(subject: Subject, progress: Progress) -> Comparison:
    """Make a network, measure it, model it."""
    task = progress.add_task(f"{subject.name}: quantising", total=1)
    network, sample = subject.made()
    description = loihi2.describe(network, subject.name)
    return compare(
        network,
        sample,
        subject.name,
        [loihi2.map(description, **options) for options in subject.layouts],
        subject.paper,
        lambda what, done: progress.update(task, description=what, completed=done),
    )


def main() -> None:
    """Measure, model, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=RESULTS, help="folder of the results")
    parser.add_argument("--only", choices=[s.name for s in SUBJECTS], help="one network")
    options = parser.parse_args()
    torch.set_num_threads(1)  # stock Lava forks this process
    with Progress(transient=True) as progress:
        comparisons = [
            compared(subject, progress)
            for subject in SUBJECTS
            if options.only in (None, subject.name)
        ]
    console = Console(width=150)
    for comparison in comparisons:
        comparison.show(console)
    console.print(f"this CPU: {machine()['processor']}")
    stem = "fall_through_vs_pipelined" + (f"-{options.only}" if options.only else "")
    path = write(comparisons, "Fall-through against pipelined", stem, options.output)
    console.print(f"written: {path}, {stem}-bars.png and {stem}-edp.png beside it")


if __name__ == "__main__":
    main()
