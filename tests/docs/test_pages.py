"""The documentation's pages: built strictly, whole, and opened in Debian's chromium."""

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag, urljoin

import griffe
import pytest

from scripts import pages, pictures

ROOT = Path(__file__).parents[2]
BROWSER = shutil.which("chromium")
TUTORIAL = "01_train_quantise_run"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `make docs` builds, in a folder of its own."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--site-dir", str(folder)]
    quiet = {**os.environ, "NO_MKDOCS_2_WARNING": "true"}
    done = subprocess.run(command, cwd=ROOT, env=quiet, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    return folder


class Links(HTMLParser):
    """What a page refers to, what it loads, and what can be referred to in it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.ids = {""}
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value for name, value in attrs if value is not None}
        self.ids.update(found[name] for name in ("id", "name") if name in found)
        if tag == "a" and "href" in found:
            self.links.append(found["href"])
        if "src" in found or (tag == "link" and "href" in found):
            self.loads.append(found["src"] if "src" in found else found["href"])


def test_nothing_is_broken_and_nothing_is_fetched(site: Path) -> None:
    """Every link of every page leads somewhere, to the part of the page that it names."""
    of_page = {path: Links(path.read_text("utf-8")) for path in sorted(site.rglob("*.html"))}
    broken = []
    for path, page in of_page.items():
        if path.name == "404.html":  # its links begin where the pages will be served
            continue
        for link in (*page.links, *page.loads):
            if link.startswith(("mailto:", "data:")):
                continue
            target, part = urldefrag(urljoin(path.as_uri(), link))
            if not target.startswith("file:"):
                assert link in page.links, f"{path} loads {link}"
                continue
            file = Path(unquote(target.removeprefix("file://")))
            file = file / "index.html" if file.is_dir() else file
            if not file.is_file() or (file in of_page and unquote(part) not in of_page[file].ids):
                broken.append(f"{path.relative_to(site)}: {link}")
    assert broken == []


def test_every_public_name_has_its_place(site: Path) -> None:
    for room, face in pages.ROOMS.items():
        ids = Links((site / "api" / f"{room}.html").read_text("utf-8")).ids
        assert face.exports
        assert {f"lava_ssm.{room}.{name}" for name in face.exports} <= ids


def test_a_thing_without_a_docstring_is_named() -> None:
    code = 'class A:\n    """Has one."""\n    n = 1\n    def f(self): pass\n    def _g(self): pass'
    module = griffe.visit("m", filepath=Path("m.py"), code=code)
    assert list(pages.undocumented(module["A"])) == ["m.A.f"]


def classes(thing: griffe.Object | griffe.Alias) -> Iterator[griffe.Object | griffe.Alias]:
    for member in thing.members.values():
        if not member.is_alias and (member.is_module or member.is_class):
            yield from classes(member)
            if member.is_class:
                yield member


def test_every_method_has_a_docstring_or_its_contract_has_one() -> None:
    public = [c for c in classes(pages.PACKAGE) if not c.name.startswith("_")]
    assert len(public) > 200
    assert [path for c in public for path in pages.undocumented(c)] == []


def test_make_counts_warnings() -> None:
    """MkDocs told to be quiet hears no warnings, so that `strict` would not count them."""
    assert "-m mkdocs build\n" in (ROOT / "Makefile").read_text("utf-8")


def test_each_picture_has_its_function() -> None:
    assert {path.name for path in pictures.FOLDER.iterdir()} == set(pictures.PICTURES)


@pytest.mark.skipif(
    BROWSER is None or importlib.util.find_spec("playwright") is None,
    reason="chromium or playwright is not installed",
)
@pytest.mark.parametrize(
    "some", [True, pytest.param(False, marks=pytest.mark.slow)], ids=["some", "all"]
)
def test_pages_open_in_a_browser(some: bool, site: Path) -> None:
    """Opened as files, wide and as on a phone: figures show, nothing is said, search finds."""
    from playwright.sync_api import sync_playwright

    paths = sorted(set(site.rglob("*.html")) - {site / "404.html"})
    if some:
        names = {"index", "concepts", "gallery", "zoo", "api/compress", f"tutorials/{TUTORIAL}"}
        paths = [site / f"{name}.html" for name in names]
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        written: list[str] = []
        page.on("console", lambda message: written.append(f"{page.url}: {message.text}"))
        page.on("pageerror", lambda error: written.append(f"{page.url}: {error}"))
        page.on(
            "request",
            lambda r: r.url.startswith((site.as_uri(), "data:", "about:")) or written.append(r.url),
        )
        n_images = 0
        for path in paths:
            page.goto(path.as_uri())
            unseen = "images.filter(i => !(i.complete && i.naturalWidth)).map(i => i.src)"
            assert page.evaluate(f"images = [...document.images], {unseen}") == [], page.url
            n_images += page.evaluate("document.images.length")
            page.set_viewport_size({"width": 390, "height": 800})
            assert page.evaluate("document.documentElement.scrollWidth") <= 390, page.url
            page.set_viewport_size({"width": 1280, "height": 900})
        assert n_images > 15
        page.goto((site / "index.html").as_uri())
        page.click(".md-search__input")
        page.keyboard.type("quantize")
        page.wait_for_selector(".md-search-result__link")
        links = "[...document.querySelectorAll('.md-search-result__link')].map(a => a.href)"
        assert any("api/compress.html" in link for link in page.evaluate(links))
        assert written == []
        browser.close()
