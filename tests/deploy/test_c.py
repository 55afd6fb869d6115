"""The C program of a network: what it gives, what it is made of, what it refuses."""

import importlib.util
import re
import shutil
import subprocess
import sys
from collections import Counter
from itertools import product
from pathlib import Path

import numpy as np
import pytest

import lava_ssm
from lava_ssm import zoo
from lava_ssm.deploy import Options, c, write
from lava_ssm.network import FixedLinear, FixedNetwork, FixedS4D, Readout, ReLU
from lava_ssm.numerics import Arithmetic, Overflow, Rounding
from tests.deploy.building import STRICT, built, needs_cc, run
from tests.engine import plain
from tests.networks import random_chain, random_mantissas

pytestmark = [needs_cc, pytest.mark.filterwarnings("ignore:integers left")]


def expected(net: FixedNetwork, tokens: np.ndarray) -> tuple[int, list[list[int]], plain.Plain]:
    """Exit code of the harness, and the outputs of the tokens before an overflow that raises."""
    simulator, outputs = plain.Plain(net), []
    for token in tokens.tolist():
        try:
            outputs.append(simulator.step(token))
        except plain.PlainOverflow:
            return 2, outputs, simulator
    return 0, outputs, simulator


def check(seed: int, place: Path, longest: int, overflows: bool, sane: bool) -> None:
    rng = np.random.default_rng(seed)
    net = random_chain(rng, widest=17, longest=longest)
    tokens = random_mantissas(rng, net, (12,))
    code, outputs, _ = expected(net, tokens)
    program = built(c(net, overflows=overflows), place, sane=sane)
    assert run([str(program)], tokens, net.d_output) == (code, outputs)


@pytest.mark.parametrize("seed", [0, 1, 2, 3, 4, 5, 37])
def test_random_networks_give_the_integers_of_the_simulator(seed: int, tmp_path: Path) -> None:
    check(seed, tmp_path, 4, overflows=False, sane=False)


@pytest.mark.parametrize("seed", [6, 7])
def test_no_undefined_behaviour_and_no_access_out_of_bounds(seed: int, tmp_path: Path) -> None:
    check(seed, tmp_path, 4, overflows=seed == 7, sane=True)


@pytest.mark.skipif(importlib.util.find_spec("ziglang") is None, reason="ziglang not installed")
@pytest.mark.parametrize("seed", [9005, 9006])
def test_clang_has_no_warning_either(seed: int, tmp_path: Path) -> None:
    """In the first, sums are shifted out of their word: nothing reads them."""
    program = c(random_chain(np.random.default_rng(seed), widest=17, longest=8))
    (tmp_path / "net.h").write_text(program.header)
    (tmp_path / "net.c").write_text(program.source)
    command = [sys.executable, "-m", "ziglang", "cc", *STRICT, "-c", "net.c"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 300))
def test_many_random_networks(seed: int, tmp_path: Path) -> None:
    check(seed, tmp_path, 8, overflows=seed % 3 == 0, sane=seed % 5 == 0)


def test_a_matrix_of_zeros_has_a_form(tmp_path: Path) -> None:
    net = FixedNetwork((FixedLinear(np.zeros((3, 40), int), 7, 8, [1, -2, 3]),), input_exponent=8)
    program = built(c(net, compressed=1), tmp_path)
    assert run([str(program)], np.full((1, 40), 7), 3) == (0, [[1, -2, 3]])


def chain(rules: Arithmetic, readout: Readout = Readout.MEAN_OVER_TIME) -> FixedNetwork:
    """A network in which everything overflows: large b and c, no shift of the sums."""
    rng = np.random.default_rng(0)
    a, b, c_ = (rng.integers(-m, m, (3, 5, 2)) for m in (2_800, 32_000, 32_000))
    layers = (
        FixedLinear(rng.integers(-128, 128, (3, 2)), 0, 1),
        FixedS4D(a, b, c_, 12, 3),
        ReLU(),
        FixedLinear(rng.integers(-128, 128, (2, 3)), 0, 1, rng.integers(-9, 9, 2)),
    )
    return FixedNetwork(layers, readout, 0, 16, rules)


@pytest.mark.parametrize(("rounding", "overflow"), list(product(Rounding, Overflow)))
def test_every_rounding_and_rule_of_overflow(
    rounding: Rounding, overflow: Overflow, tmp_path: Path
) -> None:
    net = chain(Arithmetic(rounding, overflow))
    tokens = np.random.default_rng(1).integers(-(2**15), 2**15, (20, 2))
    tokens[:3] = [[1, 0], [2, -1], [0, 3]]
    code, outputs, _ = expected(net, tokens)
    assert (code != 0) == (overflow is Overflow.RAISE)
    assert outputs
    assert run([str(built(c(net), tmp_path))], tokens, 2) == (code, outputs)


COUNTING = """
#include "net.h"
#include <stdio.h>
static net_state state;
int main(void)
{
    int32_t token[NET_INPUTS], output[NET_OUTPUTS];
    net_reset(&state);
    for (;;) {
        for (int i = 0; i < NET_INPUTS; i++) {
            if (scanf("%d", &token[i]) != 1) {
                for (int k = 0; k < STAGES * 5; k++) {
                    (void)printf("%u%c", state.overflows[k / 5][k % 5], k % 5 < 4 ? ' ' : '\\n');
                }
                return 0;
            }
        }
        (void)net_step(&state, token, output);
    }
}
"""


TWO_STREAMS = """
#include "net.h"
#include <cstdio>
static net_state states[2];
int main()
{
    int32_t tokens[N][NET_INPUTS], outputs[2][N][NET_OUTPUTS];
    for (auto &token : tokens) {
        for (auto &value : token) {
            if (std::scanf("%d", &value) != 1) return 1;
        }
    }
    for (auto &state : states) net_reset(&state);
    for (int t = 0; t < N; t++) {
        if (net_step(&states[0], tokens[t], outputs[0][t]) != NET_OK) return 2;
        if (net_step(&states[1], tokens[N - 1 - t], outputs[1][t]) != NET_OK) return 2;
    }
    for (auto &stream : outputs) {
        for (auto &output : stream) {
            for (auto value : output) std::printf("%d ", value);
            std::printf("\\n");
        }
    }
}
"""


@pytest.mark.skipif(shutil.which("c++") is None, reason="no C++ compiler, c++, is here")
@pytest.mark.parametrize("optimised", ["-O0", "-Os", "-O2", "-O3"])
def test_two_streams_at_once_in_a_program_in_cpp(optimised: str, tmp_path: Path) -> None:
    net = chain(Arithmetic())
    tokens = np.random.default_rng(1).integers(-(2**15), 2**15, (20, 2))
    program = c(net)
    for name, text in (
        ("net.h", program.header),
        ("net.c", program.source),
        ("main.cpp", TWO_STREAMS.replace("N]", "20]").replace("N;", "20;").replace("N -", "20 -")),
    ):
        (tmp_path / name).write_text(text)
    for command in (
        ["cc", *STRICT, optimised, "-c", "net.c"],
        ["c++", "-Wall", "-Wextra", "-pedantic", "-Werror", "main.cpp", "net.o", "-o", "run"],
    ):
        subprocess.run(command, cwd=tmp_path, check=True)
    _, first, _ = expected(net, tokens)
    _, second, _ = expected(net, tokens[::-1])
    assert run([str(tmp_path / "run")], tokens, 2) == (0, first + second)


@pytest.mark.parametrize("overflow", [Overflow.WRAP, Overflow.SATURATE])
def test_overflows_are_counted_as_the_simulator_counts_them(
    overflow: Overflow, tmp_path: Path
) -> None:
    net = chain(Arithmetic(overflow=overflow, message_bits=30))
    tokens = np.random.default_rng(1).integers(-(2**15), 2**15, (200, 2))
    _, _, simulator = expected(net, tokens)
    main = COUNTING.replace("STAGES", str(len(net.stages)))
    _, lines = run([str(built(c(net, overflows=True), tmp_path, main))], tokens, 2)
    names = ("input", "state", "message", "synapse", "sum")
    counts = [Counter({k: n for k, n in zip(names, line, strict=True) if n}) for line in lines]
    assert counts == simulator.overflows
    assert set().union(*counts) == set(names)


def test_an_overflow_that_raises_leaves_the_state_of_before(tmp_path: Path) -> None:
    net = chain(Arithmetic(overflow=Overflow.RAISE))
    small, large = np.array([[1, 2], [3, -4], [-2, 1]]), np.array([[2**15 - 1, 2**15 - 1]])
    code, outputs, _ = expected(net, small)
    assert code == 0
    assert expected(net, large)[0] == 2
    ignoring = c(net).harness.replace("return status;", "continue;")
    tokens = np.concatenate([small[:2], large, small[2:]])
    program = built(c(net), tmp_path, ignoring)
    assert run([str(program)], tokens, 2) == (0, outputs)


def test_a_token_beyond_the_input_format_is_refused(tmp_path: Path) -> None:
    net = chain(Arithmetic())
    program = built(c(net), tmp_path)
    assert run([str(program)], np.array([[2**15 - 1, -(2**15)]]), 2)[0] == 0
    assert run([str(program)], np.array([[2**15, 0]]), 2) == (1, [])
    assert run([str(program)], np.array([[0, -(2**15) - 1]]), 2) == (1, [])


@pytest.mark.parametrize("name", ["ns4d-sdigits", "s5-denoise-sparse"])
def test_a_network_of_the_zoo_gives_the_engines_integers(name: str, tmp_path: Path) -> None:
    net = lava_ssm.load(name)
    assert isinstance(net, FixedNetwork)
    write(net, tmp_path, options=Options(harness=True))
    program = built(c(net), tmp_path)
    tokens = np.loadtxt(tmp_path / "inputs.txt", dtype=np.int64).reshape(-1, net.d_input)
    outputs = np.loadtxt(tmp_path / "outputs.txt", dtype=np.int64)
    assert np.array_equal(outputs, net.run(tokens))
    assert run([str(program)], tokens, net.d_output) == (0, outputs.tolist())


@pytest.mark.slow
@pytest.mark.parametrize("name", zoo.NAMES)
def test_a_thousand_tokens_of_every_network_of_the_zoo(name: str, tmp_path: Path) -> None:
    net = lava_ssm.load(name)
    assert isinstance(net, FixedNetwork)
    tokens = random_mantissas(np.random.default_rng(0), net, (1000,))
    outputs = net.run(tokens).tolist()
    for sane in (False, True):
        program = built(c(net), tmp_path, sane=sane)
        assert run([str(program)], tokens, net.d_output) == (0, outputs)


@pytest.mark.parametrize("name", ["ns4d-sdigits", "s5-denoise-sparse"])
def test_it_has_no_float_no_allocation_and_no_library(name: str) -> None:
    net = lava_ssm.load(name)
    assert isinstance(net, FixedNetwork)
    program = c(net)
    code = re.sub(r"/\*.*?\*/", "", program.source + program.header, flags=re.S)
    assert not re.search(r"\b(float|double|malloc|calloc|alloca|free|memcpy|memset)\b", code)
    assert set(re.findall(r"#include (\S+)", code)) == {'"net.h"', "<stddef.h>", "<stdint.h>"}


def test_constants_have_their_own_widths_and_sparse_ones_are_compressed() -> None:
    dense, sparse = lava_ssm.load("s5-denoise-dense"), lava_ssm.load("s5-denoise-sparse")
    assert isinstance(dense, FixedNetwork)
    assert isinstance(sparse, FixedNetwork)
    # beside the mantissas: a shift a row, and the table of the sigmoid
    for net in (dense, sparse):
        assert 0.8 * net.nbytes < c(net).flash < 1.05 * net.nbytes + 8192 + 2000
    assert "static void compressed_" in c(sparse).source
    assert "static void compressed_" not in c(sparse, compressed=0).source
    assert "int16_t b0[" in c(dense).header  # messages of 16 bits


@pytest.mark.parametrize("name", ["", "Net", "1net", "a-b", "a" * 32, None, 3, "host", "main"])
def test_a_name_that_c_does_not_allow_is_refused(name: object) -> None:
    with pytest.raises(ValueError, match=r"name must (be small letters|not be one of host, main)"):
        c(chain(Arithmetic()), name)  # type: ignore[arg-type]


def test_float_networks_are_refused() -> None:
    with pytest.raises(TypeError, match="quantise it first"):
        c(lava_ssm.load("ns4d-sdigits-float"))  # type: ignore[arg-type]


def test_the_readme_says_how_to_try_it(tmp_path: Path) -> None:
    write(chain(Arithmetic()), tmp_path / "build", options=Options("demo", harness=True))
    readme = (tmp_path / "build" / "README.md").read_text()
    command = readme.split("```")[-2].strip()
    done = subprocess.run(command, shell=True, cwd=tmp_path / "build", capture_output=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
