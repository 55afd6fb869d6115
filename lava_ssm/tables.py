"""What things print as, everywhere: in a terminal, as text and in a notebook; never arrays."""

from dataclasses import Field, fields
from html import escape
from io import StringIO
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

_CELL = "padding:0.15em 0.8em;text-align:"


class Shaped:
    """A dataclass of which the repr gives arrays by their types and shapes, not their numbers."""

    __dataclass_fields__: ClassVar[dict[str, Field]]

    def __init_subclass__(cls, **given: object) -> None:
        super().__init_subclass__(**given)
        if "__repr__" not in cls.__dict__:  # a dataclass makes one of its own, with all numbers
            cls.__repr__ = cls.__repr__  # type: ignore[method-assign]

    def __repr__(self) -> str:
        values = ((f.name, getattr(self, f.name)) for f in fields(self))
        shown = ", ".join(f"{name}={_shaped(value)}" for name, value in values)
        return f"{type(self).__name__}({shown})"


def _shaped(value: object) -> str:
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key!r}: {_shaped(v)}' for key, v in value.items())}}}"
    if isinstance(value, list | tuple) and not hasattr(value, "_fields"):
        return f"({', '.join(map(_shaped, value))})"
    shape, kind = getattr(value, "shape", None), getattr(value, "dtype", None)
    return repr(value) if kind is None or shape == () else f"{kind}{shape}"


class Tabular:
    """What has a row for each of its parts, and never shows their arrays.

    A subclass gives `__rich__`; a dataclass among them gets no repr of its own.
    """

    TEXT_WIDTH: ClassVar[int] = 120
    """Characters of a line of text, at most."""

    def __init_subclass__(cls, **given: object) -> None:
        super().__init_subclass__(**given)
        if "__repr__" not in cls.__dict__:
            cls.__repr__ = Tabular.__repr__  # type: ignore[method-assign]

    def __rich__(self) -> "Table":
        raise NotImplementedError

    def __str__(self) -> str:
        return as_text(self, width=self.TEXT_WIDTH)

    def __repr__(self) -> str:
        return str(self).rstrip()

    def _repr_html_(self) -> str:
        table = self.__rich__()
        sides = [
            column.justify if column.justify == "right" else "left" for column in table.columns
        ]

        def row(tag: str, cells: "list[RenderableType]") -> str:
            each = zip(sides, map(_plain, cells), strict=True)
            inner = "".join(f'<{tag} style="{_CELL}{s}">{text}</{tag}>' for s, text in each)
            return f"<tr>{inner}</tr>"

        rows = zip(*(column.cells for column in table.columns), strict=True)
        body = "".join(row("td", list(cells)) for cells in rows)
        head = row("th", [column.header for column in table.columns])
        title = f"<div><b>{_plain(table.title or '')}</b></div>"
        caption = f"<div><small>{_plain(table.caption or '')}</small></div>"
        return f"{title}<table><thead>{head}</thead><tbody>{body}</tbody></table>{caption}"


def as_text(*tables: "RenderableType", width: int = 120) -> str:
    """What tables look like in lines of so many characters."""
    from rich.console import Console

    text = StringIO()
    Console(file=text, width=width, force_jupyter=False, color_system=None).print(*tables, sep="")
    return "".join(f"{line.rstrip()}\n" for line in text.getvalue().splitlines())


def _plain(cell: "RenderableType") -> str:
    return escape(str(cell))


def empty_table(title: str, columns: "dict[str, bool]", caption: str | None = None) -> "Table":
    """Give an empty table in the style of the library's.

    Parameters
    ----------
    title, caption
        What stands above and below; no markup.
    columns
        Heading of each, and whether it holds numbers, which stand to the right.
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    made = Table(
        title=Text(title, "table.title"),
        title_justify="left",
        caption=None if caption is None else Text(caption, "table.caption"),
        caption_justify="left",
        box=box.SIMPLE,
        pad_edge=False,
    )
    for heading, right in columns.items():
        made.add_column(heading, justify="right" if right else "left")
    return made
