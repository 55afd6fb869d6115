"""Kernels for a GPU beside PyTorch's own operations; without one Triton's interpreter runs them."""

import importlib
import os
import subprocess
import sys
from collections import Counter
from itertools import product
from types import ModuleType

import numpy as np
import pytest
import torch
from torch import nn

from lava_ssm import engine
from lava_ssm.network import Neurons
from lava_ssm.nn import integers
from lava_ssm.nn.gpu import HAVE_TRITON, _diagonals, _toeplitz
from lava_ssm.numerics import Arithmetic, FixedPointOverflow, Overflow, Rounding
from tests.networks import random_chain, random_mantissas

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
INTERPRETED = "TRITON_INTERPRET"  # Triton looks for it when it is imported
here = pytest.mark.skipif(
    DEVICE == "cpu" and INTERPRETED not in os.environ, reason="the interpreter is not asked for"
)


@pytest.mark.skipif(not HAVE_TRITON, reason="there is no Triton, or an old one")
@pytest.mark.skipif(INTERPRETED in os.environ or DEVICE == "cuda", reason="it is this one")
def test_the_interpreter_agrees() -> None:
    command = [sys.executable, "-m", "pytest", "-o", "addopts=", "-p", "no:cacheprovider", __file__]
    done = subprocess.run(
        command, env={**os.environ, INTERPRETED: "1"}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
    assert "10 passed" in done.stdout, done.stdout


def module(name: str) -> ModuleType:
    return importlib.import_module(f"lava_ssm.nn.{name}")


@here
@pytest.mark.parametrize(("channels", "n"), [(1, 1), (3, 5000), (2, 32768 + 7)])
@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
def test_batch_norm_is_pytorchs(kind: torch.dtype, channels: int, n: int) -> None:
    torch.manual_seed(0)
    ours, theirs = (nn.BatchNorm1d(channels, device=DEVICE) for _ in range(2))
    with torch.no_grad():
        for norm in (ours, theirs):
            norm.weight.copy_(torch.arange(channels) - 1.5)
            norm.bias.copy_(torch.arange(channels) / 3)
    n = max(n, 2)  # PyTorch refuses one value
    y, grad = ((torch.randn(channels, n) * 3 + 2).to(DEVICE, kind) for _ in range(2))
    found = []
    for norm, exact in ((ours, False), (theirs, True)):
        u = (y.float() if exact else y).clone().requires_grad_()
        z = norm(u[None])[0] if exact else module("batch_norm").normed(u, norm)
        z.backward(grad.to(z.dtype))
        assert u.grad is not None
        found.append([z, u.grad, *(p.grad for p in norm.parameters()), *norm.buffers()])
    assert found[0][0].dtype is kind
    near = 1e-4 if kind is torch.float32 else 2e-2
    for mine, wanted in zip(*found, strict=True):
        scale = max(1.0, float(wanted.abs().max()))
        torch.testing.assert_close(mine.to(wanted.dtype), wanted, rtol=0, atol=near * scale)


@here
@pytest.mark.parametrize(("rows", "length"), [(8, 8), (48, 16), (800, 200)])
def test_matrices_of_a_convolution_are_those_that_pytorch_makes(rows: int, length: int) -> None:
    k, kernels = torch.randn(2, rows + length - 1, device=DEVICE), module("kernels")
    for down in (-1, 1):
        matrix = kernels.toeplitz(k, length, down, -down)
        assert matrix.cpu().equal(_toeplitz(k.cpu(), length, down))
    matrix = torch.randn(2, rows, length, device=DEVICE)
    torch.testing.assert_close(
        kernels.diagonals(matrix).cpu(), _diagonals(matrix.cpu()), rtol=1e-4, atol=1e-3
    )


@here
def test_states_of_integers_are_the_engines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any formats and rules, their ends among them; an overflow that raises does here too."""
    monkeypatch.setattr(integers, "has_kernels", lambda x: True)
    recurrences = module("recurrences")
    seen, at_once = Counter[str](), recurrences.at_once

    def noted(rules: Arithmetic, neurons: Neurons, *given: object) -> object:
        done = at_once(rules, neurons, *given)
        if done is not None:
            seen.update([type(neurons).__name__, rules.rounding.value, rules.overflow.value])
        return done

    monkeypatch.setattr(recurrences, "at_once", noted)
    every = product(
        ("s4d", "s5", "gru", "selective", "conv1d"), Rounding, (*Overflow, Overflow.WRAP)
    )
    for seed, (kind, rounding, overflow) in enumerate(every):
        rng = np.random.default_rng(seed)
        bits = rng.choice([8, 12, 24, 32], 2).tolist()
        net = random_chain(rng, 6, 2, Arithmetic(rounding, overflow, *bits), (kind, "linear"))
        x = random_mantissas(rng, net, (2, 6))
        there = torch.from_numpy(x).to(DEVICE)
        try:
            wanted = engine.run(net, x, backend="reference")
        except FixedPointOverflow:
            with pytest.raises(FixedPointOverflow):
                integers.run(net, there)
            continue
        outputs, overflows = integers.run(net, there)
        assert outputs.tolist() == wanted.outputs.tolist()
        assert overflows == wanted.overflows
        seen.update(dict(sum((tally for _, tally in overflows.stages), Counter[str]())))
    assert set(seen) >= {
        *("Filters", "Recurrence", "GatedRecurrence", "SelectiveRecurrence", "Taps"),
        *(rounding.value for rounding in Rounding),
        *(overflow.value for overflow in Overflow),
        *("input", "state", "message"),
    }, seen
