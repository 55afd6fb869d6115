"""One page with a network inside: no server, nothing that it loads."""

import base64
import html
import json
from pathlib import Path

from lava_ssm.deploy.emitter import Program
from lava_ssm.deploy.writer import filled
from lava_ssm.network import FixedNetwork, Readout

_TEMPLATE = Path(__file__).parent / "page.html"
_IMAGES = {"sDigits": 8, "sMNIST": 28, "psMNIST": 28}
"""Sides of images that are drawn, by the data set that a network says it was made with."""
_BINS = 257


def page(network: FixedNetwork, program: Program, module: bytes) -> str:
    """Give the page of a network and its WebAssembly module.

    What it takes follows from the network: drawn digits, if it was made with images of them; sound,
    if it turns spectra into masks (`audio.Denoiser`); else numbers.
    """
    form, data = network.input_format, network.made_by.get("data", "")
    side = _IMAGES.get(data) if (network.d_input, network.d_output) == (1, 10) else None
    is_sound = (network.d_input, network.d_output) == (_BINS, _BINS)
    sums = network.readout is Readout.MEAN_OVER_TIME
    kind = "digit" if side is not None else "sound" if is_sound and not sums else "table"
    info = {
        "page": kind,
        "d_input": network.d_input,
        "d_output": network.d_output,
        "input_exponent": form.exponent,
        "output_exponent": network.exponents[-1],
        "low": form.min_mantissa,
        "high": form.max_mantissa,
        "mean": sums,
        "side": side,
        "bit_reversed": data == "psMNIST",
    }
    return filled(
        _TEMPLATE.read_text(encoding="utf-8"),
        {
            "title": html.escape(program.name),
            "about": html.escape(program.about),
            "info": json.dumps(info),
            "module": base64.b64encode(module).decode(),
        },
    )
