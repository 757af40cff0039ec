"""A document API: four scanned pages in, what they say and whether it is consistent out. A DAG of 45 nodes.

::

    of each page:                                         ┌─ layout
    page_store ── fetch ── decode ── denoise ── straighten ┼─ match ── read ─┬─ verify
                                                          └───────────────────┴─ overlay
    models ── layout, verify, classify, similar, find_supplier

    of all: layout ×4 ─┬─ classify        read ×4 ── fields ─┬─ check_totals
                       └─ similar                            ├─ check_bank        all ── report
                                                             └─ find_supplier

`python pipeline.py` runs it. What it is, and what a plan gives: README.md beside this file.
"""

# ruff: noqa: D103 - the names say it
from __future__ import annotations

import io
import json
from collections import Counter
from http.client import HTTPConnection
from typing import Any, NamedTuple

import cv2
import document_pages as pages
import document_server
import numpy as np
from document_models import Models, layout_vector, train
from document_rules import check_bank, check_totals, fields, find_supplier
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from makespan import dag, node


class Line(NamedTuple):
    """A line of print: its middle row, and where its ink begins and ends."""

    middle: int
    left: int
    right: int


class Hits(NamedTuple):
    """The best glyph at each place of each line: lines × columns, from column `left` on."""

    score: np.ndarray
    glyph: np.ndarray
    left: int


# -- set up once
@node(setup=True)
def page_store() -> int:
    return int(document_server.start())


@node(setup=True)
def models() -> Models:
    return train()


# -- of each page
@node
def fetch(port: int, page: str, scale: float) -> bytes:
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", f"/{page}/{scale}")
        answer = connection.getresponse()
        if answer.status != 200:
            raise OSError(f"the store answers {answer.status} for page {page!r}")
        return answer.read()
    finally:
        connection.close()


@node
def decode(scan: bytes) -> np.ndarray:
    """Return the page in gray, with the lighting evened out."""
    with Image.open(io.BytesIO(scan)) as image:
        gray = np.asarray(image.convert("L"))
    light = cv2.resize(cv2.blur(cv2.dilate(gray[::4, ::4], np.ones((9, 9))), (31, 31)), gray.shape[::-1])
    return cv2.divide(gray, light, scale=255)


@node
def denoise(gray: np.ndarray) -> np.ndarray:
    return cv2.fastNlMeansDenoising(gray, h=12, templateWindowSize=5, searchWindowSize=9)


@node
def straighten(gray: np.ndarray) -> tuple[np.ndarray, list[Line]]:
    """Turn the page so that the sums of its rows differ most: text upright. Return it with its lines."""
    ink = 255 - gray[::2, ::2]
    rough = max(np.arange(-2, 2.01, 0.25), key=lambda angle: _sharpness(ink, angle))
    best = max(rough + np.arange(-0.2, 0.21, 0.05), key=lambda angle: _sharpness(ink, angle))
    upright = 255 - _turned(255 - gray, best)
    return upright, find_lines(upright)


def _turned(image: np.ndarray, angle: float) -> np.ndarray:
    height, width = image.shape
    by = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), angle, 1.0)
    return cv2.warpAffine(image, by, (width, height), flags=cv2.INTER_CUBIC)


def _sharpness(ink: np.ndarray, angle: float) -> float:
    return float(_turned(ink, angle).mean(axis=1).var())


def find_lines(gray: np.ndarray) -> list[Line]:
    """Return the lines of print: contours of smeared ink that are as high as a glyph, by their height."""
    black = cv2.adaptiveThreshold(gray, 255, cv2.ADAPTIVE_THRESH_MEAN_C, cv2.THRESH_BINARY_INV, 41, 25)
    rules = cv2.morphologyEx(black, cv2.MORPH_OPEN, np.ones((1, 61), np.uint8))
    smeared = cv2.morphologyEx(cv2.subtract(black, rules), cv2.MORPH_CLOSE, np.ones((3, 31), np.uint8))
    contours, _ = cv2.findContours(smeared, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    lines: list[Line] = []
    for x, y, width, height in sorted(map(cv2.boundingRect, contours), key=lambda box: box[1] + box[3] / 2):
        if 11 <= height <= 34 and width >= 8:
            if lines and y + height / 2 - lines[-1].middle < pages.LEADING / 2:
                last = lines.pop()
                lines.append(Line(last.middle, min(last.left, x), max(last.right, x + width)))
            else:
                lines.append(Line(y + height // 2, x, x + width))
    return lines


@node
def match(gray: np.ndarray, lines: list[Line]) -> Hits:
    """Lay each glyph over each place of each line, a few pixels up and down: the best one wins."""
    half, around = pages.CELL // 2 + 4, pages.PITCH
    left, right = min(its.left for its in lines), max(its.right for its in lines) + 2 * around
    framed = cv2.copyMakeBorder(gray, half, half, around, around, cv2.BORDER_CONSTANT, value=255)
    sheet = np.concatenate([framed[its.middle : its.middle + 2 * half, left:right] for its in lines])
    strips = sheet.reshape(len(lines), 2 * half, -1)
    darkest = 255 - strips[:, half - 10 : half + 10].min(axis=1)
    ink = cv2.dilate(darkest, np.ones((1, around)))[:, around // 2 : -(around // 2)]
    slack = 2 * half - pages.CELL + 1
    best = np.where(ink > 100, np.float32(0.5), np.float32(2.0))  # no glyph where there is next to no ink
    which = np.full(best.shape, -1, np.int16)
    for number, character in enumerate(pages.CHARACTERS):
        scores = cv2.matchTemplate(sheet, pages.glyph(character), cv2.TM_CCOEFF_NORMED)
        scores = np.concatenate([scores, np.zeros((pages.CELL - 1, scores.shape[1]), np.float32)])
        score = scores.reshape(len(lines), 2 * half, -1)[:, :slack].max(axis=1)
        better = score > best
        best[better], which[better] = score[better], number
    return Hits(best, which, left - around)


@node
def read(hits: Hits) -> tuple[list[str], list[list[int]]]:
    """Return the text, and where its glyphs are: of some that overlap the best stays; gaps become blanks."""
    texts, places = [], []
    for score, glyph in zip(hits.score.tolist(), hits.glyph.tolist(), strict=True):
        kept: list[int] = []
        for place in sorted((x for x, its in enumerate(glyph) if its >= 0), key=lambda x: -score[x]):
            if all(abs(place - other) > pages.PITCH * 0.6 for other in kept):
                kept.append(place)
        kept.sort()
        text = ""
        for before, place in zip([None, *kept], kept, strict=False):
            if before is not None:
                text += " " * (round((place - before) / pages.PITCH) - 1)
            text += pages.CHARACTERS[glyph[place]]
        texts.append(text)
        places.append([hits.left + place for place in kept])
    return texts, places


@node
def verify(
    gray: np.ndarray, lines: list[Line], read: list[str], places: list[list[int]], known: Models
) -> float:
    """Ask a classifier of single glyphs, too; return the share of glyphs that it takes for the same."""
    found = [(line.middle, x) for line, its in zip(lines, places, strict=True) for x in its]
    said = np.array([pages.CHARACTERS.index(c) for text in read for c in text if c != " "])
    return float((known.glyphs.classify(gray, np.array(found)) == said).mean())


@node
def layout(gray: np.ndarray, known: Models) -> np.ndarray:
    found: np.ndarray = layout_vector(gray, known.codebook, 2)
    return found


@node(lock="matplotlib")  # it is not thread-safe
def overlay(page: str, gray: np.ndarray, lines: list[Line], texts: list[str]) -> bytes:
    """Draw what was found over the page; return a PNG."""
    figure = Figure(figsize=(gray.shape[1] / 250, gray.shape[0] / 250), dpi=100)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.imshow(
        gray[::2, ::2], cmap="gray", interpolation="nearest", extent=(0, gray.shape[1], gray.shape[0], 0)
    )
    for line, text in zip(lines, texts, strict=True):
        axes.plot([line.left, line.right], [line.middle + 14] * 2, color="tab:red", linewidth=0.7)
        axes.text(line.right + 4, line.middle + 5, text[:8], fontsize=4, color="tab:blue")
    axes.set_title(page)
    file = io.BytesIO()
    FigureCanvasAgg(figure).print_png(file)  # type: ignore[no-untyped-call]
    return file.getvalue()


# -- of all pages
@node
def classify(vectors: list[np.ndarray], known: Models) -> list[str]:
    return [str(kind) for kind in known.judge.predict(np.stack(vectors))]


@node
def similar(vectors: list[np.ndarray], known: Models) -> list[str]:
    """Return the kind that most of the 25 nearest layouts of each page have."""
    near = known.index.kneighbors(np.stack(vectors), 25, return_distance=False)
    return [Counter(known.kinds[row].tolist()).most_common(1)[0][0] for row in near]


@node
def report(**parts: Any) -> dict[str, Any]:
    """Gather the answer; it can be written as JSON."""
    overlays = parts.pop("overlays")
    return {**parts, "overlays": [len(png) > 1000 for png in overlays]}


@dag
def document(scale: float = 1.0) -> dict[str, Any]:
    """Read the four pages of a case; `scale` is the number of items, 1.0 for a full invoice."""
    port, known = page_store(), models()
    texts, vectors, overlays, verified = [], [], [], []
    for page in pages.PAGES:
        scan = fetch.options(name=f"fetch_{page}")(port, page, scale)
        noisy = decode.options(name=f"decode_{page}")(scan)
        clean = denoise.options(name=f"denoise_{page}")(noisy)
        gray, lines = straighten.options(name=f"straighten_{page}")(clean)
        hits = match.options(name=f"match_{page}")(gray, lines)
        text, places = read.options(name=f"read_{page}")(hits)
        texts.append(text)
        verified.append(verify.options(name=f"verify_{page}")(gray, lines, text, places, known))
        vectors.append(layout.options(name=f"layout_{page}")(gray, known))
        overlays.append(overlay.options(name=f"overlay_{page}")(page, gray, lines, text))
    found = fields(texts)
    return report(
        texts=texts,
        fields=found,
        kinds=classify(vectors, known),
        similar=similar(vectors, known),
        totals=check_totals(found),
        bank=check_bank(found),
        supplier=find_supplier(found, known),
        verified=verified,
        overlays=overlays,
    )


# -- for benchmarks and tests
process_ok = tuple(
    f"{step}_{page}"
    for page in pages.PAGES
    for step in ("decode", "denoise", "straighten", "match", "read", "verify", "layout", "overlay")
)


def setup(scale: float = 1.0) -> None:
    """Start the store, have it draw the pages, and train."""
    port = document_server.start()
    for page in pages.PAGES:
        fetch(port, page, scale)
    train()


def teardown() -> None:
    """Stop the store."""
    document_server.stop()


def check(results: dict[str, Any], scale: float = 1.0) -> None:
    """Hold what was read against what was drawn."""
    answer = results["report"]
    for page, text in zip(pages.PAGES, answer["texts"], strict=True):
        assert text == pages.lines_of(page, scale), f"page {page} was read wrongly"
    kinds = [pages.KINDS[page] for page in pages.PAGES]
    assert (answer["kinds"], answer["similar"]) == (kinds, kinds)
    assert answer["bank"]
    assert all(answer["totals"].values()), answer["totals"]
    assert answer["supplier"]["name"] == pages.case_of(scale).supplier
    assert min(answer["verified"]) > 0.9, answer["verified"]
    assert all(answer["overlays"])


if __name__ == "__main__":
    setup()
    print(json.dumps(document(), indent=1))
