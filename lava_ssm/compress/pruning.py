"""Pruning: weights of small magnitude become zero, and stay so."""

import math
import warnings
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from lava_ssm.nn.inputs import size
from lava_ssm.nn.layer import check_module, matrices_of
from lava_ssm.numerics import one_of, real_number

Allocation = Literal["global", "tensor", "erk"]


class SparsityError(ValueError):
    """Of some matrix no weight would be left."""


class Pruner:
    """Prunes a model's large linear maps by magnitude while it is trained.

    At a share t of the training the sparsity is

        s(t) = s_f (1 - (1 - t / end)^3)       for t < end, and s_f from then on

    (Zhu, Gupta, "To Prune, or Not to Prune", 2017, equation 1). Masks are chosen anew from the
    magnitudes, a weight that was zero among them, until t = end; then they stay. After each step
    the masked weights are zero.

    Parameters
    ----------
    model
        Its matrices are pruned: weights of its `Linear` layers, of gates, b and c of its `S5`
        layers. Of c real and imaginary parts are pruned on their own, as synapses have them; of b
        both or neither, by its magnitude, since discretising multiplies it by a complex number,
        which makes two parts of one. Biases, norms and diagonals are not.
    sparsity
        s_f, share of zeros among all these weights at the end, in (0, 1).
    allocation
        "global": one threshold for all; "tensor": the same share of each; "erk": density
        proportional to (rows + columns) / (rows * columns) (Evci et al., "Rigging the Lottery",
        2020, section 3).
    end
        Share of the training at which the final sparsity is reached, in (0, 1]; 0: at once
        (one-shot).
    every
        Choose masks anew once in so many calls.

    Attributes
    ----------
    done : bool
        Whether the final sparsity is reached, and masks stay.

    Raises
    ------
    TypeError
        Not a torch Module.
    ValueError
        A number outside its range, or a sparsity that leaves a tensor without weights. With
        "global" that depends on the weights: it is tried at once on those that there are, and
        again whenever masks are chosen.

    Warns
    -----
    UserWarning
        "global", not one-shot, would leave a tensor without weights if they stayed as they are.
    """

    def __init__(
        self,
        model: nn.Module,
        sparsity: float,
        allocation: Allocation = "erk",
        end: float = 0.7,
        every: int = 10,
    ) -> None:
        check_module(model)
        sparsity = real_number(sparsity, "sparsity", "(0, 1)")
        end = real_number(end, "end", "[0, 1]")
        every = size(every, "every")
        one_of(allocation, get_args(Allocation), "allocation")
        found = _matrices(model)
        self._weights = {name: weight for name, weight, _ in found}
        self._paired = {name for name, _, paired in found if paired}
        self.sparsity, self.allocation, self.end, self.every = sparsity, allocation, end, every
        self.masks = {
            name: torch.ones_like(w, dtype=torch.bool) for name, w in self._weights.items()
        }
        self._calls = 0
        self.done = False
        # what would be left at the end must not be nothing
        if allocation == "global":
            try:
                self._choose_globally(sparsity)
            except SparsityError as error:
                if end == 0:
                    raise
                # until masks are chosen, training may still make these weights larger
                warnings.warn(f"of the weights as they are now, {error}", stacklevel=2)
        else:
            for name, density in self._densities(sparsity).items():
                self._kept(name, density)

    def at(self, t: float) -> None:
        """Prune to the sparsity of a share t of the training, in [0, 1].

        Raises
        ------
        ValueError
            A share outside this range.
        """
        t = real_number(t, "t", "[0, 1]")
        self._calls += 1
        done = t >= self.end
        if not self.done and (done or self._calls % self.every == 0):
            rest = 0.0 if done else 1 - t / self.end
            self._choose(self.sparsity * (1 - rest**3))
            self.done = done
        self.apply()

    @torch.no_grad()
    def apply(self) -> None:
        """Make the masked weights zero."""
        for name, weight in self._weights.items():
            weight.mul_(self.masks[name])

    def state_dict(self) -> dict[str, object]:
        """Masks and progress, for a checkpoint."""
        return {"masks": self.masks, "calls": self._calls, "final": self.done}

    def load_state_dict(self, state: dict[str, object]) -> None:
        """Go on from what `state_dict` gave."""
        masks, calls = state["masks"], state["calls"]
        assert isinstance(masks, dict)
        assert isinstance(calls, int)
        self.masks, self._calls, self.done = masks, calls, bool(state["final"])

    def _densities(self, sparsity: float) -> dict[str, float]:
        """Share of weights that each tensor keeps."""
        sizes = {name: w.numel() for name, w in self._weights.items()}
        if self.allocation != "erk":
            return dict.fromkeys(sizes, 1 - sparsity)
        raw = {}
        for name, w in self._weights.items():
            raw[name] = sum(w.shape[:2]) / math.prod(w.shape[:2])
        # tensors whose density would exceed one keep all; the others share what is left
        full: set[str] = set()
        while True:
            left = (1 - sparsity) * sum(sizes.values()) - sum(sizes[n] for n in full)
            others = {n: raw[n] * sizes[n] for n in sizes if n not in full}
            scale = left / sum(others.values())
            over = {n for n in others if scale * raw[n] > 1}
            if not over:
                return {n: 1.0 if n in full else scale * raw[n] for n in sizes}
            full |= over

    def _kept(self, name: str, density: float) -> int:
        size = self._weights[name].numel()
        kept = round(density * size)
        if kept < 1:
            raise ValueError(
                f"sparsity: {self.sparsity} leaves none of the {size} weights of {name}"
            )
        return kept

    def _sizes(self, name: str) -> Tensor:
        """By what each weight is ranked, flat; of a pair, the root mean square of both."""
        weight = self._weights[name]
        if name in self._paired:
            weight = weight.square().mean(-1, keepdim=True).sqrt().expand_as(weight)
        return weight.abs().flatten()

    @torch.no_grad()
    def _choose(self, sparsity: float) -> None:
        if self.allocation == "global":
            flat = self._choose_globally(sparsity)
        else:
            densities = self._densities(sparsity)
            flat = {
                name: _largest(self._sizes(name), self._kept(name, densities[name]))
                for name, weight in self._weights.items()
            }
        self.masks = {name: mask.view_as(self._weights[name]) for name, mask in flat.items()}
        for name, mask in self.masks.items():
            if name in self._paired:  # the last one kept may be half a pair
                mask |= mask.flip(-1)

    @torch.no_grad()
    def _choose_globally(self, sparsity: float) -> dict[str, Tensor]:
        """Flat masks of the largest weights of all tensors."""
        sizes = {name: self._sizes(name) for name in self._weights}
        everything = torch.cat(list(sizes.values()))
        kept = max(1, round((1 - sparsity) * len(everything)))
        chosen = _largest(everything, kept).split([len(s) for s in sizes.values()])
        flat = dict(zip(sizes, chosen, strict=True))
        for name, mask in flat.items():
            if not mask.any():
                larger = int((everything > sizes[name].max()).sum())
                raise SparsityError(
                    f"sparsity: {sparsity:.4g}, allocated globally, leaves no weight of {name}: "
                    f"from {1 - larger / len(everything):.4g} on all of them are among the "
                    "smallest; prune less, or with the allocation 'erk' or 'tensor'"
                )
        return flat


def sparsity_of(model: nn.Module) -> float:
    """Share of zeros among the weights that a `Pruner` prunes, in [0, 1].

    Raises
    ------
    TypeError
        Not a torch module.
    ValueError
        There are none.
    """
    check_module(model)
    weights = [weight for _, weight, _ in _matrices(model)]
    zeros = sum(int((w == 0).sum()) for w in weights)
    return zeros / sum(w.numel() for w in weights)


def _matrices(model: nn.Module) -> list[tuple[str, Tensor, bool]]:
    found = list(matrices_of(model))
    if not found:
        raise ValueError("model: it has no layer with a matrix to prune")
    return found


def _largest(sizes: Tensor, count: int) -> Tensor:
    """Mask of the `count` largest, exactly as many also among equal ones."""
    mask = torch.zeros(len(sizes), dtype=torch.bool)
    mask[sizes.topk(count).indices] = True
    return mask
