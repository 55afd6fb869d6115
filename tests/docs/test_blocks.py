"""What README and the pages tell to paste is pasted, into an empty folder."""

import re
import shlex
import subprocess
from pathlib import Path

import pytest
from sklearn import datasets
from typer.testing import CliRunner

from lava_ssm.cli import app

ROOT = Path(__file__).parents[2]
PAGES = ["README.md", *(f"docs/{name}.md" for name in ("own-network", "lava", "stream", "chip"))]
TRANSCRIPT = "docs/own-data.md"
NOT_HERE = ("make ", "pip install ", "lava-ssm install-lava")
"""Commands that set up an environment, or are the tests themselves."""


def blocks(page: str, language: str) -> list[str]:
    text = (ROOT / page).read_text("utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def pasted(line: str) -> str:
    """What a command line prints; what comes before `| lava-ssm` is bash's."""
    before, _, rest = line.rpartition("| lava-ssm ")
    stdin = None
    if before:
        line = f"lava-ssm {rest}"
        done = subprocess.run(["bash", "-c", before], capture_output=True, text=True, check=True)
        stdin = done.stdout
    name, *arguments = shlex.split(line, comments=True)
    assert name == "lava-ssm"
    result = CliRunner().invoke(app, arguments, input=stdin)
    assert result.exit_code == 0, f"{line}\n{result.output}"
    return result.output


@pytest.mark.parametrize("page", PAGES)
def test_blocks_run(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # a quarter of the images: blocks tell how things are done, not how well anything is learnt
    images, labels = (values[::4] for values in datasets.load_digits(return_X_y=True))
    monkeypatch.setattr(datasets, "load_digits", lambda return_X_y: (images, labels))
    monkeypatch.chdir(tmp_path)
    assert paste(page)


def paste(page: str) -> list[str]:
    """Paste all blocks of a page; give what its commands print, one by one."""
    names: dict[str, object] = {"__name__": "__main__"}
    for block in blocks(page, "python"):
        exec(compile(block, page, "exec"), names)
    lines = "".join(blocks(page, "bash")).splitlines()
    return [pasted(line) for line in lines if line and not line.startswith(NOT_HERE)] or [""]


def test_five_commands_lead_from_a_table_to_a_stream(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    train, quantize, evaluate, run, stream = paste(TRANSCRIPT)
    right = re.search(r"lava: (\d+) of 30 right", " ".join(evaluate.split()))
    assert right is not None
    assert int(right[1]) >= 27
    assert "Test accuracy" in train
    assert "dB at the output" in quantize
    assert "(30, 40, 3) of int64" in " ".join(run.split())
    assert set(stream.split()) <= {"slow", "middle", "fast"}
    assert len(stream.split()) == 40
    assert stream.split()[-1] == "fast"


def test_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) < 150
