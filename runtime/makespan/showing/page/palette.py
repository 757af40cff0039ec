"""The colours of the page as variables of its style sheet: those of all pictures, on light and dark paper."""

from __future__ import annotations

from typing import Final

from makespan.showing.colours import DARK, FILL, INK, QUIET, STRIP

# The page is on off-white and near-black paper of its own: (light, dark, printed).
_OWN: Final = {
    "paper": ("#fcfbf8", "#17181a", "#fff"),
    "card": ("#ffffff", DARK["paper"], "#fff"),
    "ink": (INK, DARK["ink"], "#000"),
    "quiet": (QUIET, DARK["quiet"], "#555"),
    "line": ("#e4e0d8", DARK["line"], "#ccc"),
    "accent": ("#2f6b9a", "#8fbfe8", "#2f6b9a"),
    "edge": ("#8d887e", "#74716a", "#8d887e"),
    "stripe": ("#c0b8a6", "#6b6861", "#c0b8a6"),
    "dots": ("#8f7a35", "#6f5f24", "#8f7a35"),
    "warn": ("#fbeae6", "#35211d", "#fff"),
    "warn-line": (FILL["gil"], DARK["gil"], FILL["gil"]),
}
_FILLS: Final = {
    "gil": "gil",
    "native": "native",
    "blocked": "blocked",
    "wait": "gil_wait",
    "longer": "longer",
    "unknown": "unknown",
}
"""Variables of what fills a bar, and what it is called in `makespan.showing.colours`."""
_STRIPS: Final = {"inputs": "inputs", "lock": "lock", "gil": "GIL", "budget": "budget", "end": "nothing left"}


def variables(look: int) -> dict[str, str]:
    """Return the colours of a look: 0 light, 1 dark, 2 printed.

    >>> variables(0)["gil"] == FILL["gil"], variables(1)["gil"] == DARK["gil"]
    (True, True)
    """
    found = {name: colours[look] for name, colours in _OWN.items()}
    found |= {name: (DARK if look == 1 else FILL)[part] for name, part in _FILLS.items()}
    return found | {f"idle-{name}": STRIP[cause][look == 1] for name, cause in _STRIPS.items()}


def css() -> str:
    """Return the variables in CSS; the element ``#paper`` has the light ones, whatever the rest has."""
    light, dark, printed = (
        "".join(f"--{name}:{colour};" for name, colour in variables(look).items()) for look in range(3)
    )
    return (
        f":root,#paper{{{light}}}\n"
        f"@media (prefers-color-scheme: dark){{:root{{{dark}}}}}\n"
        f"@media print{{:root{{{printed}}}}}\n"
    )
