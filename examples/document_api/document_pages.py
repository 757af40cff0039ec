"""The inputs: pages of a business case, drawn from text, and spoilt as scanners spoil them.

One case has four pages: an invoice of two, the receipt of its payment and the delivery note. All is made
from a seed, so what a reader should find is known: `lines_of(page, scale)`. `scale` is the number of items,
1.0 for a full invoice; glyphs keep their size.
"""

from __future__ import annotations

import io
import random
from functools import cache
from pathlib import Path
from typing import NamedTuple

import matplotlib as mpl
import numpy as np
from PIL import Image, ImageDraw, ImageFont

PAGES = ("invoice_1", "invoice_2", "receipt", "delivery")
KINDS = {"invoice_1": "invoice", "invoice_2": "invoice", "receipt": "receipt", "delivery": "delivery"}
CHARACTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,:/-%"
PITCH, CELL = 13, 24  # of a glyph: pixels from one to the next, and its height
LEADING, MARGIN = 32, 48  # pixels from line to line, and around a page
_FONT = Path(mpl.get_data_path(), "fonts", "ttf", "DejaVuSansMono.ttf")
_ITEMS = 24


def _words(text: str) -> list[str]:
    return text.split()


_GOODS = _words("BOLT NUT WASHER GASKET BEARING VALVE FILTER HINGE SPRING CABLE FUSE RELAY SENSOR PUMP CLAMP")
_SORTS = _words("STEEL BRASS COPPER NYLON RUBBER LARGE SMALL GREEN BLACK HEAVY LIGHT ROUND")
_TOWNS = _words("LYON PARIS NANTES LILLE DIJON METZ TOURS BREST NICE ROUEN CAEN PAU")
_TRADES = _words("METALS TOOLS SUPPLY PARTS WORKS")
_PLACES = _words("NORTH SOUTH EAST WEST")
SUPPLIERS = len(_TOWNS) * len(_TRADES) * len(_PLACES)


class Case(NamedTuple):
    """What the four pages say."""

    supplier: str
    vat_number: str
    iban: str
    number: str
    date: str
    due: str
    items: tuple[tuple[str, int, int], ...]
    """Name, quantity and cents apiece."""

    @property
    def subtotal(self) -> int:
        """In cents."""
        return sum(quantity * cents for _, quantity, cents in self.items)

    @property
    def vat(self) -> int:
        """In cents: 20 %."""
        return round(self.subtotal * 0.2)


@cache
def case_of(scale: float, seed: int = 8) -> Case:
    """Return the case of so many items."""
    chosen = random.Random(seed)
    goods = chosen.sample(
        [f"{sort} {thing} M{chosen.randint(2, 40)}" for sort in _SORTS for thing in _GOODS], 99
    )
    items = [
        (name, chosen.randint(1, 40), chosen.randint(100, 9900))
        for name in goods[: max(4, round(_ITEMS * scale))]
    ]
    bank = "".join(chosen.choices("0123456789", k=23))
    day, month = chosen.randint(1, 28), chosen.randint(1, 9)
    return Case(
        supplier=supplier_name(chosen.randrange(SUPPLIERS)),
        vat_number=f"FR{chosen.randint(10, 99)}{chosen.randint(10**8, 10**9 - 1)}",
        iban=f"FR{98 - int(bank + '152700') % 97:02d}{bank}",
        number=f"F-2024-{chosen.randint(1000, 9999)}",
        date=f"{day:02d}/{month:02d}/2024",
        due=f"{day:02d}/{month + 2:02d}/2024",
        items=tuple(items),
    )


def supplier_name(number: int) -> str:
    """Return the name of a supplier: number 0 to SUPPLIERS − 1."""
    of_trade, town = divmod(number, len(_TOWNS))
    place, trade = divmod(of_trade, len(_TRADES))
    return f"{_TOWNS[town]} {_TRADES[trade]} {_PLACES[place]} SA"


def lines_of(page: str, scale: float) -> list[str]:
    """Return the text of a page."""
    case = case_of(scale)
    split = len(case.items) * 5 // 8
    heads = {
        "invoice_1": "INVOICE",
        "invoice_2": "INVOICE PAGE 2",
        "receipt": "RECEIPT",
        "delivery": "DELIVERY NOTE",
    }
    lines = [f"{heads[page]} {case.number}", case.supplier]
    if page == "invoice_1":
        iban = " ".join(case.iban[i : i + 4] for i in range(0, len(case.iban), 4))
        lines += [f"VAT NUMBER {case.vat_number}", f"DATE {case.date}", f"DUE {case.due}", f"IBAN {iban}"]
        lines += [_item(*item) for item in case.items[:split]]
    elif page == "invoice_2":
        total = case.subtotal + case.vat
        lines += [_item(*item) for item in case.items[split:]]
        lines += [
            f"SUBTOTAL {_money(case.subtotal)}",
            f"VAT 20% {_money(case.vat)}",
            f"TOTAL {_money(total)}",
        ]
    elif page == "receipt":
        lines += [f"DATE {case.due}", f"PAID {_money(case.subtotal + case.vat)}", "THANK YOU"]
    else:
        lines += [f"{name:<26}{quantity:>4}" for name, quantity, _ in case.items]
    return lines


def _item(name: str, quantity: int, cents: int) -> str:
    return f"{name:<22}{quantity:>4}{_money(cents):>10}{_money(quantity * cents):>12}"


def _money(cents: int) -> str:
    return f"{cents / 100:,.2f}"


@cache
def _font() -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(_FONT), 20, layout_engine=ImageFont.Layout.BASIC)


def glyph(character: str) -> np.ndarray:
    """Return a character as it is printed: a gray image of CELL × PITCH pixels."""
    image = Image.new("L", (PITCH, CELL), 255)
    ImageDraw.Draw(image).text((0, 0), character, fill=0, font=_font())
    return np.asarray(image)


def draw(lines: list[str], ruled: bool) -> Image.Image:
    """Print lines on a page: `ruled` with a rule under each but the first two."""
    width, height = 2 * MARGIN + PITCH * max(map(len, lines)), 2 * MARGIN + LEADING * len(lines)
    image = Image.new("L", (width, height), 255)
    pen = ImageDraw.Draw(image)
    for row, line in enumerate(lines):
        top = MARGIN + LEADING * row
        for column, character in enumerate(line):
            pen.text((MARGIN + PITCH * column, top), character, fill=0, font=_font())
        if ruled and row > 1:
            pen.line([(MARGIN, top + 27), (width - MARGIN, top + 27)], fill=120, width=1)
    return image


def spoil(page: Image.Image, seed: int) -> np.ndarray:
    """Scan a page: turned a little, unevenly lit, noisy. Returns rows × columns × 3 bytes."""
    chosen = np.random.default_rng(seed)
    turned = page.rotate(chosen.uniform(-1.5, 1.5), Image.Resampling.BICUBIC, fillcolor=255)
    gray = np.asarray(turned, dtype=np.float32)
    light = np.linspace(0.75, 1.0, gray.shape[1], dtype=np.float32)
    paper = np.array([1.0, 0.98, 0.93], dtype=np.float32)
    noise = chosen.normal(0, 9, (*gray.shape, 3)).astype(np.float32)
    pixels: np.ndarray = np.clip((gray * light)[:, :, None] * paper + noise, 0, 255).astype(np.uint8)
    return pixels


@cache
def scan(page: str, scale: float) -> bytes:
    """Return a page as the JPEG that a scanner makes of it."""
    kind = KINDS[page]
    pixels = spoil(draw(lines_of(page, scale), ruled=kind == "invoice"), PAGES.index(page))
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=80)
    return file.getvalue()


def specimens(count: int) -> list[tuple[str, np.ndarray]]:
    """Return kinds and gray pages to learn from: nonsense, as clean as pages are when they are judged."""
    found = []
    for number in range(count):
        page = PAGES[number % len(PAGES)]
        lines = lines_of(page, 0.1 + 0.2 * (number % 5))
        chosen = random.Random(number)
        lines = ["".join(chosen.choice(CHARACTERS) if c != " " else c for c in line) for line in lines]
        drawn = draw(lines, ruled=KINDS[page] == "invoice")
        turned = drawn.rotate(chosen.uniform(-0.1, 0.1), Image.Resampling.BICUBIC, fillcolor=255)
        found.append((KINDS[page], np.asarray(turned)))
    return found
