"""Sentences in short: those that differ in their numbers and names only are one sentence with gaps."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

Gap = int | float | str | list[int]

_MARKED = re.compile(r"[\d_]")
_NUMBER = re.compile(r"(?:0|[1-9][0-9]*)(?:\.[0-9]{0,4}[1-9])?")
_WORD = re.compile(r"\w(?:[\w.,]*\w)?")


class Sentences:
    r"""Sentences as [place of the sentence with gaps, what fills the first gap, the second …].

    A gap is a word that is a node's name (written as -1 - its place) or holds a digit or an underscore; one
    with letters is written as [its place in `texts`].

    >>> said = Sentences({"load_1": 0, "load_2": 1})
    >>> said.put("rank 3 of 9"), said.put("rank 4 of 9"), said.put("alone"), said.put("waits for load_2.")
    ([0, 3, 9], [0, 4, 9], [1], [2, -2])
    >>> said.put("ran in my_module.py"), said.texts
    ([3, [0]], ['my_module.py'])
    >>> said.found[:3]
    ['rank \x00 of \x00', 'alone', 'waits for \x00.']
    """

    def __init__(self, names: Mapping[str, int]) -> None:
        self.found: list[str] = []
        self.texts: list[str] = []
        self._names, self._all = names, f"{len(names):,}"  # how many nodes there are is no gap
        self._text: dict[str, int] = {}
        self._place: dict[str, int] = {}

    def put(self, text: str) -> list[Gap] | Literal[0]:
        """Return the sentence in short; 0 of nothing."""
        if not text:
            return 0
        text = text.replace("\0", "\\x00")
        gaps: list[Gap] = []

        def gap(found: re.Match[str]) -> str:
            word = found[0]
            if word not in self._names and (word == self._all or not _MARKED.search(word)):
                return word
            gaps.append(self._word(word))
            return "\0"

        mould = _WORD.sub(gap, text)
        if mould not in self._place:
            self._place[mould] = len(self.found)
            self.found.append(mould)
        return [self._place[mould], *gaps]

    def _word(self, text: str) -> Gap:
        if text in self._names:
            return -1 - self._names[text]
        if len(text) < 16 and _NUMBER.fullmatch(text):  # a script counts no further, and writes it the same
            return float(text) if "." in text else int(text)
        if text.isascii() and not re.search("[A-Za-z]", text):
            return text
        if text not in self._text:
            self._text[text] = len(self.texts)
            self.texts.append(text)
        return [self._text[text]]
