"""The frame of everything that a notebook shows: paper, headline, key, escaped words."""

from __future__ import annotations

import hashlib
from html import escape
from typing import TYPE_CHECKING, Final

from makespan.showing.colours import DARK, FILL, INK, LINE, PAPER, QUIET, WORDS
from makespan.showing.figures import PARTS
from makespan.showing.words import clean

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

_FONT: Final = "system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif"
_DOTS: Final = "#7a6a3a"  # on light and dark paper alike
_DARK: Final = ("html[data-theme=dark]", "body[data-jp-theme-light=false]", "body.vscode-dark")
MOST_HIGH: Final = 720
"""Pixels; a higher drawing scrolls."""
# What stands in the drawing (for light paper), and what it becomes in a dark notebook.
_DARK_FILL: Final = {
    INK: DARK["ink"],
    QUIET: DARK["quiet"],
    LINE: DARK["line"],
    PAPER: DARK["paper"],
    **{FILL[part]: DARK[part] for part in FILL},
}


def _style() -> str:
    box = f"color:{INK};background:{PAPER};border:1px solid {LINE};border-radius:6px"
    cell = "padding:1px 10px 1px 0;text-align:left;font-weight:400;background:none;border:0"
    rules = [
        f".makespan-card{{font:13px/1.45 {_FONT};{box};padding:10px 14px;max-width:1000px;overflow-x:auto}}",
        ".makespan-card table{border-collapse:collapse;font-size:12px}",
        f".makespan-card td,.makespan-card th{{{cell}}}",
        ".makespan-card td.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}",
        f".makespan-card th{{color:{QUIET}}}",
        ".makespan-card summary{cursor:pointer;margin-top:6px}",
    ]
    for at in _DARK:
        ink, paper = _DARK_FILL[INK], _DARK_FILL[PAPER]
        box = f"color:{ink}!important;background:{paper}!important;border-color:{_DARK_FILL[LINE]}"
        rules.append(f"{at} .makespan-card{{{box}}}")
        rules.append(f"{at} .makespan-card th,{at} .makespan-card .q{{color:{_DARK_FILL[QUIET]}!important}}")
        rules += [
            f'{at} .makespan-card [fill="{light}"]{{fill:{dark}}}'
            f'{at} .makespan-card [stroke="{light}"]{{stroke:{dark}}}'
            for light, dark in _DARK_FILL.items()
        ]
    return f"<style>{''.join(rules)}</style>"


STYLE: Final = _style()


def card(head: str, *parts: str) -> str:
    """Return a card: a headline (HTML) and what stands below it."""
    inner = "\n".join(part for part in parts if part)
    return (
        f'<div class="makespan-card" style="font-family:{_FONT};color:{INK};background:{PAPER};'
        f'padding:10px 14px">\n{STYLE}\n<div>{head}</div>\n{inner}\n</div>'
    )


def word(text: str, most: int = 60) -> str:
    """Write a name: cleaned, cut, escaped."""
    return escape(clean(text, most))


def name(text: str, most: int = 60) -> str:
    """Write a name in HTML: its direction of writing kept to itself."""
    return f"<bdi>{word(text, most)}</bdi>"


def quiet(words: str) -> str:
    """Return words (HTML) in the quiet colour."""
    return f'<span class="q" style="color:{QUIET}">{words}</span>'


def head(title: str, said: Iterable[str]) -> str:
    """Return a headline: the name in bold, then figures (HTML) apart from each other."""
    return " · ".join([f"<b>{name(title)}</b>", *(words for words in said if words)])


def details(summary: str, inner: str) -> str:
    """Return what is shown at a click; browsers need no JavaScript for it."""
    return f"<details><summary>{summary}</summary>\n{inner}\n</details>" if inner else ""


def key(parts: Collection[str], *more: str) -> str:
    """Return the key of the colours that occur, and further words (HTML)."""
    said = [
        f'<span style="white-space:nowrap"><svg width="12" height="12" viewBox="0 0 12 12" role="img" '
        f'aria-hidden="true" style="vertical-align:-2px">{swatch(part)}</svg> {WORDS[part]}</span>'
        for part in (*PARTS, "unknown")
        if part in parts
    ]
    words = " &#160; ".join([*said, *more])
    return f'<div class="q" style="color:{QUIET};font-size:12px;margin-top:4px">{words}</div>'


def swatch(part: str) -> str:
    """Return a square of a colour, with the stripes or dots that it has in the drawing."""
    lines = {
        "blocked": f'<path d="M0 12L12 0M0 6L6 0M6 12L12 6" stroke="{PAPER}"/>',
        "gil_wait": f'<path d="M0 0L12 12M6 0L12 6M0 6L6 12" stroke="{FILL["gil"]}"/>',
        "delay": f'<path d="M2 3h2M8 3h2M5 7h2M2 11h2M8 11h2" stroke="{_DOTS}"/>',
    }
    return f'<rect width="12" height="12" fill="{FILL[part]}"/>{lines.get(part, "")}'


def patterns(seed: str, used: Collection[str]) -> tuple[str, dict[str, str]]:
    """Return the definitions of stripes and dots, and how they are referred to, by part.

    Their ids carry a hash of the drawing: ids are common to a whole notebook.
    """
    its = hashlib.sha256(seed.encode("utf-8", "replace")).hexdigest()[:8]
    drawn = {
        "blocked": ("M-1 1L1 -1M0 6L6 0M5 7L7 5", PAPER),
        "gil_wait": ("M-1 5L1 7M0 0L6 6M5 -1L7 1", FILL["gil"]),
        "delay": ("M1 1.5h1.2M4 4.5h1.2", _DOTS),
    }
    some = {part: value for part, value in drawn.items() if part in used}
    definitions = "".join(
        f'<pattern id="m{its}{part[0]}" width="6" height="6" patternUnits="userSpaceOnUse">'
        f'<rect width="6" height="6" fill="{FILL[part]}"/>'
        f'<path d="{path}" stroke="{ink}" fill="none"/></pattern>'
        for part, (path, ink) in some.items()
    )
    return (
        f"<defs>{definitions}</defs>" if definitions else "",
        {part: f"url(#m{its}{part[0]})" for part in some},
    )


def svg(width: float, height: float, label: str, inner: str, *, fluid: bool = False) -> str:
    """Return a drawing with its label for screen readers; `fluid`: as wide as there is room, at most that."""
    size = f'width="{width:.0f}" height="{height:.0f}"'
    style = "display:block;max-width:100%;height:auto" if fluid else "display:block;max-width:none"
    drawn = (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} viewBox="0 0 {width:.0f} {height:.0f}" role="img" '
        f'aria-label="{escape(label)}" style="{style}" font-family="{_FONT}" font-size="11">\n{inner}\n</svg>'
    )
    if height <= MOST_HIGH:
        return drawn
    return f'<div style="max-height:{MOST_HIGH}px;overflow:auto">{drawn}</div>'
