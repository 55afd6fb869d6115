"""The page with a network inside, in Debian's chromium."""

import importlib.util
import io
import re
import shutil
import struct
import wave
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lava_ssm
from lava_ssm import audio
from lava_ssm.deploy import write
from lava_ssm.network import FixedNetwork
from tests.networks import random_fixed_network, random_mantissas

BROWSER = shutil.which("chromium")
needs_browser = [
    pytest.mark.slow,
    pytest.mark.skipif(
        BROWSER is None or not all(map(importlib.util.find_spec, ("playwright", "ziglang"))),
        reason="chromium, playwright or ziglang is not installed",
    ),
]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        place = tmp_path_factory.mktemp("sound") / "tone.wav"
        place.write_bytes(wav(TONE, 48_000))
        microphone = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
        microphone.append(f"--use-file-for-fake-audio-capture={place}")
        opened = driver.chromium.launch(executable_path=BROWSER, args=["--no-sandbox", *microphone])
        yield opened
        opened.close()


TONE = 0.3 * np.sin(2 * np.pi * 1000 * np.arange(48_000) / 48_000)
"""A second of 1 kHz."""


def wav(samples: np.ndarray, rate: int) -> bytes:
    """16 bits, one channel."""
    content = io.BytesIO()
    with wave.open(content, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(np.rint(32767 * samples).astype("<i2").tobytes())
    return content.getvalue()


def png(pixels: np.ndarray) -> bytes:
    """An image (height, width, 3), without a filter."""
    height, width, _ = pixels.shape
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)

    def chunk(kind: bytes, data: bytes) -> bytes:
        checked = kind + data
        return struct.pack(">I", len(data)) + checked + struct.pack(">I", zlib.crc32(checked))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


class Page:
    """A network's page, open; nothing is written to its console."""

    def __init__(
        self, browser: Any, net: FixedNetwork, place: Path, tokens: np.ndarray | None = None
    ) -> None:
        [path] = [p for p in write(net, place, "html", tokens=tokens) if p.suffix == ".html"]
        self.page = browser.new_page(viewport={"width": 1100, "height": 800})
        self.written: list[str] = []
        self.page.on("console", lambda message: self.written.append(message.text))
        self.page.on("pageerror", lambda error: self.written.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.requests: list[str] = []
        self.page.goto(path.as_uri())
        self.page.wait_for_function("window.network")

    def says(self, start: str) -> str:
        text = f"document.getElementById('message').textContent.includes({start!r})"
        self.page.wait_for_function(text, timeout=60_000)
        return str(self.page.text_content("#message"))

    def output(self) -> list[int]:
        """Integers of the last token."""
        made = self.page.evaluate("Array.from(network.output)")
        return list(map(int, made))

    def close(self) -> None:
        """What every page must be at its end: quiet, alone, and no wider than a phone."""
        self.page.set_viewport_size({"width": 390, "height": 800})
        assert self.page.evaluate("document.documentElement.scrollWidth") <= 390
        assert self.written == []
        assert all(url.startswith(("file:", "data:", "blob:")) for url in self.requests)
        self.page.close()


def zoo(name: str) -> FixedNetwork:
    net = lava_ssm.load(name)
    assert isinstance(net, FixedNetwork)
    return net


def test_a_page_holds_all_that_it_needs(tmp_path: Path) -> None:
    pytest.importorskip("ziglang")
    write(zoo("ns4d-sdigits"), tmp_path, "html")
    text = (tmp_path / "net.html").read_text()
    assert not re.search(r"(src|href)=.(https?:)?//", text)
    assert "@" not in re.sub(r"@media", "", text)
    assert '"page": "digit"' in text


@pytest.mark.usefixtures("browser")
class TestInABrowser:
    pytestmark = needs_browser

    @pytest.mark.parametrize("name", ["ns4d-smnist", "s5-denoise-sparse", "ns4d-scifar"])
    def test_its_integers_are_the_engines(self, name: str, browser: Any, tmp_path: Path) -> None:
        net = zoo(name)
        page = Page(browser, net, tmp_path)
        tokens = random_mantissas(np.random.default_rng(0), net, (100,))
        outputs = page.page.evaluate("tokens => network.run(tokens)", tokens.tolist())
        assert np.array_equal(outputs, net.run(tokens))
        page.close()

    @pytest.mark.parametrize("name", ["ns4d-smnist", "ns4d-psmnist"])
    def test_digits_are_read_by_keyboard_and_by_hand(
        self, name: str, browser: Any, tmp_path: Path
    ) -> None:
        page = Page(browser, zoo(name), tmp_path)
        for digit in "0123456789":
            page.page.keyboard.press(digit)
            assert re.match(rf"It is an? {digit}\.", page.says("It is"))
            page.page.keyboard.press("Backspace")
            page.says("Draw a digit")
        box = page.page.locator("#pad").bounding_box()
        at = [box["x"] + box["width"] / 2, box["y"] + box["height"] * 0.15]
        page.page.mouse.move(*at)
        page.page.mouse.down()
        page.page.mouse.move(at[0], at[1] + box["height"] * 0.7, steps=5)
        page.page.mouse.up()
        assert page.says("It is").startswith("It is a 1.")
        page.close()

    def test_sound_is_what_the_denoiser_makes_of_it(self, browser: Any, tmp_path: Path) -> None:
        net = zoo("s5-denoise-sparse")
        page = Page(browser, net, tmp_path)
        noisy = 0.2 * np.random.default_rng(0).standard_normal(1600)
        made = page.page.evaluate(
            "async x => Array.from((await denoise(network, Float64Array.from(x))).clean)",
            noisy.tolist(),
        )
        assert np.allclose(made, audio.denoise(net, noisy), atol=2e-3)
        pytest.importorskip("soundfile").write(tmp_path / "in.wav", noisy, 16_000)
        page.page.set_input_files("#file", tmp_path / "in.wav")
        assert page.says("s of sound").startswith("0.1 s of sound, 16 tokens")
        assert page.page.get_attribute("#clean", "src").startswith("blob:")
        (tmp_path / "text.wav").write_text("no sound")
        page.page.set_input_files("#file", tmp_path / "text.wav")
        page.says("This is no sound")
        page.close()

    def test_numbers_are_pasted(self, browser: Any, tmp_path: Path) -> None:
        net = random_fixed_network(np.random.default_rng(0))
        page = Page(browser, net, tmp_path)
        tokens = random_mantissas(np.random.default_rng(1), net, (7,))
        page.page.fill("#input", "\n".join(f"{a}, {b}" for a, b in tokens.tolist()))
        page.page.check("#whole")
        page.page.click("#run")
        page.says("7 tokens")
        rows = [row.split(",") for row in page.page.input_value("#output").splitlines()]
        assert np.array_equal(np.array(rows, int), net.run(tokens))
        for wrong, said in (
            ("1", "line 1 must be 2 numbers"),
            ("1 0.5", "must be integers"),
            (f"{2**30} 0", "a token must be integers from"),
            ("", "no tokens"),
        ):
            page.page.fill("#input", wrong)
            page.page.click("#run")
            page.says(said)
        page.close()

    def test_a_microphone_is_listened_to(self, browser: Any, tmp_path: Path) -> None:
        page = Page(browser, zoo("s5-denoise-sparse"), tmp_path)
        page.page.click("#record")
        page.says("Recording")
        page.says("s of sound")
        loudest = page.page.evaluate(
            """async () => {
              const sound = await (await fetch(document.getElementById("noisy").src)).arrayBuffer();
              const context = new OfflineAudioContext(1, 1, 16000);
              const x = (await context.decodeAudioData(sound)).getChannelData(0);
              const re = new Float64Array(16384).map((_, i) => x[16000 + i]);
              const im = new Float64Array(16384);
              fft(re, im, false);
              const power = Array.from(re.slice(0, 8192), (v, k) => v * v + im[k] * im[k]);
              return power.indexOf(Math.max(...power)) * 16000 / 16384;
            }"""
        )
        assert abs(loudest - 1000) < 20
        page.close()

    def test_an_image_becomes_the_tokens_of_the_data_set(
        self, browser: Any, tmp_path: Path
    ) -> None:
        net = zoo("ns4d-scifar")
        page = Page(browser, net, tmp_path)
        pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
        # CIFAR-10's means and standard deviations, as everybody has them
        mean, std = np.array([0.4914, 0.4822, 0.4465]), np.array([0.2470, 0.2435, 0.2616])
        values = (pixels.reshape(1024, 3) / 255 - mean) / std
        expected = net.run(np.rint(values * 2**net.input_exponent).astype(np.int64))[-1]
        (tmp_path / "in.png").write_bytes(png(pixels))
        page.page.set_input_files("#file", tmp_path / "in.png")
        assert "1024 pixels" in page.says("It is")
        assert page.output() == expected.tolist()
        large = pixels.repeat(8, axis=0).repeat(8, axis=1)
        (tmp_path / "large.png").write_bytes(png(np.pad(large, ((0, 0), (40, 40), (0, 0)))))
        page.page.focus("text=A ship")
        page.page.keyboard.press("Enter")
        assert page.says("It is").startswith("It is a ship.")
        page.page.set_input_files("#file", tmp_path / "large.png")
        page.says("Pixel")
        page.says("It is")
        assert page.output() == expected.tolist()
        (tmp_path / "text.png").write_text("no image")
        page.page.set_input_files("#file", tmp_path / "text.png")
        page.says("This is no image")
        page.close()

    def test_a_series_is_standardised_as_its_data_set_is(
        self, browser: Any, tmp_path: Path
    ) -> None:
        net = zoo("ns4d-ecg5000")
        page = Page(browser, net, tmp_path)
        values = 5 + 3 * np.sin(np.arange(140) / 9)
        page.page.fill("#input", ", ".join(f"{v:.4f}" for v in values))
        page.page.click("#run")
        page.says("140 tokens")
        x = np.round(values, 4)
        tokens = np.rint((x - x.mean()) / x.std() * 2**net.input_exponent).astype(np.int64)
        output = net.run(tokens[:, np.newaxis])[-1]
        # sums are of another order: a token in ten thousand may be rounded to its neighbour
        assert np.abs(np.array(page.output()) - output).max() < 2**12
        assert page.page.locator(".bar").count() == 5
        page.page.click("#example")
        page.says("It is class 1.")
        page.close()

    def test_tokens_that_it_was_given_are_its_example(self, browser: Any, tmp_path: Path) -> None:
        net = zoo("ns4d-spoken-digits")
        tokens = random_mantissas(np.random.default_rng(0), net, (20,))
        page = Page(browser, net, tmp_path, tokens)
        page.page.focus("#example")
        page.page.keyboard.press("Enter")
        assert "20 tokens" in page.says("It is")
        assert page.output() == net.run(tokens)[-1].tolist()
        page.close()
