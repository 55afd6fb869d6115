"""What is known about a network of the zoo."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lava_ssm.zoo.networks import FOLDER, NAMES


@dataclass(frozen=True)
class Card:
    """How a network was made and what it scores. All figures are measured.

    Parameters
    ----------
    name
        Of the fixed network; the float one has `-float` behind it.
    task
        Data set, by the name that `lava_ssm.data.load` knows.
    parameters
        Number of real parameters of the float model.
    readout
        What an answer is read from.
    commands
        That made it, in their order.
    seeds
        Of the trainings; one is a result, not a claim.
    core_hours
        Time of a processor core that each training took, by name.
    test_samples
        Size of the test set, all of which was classified.
    accuracy
        Share of the test set that is classified rightly, by network: `float` (PyTorch, float32),
        `paper` (quantised after training, in the formats of the paper), `ptq` (quantised after
        training, as this library does it), `qaft` (fine-tuned after that: the fixed network that
        is here). Fixed networks were run by the compiled engine.
    same_class
        Share of the test set to which each fixed network gives the class that the float one gives.
    overflows
        Integers that left their words on the test set, by network.
    sha256
        Of the files, by name.
    notes
        What else is to be known.
    """

    name: str
    task: str
    parameters: int
    readout: str
    commands: tuple[str, ...]
    seeds: tuple[int, ...]
    core_hours: Mapping[str, float]
    test_samples: int
    accuracy: Mapping[str, float]
    same_class: Mapping[str, float]
    overflows: Mapping[str, int]
    sha256: Mapping[str, str]
    notes: str = ""

    def __str__(self) -> str:
        lines = [
            f"# {self.name}",
            "",
            f"{self.parameters:,} parameters; {self.task}, readout {self.readout}. {self.notes}",
            "",
            f"| network | accuracy, all {self.test_samples:,} | same class as float | overflows |",
            "|---|---|---|---|",
        ]
        for key, accuracy in self.accuracy.items():
            same = f"{self.same_class[key]:.2%}" if key in self.same_class else ""
            lines.append(f"| {key} | {accuracy:.2%} | {same} | {self.overflows.get(key, '')} |")
        hours = ", ".join(f"{name} {value:.2f}" for name, value in self.core_hours.items())
        seeds = ", ".join(map(str, self.seeds))
        lines += ["", f"Core hours: {hours}. Seeds: {seeds}.", "", "```", *self.commands, "```", ""]
        lines += [f"{name}: sha256 {digest}  " for name, digest in self.sha256.items()]
        return "\n".join(lines)

    def save(self, folder: Path) -> None:
        """Write the card beside the networks."""
        text = json.dumps(vars(self), indent=1)
        part = folder / f".{self.name}.json"
        part.write_text(text + "\n")
        part.replace(folder / f"{self.name}.json")


def card(name: str) -> Card:
    """Give the card of a network, by its name with or without `-float`.

    Raises
    ------
    FileNotFoundError
        There is no such network.
    """
    name = name.removesuffix("-float")
    if name not in NAMES:
        raise FileNotFoundError(f"no network {name!r} in the zoo; there are {', '.join(NAMES)}")
    given = json.loads((FOLDER / f"{name}.json").read_text())
    for key in ("commands", "seeds"):
        given[key] = tuple(given[key])
    return Card(**given)


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
