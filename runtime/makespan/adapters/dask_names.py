"""Names for dask's tasks that are the same in every process: keys without their tokens, numbered.

    ('ones_like-454bfe9d…', 0, 1)     ones_like.0.1
    'add-5ea8aa4b-cd98-…'             add, then add_2, add_3 …
    'my-own-key'                      my-own-key

The kind of a task is its name without the number and the indices: tasks of one kind call the same functions
on other pieces, and share a tag.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from makespan.describing.options import check_name

if TYPE_CHECKING:
    from collections.abc import Iterable

_TOKEN = re.compile(r"-(?:[0-9a-f]{32}|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})(?=-|$)")
_LONG = 100


class Named(NamedTuple):
    """A task's name, and its kind."""

    name: str
    kind: str


def names_of(chains: Iterable[tuple[Any, tuple[Any, ...]]]) -> dict[Any, Named]:
    """Name tasks, in the order in which they come.

    Parameters
    ----------
    chains : iterable of (key, keys)
        A task's key, and the keys of the tasks that were fused into it.

    Raises
    ------
    DescribeError
        A key cannot be written as text.

    >>> names_of([(("x-" + "0" * 32, 1), (("x-" + "0" * 32, 1),)), ("x", ("x",))])
    {('x-00000000000000000000000000000000', 1): Named(name='x.1', kind='x'), 'x': Named(name='x_2', kind='x')}
    """
    layers: dict[Any, str] = {}
    count: dict[str, int] = {}
    taken: set[str] = set()
    named: dict[Any, Named] = {}
    for key, chain in chains:
        kind = _kind(key, chain)
        layer, indices = (key[0], key[1:]) if isinstance(key, tuple) and key else (key, ())
        told = "".join(f".{_index(i)}" for i in indices)
        base = layers.get((layer, kind))
        if base is None or base + told in taken:
            while True:
                count[kind] = count.get(kind, 0) + 1
                base = kind if count[kind] == 1 else f"{kind}_{count[kind]}"
                if base + told not in taken:
                    break
            layers[layer, kind] = base
        name = check_name("task", base + told, lambda: "dask")
        taken.add(name)
        named[key] = Named(name, kind)
    return named


def plain(key: Any) -> str:
    """Return a key's first part as text, without tokens.

    >>> plain(("sum-part-7f0c9b933bdcec5660a8174e0e242032", 1)), plain("page-2024")
    ('sum-part', 'page-2024')
    """
    while isinstance(key, tuple) and key:
        key = key[0]
    if isinstance(key, bytes):
        key = key.decode("utf-8", "backslashreplace")
    text = key if isinstance(key, str) else repr(key) if isinstance(key, int | float) else type(key).__name__
    return _TOKEN.sub("", text).removesuffix("-hlgfinalizecompute") or "task"


def _index(index: Any) -> str:
    return "(" + ",".join(map(_index, index)) + ")" if isinstance(index, tuple) else str(index)


def _kind(key: Any, chain: tuple[Any, ...]) -> str:
    """Return a key without tokens; dask cuts the long names of fused tasks, with parts of tokens in them."""
    kind = plain(key)
    return kind if len(kind) <= _LONG or len(chain) < 2 else f"{plain(chain[0])}-…-{plain(chain[-1])}"
