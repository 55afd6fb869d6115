"""What `make docs` adds to the pages below docs/: README, tutorials, zoo, benchmarks, API.

MkDocs calls the functions that are named `on_...`. Links between files of the repository become
links between pages, so that each text is read where it lies and on its page.
"""

import json
import logging
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import griffe
import nbformat
import typer
from latex2mathml.converter import convert
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from nbconvert import MarkdownExporter
from typer.cli import get_docs_for_click

from lava_ssm.cli import app

ROOT = Path(__file__).parent.parent
TEXTS = {
    "README.md": "index.md",
    "benchmarks/README.md": "benchmarks.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changes.md",
}
"""Pages that lie elsewhere in the repository, and where they go."""
PACKAGE = griffe.load("lava_ssm", search_paths=[ROOT])
ROOMS = {name: PACKAGE[name] for name in sorted(PACKAGE.modules) if PACKAGE[name].exports}
ROOMS.pop("cli")  # it has a page of its own
"""The rooms' faces, as their files say, without importing them."""
log = logging.getLogger("mkdocs.hooks.pages")

_LINK = re.compile(r"(\]\()([^)\s#]+)([^)]*\))")


def on_config(config: MkDocsConfig) -> None:
    """Put the tutorials and the rooms into the navigation."""
    made = {
        "Tutorials": [f"tutorials/{path.stem}.md" for path in tutorials()],
        "API": ["api/index.md", "api/command-line.md", *(f"api/{room}.md" for room in ROOMS)],
    }
    config.nav = [  # type: ignore[assignment]
        {title: made.get(title, pages) for title, pages in entry.items()} for entry in config.nav
    ]


def on_files(files: Files, config: MkDocsConfig) -> None:
    """Add the pages that are made, and the figures that other pages show."""
    for source, uri in TEXTS.items():
        files.append(File.generated(config, uri, content=(ROOT / source).read_text("utf-8")))
    for figure in sorted((ROOT / "benchmarks/results").glob("*.png")):
        uri = f"benchmarks/results/{figure.name}"
        files.append(File.generated(config, uri, abs_src_path=str(figure)))
    for path in tutorials():
        text, figures = rendered(path)
        files.append(File.generated(config, f"tutorials/{path.stem}.md", content=text))
        for name, content in figures.items():
            files.append(File.generated(config, f"tutorials/{path.stem}/{name}", content=content))
    index = "# API\n\n::: lava_ssm\n    options: {members: [load], show_root_heading: false}\n\n"
    index += "".join(f"- [`ssm.{room}`]({room}.md): {said(room)}\n" for room in ROOMS)
    files.append(File.generated(config, "api/index.md", content=index))
    files.append(File.generated(config, "api/command-line.md", content=commands()))
    for room in ROOMS:
        files.append(File.generated(config, f"api/{room}.md", content=reference(room)))


def on_page_markdown(text: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn links between files of the repository into links between pages."""
    uri = page.file.src_uri
    source = {page: source for source, page in TEXTS.items()}.get(uri, f"docs/{uri}")
    if uri.startswith(("tutorials/", "api/")):
        source = uri.replace(".md", ".ipynb")
    if uri == "zoo.md":
        text += "".join(cards())
    here = posixpath.dirname(uri)

    def at(match: re.Match[str]) -> str:
        start, target, end = match.groups()
        if "://" in target or files.get_file_from_path(posixpath.normpath(f"{here}/{target}")):
            return match[0]
        path = posixpath.normpath(posixpath.join(posixpath.dirname(source), target))
        to = TEXTS.get(path, path.removeprefix("docs/"))
        if to.startswith("tutorials/"):
            to = to.replace(".ipynb", ".md")
        return f"{start}{posixpath.relpath(to, here or '.')}{end}"

    return _LINK.sub(at, text)


def tutorials() -> list[Path]:
    """Notebooks, in their order."""
    return sorted((ROOT / "tutorials").glob("*.ipynb"))


def rendered(path: Path) -> tuple[str, dict[str, bytes]]:
    """Give a notebook as Markdown, with the figures that it was stored with, by name."""
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = re.sub(r"(\$\$?)([^$]+)\1", _formula, cell.source)
    text, resources = MarkdownExporter().from_notebook_node(notebook)
    figures = resources.get("outputs", {})
    for name in figures:
        text = text.replace(f"({name})", f"({path.stem}/{name})")
    return text, figures


def _formula(match: re.Match[str]) -> str:
    """MathML, which browsers draw by themselves."""
    formula: str = convert(match[2].strip(), display="block" if match[1] == "$$" else "inline")
    return formula


def cards() -> Iterator[str]:
    """What is known of each network of the zoo."""
    for path in sorted((ROOT / "lava_ssm/zoo/files").glob("*.json")):
        card = json.loads(path.read_text("utf-8"))
        yield f"\n### {card.pop('name')}\n\n```\n" + "\n".join(card.pop("commands")) + "\n```\n\n"
        yield "| | |\n|---|---|\n"
        yield from (
            f"| {name.replace('_', ' ')} | {shown(value)} |\n" for name, value in card.items()
        )


def shown(value: Any) -> str:
    """Give what a card says in a table's cell."""
    if isinstance(value, dict):
        return "<br>".join(f"{name.replace('_', ' ')}: {shown(v)}" for name, v in value.items())
    if isinstance(value, list):
        return ", ".join(map(shown, value))
    return f"{value:.4g}" if isinstance(value, float) else f"{value}"


def reference(room: str) -> str:
    """Reference of a room: what its face says of it, and all its public names."""
    face = ROOMS[room]
    text = (
        f"# ssm.{room}\n\n::: {face.path}\n    options: {{members: [], show_root_heading: false}}\n"
    )
    for name in face.exports or ():
        for path in undocumented(face[str(name)]):
            log.warning("%s has no docstring", path)
        text += f"\n::: {face.path}.{name}\n"
    return text


def said(room: str) -> str:
    """Give the first line of what a room says of itself."""
    docstring = ROOMS[room].docstring
    return docstring.value.splitlines()[0] if docstring else ""


def undocumented(thing: griffe.Object | griffe.Alias) -> Iterator[str]:
    """Public things without a docstring: this one, and functions and classes in it.

    A method has that of the base class whose contract it fulfils, if it has none of its own.
    """
    if not thing.has_docstring:
        yield thing.path
    if thing.is_class:
        bases = thing.mro()
        for name, member in thing.members.items():
            is_field = member.is_attribute and "property" not in member.labels
            inherits = any(name in base.members and base[name].has_docstring for base in bases)
            if not (name.startswith("_") or member.is_alias or is_field or inherits):
                yield from undocumented(member)


def commands() -> str:
    """Reference of the command line."""
    command = typer.main.get_command(app)
    text: str = get_docs_for_click(obj=command, ctx=typer.Context(command), name="lava-ssm")
    return text
