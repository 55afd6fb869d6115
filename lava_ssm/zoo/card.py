"""What is known about a network of the zoo."""

import hashlib
import json
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lava_ssm import files
from lava_ssm.zoo.networks import FOLDER, NAMES


@dataclass(frozen=True)
class Card(ABC):
    """How a network was made and what it scores. All figures are measured, on the whole test set.

    Parameters
    ----------
    name
        Of the fixed network; the float one has `-float` behind it.
    task
        Data set: a name that `lava_ssm.data.load` knows, or `mini-ndns`.
    parameters
        Number of real parameters of the float model.
    commands
        That made it, in their order.
    seeds
        Of the trainings, one after another. What the card says is a result of these, not a claim.
    core_hours
        Time of a processor core that each training took, by name.
    test_samples
        Size of the test set.
    overflows
        Integers that overflowed on the test set, by network.
    sha256
        Of the files, by name.
    """

    name: str
    task: str
    parameters: int
    commands: tuple[str, ...]
    seeds: tuple[int, ...]
    core_hours: Mapping[str, float]
    test_samples: int
    overflows: Mapping[str, int]
    sha256: Mapping[str, str]

    @property
    @abstractmethod
    def scores(self) -> tuple[str, str]:
        """What the float and the fixed network that are here score, in a few letters each."""

    @abstractmethod
    def _table(self) -> list[str]:
        """Lines that say what it is and what each of its networks scores."""

    def __str__(self) -> str:
        hours = ", ".join(f"{name} {value:.2f}" for name, value in self.core_hours.items())
        seeds = ", ".join(map(str, self.seeds))
        lines = [f"# {self.name}", "", *self._table()]
        lines += [
            "",
            f"Core hours: {hours}. Seeds, in this order: {seeds}.",
            "",
            "```",
            *self.commands,
            "```",
            "",
        ]
        lines += [f"{name}: sha256 {digest}  " for name, digest in self.sha256.items()]
        return "\n".join(lines)

    def save(self, folder: Path) -> None:
        """Write the card beside the networks."""
        files.write(folder / f"{self.name}.json", json.dumps(vars(self), indent=1) + "\n")


@dataclass(frozen=True)
class ClassifierCard(Card):
    """Of a network that classifies sequences.

    Parameters
    ----------
    readout
        What an answer is read from.
    accuracy
        Share of the test set that is classified rightly, by network: `float` (PyTorch, float32),
        `paper` (quantised after training, in the formats of the paper; left out where those cannot
        hold the parameters), `ptq` (quantised after
        training, as this library does it), `qaft` (fine-tuned after that: the fixed network that
        is here). Fixed networks were run by the compiled engine.
    same_class
        Share of the test set to which each fixed network gives the class that the float one gives.
    """

    readout: str
    accuracy: Mapping[str, float]
    same_class: Mapping[str, float]

    @property
    def scores(self) -> tuple[str, str]:
        """Accuracies."""
        return f"{self.accuracy['float']:.2%}", f"{list(self.accuracy.values())[-1]:.2%}"

    def _table(self) -> list[str]:
        lines = [
            f"{self.parameters:,} parameters; {self.task}, readout {self.readout}.",
            "",
            f"| network | accuracy, all {self.test_samples:,} | same class as float | overflows |",
            "|---|---|---|---|",
        ]
        for key, accuracy in self.accuracy.items():
            same = f"{self.same_class[key]:.2%}" if key in self.same_class else ""
            lines.append(f"| {key} | {accuracy:.2%} | {same} | {self.overflows.get(key, '')} |")
        return lines


@dataclass(frozen=True)
class DenoiserCard(Card):
    """Of a network that cleans speech.

    Parameters
    ----------
    sparsity
        Share of the weights that are zero.
    noisy_si_snr
        Mean SI-SNR of the noisy clips, in dB.
    si_snr
        Mean SI-SNR of what each network makes of them, in dB: `float` (NumPy, doubles), `tensor`
        (quantised to W8A16, a scale for each matrix) and `ptq` (a scale for each row: the fixed
        network that is here). Fixed networks were run by the compiled engine.
    signal_to_error
        Of each fixed network's outputs against the float network's, in dB.
    arithmetic
        The same against the float network that holds the quantised parameters.
    multiply_adds
        Of a token: weights and activations that are not zero, and those of states.
    nbytes
        Of the fixed network's parameters.
    """

    sparsity: float
    noisy_si_snr: float
    si_snr: Mapping[str, float]
    signal_to_error: Mapping[str, float]
    arithmetic: Mapping[str, float]
    multiply_adds: float
    nbytes: int

    @property
    def scores(self) -> tuple[str, str]:
        """Gains of SI-SNR."""
        real, fixed = (self.si_snr[key] - self.noisy_si_snr for key in ("float", "ptq"))
        return f"{real:+.2f} dB", f"{fixed:+.2f} dB"

    def _table(self) -> list[str]:
        lines = [
            f"{self.parameters:,} parameters, {self.sparsity:.1%} of the weights zero; "
            f"{self.task}, {self.test_samples} clips, noisy {self.noisy_si_snr:.2f} dB SI-SNR. "
            f"{self.multiply_adds:,.0f} multiply-adds a token, {self.nbytes:,} bytes.",
            "",
            "| network | SI-SNR (dB) | gain (dB) | signal to error (dB) | of arithmetic (dB) "
            "| overflows |",
            "|---|---|---|---|---|---|",
        ]
        for key, quality in self.si_snr.items():
            errors = [
                f"{of[key]:.1f}" if key in of else ""
                for of in (self.signal_to_error, self.arithmetic)
            ]
            cells = [key, f"{quality:.2f}", f"{quality - self.noisy_si_snr:+.2f}", *errors]
            lines.append(f"| {' | '.join(cells)} | {self.overflows.get(key, '')} |")
        return lines


@dataclass(frozen=True)
class LanguageCard(Card):
    """Of a network that foretells characters.

    Parameters
    ----------
    loss
        Cross entropy on the part of the text that is for tests, in nats a character, by network:
        `float` (NumPy, doubles), `ptq` (quantised after training), `qaft` (fine-tuned after that).
        Fixed networks were run by the compiled engine.
    validation_loss
        The same of the part by which the best epoch was chosen.
    nbytes
        Of the fixed network's parameters.
    """

    loss: Mapping[str, float]
    validation_loss: Mapping[str, float]
    nbytes: int

    @property
    def scores(self) -> tuple[str, str]:
        """Cross entropies."""
        return f"{self.loss['float']:.3f} nats", f"{list(self.loss.values())[-1]:.3f} nats"

    def _table(self) -> list[str]:
        lines = [
            f"{self.parameters:,} parameters, {self.nbytes:,} bytes; {self.task}, "
            f"{self.test_samples:,} characters to test.",
            "",
            "| network | nats a character | perplexity | of the part to choose by | overflows |",
            "|---|---|---|---|---|",
        ]
        for key, loss in self.loss.items():
            cells = f"{loss:.4f} | {math.exp(loss):.3f} | {self.validation_loss[key]:.4f}"
            lines.append(f"| {key} | {cells} | {self.overflows.get(key, '')} |")
        return lines


def card(name: str) -> ClassifierCard | DenoiserCard | LanguageCard:
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
    kinds = {"accuracy": ClassifierCard, "si_snr": DenoiserCard, "loss": LanguageCard}
    return next(kind(**given) for key, kind in kinds.items() if key in given)


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
