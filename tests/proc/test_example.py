"""The layer kind that docs/design.md adds as an example does all that others do."""

import importlib.util
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from lava_ssm import engine, loihi2, network, proc
from lava_ssm.compress import kinds, quantize
from lava_ssm.deploy import c
from lava_ssm.network import FixedNetwork, Linear, Network, ReLU, Residual

PAGE = Path(__file__).parent.parent.parent / "docs" / "design.md"


@pytest.fixture(name="example", scope="module")
def _example(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    """The page's code as a module."""
    section = PAGE.read_text().split("## How to add a layer kind")[1].split("\n## ")[0]
    (code,) = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    path = tmp_path_factory.mktemp("page") / "square_of_the_page.py"
    path.write_text(code)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[path.stem] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    del kinds.KINDS[module.Square], sys.modules[path.stem]


@pytest.fixture(name="net")
def _net(example: ModuleType) -> Network:
    rng = np.random.default_rng(0)
    return Network(
        (
            Linear(rng.normal(size=(6, 3)), rng.normal(size=6)),
            example.Square(rng.normal(size=6)),
            Residual(1),
            ReLU(),
            Linear(rng.normal(size=(2, 6))),
        )
    )


@pytest.fixture(name="x", scope="module")
def _x() -> np.ndarray:
    return np.random.default_rng(1).normal(size=(4, 20, 3))


def test_it_computes_a_square(net: Network, x: np.ndarray) -> None:
    first, square, *_, last = net.layers
    y = x @ first.weights.T + first.bias
    wanted = np.maximum(square.weights * y**2 + y, 0) @ last.weights.T
    for backend in ("reference", "compiled"):
        np.testing.assert_allclose(net.run(x, backend=backend), wanted, atol=1e-12)


@pytest.mark.parametrize("bound", ["calibrated", "certified"])
def test_its_integers_are_the_same_everywhere(
    bound: str, net: Network, x: np.ndarray, tmp_path: Path
) -> None:
    fixed = quantize(net, x, bound=bound)  # type: ignore[arg-type]
    wanted = engine.run(fixed, x, backend="reference").outputs
    error = fixed.to_float(wanted) - net.run(x)
    assert 10 * np.log10((net.run(x) ** 2).mean() / (error**2).mean()) > 35
    np.testing.assert_array_equal(engine.run(fixed, x).outputs, wanted)
    for fused in (False, True):
        np.testing.assert_array_equal(proc.run(fixed, x[:2, :5], fused=fused), wanted[:2, :5])
    fixed.save(tmp_path / "net")
    assert network.load(tmp_path / "net") == fixed
    assert isinstance(fixed, FixedNetwork)
    assert loihi2.estimate(loihi2.count(fixed, x)).latency.value > 0
    assert "bilinear" in c(fixed).source
