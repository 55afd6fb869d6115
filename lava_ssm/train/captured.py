"""A computation on a GPU that is recorded once and replayed."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

_WARM_UP = 3


class Captured:
    """Gradients of a model as one CUDA graph: the processor starts it once, not each operation.

    (PyTorch's documentation, "CUDA semantics", on graphs: what is recorded has no control by
    values, and lies in memory of its own.)

    Parameters
    ----------
    model
        Whose parameters' gradients are computed.
    compute
        Computes them of a batch, from None, and gives what was measured.
    batch
        Of the shapes that all batches have, on a GPU.
    """

    def __init__(
        self,
        model: nn.Module,
        compute: Callable[[Sequence[Tensor]], Tensor],
        batch: Sequence[Tensor],
    ) -> None:
        self._batch = [part.clone() for part in batch]
        before, random = [buffer.clone() for buffer in model.buffers()], torch.cuda.get_rng_state()
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):  # libraries choose their ways before they are recorded
            for _ in range(_WARM_UP):
                compute(self._batch)
        torch.cuda.current_stream().wait_stream(stream)
        for buffer, value in zip(model.buffers(), before, strict=True):
            buffer.copy_(value)  # statistics of norms
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            self._measured = compute(self._batch)
        torch.cuda.set_rng_state(random)  # the first step draws what it would have drawn
        self._gradients = [(p, p.grad) for p in model.parameters()]

    def __call__(self, batch: Sequence[Tensor]) -> Tensor:
        """Compute the gradients of another batch of the same shapes; give what was measured."""
        for mine, part in zip(self._batch, batch, strict=True):
            mine.copy_(part)
        self._graph.replay()
        for parameter, gradient in self._gradients:
            parameter.grad = gradient
        return self._measured.clone()
