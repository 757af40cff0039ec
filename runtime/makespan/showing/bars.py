"""The colours under the name that they had; see `makespan.showing.colours`."""

from makespan.showing.colours import FILL, WORDS

__all__ = ["FILL", "WORDS"]
