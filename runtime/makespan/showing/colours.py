"""The colours of all pictures: they carry meaning, never identity, and never alone.

What a bar is filled with differs in lightness too, so that it can be told apart by the colour-blind and in
grey print; waits are striped or dotted besides.
"""

from __future__ import annotations

from typing import Final

INK, QUIET, LINE, PAPER = "#1d1c1a", "#6b6862", "#dedad2", "#ffffff"

FILL: Final = {
    "gil": "#b5402f",
    "native": "#4a86b8",
    "blocked": "#d8d2c4",
    "gil_wait": "#f3cdc3",
    "delay": "#f0dc9f",
    "longer": "#f0dc9f",
    "unknown": "#a9a59c",
}
DARK: Final = {
    "ink": "#ecebe7",
    "quiet": "#a19d95",
    "line": "#34363a",
    "paper": "#202225",
    "gil": "#d0583f",
    "native": "#7fb4e2",
    "blocked": "#4d4b46",
    "gil_wait": "#6b3b30",
    "delay": "#e3d08a",
    "longer": "#e3d08a",
    "unknown": "#8b8880",
}
"""The same on dark paper."""
WORDS: Final = {
    "gil": "holds the GIL",
    "native": "native, GIL released",
    "blocked": "blocked / IO",
    "gil_wait": "waits for the GIL",
    "delay": "waits for a core",
    "longer": "longer than alone",
    "unknown": "not profiled",
}
# A wait has the colour of what is waited for, as stripes the other way than those of blocked time.
HATCH: Final = {"blocked": "////", "gil_wait": "\\\\\\\\", "delay": "...."}
HATCH_INK: Final = {"gil_wait": FILL["gil"], "delay": QUIET}

RUNNING: Final = "#a3b3bf"
IDLE_FILL: Final = {
    "inputs": "#e6ecf1",
    "lock": "#e3d3ea",
    "GIL": FILL["gil_wait"],
    "budget": FILL["delay"],
    "nothing left": "#ffffff",
}
"""Of time in which nothing ran in a lane, by cause; see `makespan.showing.figures.IdleCause`."""
IDLE_WORDS: Final = {
    "inputs": "idle: waits for inputs",
    "lock": "idle: waits for a lock",
    "GIL": "idle: kept off the GIL",
    "budget": "idle: a node was ready",
    "nothing left": "idle: nothing left to do",
}
IDLE_HATCH: Final = {"inputs": "...", "lock": "////", "GIL": "\\\\\\\\"}
STRIP: Final = {
    "inputs": ("#b7b2a7", "#6c685f"),
    "lock": ("#6d4f9c", "#a98bd8"),
    "GIL": (FILL["gil"], DARK["gil"]),
    "budget": ("#d09a1e", "#d9a93c"),
    "nothing left": ("#e4e0d8", "#34363a"),
}
"""Of idle time drawn as a strip below the bars: too thin for pale colours; on light and on dark paper."""
