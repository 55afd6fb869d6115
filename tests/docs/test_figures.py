"""Tables of the zoo's networks, in README and on their page, say what their cards say."""

import json
import re
from pathlib import Path

import pytest

from lava_ssm import zoo
from lava_ssm.zoo.networks import FOLDER

ROOT = Path(__file__).parents[2]
COLUMNS = {  # of a table: where a card has it, and how it is written
    "parameters": ("parameters", "{:,}"),
    "float": ("float", ""),
    "paper's formats": ("paper", ""),
    "quantised": ("ptq", ""),
    "fixed point": ("ptq", ""),
    "fine-tuned": ("qaft", ""),
    "fine-tuned in integers": ("qaft", ""),
    "weights that are zero": ("sparsity", "{:.0%}"),
    "multiply-adds a token": ("multiply_adds", "{:,.0f}"),
    "bytes": ("nbytes", "{:,}"),
}


def rows(page: str) -> dict[str, dict[str, str]]:
    """Cells of the rows that begin with a network's name, by what stands above them."""
    found, heads = {}, []
    for line in (ROOT / page).read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")] if line[:1] == "|" else []
        if cells and not cells[0]:
            heads = cells
        elif name := re.match(r"`([\w-]+)`", cells[0] if cells else ""):
            found[name[1]] = dict(zip(heads[1:], cells[1:], strict=True))
    return {name: cells for name, cells in found.items() if name in zoo.NAMES}


def written(card: dict[str, object], column: str) -> str:
    """A cell as the card would have it."""
    name, form = COLUMNS[column]
    if form:
        return re.sub("(?<=[0-9])%", " %", form.format(card[name]))
    scores = card["accuracy"] if "accuracy" in card else card["si_snr"]
    if name not in scores:  # type: ignore[operator]
        return ""
    return f"{100 * scores[name]:.2f} %" if "accuracy" in card else f"{scores[name]:.2f} dB"  # type: ignore[index]


@pytest.mark.parametrize("page", ["README.md", "docs/zoo.md"])
def test_tables_of_networks_agree_with_their_cards(page: str) -> None:
    table = rows(page)
    wanted = [n for n in zoo.NAMES if not n.startswith("lm-")]
    assert set(table) == {n for n in wanted if page != "README.md" or not n.startswith("s5-")}
    for name, cells in table.items():
        card = json.loads((FOLDER / f"{name}.json").read_text())
        known = {column: cell for column, cell in cells.items() if column in COLUMNS}
        assert known == {column: written(card, column) for column in known}, name
        assert {"float", "quantised"} <= set(known) or {"float", "fixed point"} <= set(known)


@pytest.mark.parametrize(("page", "digits"), [("README.md", 3), ("docs/zoo.md", 4)])
def test_the_loss_of_the_language_model_is_that_of_its_card(page: str, digits: int) -> None:
    card = json.loads((FOLDER / "lm-shakespeare.json").read_text())
    text = (ROOT / page).read_text()
    assert f"{card['parameters']:,} parameters" in text
    for loss in card["loss"].values():
        assert f"{loss:.{digits}f} nats a character" in " ".join(text.split())
