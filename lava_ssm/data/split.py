"""What a data set is here: sequences of tokens with labels, split once and for all."""

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from lava_ssm.extras import needed
from lava_ssm.tables import Shaped, Tabular, empty_table

if TYPE_CHECKING:
    from rich.table import Table
    from torch import Tensor

Sequences = TypeVar("Sequences", "np.ndarray", "Tensor")
"""An array or a tensor, (batch, time, channels)."""


def joined(x: Sequences, tokens: int) -> Sequences:
    """Each so many tokens of x as one, their mean: (batch, time / tokens, channels).

    A state space model whose steps are as many times as long (`nn.stretch`) sees the same, for
    less: so a training on long sequences can begin.

    Parameters
    ----------
    tokens
        At least 1; must divide the length of the sequences.

    Raises
    ------
    ValueError
        It is below 1, or does not divide the length.
    """
    if tokens < 1:
        raise ValueError(f"tokens must be at least 1, got {tokens}")
    batch, time, channels = x.shape
    if tokens == 1:
        return x
    if time % tokens:
        raise ValueError(f"tokens must divide the sequences' {time} tokens, got {tokens}")
    return x.reshape(batch, -1, tokens, channels).mean(2)


def mixing(n: int) -> NDArray[np.int64]:
    """Give an order of n samples that has nothing to do with theirs, always the same one."""
    # this generator's numbers never change
    return np.asarray(np.random.RandomState(0).permutation(n), np.int64)


@dataclass(frozen=True)
class Split(Shaped):
    """Sequences and what they are.

    Parameters
    ----------
    x
        Tokens, float32, (samples, time, d_input).
    y
        Classes, int64, (samples,).
    groups
        Who or what each sample is from, int64, (samples,); empty: it is not known. What is kept
        aside of a training is all samples of the last group.
    mixed
        Whether the first samples stand for all; False: they may lie class by class.
    """

    x: NDArray[np.float32]
    y: NDArray[np.int64]
    groups: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    mixed: bool = True

    def __len__(self) -> int:
        return len(self.x)

    def first(self, n: int | None) -> "Split":
        """Give the first n samples, of those that are not mixed n drawn ones, always the same.

        None: all of them.
        """
        if self.mixed or n is None or n >= len(self):
            return self.at(slice(n))
        return self.at(np.sort(mixing(len(self))[:n]))

    def at(self, chosen: slice | NDArray[np.int64] | NDArray[np.bool_]) -> "Split":
        """Give the chosen samples."""
        groups = self.groups[chosen] if len(self.groups) else self.groups
        return replace(self, x=self.x[chosen], y=self.y[chosen], groups=groups)

    def set_aside(self, aside: float | int) -> tuple["Split", "Split"]:
        """Give the rest and a share or a number of samples, by class; always the same ones.

        Raises
        ------
        ValueError
            Too few samples of a class, or fewer on a side than there are classes.
        """
        with needed("sklearn"):
            from sklearn.model_selection import train_test_split
        try:
            rest, chosen = train_test_split(
                np.arange(len(self)), test_size=aside, stratify=self.y, random_state=0
            )
        except ValueError:
            counts = np.unique(self.y, return_counts=True)[1]
            size = f"{aside:.0%}" if isinstance(aside, float) else aside
            raise ValueError(
                f"of {len(self)} samples {size} cannot be set aside: that takes two samples of "
                f"each class (the rarest has {counts.min()}), and on either side as many as there "
                f"are classes, {len(counts)}"
            ) from None
        return self.at(rest), self.at(chosen)

    def joined(self, tokens: int) -> "Split":
        """Give the samples with so many tokens as one, see `joined`."""
        return replace(self, x=joined(self.x, tokens))


@dataclass(frozen=True)
class TokenData(Tabular):
    """A data set.

    Parameters
    ----------
    name
        What it is called.
    train, test
        Its two parts.
    image_shape
        Shape of the image that a sequence is; None: it is none.
    order
        Pixel (row by row) that is token 0, 1, ..., int64, (time,); None: row by row.
    n_classes
        How many classes there are.
    classes
        Their names; none, where they are numbers.
    """

    name: str
    train: Split
    test: Split
    image_shape: tuple[int, int] | None = None
    order: NDArray[np.int64] | None = None
    n_classes: int = 10
    classes: tuple[str, ...] = ()

    def __rich__(self) -> "Table":
        title = f"{self.name}: {self.d_input} channels, {self.n_classes} classes"
        columns = ("sequences", "tokens", "least of a class", "most of a class")
        table = empty_table(title, {"part": False} | dict.fromkeys(columns, True))
        for name, part in (("train", self.train), ("test", self.test)):
            of_class = np.bincount(part.y, minlength=self.n_classes)
            counts = len(part), part.x.shape[1], of_class.min(), of_class.max()
            table.add_row(name, *(f"{n:,}" for n in counts))
        return table

    def labelled_as(self, classes: tuple[str, ...]) -> "TokenData":
        """Give the data with labels that are places in `classes`, by the names of its own.

        Raises
        ------
        ValueError
            It has a class that is not among them.
        """
        other = [name for name in self.classes if name not in classes]
        if other:
            raise ValueError(
                f"{self.name} has the class {other[0]!r}, it must be one of {', '.join(classes)}"
            )
        places = np.array([classes.index(name) for name in self.classes], np.int64)
        train, test = (replace(part, y=places[part.y]) for part in (self.train, self.test))
        return replace(self, train=train, test=test, n_classes=len(classes), classes=classes)

    @property
    def d_input(self) -> int:
        """Width of a token."""
        return self.train.x.shape[-1]
