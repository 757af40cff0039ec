"""What is put round a node's function: awaiting, retries, a cache, running once.

::

    set-up ( cache ( retries ( awaited ( limits of native threads ( the function )))))

Only what a node declares is put there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from makespan.describing.options import NO_OPTIONS
from makespan.describing.returned import is_coroutine_function

if TYPE_CHECKING:
    from collections.abc import Callable

    from makespan.describing.building import Node
    from makespan.graph import DAG


def called_plainly(node: Node) -> Node:
    """Return a node whose function may be called in any thread: a coroutine function is waited for."""
    if not is_coroutine_function(node.fn):
        return node
    from makespan.awaiting.coroutines import awaited

    return msgspec.structs.replace(node, fn=awaited(node.fn))


def declared(dag: DAG[..., Any], number: int, node: Node, *, caching: bool = False) -> Node:
    """Return a node whose function does what the node declares, whatever the plan: retries, set-up.

    Parameters
    ----------
    dag : DAG
        It keeps what outlives runs.
    number : int
        The node's.
    node : Node
        Its function may be another one than the DAG's: what is put round it goes round that one.
    caching : bool
        Also look for kept results (not while profiling).
    """
    options = node.options
    if options is NO_OPTIONS:
        return called_plainly(node)
    node = called_plainly(node)
    fn = node.fn
    if options.retries:
        from makespan.around.retry import retried

        fn = retried(number, options, fn)
    if caching and options.cache is not None:
        from makespan.around.cache import cached

        fn = cached(dag._cache_of(node), node.name, options.cache, fn)  # noqa: SLF001
    if options.setup:
        from makespan.around.setup_nodes import set_up

        fn = set_up(dag._setups, node, dag.name, fn)  # noqa: SLF001
    return node if fn is node.fn else msgspec.structs.replace(node, fn=fn)


def declared_functions(dag: DAG[..., Any], instead: dict[str, Callable[..., Any]]) -> None:
    """Put what nodes declare round their functions, or round what is called instead of these."""
    for number, (name, node) in enumerate(list(dag.nodes.items())):
        options = node.options
        if options is not NO_OPTIONS and (options.retries or options.setup or options.cache is not None):
            fn = instead.get(name, node.fn)
            its = msgspec.structs.replace(node, fn=fn)
            instead[name] = declared(dag, number, its, caching=True).fn
