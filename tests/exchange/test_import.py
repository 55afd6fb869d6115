"""`lava-ssm import`: a file of arrays in, a network's file out; nothing of it is executed."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from typer.testing import CliRunner

import lava_ssm
from lava_ssm.cli import app
from lava_ssm.network import Network
from tests.exchange.models import S4D, S4Model


def command(*given: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["import", *map(str, given)])
    return result.exit_code, " ".join(result.output.split())


@pytest.mark.parametrize("ending", [".pt", ".safetensors", ".npz"])
def test_a_state_dict_becomes_a_network(tmp_path: Path, ending: str) -> None:
    torch.manual_seed(0)
    model = S4Model(1, 3, 4, 2, norm="batch", prenorm=True, d_state=6).eval()
    given, out = tmp_path / f"model{ending}", tmp_path / "net.safetensors"
    state = model.state_dict()
    match ending:
        case ".pt":
            torch.save({"state_dict": state, "epoch": 3}, given)
        case ".safetensors":
            save_file(state, given)
        case ".npz":
            np.savez(given, **{name: value.numpy() for name, value in state.items()})
    code, text = command(given, "--kind", "s4d", "--prenorm", "--out", out)
    assert code == 0, text
    assert "s4_layers.1" in text
    network, x = lava_ssm.load(out), torch.randn(2, 9, 1)
    assert isinstance(network, Network)
    wanted = model(x).detach().numpy()
    assert np.abs(network.run(x.numpy())[:, -1] - wanted).max() <= 1e-5 * np.abs(wanted).max()


class Harmful:
    """What runs when it is unpickled."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path.touch, (Path("harm"),)


def test_nothing_of_a_file_is_executed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"D": Harmful()}, "model.pt")
    (tmp_path / "plain.pt").write_bytes(pickle.dumps(Harmful()))
    np.savez("model.npz", D=np.array([Harmful()], dtype=object))
    torch.save(S4D(4), "whole.pt")  # a module, not its state dict
    torch.jit.script(torch.nn.Linear(2, 2)).save("script.pt")
    Path("empty.pt").touch()
    for name in ("model.pt", "plain.pt", "model.npz", "whole.pt", "script.pt", "empty.pt"):
        code, text = command(name, "--kind", "s4d", "--out", "net.safetensors")
        assert code == 2
        assert "holds no arrays that can be read without executing" in text
    assert not (tmp_path / "harm").exists()
    assert not (tmp_path / "net.safetensors").exists()


def test_what_cannot_be_read_or_written_is_said(tmp_path: Path) -> None:
    torch.save(S4D(4).state_dict(), given := tmp_path / "model.pt")
    out = tmp_path / "net.safetensors"
    for arguments, text in (
        ((given, "--kind", "s4d", "--out", tmp_path / "net.h5"), "--out must end in .safetensors"),
        ((tmp_path / "no.pt", "--kind", "s4d", "--out", out), "there is no such file"),
        ((given, "--kind", "lru", "--out", out), "has no 'nu_log'; it has"),
        ((given, "--kind", "s4d", "--out", given), "--out must end in"),
    ):
        code, said = command(*arguments)
        assert code == 2
        assert text in said
    assert not out.exists()
    assert command(given, "--kind", "s4d", "--out", out)[0] == 0
    assert "exists already" in command(given, "--kind", "s4d", "--out", out)[1]
