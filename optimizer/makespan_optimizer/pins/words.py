"""The words of a pin, as they are said on the command line.

::

    NODES after NODES        they start when the others have finished
    NODES in order           they start in this order
    NODES first | last       before, after all others that may start
    NODES priority=N         the larger N, the sooner; 0 where nothing is said
    NODES lock=NAME          of these, one runs at a time
    NODES process | thread   where they run
    NODES once               never run again in a worker process
    NODES native=N           native threads

NODES are names with commas between them: ``"load, parse in order"``. A name that holds blanks, commas or
quotes is written in double quotes, a quote or backslash in it after a backslash.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from makespan.errors import OptionError, did_you_mean

VERBS = (
    "after",
    "in order",
    "first",
    "last",
    "priority=N",
    "lock=NAME",
    "process",
    "thread",
    "once",
    "native=N",
)
_PLAIN = frozenset({"first", "last", "process", "thread", "once"})
_VALUED = frozenset({"priority", "lock", "native"})
_TOKEN = re.compile(r'\s*(?:"((?:[^"\\]|\\.)*)"|(,)|([^\s,"]+))')


class Said(NamedTuple):
    """A pin as it was said: nodes, verb, and what follows it."""

    nodes: tuple[str, ...]
    verb: str
    others: tuple[str, ...] = ()
    value: str = ""


class _Token(NamedTuple):
    text: str
    quoted: bool
    comma: bool


def read_words(text: str) -> Said:
    """Read one pin.

    Raises
    ------
    OptionError
        It does not follow the grammar; what was expected is said.

    >>> read_words('load, "my node" after fetch')
    Said(nodes=('load', 'my node'), verb='after', others=('fetch',), value='')
    >>> read_words("plot lock=screen").value
    'screen'
    """
    where = f"pin {text!r}"
    tokens = _tokens(text, where)
    nodes, at = _names(tokens, 0, where)
    rest = tokens[at:]
    if not rest:
        raise OptionError("does not say what is pinned", where=where, hint=_usage())
    word, comma, quoted = rest[0].text, rest[0].comma, rest[0].quoted
    key, _, value = word.partition("=")
    if comma or quoted:
        raise OptionError(f"expected what to do with the nodes, not {word!r}", where=where, hint=_usage())
    if word == "after":
        others, end = _names(rest, 1, where)
        return _ended(Said(nodes, "after", others), rest[end:], where)
    if word == "in" and [token.text for token in rest[1:2]] == ["order"]:
        return _ended(Said(nodes, "order"), rest[2:], where)
    if word in _PLAIN:
        return _ended(Said(nodes, word), rest[1:], where)
    if key in _VALUED:
        after = rest[1:]
        if not value and after and after[0].quoted:  # lock="a name"
            value, after = after[0].text, after[1:]
        if not value:
            raise OptionError(f"{key}= needs a value", where=where, hint=_usage())
        return _ended(Said(nodes, key, (), value), after, where)
    hint = did_you_mean(key, [*_PLAIN, *_VALUED, "after", "in order"]) or _usage()
    raise OptionError(f"{word!r} is nothing that a node can be pinned to", where=where, hint=hint)


def quoted(name: str) -> str:
    """Return a name as it is written in a pin.

    >>> quoted("a"), quoted("a b")
    ('a', '"a b"')
    """
    if name and not re.search(r'[\s,"\\]', name):
        return name
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _tokens(text: str, where: str) -> list[_Token]:
    found = []
    at, end = 0, len(text.rstrip())
    while at < end:
        match = _TOKEN.match(text, at)
        if match is None:
            raise OptionError("a quote is not closed", where=where)
        named, comma, word = match.groups()
        if named is not None:
            found.append(_Token(re.sub(r"\\(.)", r"\1", named), True, False))
        else:
            found.append(_Token(comma or word, False, bool(comma)))
        at = match.end()
    return found


def _names(tokens: list[_Token], at: int, where: str) -> tuple[tuple[str, ...], int]:
    """Read names with commas between them; return them, and where they end."""
    names: list[str] = []
    while True:
        if at >= len(tokens) or tokens[at].comma:
            raise OptionError("a node's name is missing", where=where, hint=_usage())
        names.append(tokens[at].text)
        at += 1
        if at >= len(tokens) or not tokens[at].comma:
            return tuple(names), at
        at += 1


def _ended(said: Said, rest: list[_Token], where: str) -> Said:
    if rest:
        raise OptionError(
            f"{rest[0].text!r} is one word too many",
            where=where,
            hint="a name with blanks is written in double quotes",
        )
    return said


def _usage() -> str:
    return f"NODES, then one of: {', '.join(VERBS)}"
