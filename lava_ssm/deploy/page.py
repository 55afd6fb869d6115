"""One page with a network inside: no server, nothing that it loads."""

import base64
import html
import json
from pathlib import Path

from lava_ssm.deploy.emitter import Program
from lava_ssm.deploy.writer import filled
from lava_ssm.network import FixedNetwork, Readout
from lava_ssm.numerics import IntArray

_TEMPLATE = Path(__file__).parent / "page.html"
_DIGITS = {"sDigits": 8, "sMNIST": 28, "psMNIST": 28}
"""Sides of images that are drawn, by the data set that a network says it was made with."""
_COLOURS: dict[str, dict[str, list[float]]] = {
    "sCIFAR": {"mean": [0.4914, 0.4822, 0.4465], "std": [0.2470, 0.2435, 0.2616]},
    "sCIFAR (grey)": {"mean": [0.4809], "std": [0.2392]},
}
"""What `data` takes from pixels, and divides them by."""
_SIDE = 32
_OBJECTS = [
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
]
_STANDARDISED = ("ECG5000", "FordA")
_BINS = 257
_MOST_CLASSES = 100


def page(network: FixedNetwork, program: Program, module: bytes, example: IntArray | None) -> str:
    """Give the page of a network and its WebAssembly module.

    What it takes follows from the network: drawn digits or images, if it was made with such; sound,
    if it turns spectra into masks (`audio.Denoiser`); else numbers.

    Parameters
    ----------
    example
        Tokens (time, d_input), mantissas, which a page of numbers offers; None: it makes some up.
    """
    form, data = network.input_format, network.made_by.get("data", "")
    d_input, d_output = network.d_input, network.d_output
    is_sound = (d_input, d_output) == (_BINS, _BINS)
    sums = network.readout is Readout.MEAN_OVER_TIME
    colours = _COLOURS.get(data)
    kind, side = "table", None
    if (d_input, d_output) == (1, 10) and data in _DIGITS:
        kind, side = "digit", _DIGITS[data]
    elif colours is not None and (d_input, d_output) == (len(colours["mean"]), len(_OBJECTS)):
        kind, side = "image", _SIDE
    elif is_sound and not sums:
        kind = "sound"
    names = _names(network)
    info = {
        "page": kind,
        "data": data,
        "d_input": d_input,
        "d_output": d_output,
        "input_exponent": form.exponent,
        "output_exponent": network.exponents[-1],
        "low": form.min_mantissa,
        "high": form.max_mantissa,
        "mean": sums,
        "side": side,
        "bit_reversed": data == "psMNIST",
        "colours": colours,
        "classes": _OBJECTS if kind == "image" else names,
        "named": kind in ("digit", "image") or data == "spoken digits",
        "standardised": data in _STANDARDISED,
        "example": example.tolist() if example is not None and kind == "table" else None,
    }
    return filled(
        _TEMPLATE.read_text(encoding="utf-8"),
        {
            "title": html.escape(f"{program.name}: {data}" if data else program.name),
            "about": html.escape(program.about),
            "info": json.dumps(info).replace("</", "<\\/"),
            "module": base64.b64encode(module).decode(),
        },
    )


def _names(network: FixedNetwork) -> list[str] | None:
    """Of classes, as the file has them, else numbers; None: there is an output for every token."""
    n = network.d_output
    if network.readout is Readout.EVERY_TOKEN or n > _MOST_CLASSES:
        return None
    try:
        told = json.loads(network.made_by.get("classes", "null"))
    except ValueError:
        told = None
    fits = isinstance(told, list) and len(told) == n
    return [str(name) for name in (told if fits else range(n))]
