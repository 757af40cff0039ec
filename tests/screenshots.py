"""Pictures of the page, kept small under tests/golden, and how alike two of them are.

::

    python -m tests.screenshots           take them all anew: look at each before it is committed
    python -m tests.screenshots --paint   print when each page was first painted

Fonts differ from machine to machine, and so lines break elsewhere. So the parts of the page are compared one
by one, in coarse cells of ink (how far a place is from the colour of the paper), each row of cells with those
nearby: a part that disappears, fades, or changes its place among the others is seen, another font is not.
"""

from __future__ import annotations

import base64
import io
import json
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from PIL import Image

from makespan.showing.pairing import pair_of
from makespan.showing.report import render
from tests.chromium import Page, opened
from tests.report_data import failed_run, measured_run, random_run

if TYPE_CHECKING:
    from collections.abc import Callable

GOLDEN = Path(__file__).parent / "golden" / "page"
MOST_HIGH = 2200
SCALE, COLOURS = 0.5, 48
CELL = (24, 8)
"""Width and height of a cell, in pixels of the kept picture."""
NEARBY = 2
"""So many cells up or down a row may lie elsewhere."""
LIMIT = 0.055
"""Of the ink of a row, in the mean over its cells: more is another picture."""
PARTS = """[...document.querySelectorAll("header, .figures, .notes, #tools, .keys, .plot, section")]
  .filter((part) => part.offsetHeight).map((part) => {
    const box = part.getBoundingClientRect(), title = part.querySelector("h2");
    const name = title ? title.textContent : part.id || part.className || part.localName;
    return [name, ...[box.left, box.top + scrollY, box.width, box.height].map(Math.round)];
  })"""

PAINT = """new Promise((done) => new PerformanceObserver((list) => {
  for (const one of list.getEntriesByName("first-contentful-paint")) done(one.startTime);
}).observe({ type: "paint", buffered: true }))"""

Part = list[Any]
"""Name, left, top, width, height in pixels of the page."""


class View(NamedTuple):
    """What is shown, and how."""

    content: Callable[[], bytes]
    width: int = 1160
    scheme: str = "light"
    media: str = "screen"


def _pair() -> bytes:
    labels = ("before.json", "after.json")
    return render(pair_of(random_run(34), random_run(34, noise=0.4), labels=labels), "html")


VIEWS = {
    "20_bars": View(lambda: render(measured_run(10), "html")),
    "20_bars_narrow": View(lambda: render(measured_run(10), "html"), width=420),
    "20_bars_printed": View(lambda: render(measured_run(10), "html"), width=720, media="print"),
    "2000_bars": View(lambda: render(measured_run(1000, threads=8), "html")),
    "10000_bars_dark": View(lambda: render(measured_run(5000, threads=16), "html"), scheme="dark"),
    "failed": View(lambda: render(failed_run(), "html")),
    "two_runs": View(_pair),
}


def show(page: Page, view: View, folder: Path) -> None:
    """Open a page as it is to be seen."""
    path = folder / "page.html"
    path.write_bytes(view.content())
    page.call(
        "Emulation.setDeviceMetricsOverride", width=view.width, height=1000, deviceScaleFactor=1, mobile=False
    )
    page.call(
        "Emulation.setEmulatedMedia",
        media=view.media,
        features=[{"name": "prefers-color-scheme", "value": view.scheme}],
    )
    page.open(path)
    page.settle()


def shoot(page: Page, view: View) -> Image.Image:
    """Take a picture of what is open, as small as it is kept."""
    high = min(MOST_HIGH, page.eval("document.documentElement.scrollHeight"))
    clip = {"x": 0, "y": 0, "width": view.width, "height": high, "scale": SCALE}
    taken = page.call("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)
    return Image.open(io.BytesIO(base64.b64decode(taken["data"]))).convert("RGB")


def cells(picture: Image.Image) -> Any:
    """Return the ink of each cell, 0 to 1: how far it is from the paper, over all three colours."""
    pixels = np.asarray(picture.convert("RGB"), dtype=float)
    ink = np.abs(pixels - pixels[0, -1]).mean(axis=2) / 255
    wide, high = CELL
    rows, columns = max(1, ink.shape[0] // high), max(1, ink.shape[1] // wide)
    return np.array(
        [[cell.mean() for cell in np.array_split(row, columns, axis=1)] for row in np.array_split(ink, rows)]
    )


def crop(picture: Image.Image, part: Part) -> Image.Image:
    """Cut a part out of a picture, as far as it is on it."""
    _, left, top, width, height = part
    box = [round(SCALE * side) for side in (left, top, left + width, top + height)]
    return picture.crop((box[0], box[1], box[2], max(box[1] + 1, min(box[3], picture.height))))


def differences(one: Image.Image, its: list[Part], other: Image.Image, others: list[Part]) -> list[str]:
    """Return in words what two pictures with their parts differ in."""
    names, now = [part[0] for part in its], [part[0] for part in others]
    if names != now:
        return [f"parts are {now}, were {names}"]
    found = []
    for a, b in zip(its, others, strict=True):
        if abs(a[1] - b[1]) > 24 or abs(a[3] - b[3]) > 48 or not 0.7 * a[4] - 40 < b[4] < 1.4 * a[4] + 40:
            found.append(f"{a[0]} is at {b[1:]}, was at {a[1:]}")
        elif SCALE * a[2] < one.height - 8 and SCALE * b[2] < other.height - 8:
            off = unlike(cells(crop(one, a)), cells(crop(other, b)))
            if off > LIMIT:
                found.append(f"{a[0]} looks different: {off:.3f}")
    return found


def unlike(a: Any, b: Any) -> float:
    """Return by how much ink the rows differ that differ most, in either picture."""
    wide = min(a.shape[1], b.shape[1])
    a, b = a[:, :wide], b[:, :wide]
    # Lines may break elsewhere, and what is cut off at the end may be more in one than in the other.
    rows = min(len(a), len(b))
    return max(_missing(a[:rows], b), _missing(b[:rows], a))


def _missing(a: Any, b: Any) -> float:
    """Return how badly the row of a fits that fits worst near its place in b."""
    worst = 0.0
    for at, row in enumerate(a):
        near = b[max(0, at - NEARBY) : at + NEARBY + 1]
        worst = max(worst, float(np.abs(near - row).mean(axis=1).min()))
    return worst


def main(argv: list[str]) -> int:
    """Take all pictures anew, or tell when each page was first painted."""
    GOLDEN.mkdir(parents=True, exist_ok=True)
    parts: dict[str, list[Part]] = {}
    with tempfile.TemporaryDirectory() as work, opened(Path(work) / "profile") as page:
        for name, view in VIEWS.items():
            show(page, view, Path(work))
            if "--paint" in argv:
                print(f"{name}: first paint after {page.eval(PAINT):.0f} ms")
            else:
                picture = shoot(page, view).quantize(COLOURS, dither=Image.Dither.NONE)
                picture.save(GOLDEN / f"{name}.png", optimize=True)
                parts[name] = page.eval(PARTS)
    if parts:
        lines = ",\n".join(f'"{name}": {json.dumps(some)}' for name, some in parts.items())
        (GOLDEN / "parts.json").write_text(f"{{\n{lines}\n}}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
