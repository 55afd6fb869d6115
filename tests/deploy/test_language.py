"""A language model in C, and as WebAssembly."""

from importlib.util import find_spec
from pathlib import Path

import pytest

from lava_ssm.deploy import Library, c, write
from tests.deploy.building import built, needs_cc, run
from tests.language.models import language_model, written


@needs_cc
def test_c_gives_what_wrote_500_tokens(tmp_path: Path) -> None:
    _, fixed = language_model()
    tokens, outputs = written(fixed, 500)
    program = built(c(fixed), tmp_path)
    assert run([str(program)], tokens, fixed.d_output) == (0, outputs.tolist())


@pytest.mark.skipif(
    not all(map(find_spec, ("ziglang", "wasmtime"))), reason="ziglang, wasmtime not installed"
)
def test_a_module_gives_what_wrote_500_tokens(tmp_path: Path) -> None:
    _, fixed = language_model()
    tokens, outputs = written(fixed, 500)
    write(fixed, tmp_path, "wasm")
    assert (Library(tmp_path / "net.wasm").run(tokens) == outputs).all()
