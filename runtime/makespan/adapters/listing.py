"""Which adapters there are, which version of each library is installed, and which ones were tested.

Nothing of the libraries is imported: a version is read from what pip wrote.
"""

from __future__ import annotations

import re
from itertools import zip_longest

import msgspec

from makespan.adapters import ADAPTERS, load_adapter

# Libraries that are also installed by another name.
_ALSO = {"sf-hamilton": ("apache-hamilton",)}


class Listed(msgspec.Struct, frozen=True):
    """An adapter, as ``makespan doctor`` tells of it."""

    name: str
    library: str
    installed: str | None
    """None: not installed."""
    tested: tuple[str, str]
    """Oldest and newest version."""

    @property
    def verdict(self) -> str:
        """Whether the installed version is one that was tested: tested, older, newer, missing."""
        if self.installed is None:
            return "missing"
        oldest, newest = self.tested
        if _compared(self.installed, oldest) < 0:
            return "older"
        return "newer" if _compared(self.installed, newest) > 0 else "tested"

    def text(self) -> str:
        """Return it in words.

        >>> Listed("dask", "dask", "2024.12.1", ("2025.1", "2026.8")).text()
        'dask 2024.12.1 (tested: 2025.1 to 2026.8; this one is older)'
        >>> Listed("tawazi", "tawazi", None, ("0.6.2", "0.6.2")).text()
        "tawazi missing (tested: 0.6.2)  →  pip install 'tawazi==0.6.2'"
        """
        oldest, newest = self.tested
        tested = oldest if oldest == newest else f"{oldest} to {newest}"
        if self.installed is None:
            wanted = f"{self.library}=={oldest}" if oldest == newest else f"{self.library}>={oldest}"
            return f"{self.library} missing (tested: {tested})  →  pip install '{wanted}'"
        other = "" if self.verdict == "tested" else f"; this one is {self.verdict}"
        return f"{self.library} {self.installed} (tested: {tested}{other})"


def adapters() -> tuple[Listed, ...]:
    """Return all adapters of this installation."""
    found = []
    for name, module in ADAPTERS.items():
        adapter = load_adapter(module)
        if adapter is not None:
            found.append(Listed(name, adapter.LIBRARY, _installed(adapter.LIBRARY), adapter.TESTED))
    return tuple(found)


def _installed(library: str) -> str | None:
    from importlib.metadata import PackageNotFoundError, version

    for name in (library, *_ALSO.get(library, ())):
        try:
            return version(name)
        except PackageNotFoundError:
            continue
    return None


def _compared(version: str, bound: str) -> int:
    """Compare as far as the bound goes: 2026.8.1 is no newer than 2026.8.

    >>> _compared("2026.8.1", "2026.8"), _compared("3.10", "3.9"), _compared("0.6.2rc1", "0.6.2")
    (0, 1, 0)
    """
    mine, theirs = (list(map(int, re.findall(r"\d+", text.partition("+")[0]))) for text in (version, bound))
    for a, b in zip_longest(mine[: len(theirs)], theirs, fillvalue=0):
        if a != b:
            return 1 if a > b else -1
    return 0
