"""Objects print as tables, a row a layer, in a terminal and in a notebook, never their arrays."""

from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

import lava_ssm
from lava_ssm import compress, data, deploy, engine, load, loihi2, numerics
from lava_ssm.network import GELU, FixedLinear, FixedNetwork, Linear, Network, ReLU, Residual
from lava_ssm.tables import Tabular
from tests.networks import random_fixed_network, random_s5_network

FIXED = random_fixed_network(np.random.default_rng(0), d_model=40, d_state=8)


class Rows(HTMLParser):
    """Cells of an HTML table."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_data(self, data: str) -> None:
        if self.rows and self.rows[-1]:
            self.rows[-1][-1] += data


def shown() -> dict[str, tuple[Tabular, int]]:
    """Objects, and of how many rows their table is."""
    x = np.random.default_rng(1).normal(size=(2, 9, 1))
    network, fixed = load("ns4d-sdigits-float"), load("ns4d-sdigits")
    assert isinstance(network, Network)
    assert isinstance(fixed, FixedNetwork)
    mapping = loihi2.map(fixed)
    report = compress.report(network, fixed, x / 8)
    return {
        "network": (network, 10),
        "fixed": (fixed, 10),
        "stream": (fixed.stream((3,)), 10),
        "mapping": (mapping, len(mapping.rows())),
        "estimate": (loihi2.estimate(fixed), 12),
        "report": (report, len(report.tensors)),
        "description": (loihi2.describe(fixed), len(fixed.lowered)),
        "data": (data.digits(), 2),
    }


@pytest.mark.parametrize(("table", "rows"), shown().values(), ids=shown())
def test_repr_text_and_html_have_the_same_rows(table: Tabular, rows: int) -> None:
    cells = Rows(table._repr_html_()).rows
    assert len(cells) == 1 + rows
    assert len({len(row) for row in cells}) == 1
    assert repr(table) == str(table).rstrip()
    assert "array(" not in repr(table)
    for row in cells[1:]:
        assert row[0].strip() in repr(table)
    assert max(map(len, repr(table).splitlines())) <= 120


def test_a_summary_says_what_a_layer_is_and_what_follows() -> None:
    eye = np.eye(3)
    layers = (Linear(np.ones((3, 2))), ReLU(), Linear(eye, np.ones(3)), Residual(1), Linear(eye))
    network = Network(layers, made_by={"layers[2]": "block.0 (Linear) + [b]<i>", "other": "text"})
    first, second, third = Rows(network._repr_html_()).rows[1:]
    assert first[:5] == ["0", "Linear", "RELU", "2 to 3", ""]
    assert first[5:7] == ["6", "1"]
    assert second[2] == "+ what entered 1"
    assert second[-1] == "block.0 (Linear) + [b]<i>"  # no markup
    assert third[-1] == ""
    assert "3 channels, every token, 27 parameters" in network.summary().replace("\n", " ")


def test_a_fixed_network_tells_its_words_and_a_stream_its_tokens() -> None:
    header = Rows(FIXED._repr_html_()).rows[0]
    assert header[4:8] == ["states", "parameters", "bytes", "exponent"]
    assert f"{FIXED.nbytes:,} bytes; 24-bit messages" in " ".join(repr(FIXED).split())
    stream = FIXED.stream()
    stream.run(np.zeros((12, 2)))
    assert "12 tokens so far" in repr(stream)


def test_a_summary_says_what_is_approximated() -> None:
    eye = FixedLinear(np.eye(2, dtype=int))
    network = FixedNetwork((eye, GELU(), eye, ReLU()), input_exponent=8)
    assert f"by table: GELU within {numerics.GELU.error:.1g}" in network.summary()
    assert "by table" not in FIXED.summary()


@pytest.mark.parametrize(
    "layer", [*FIXED.layers, *random_s5_network(np.random.default_rng(0)).layers]
)
def test_a_layer_is_shown_without_its_numbers(layer: object) -> None:
    text = repr(layer)
    assert text.startswith(f"{type(layer).__name__}(")
    assert "array(" not in text
    assert len(text) < 300


def test_a_layer_shows_the_shapes_of_its_arrays_and_its_numbers() -> None:
    assert repr(Linear(np.ones((2, 3)))) == "Linear(weights=float64(2, 3), bias=None)"
    assert repr(Residual(2)) == "Residual(span=2)"


def test_parts_of_a_table_give_arrays_by_their_shapes() -> None:
    onto = loihi2.describe(FIXED).synapses[0]
    assert "fan_out=float64(2,), activity=float64(2,)" in repr(onto)
    assert "weights=int64(40, 2)" in repr(FIXED.lowered[0])
    assert repr(data.digits().train).startswith("Split(x=float32(1347, 64, 1), y=int64(1347,)")
    found = engine.run(FIXED, np.zeros((5, 2)))
    assert repr(found).startswith("Run(outputs=int64(5, 4), state=(int64(40, 8, 2)")
    assert repr(found).endswith("overflows=<Overflows: no overflow>)")
    assert "'stage0_neurons': int64(3, 40)" in repr(deploy.vectors(FIXED, n_tokens=3))


def test_what_tab_offers_is_public() -> None:
    offered = [name for name in dir(lava_ssm) if not name.startswith("_")]
    assert {"load", "quantize", "nn", "proc"} <= set(offered)
    folder = Path(lava_ssm.__path__[0])
    rooms = {path.parent.name for path in folder.glob("*/__init__.py")}
    assert set(offered) == rooms | {"load", "quantize"}
