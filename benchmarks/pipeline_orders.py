"""A pipeline's nodes in several orders of declaration, and as a makespan DAG in each.

Whoever starts what is ready first come, first served lives on the luck of that order. Plans speak of nodes by
name and fit all of them.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

import msgspec

from makespan import DAG, Node
from makespan.describing.arguments import Ref, Tree, references
from makespan.describing.options import Options

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from benchmarks.pipeline_nodes import Pipeline


def order_of(deps: Mapping[str, Sequence[str]], seed: int) -> list[str]:
    """Return the nodes in a topological order: as they stand (0), or drawn by a seed.

    >>> order_of({"b": ["a"], "a": []}, 0), order_of({"a": [], "b": []}, 1)
    (['a', 'b'], ['a', 'b'])
    """
    draw = Random(seed)
    left = list(deps)
    done: set[str] = set()
    order: list[str] = []
    while left:
        ready = [name for name in left if done.issuperset(deps[name])]
        name = draw.choice(ready) if seed else ready[0]
        left.remove(name)
        done.add(name)
        order.append(name)
    return order


def as_dag(pipeline: Pipeline, names: Sequence[str], wanted: Collection[str]) -> DAG[..., Any]:
    """Return a makespan DAG with the nodes in this order; it returns the results of `wanted` by name.

    Results that a DAG returns otherwise, and those that nobody takes, are returned too, as what a peer
    returns holds them.
    """
    made: DAG[..., Any] = DAG(pipeline.name)
    taken = {dep for _, deps in pipeline.nodes.values() for dep in deps}
    returned = {name for name in names if name not in taken or name in wanted}
    own = pipeline.dag
    if own is None:
        for name in names:
            made._nodes[name] = _node(pipeline, name)
    else:
        returned |= {ref.name for ref in references(own.output) if not ref.is_input}
        made._inputs = dict(own.inputs)
        for name in names:
            its = own.nodes[name]
            if pipeline.process_ok is not None and name not in pipeline.process_ok and not its.options.mode:
                its = msgspec.structs.replace(
                    its, options=msgspec.structs.replace(its.options, mode="thread")
                )
            made._nodes[name] = its
    kept = [name for name in names if name in returned]
    made._output = Tree(lambda values: dict(zip(kept, values, strict=True)), [Ref(name) for name in kept])
    made._has_output = True
    return made


def _node(pipeline: Pipeline, name: str) -> Node:
    fn, deps = pipeline.nodes[name]
    ok = pipeline.process_ok is None or name in pipeline.process_ok
    options = Options(locks=pipeline.locks()[name], mode=None if ok else "thread")
    return Node(name, fn, tuple(Ref(dep) for dep in deps), options=options, place=pipeline.name)
