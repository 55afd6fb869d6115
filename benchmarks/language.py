"""Language models of equal size beside each other: loss, bytes, work, time of a token, chip.

    python benchmarks/language.py --trained runs/language        about ten minutes; --quick

Takes what `language_training.py` trained. Of ours the float network and the integers of the chip,
here and modelled; of a Transformer and of public code what eager PyTorch does. Writes
`results/language.json`.
"""

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from language_models import MODELS, Transformer
from language_steps import (
    TransformerStep,
    chain_step,
    public_mamba_step,
    public_min_gru_step,
)
from machine import machine, say
from safetensors.torch import load_file

from lava_ssm import compress, engine, files, language, load, loihi2, nn
from lava_ssm.data import load_text
from lava_ssm.language import VOCABULARY, Characters
from lava_ssm.network import FixedNetwork, Matrix, Network

RESULTS = Path(__file__).parent / "results" / "language.json"
CONTEXTS = 1, 1000
SAMPLES = 16, 128
"""Pieces of the text by which exponents are chosen, and characters of each."""
PREFILL = 500
STEPS: dict[str, Callable[[Any], Callable[[int], object]]] = {
    "mingru-public": public_min_gru_step,
    "mamba-public": public_mamba_step,
    "transformer": TransformerStep,
}
"""What others' models do with a token."""

Row = dict[str, Any]


@dataclass
class Timed:
    """A model that takes tokens one at a time.

    Parameters
    ----------
    step
        Takes the number of one.
    rewound
        Sets it back to so many tokens of context.
    """

    step: Callable[[int], object]
    rewound: Callable[[int], None] = lambda n: None


def quantized(network: Network, characters: Characters, text: str, file: Path) -> FixedNetwork:
    """As `lava-ssm train-lm` does it; kept in a file, as it takes minutes."""
    if not file.is_file():
        samples = characters.samples(text, *SAMPLES)
        compress.quantize(network, samples, input_range=1).save(file)
    fixed = load(file)
    assert isinstance(fixed, FixedNetwork)
    return fixed


def work(network: Network | FixedNetwork, x: np.ndarray) -> Row:
    """Multiply-adds a token with weights that are not zero; of ternary ones they are additions."""
    matrices = [
        c.synapse.weights
        for p in network.lowered
        for c in p.inputs
        if isinstance(c.synapse, Matrix)
    ]
    others = sum(engine.operations(network, x).dense) - sum(w.size for w in matrices)
    counts = {True: 0, False: others}
    for w in matrices:
        counts[len(np.unique(np.abs(w))) == 2] += int(np.count_nonzero(w))
    return {"multiply-adds": counts[False], "additions": counts[True]}


def states(network: Network | FixedNetwork) -> int:
    """Numbers that are carried from token to token."""
    shapes = [p.neurons.state_shape for p in network.lowered]
    return sum(int(np.prod(shape)) for shape in shapes if shape is not None)


def chip(fixed: FixedNetwork, x: np.ndarray) -> Row:
    """Modelled: a token that is written, and a prompt that is read."""
    description = loihi2.count(fixed, x)
    try:
        mapping = loihi2.map(description)
    except loihi2.MappingError:  # more than a chip
        mapping = loihi2.map(description, "kapoho-point")
    writing = loihi2.estimate(description, mapping, "fall_through")
    reading = loihi2.estimate(description, mapping, "pipelined")
    return {
        "cores": mapping.n_cores,
        "chips": writing.n_chips,
        "generation, us a token": writing.latency.scaled(1e6).to_json(),
        "generation, uJ a token": writing.energy_per_token.scaled(1e6).to_json(),
        "prefill, us a token": reading.time_per_token.scaled(1e6).to_json(),
        "prefill, uJ a token": reading.energy_per_token.scaled(1e6).to_json(),
        f"first token behind {PREFILL}, ms": reading.sample_latency(PREFILL).scaled(1e3).to_json(),
    }


def streamed(network: Network | FixedNetwork, context: int, numbers: np.ndarray) -> Timed:
    """The engine, a token at a time."""
    dtype = None if isinstance(network, FixedNetwork) else np.float32
    stream, tokens = network.stream(dtype=dtype), engine.as_tokens(network, np.eye(network.d_input))
    for i in numbers[:context]:
        stream.step(tokens[i])
    return Timed(lambda i: stream.step(tokens[i]))


def stepped(make: Callable[[], Any], context: int, numbers: np.ndarray) -> Timed:
    """Eager PyTorch, a token at a time."""
    step = make()
    for i in numbers[:context].tolist():
        step(i)

    def rewound(n: int) -> None:
        if isinstance(step, TransformerStep):
            step.position = n

    return Timed(step, rewound)


def times(things: dict[tuple[str, int], Timed], numbers: np.ndarray, rounds: int) -> Row:
    """Least microseconds a token, over rounds of ten tokens in which all take turns.

    Five tokens before them bring weights and code back into the cache.
    """
    least = dict.fromkeys(things, np.inf)
    for k in range(rounds):
        ten = numbers[10 * k : 10 * k + 10].tolist()
        for key, thing in things.items():
            for i in ten[:5]:
                thing.step(i)
            thing.rewound(key[1])
            before = time.perf_counter()
            for i in ten:
                thing.step(i)
            least[key] = min(least[key], (time.perf_counter() - before) / len(ten))
    rows: Row = {}
    for (name, context), seconds in least.items():
        rows.setdefault(name, {})[f"us a token behind {context}"] = 1e6 * seconds
    return rows


def main() -> None:
    """Quantise, measure, model; print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trained", type=Path, required=True, help="folder of the models")
    parser.add_argument("--data", type=Path, help="folder of data sets")
    parser.add_argument("--text", default="shakespeare", help="what they were trained with")
    parser.add_argument("--results", type=Path, default=RESULTS, help="JSON file")
    parser.add_argument("--quick", action="store_true", help="losses of a few characters")
    given = parser.parse_args()
    torch.set_num_threads(1)
    record = json.loads((given.trained / "training.json").read_text())
    text = load_text(given.text, given.data)
    characters, context = Characters(text.vocabulary), record["context"]
    whole = (len(text.test) - 1) // context * context + 1  # pieces, as the float loss is of
    test = text.test[: 3000 if given.quick else whole]
    numbers = characters.encode(text.test[:4000])
    x = np.eye(len(characters))[numbers[: 64 if given.quick else 512]]
    rows: dict[str, Row] = {}
    things: dict[tuple[str, int], Timed] = {}

    def timed(name: str, make: Callable[[int], Timed]) -> None:
        things.update({(name, n): make(n) for n in CONTEXTS})

    for name, entry in MODELS.items():
        file = given.trained / f"{name}.safetensors"
        if not file.is_file():
            continue
        model = entry.make(len(characters))
        model.load_state_dict(load_file(file))
        row = rows[name] = {
            "parameters": sum(p.numel() for p in model.parameters()),
            "loss, float": record["models"][name]["test_loss"],
            "bytes, float": 4 * sum(p.numel() for p in model.parameters()),
        }
        if entry.described is not None:
            made_by = {VOCABULARY: text.vocabulary}
            network = replace(entry.described(model), made_by=made_by)
            kept = given.trained / f"{name}-fixed.safetensors"
            fixed = quantized(network, characters, text.train, kept)
            row["loss, fixed"] = language.loss(fixed, test, context)
            row |= {"bytes, fixed": fixed.nbytes, **work(fixed, x)}
            row |= {
                "state bytes, fixed": 3 * states(fixed),
                "state bytes, float": 4 * states(fixed),
            }
            row["chip, modelled"] = chip(fixed, x)
            timed(f"{name}: engine, fixed", lambda n, f=fixed: streamed(f, n, numbers))
            timed(f"{name}: engine, float32", lambda n, f=network: streamed(f, n, numbers))
        if isinstance(model, Transformer):
            row |= {
                f"state bytes behind {n}": 4 * n * 2 * model.norm.normalized_shape[0] * 4
                for n in CONTEXTS
            }
        make = STEPS.get(name, lambda model: chain_step(nn.export(model)))
        timed(
            f"{name}: PyTorch eager",
            lambda n, m=model, make=make: stepped(lambda: make(m.eval()), n, numbers),
        )
        say(name, row)
    tokens = times(things, numbers, 3 if given.quick else 100)
    for name, row in tokens.items():
        say(name, row)
    report = {
        "machine": machine("numpy", "numba", "torch"),
        "training": {key: value for key, value in record.items() if key != "models"},
        "models": rows,
        "tokens": tokens,
    }
    files.write(given.results, json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
