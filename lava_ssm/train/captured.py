"""A step on a GPU that is recorded once and replayed."""

from collections.abc import Callable, Sequence
from typing import TypeAlias

import torch
from torch import Tensor, nn

Compute: TypeAlias = Callable[[Sequence[Tensor]], Tensor]
_WARM_UP = 3


class Captured:
    """A training step as one CUDA graph: the processor starts it once, not each operation.

    (PyTorch's documentation, "CUDA semantics", on graphs: what is recorded does the same work
    whatever the values are, in memory of its own.)

    Parameters
    ----------
    model
        What is trained.
    differentiate
        Computes its parameters' gradients of a batch, from None, and gives what was measured.
    update
        Moves parameters by their gradients; has been called before.
    batch
        Of the shapes that all batches have, on a GPU.
    """

    def __init__(
        self,
        model: nn.Module,
        differentiate: Compute,
        update: Callable[[], None],
        batch: Sequence[Tensor],
    ) -> None:
        self._batch = [part.clone() for part in batch]
        before, random = [buffer.clone() for buffer in model.buffers()], torch.cuda.get_rng_state()
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):  # libraries choose their ways before they are recorded
            for _ in range(_WARM_UP):
                differentiate(self._batch)
        torch.cuda.current_stream().wait_stream(stream)
        for buffer, value in zip(model.buffers(), before, strict=True):
            buffer.copy_(value)  # statistics of norms
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            self._measured = differentiate(self._batch)
            update()
        torch.cuda.set_rng_state(random)  # the first step draws what it would have drawn

    def __call__(self, batch: Sequence[Tensor]) -> Tensor:
        """Take a step with another batch of the same shapes; give what was measured."""
        for mine, part in zip(self._batch, batch, strict=True):
            mine.copy_(part, non_blocking=True)
        self._graph.replay()
        return self._measured.clone()
