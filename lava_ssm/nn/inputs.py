"""What users give to a training, brought to what torch computes with, or refused by name."""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from lava_ssm.network import Readout
from lava_ssm.nn.evaluating import evaluating
from lava_ssm.nn.layer import check_module
from lava_ssm.numerics import as_array, integer

Given: TypeAlias = ArrayLike | Tensor
"""A tensor, or whatever NumPy makes an array of."""
MOST = 2**31 - 1
"""The largest number of anything."""


def size(value: int, name: str) -> int:
    """A number of something, checked: an integer of at least 1."""
    return integer(value, name, 1, MOST)


def sequences(x: Given, model: nn.Module, name: str = "x") -> Tensor:
    """Sequences (samples, time, d_input) in the type and on the device of a model's parameters.

    Raises
    ------
    TypeError
        No real numbers, or a masked array.
    ValueError
        Another shape, no samples, or a value that is not finite.
    """
    tensor = _floats(x, model, name)
    d_input = getattr(model, "d_input", "d_input")
    wanted = f"(samples, time, {d_input})"
    if tensor.ndim != 3 or tensor.shape[-1] != getattr(model, "d_input", tensor.shape[-1]):
        raise ValueError(f"{name} must have shape {wanted}, got {tuple(tensor.shape)}")
    if tensor.numel() == 0:
        raise ValueError(f"{name}: no samples, its shape is {tuple(tensor.shape)}")
    return tensor


def signals(noisy: Given, clean: Given, model: nn.Module) -> tuple[Tensor, Tensor]:
    """Noisy and clean signals (clips, time), as `sequences` does it."""
    pair = _floats(noisy, model, "noisy"), _floats(clean, model, "clean")
    if pair[0].shape != pair[1].shape or pair[0].ndim != 2 or pair[0].numel() == 0:
        shapes = " and ".join(str(tuple(signal.shape)) for signal in pair)
        raise ValueError(f"noisy, clean must have one shape (clips, time), got {shapes}")
    return pair


def classes(labels: Given, samples: int, n_classes: int, name: str = "labels") -> Tensor:
    """Classes (samples,) in [0, n_classes), as int64.

    Whole numbers of any type are taken.

    Raises
    ------
    TypeError
        No numbers, or a masked array.
    ValueError
        Another shape, not one a sample, not whole, or outside the range.
    """
    array = _array(labels, name)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{name} must be integers, the classes 0, 1, ...; got {_kind(array)}")
    if array.ndim != 1:
        hint = "; of one-hot rows give argmax(-1)" if array.ndim == 2 else ""
        raise ValueError(f"{name} must have shape (samples,), got {array.shape}{hint}")
    if len(array) != samples:
        raise ValueError(f"x, {name}: need as many labels as samples, got {len(array)}, {samples}")
    bad = ~((array >= 0) & (array < n_classes) & (array == np.floor(array)))
    if bad.any():
        i = int(bad.argmax())
        raise ValueError(
            f"{name} must be integers in [0, {n_classes - 1}], as the model gives {n_classes} "
            f"numbers; got {array[i]} of sample {i}"
        )
    return torch.from_numpy(array.astype(np.int64))


def number_of_classes(model: nn.Module, first: Callable[[], Tensor]) -> int:
    """How many logits a model gives of a sequence.

    Parameters
    ----------
    first
        Gives a sequence as the model gets it, (1, time, d_input), if it is to be tried.

    Raises
    ------
    ValueError
        It does not give logits (batch, classes), or does not take such a sequence.
    """
    readout, d_output = getattr(model, "readout", None), getattr(model, "d_output", None)
    if readout is Readout.EVERY_TOKEN:
        raise ValueError(
            "model must give logits (batch, classes), this one gives (batch, time, classes): make "
            "it with readout='mean' or readout='last'"
        )
    if isinstance(readout, Readout) and isinstance(d_output, int):
        return d_output
    some = first()
    try:
        # what is random in it must not change what a training draws later
        with evaluating(model), torch.no_grad(), torch.random.fork_rng(devices=[]):
            logits = model(some)
    except (IndexError, RuntimeError, TypeError, ValueError) as error:
        raise ValueError(
            f"model: it does not take sequences of shape {tuple(some.shape)}: {error}"
        ) from error
    if not isinstance(logits, Tensor) or logits.ndim != 2 or len(logits) != 1:
        got = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        raise ValueError(f"model must give logits (batch, classes), of one sequence it gives {got}")
    return logits.shape[1]


def check_finite(model: nn.Module) -> None:
    """Refuse a model with a parameter that is not finite."""
    check_module(model)
    for name, parameter in model.named_parameters():
        if not parameter.isfinite().all():
            raise ValueError(f"model: its {name} is not finite")


def _floats(x: Given, model: nn.Module, name: str) -> Tensor:
    like = next((p for p in model.parameters() if p.is_floating_point()), torch.empty(0))
    if isinstance(x, Tensor):
        if x.layout is not torch.strided or x.is_complex() or x.dtype is torch.bool:
            raise TypeError(f"{name} must be real numbers, got a tensor of {x.dtype}, {x.layout}")
        tensor = x.detach().to(like.device, like.dtype)
    else:
        array = _array(x, name)
        if array.dtype.kind not in "fiu":
            raise TypeError(f"{name} must be real numbers, got {_kind(array)}")
        double = like.dtype is torch.float64
        with np.errstate(over="ignore"):  # what became infinite is refused below
            own = np.require(array, np.float64 if double else np.float32, ["C", "W"])
        tensor = torch.from_numpy(own).to(like.device, like.dtype)
    if tensor.numel() and not torch.stack(tensor.aminmax()).isfinite().all():
        place = tuple((~tensor.isfinite()).nonzero()[0].tolist())
        value = x[place] if isinstance(x, Tensor) else array[place]
        where = f" of sample {place[0]}" if place else ""
        raise ValueError(
            f"{name} must be finite in {str(tensor.dtype).removeprefix('torch.')}, got "
            f"{float(value)} at {list(place)}{where and ','}{where}"
        )
    return tensor


def _array(given: Given, name: str) -> np.ndarray:
    return as_array(given.detach().cpu() if isinstance(given, Tensor) else given, name)


def _kind(array: np.ndarray) -> str:
    return f"an array of {array.dtype}"
