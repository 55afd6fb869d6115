"""The page with a network inside, in Debian's chromium."""

import importlib.util
import re
import shutil
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
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield opened
        opened.close()


class Page:
    """A network's page, open; nothing is written to its console."""

    def __init__(self, browser: Any, net: FixedNetwork, place: Path) -> None:
        [path] = [p for p in write(net, place, "html") if p.suffix == ".html"]
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
            assert page.says("It is").startswith(f"It is a {digit}.")
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
