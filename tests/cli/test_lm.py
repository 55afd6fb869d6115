"""Language models from the command line: trained, left and taken up again, quantised, writing."""

import itertools
import json
import math
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import lava_ssm
from lava_ssm import language
from lava_ssm.cli import app
from lava_ssm.network import FixedLinear, FixedNetwork, Network
from lava_ssm.train import Left, Loop, RunError, checkpoint, language_model
from lava_ssm.train import language as loops
from lava_ssm.train.folder import CHECKPOINT, FIXED, NETWORK
from lava_ssm.train.language_model import LanguageModel, train
from lava_ssm.train.sitting import Sitting

TEXT = "To be, or not to be, that is the question.\n" * 60


@pytest.fixture(autouse=True)
def _short_epochs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loops, "EPOCH", 2**10)


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("text") / "hamlet.txt"
    path.write_text(TEXT)
    return path


def asked(text: Path, **others: Any) -> LanguageModel:
    usual = {"d_model": 8, "n_layers": 1, "context": 16, "epochs": 2, "batch_size": 8}
    return LanguageModel(str(text), **{**usual, "calibration": 8, **others})


@pytest.fixture(scope="module")
def trained(text: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("lm") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loops, "EPOCH", 2**10)
        train(asked(text), Sitting(run))
    return run


def command(*arguments: str) -> Any:
    return CliRunner().invoke(app, list(arguments))


def test_a_run_leaves_both_networks_and_what_they_are_worth(trained: Path, text: Path) -> None:
    result = json.loads((trained / "result.json").read_text())
    test = TEXT[int(0.95 * len(TEXT)) :]
    for file, kind in ((NETWORK, Network), (FIXED, FixedNetwork)):
        network = lava_ssm.load(trained / file)
        assert isinstance(network, kind)
        name = "float" if kind is Network else "fixed"
        assert result[f"{name}_test_loss"] == language.loss(network, test)
        assert result[f"{name}_test_perplexity"] == math.exp(result[f"{name}_test_loss"])
    assert result["float_test_loss"] < math.log(len(set(TEXT)))
    header = (trained / "log.csv").read_text().splitlines()[0]
    assert header.startswith("epoch,loss,log_likelihood,kept_loss,kept_log_likelihood")
    assert (trained / "curves.png").stat().st_size > 10_000


def test_left_anywhere_and_taken_up_again_nothing_changes(
    trained: Path, text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps, advance = itertools.count(1), Loop.advance

    def interrupted(loop: Loop[Any]) -> Any:
        if next(steps) in (3, 11):
            signal.raise_signal(signal.SIGTERM)
        return advance(loop)

    monkeypatch.setattr(Loop, "advance", interrupted)
    run = tmp_path / "run"
    for _ in range(2):
        with pytest.raises(Left):
            train(asked(text), Sitting(run))
    train(asked(text), Sitting(run))
    ours, theirs = (checkpoint.read(folder / CHECKPOINT) for folder in (run, trained))
    assert ours["training"]["step"] == theirs["training"]["step"] == 2 * 8
    for name, value in theirs["training"]["model"].items():
        assert (ours["training"]["model"][name] == value).all(), name
    assert (run / NETWORK).read_bytes() == (trained / NETWORK).read_bytes()
    with pytest.raises(RunError, match="lr: "):
        train(asked(text, lr=0.1), Sitting(run))


def test_a_text_too_short_for_the_context_is_refused(text: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="context must be less than the 129 characters"):
        train(asked(text, context=200), Sitting(tmp_path / "run"))


def test_commands_train_tune_evaluate_quantise_and_write(
    text: Path, trained: Path, tmp_path: Path
) -> None:
    sizes = ("--d-model", "8", "--n-layers", "1", "--context", "16", "--epochs", "1")
    run = tmp_path / "run"
    done = command("train-lm", str(text), *sizes, "--out", str(run), "--precision", "bfloat16")
    assert done.exit_code == 0, done.output
    assert "Test, fixed:" in done.output
    done = command("finetune", str(trained), "--out", str(tmp_path / "tuned"), "--epochs", "1")
    assert done.exit_code == 0, done.output
    tuned = lava_ssm.load(tmp_path / "tuned" / NETWORK)
    assert isinstance(tuned, FixedNetwork)
    assert tuned != lava_ssm.load(tmp_path / "tuned" / "start.safetensors")
    out = str(tmp_path / "net.safetensors")
    done = command("quantize", str(trained / NETWORK), str(text), "--out", out, "--limit", "100")
    assert done.exit_code == 0, done.output
    assert "nats a character" in done.output
    done = command("evaluate", out, str(text), "--beside", str(trained / NETWORK))
    assert done.exit_code == 0, done.output
    assert done.output.count("nats a character") == 2
    written = command("generate", "To be", "--model", out, "--n", "40", "--seed", "3")
    assert written.exit_code == 0, written.output
    generator = language.generate(lava_ssm.load(out), "To be", 40, 0.7, 3)
    assert written.output.startswith("To be" + "".join(generator) + "\n\n40 tokens, ")


def test_what_is_refused_is_said(trained: Path, tmp_path: Path) -> None:
    done = command("generate", "To be", "--model", "ns4d-sdigits")
    assert done.exit_code == 2
    assert "no language model" in done.output
    done = command("generate", "To be \N{SNOWMAN}", "--model", str(trained / FIXED))
    assert done.exit_code == 2
    assert "is not in the vocabulary" in done.output
    done = command("finetune", str(trained), "--formats", "paper")
    assert "are not for language models" in done.output
    (tmp_path / "config.json").write_text('{"task": "sdigits"}')
    with pytest.raises(RunError, match="no run folder of `lava-ssm train-lm`"):
        language_model.read(tmp_path)


def test_fixed_is_float_to_two_hundredths_of_a_nat(trained: Path) -> None:
    net, fixed = (lava_ssm.load(trained / name) for name in (NETWORK, FIXED))
    assert abs(language.loss(fixed, TEXT) - language.loss(net, TEXT)) < 0.02


def test_a_mamba_is_trained_quantised_and_tuned(text: Path, tmp_path: Path) -> None:
    run, tuned = tmp_path / "run", tmp_path / "tuned"
    train(asked(text, mixer="mamba", bits=None, epochs=3), Sitting(run))
    net, fixed = (lava_ssm.load(run / name) for name in (NETWORK, FIXED))
    assert "SelectiveSSM" in [type(layer).__name__ for layer in net.layers]
    assert language.loss(net, TEXT) < math.log(len(set(TEXT)))
    assert abs(language.loss(fixed, TEXT) - language.loss(net, TEXT)) < 0.02
    done = command("finetune", str(run), "--out", str(tuned), "--epochs", "1")
    assert done.exit_code == 0, done.output
    after = lava_ssm.load(tuned / NETWORK)
    assert after != lava_ssm.load(tuned / "start.safetensors")
    assert abs(language.loss(after, TEXT) - language.loss(net, TEXT)) < 0.1
    done = command("train-lm", str(text), "--mixer", "s5", "--out", str(tmp_path / "no"))
    assert done.exit_code == 2


def test_the_maps_of_a_mamba_may_have_few_bits(text: Path, tmp_path: Path) -> None:
    train(asked(text, mixer="mamba", bits=2), Sitting(tmp_path / "run"))
    fixed = lava_ssm.load(tmp_path / "run" / FIXED)
    assert isinstance(fixed, FixedNetwork)
    maps = [layer.weights for layer in fixed.layers if isinstance(layer, FixedLinear)]
    assert all(len(np.unique(weights)) <= 3 for weights in maps[1:-1])
