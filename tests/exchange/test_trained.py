"""What came from elsewhere is quantised and runs in Lava, as accurate as it was."""

import numpy as np
import pytest
import s5
import torch
from torch import nn

from lava_ssm import compress, data, exchange, runtime
from lava_ssm.network import Network
from lava_ssm.proc import run
from tests.exchange.models import LRU, S4D, S4Model
from tests.proc.graphs import graph_run


def public(norm: str, prenorm: bool) -> nn.Module:
    return S4Model(3, 4, 8, 2, prenorm=prenorm, norm=norm, d_state=8, dt=(1e-2, 0.2))


MODELS = {
    "layer norm": lambda: public("layer", False),
    "layer norm before": lambda: public("layer", True),
    "batch norm": lambda: public("batch", False),
    "batch norm before": lambda: public("batch", True),
    "s5": lambda: nn.Sequential(nn.Linear(3, 8), s5.S5(8, 8), nn.SiLU(), nn.Linear(8, 4)),
    "lru": lambda: nn.Sequential(nn.Linear(3, 8), LRU(8, 6, "matrix"), nn.GELU(), nn.Linear(8, 4)),
    "s5 block": lambda: nn.Sequential(nn.Linear(3, 8), s5.S5Block(8, 8, bidir=False, glu=False)),
    "s5 block, geglu": lambda: nn.Sequential(nn.Linear(3, 8), s5.S5Block(8, 8, bidir=False)),
}


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_a_random_network_quantised_and_in_lava(model: object) -> None:
    torch.manual_seed(0)
    made, x = model().eval(), torch.randn(6, 60, 3)  # type: ignore[operator]
    network = exchange.from_torch(made, x)
    fixed = compress.quantize(network, x.numpy())
    wanted, integers = network.run(x.numpy()), fixed.run(x.numpy())
    assert compress.signal_to_error(wanted, fixed.to_float(integers)) >= 40
    tokens = x.numpy()[0, :12]
    with runtime.in_process():
        given = graph_run(fixed, tokens), run(fixed, tokens, fused=True)
    for outputs in given:
        np.testing.assert_array_equal(outputs, fixed.run(tokens))


@pytest.mark.slow
@pytest.mark.parametrize(("norm", "prenorm"), [("layer", False), ("layer", True), ("batch", True)])
def test_the_public_s4d_trained_on_digits(norm: str, prenorm: bool) -> None:
    torch.manual_seed(0)
    digits = data.digits()
    model = S4Model(1, 10, prenorm=prenorm, norm=norm, d_state=32, dt=(1e-2, 0.2))
    groups: dict[bool, list[nn.Parameter]] = {True: [], False: []}
    for name, p in model.named_parameters():
        groups["kernel" in name].append(p)
    optimizer = torch.optim.AdamW(
        [{"params": groups[True], "lr": 2e-3}, {"params": groups[False], "lr": 8e-3}]
    )
    x, labels = torch.tensor(digits.train.x), torch.tensor(digits.train.y)
    for _ in range(15):
        for batch in torch.randperm(len(x)).split(64):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x[batch]), labels[batch]).backward()
            optimizer.step()
    with torch.no_grad():
        logits = model.eval()(torch.tensor(digits.test.x)).numpy()
    network = exchange.from_torch(model, digits.test.x[:4])
    given = network.run(digits.test.x)
    assert np.abs(given[:, -1] - logits).max() <= 1e-5 * np.abs(logits).max()
    fixed = compress.quantize(network, digits.train.x[:128])
    assert compress.signal_to_error(given, fixed.to_float(fixed.run(digits.test.x))) >= 40
    right = [(n.predict(digits.test.x) == digits.test.y).mean() for n in (network, fixed)]
    assert right[0] >= 0.8
    assert right[1] >= right[0] - 0.005
    tokens = digits.test.x[0]
    with runtime.in_process():
        np.testing.assert_array_equal(graph_run(fixed, tokens), fixed.run(tokens))


@pytest.mark.parametrize("dt", [1e-6, 1e-4, 1e-2, 1.0])
def test_at_every_step_size(dt: float) -> None:
    """The public layer between maps: quiet at small steps, where its integers must not vanish."""
    torch.manual_seed(0)
    block = S4D(8, 16, transposed=False, dt_min=dt, dt_max=dt)
    x = torch.randn(8, 200, 8)
    network: Network = exchange.from_torch(block.eval(), x)
    fixed = compress.quantize(network, x.numpy())
    wanted, given = network.run(x.numpy()), fixed.to_float(fixed.run(x.numpy()))
    assert compress.signal_to_error(wanted, given) >= 38
