"""benchmarks/language_training.py: what is kept of trainings, and what a failure does not stop."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from lava_ssm import nn
from tests.benchmarks import load
from tests.exchange.models import MinGRU

MODELS = "language_models"


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "text.txt"
    path.write_text("".join(np.random.default_rng(0).choice(list("abcd \n"), 3000)))
    return path


def test_models_have_as_many_parameters(monkeypatch: pytest.MonkeyPatch) -> None:
    models = load(MODELS, monkeypatch)
    sizes = {
        name: sum(p.numel() for p in entry.make(84).parameters())
        for name, entry in models.MODELS.items()
        if not name.endswith(("-public", "-same"))  # of other packages
    }
    assert max(sizes.values()) < 1.05 * min(sizes.values()), sizes


class PublicLM(torch.nn.Module):
    """A minLM in small: numbers of tokens to logits."""

    def __init__(self) -> None:
        super().__init__()
        self.token_emb = torch.nn.Embedding(7, 5)
        self.gru, self.to_logits = MinGRU(5, 8), torch.nn.Linear(5, 7)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.token_emb(x)
        logits: torch.Tensor = self.to_logits(x + self.gru(x))
        return logits


def test_the_network_of_a_public_min_gru_takes_one_hot_tokens(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    models, x = load(MODELS, monkeypatch), torch.eye(7)[torch.randint(7, (2, 20))]
    monkeypatch.setattr(models, "public_min_gru", lambda n: models.OfNumbers(PublicLM(), n))
    model = models.public_min_gru(7)
    network = models.public_min_gru_network(model)
    np.testing.assert_allclose(network.run(x.numpy()), model(x).detach().numpy(), atol=1e-5)
    torch.manual_seed(0)
    same = models.same_as_public_min_gru(7)
    torch.manual_seed(0)
    np.testing.assert_allclose(
        same(x).detach().numpy(), models.public_min_gru(7)(x).detach().numpy(), atol=1e-5
    )


def test_a_transformer_hears_no_later_token(monkeypatch: pytest.MonkeyPatch) -> None:
    model = load(MODELS, monkeypatch).Transformer(5).eval()
    x = torch.eye(5)[torch.tensor([[0, 3, 1, 4, 2, 2, 0]])]
    other = x.clone()
    other[:, 4:] = x[:, :3]
    with torch.no_grad():
        same = torch.isclose(model(x), model(other), atol=1e-6).all(-1)[0]
    assert same.tolist() == [True] * 4 + [False] * 3


def test_one_that_fails_does_not_stop_the_others(
    text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = load("language_training", monkeypatch)

    def broken(vocabulary: int) -> torch.nn.Module:
        raise RuntimeError("no such kernel")

    monkeypatch.setitem(training.MODELS, "broken", training.Entry(broken, 1e-3))
    out = tmp_path / "out"
    common = ["x", "--device", "cpu", "--quick", "--text", str(text), "--out", str(out), "--only"]
    monkeypatch.setattr(sys, "argv", [*common, "broken", "mingru"])
    training.main()
    first = (out / "mingru.safetensors").read_bytes()
    monkeypatch.setattr(sys, "argv", [*common, "mingru", "mlgru-ternary"])
    training.main()

    results = json.loads((out / "training.json").read_text())["models"]
    assert "no such kernel" in results["broken"]["error"]
    assert (out / "mingru.safetensors").read_bytes() == first  # it was there already
    model = training.MODELS["mlgru-ternary"].make(6)
    model.load_state_dict(load_file(out / "mlgru-ternary.safetensors"))
    weights = nn.export(model).layers[2].weights
    assert len(np.unique(np.abs(weights))) == 2  # zero and one other
    losses = [results[name]["test_loss"] for name in ("mingru", "mlgru-ternary")]
    assert np.isfinite(losses).all()


@pytest.mark.parametrize("name", ["mingru", "mlgru-ternary", "s5", "mamba"])
def test_eager_steps_are_the_networks(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the engine's time is compared with computes the same."""
    models, steps = load(MODELS, monkeypatch), load("language_steps", monkeypatch)
    torch.manual_seed(0)
    network = nn.export(models.MODELS[name].make(11))
    numbers = np.random.default_rng(0).integers(0, 11, 12)
    step = steps.chain_step(network)
    written = np.array([step(int(i)).numpy() for i in numbers])
    np.testing.assert_allclose(written, network.run(np.eye(11)[numbers]), atol=1e-5)


def test_a_transformer_with_its_cache_gives_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    models, steps = load(MODELS, monkeypatch), load("language_steps", monkeypatch)
    model = models.Transformer(11).eval()
    numbers = np.random.default_rng(0).integers(0, 11, 12).tolist()
    step = steps.TransformerStep(model, 20)
    written = torch.stack([step(i) for i in numbers])
    with torch.no_grad():
        wanted = model(torch.eye(11)[torch.tensor(numbers)][None])[0]
    torch.testing.assert_close(written, wanted, atol=1e-5, rtol=1e-5)
