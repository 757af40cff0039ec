"""``makespan profile --update``: which nodes have to be measured anew, and which keep what is known of them.

A node is measured anew when it is new, when its code changed (its own, or that of what it calls), or when it
was not measured. What it needs for its inputs runs as well, but is not recorded: what is known of unchanged
nodes stays as it is. Pairs with a node measured anew are tried again, as far as the time for trials allows;
so unchanged nodes may be called beside it. A node that was only hinted at stays so; profile without
``--update`` to measure it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from makespan.machine import this_machine
from makespan.plan import DagId
from makespan.showing.words import plural, some
from makespan_optimizer.measure.hints import Hint
from makespan_optimizer.measure.merge import ensure_mergeable, stale_nodes
from makespan_optimizer.measure.shapes import shapes

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from makespan.graph import DAG
    from makespan.profile import Profile


class Update(NamedTuple):
    """What is to be measured anew, by reason."""

    changed: tuple[str, ...]
    new: tuple[str, ...]
    unmeasured: tuple[str, ...]
    removed: tuple[str, ...]
    hints: dict[str, Any]
    """Of nodes that are not run: those given now, and those of before."""
    total: int
    still_hinted: tuple[str, ...] = ()
    """Hinted at before, and not now."""
    old: Profile | None = None
    """What is known so far."""

    @property
    def only(self) -> tuple[str, ...]:
        """The nodes to be measured."""
        return (*self.changed, *self.new, *self.unmeasured)

    def told(self) -> str:
        """Say it in a sentence.

        >>> Update(("a",), (), (), (), {}, 40).told()
        '1 of 40 nodes measured anew: a (code changed)'
        """
        reasons = (
            (self.changed, "code changed"),
            (self.new, "new"),
            (self.unmeasured, "not measured before"),
        )
        parts = [f"{some(names, 20)} ({why})" for names, why in reasons if names]
        gone = f"; hinted at as before: {some(self.still_hinted, 20)}" if self.still_hinted else ""
        gone += f"; no longer there: {some(self.removed, 20)}" if self.removed else ""
        if not parts:
            return f"nothing to measure anew, {plural(self.total, 'node')} kept{gone}"
        return f"{len(self.only):,} of {plural(self.total, 'node')} measured anew: {'; '.join(parts)}{gone}"


def update_of(
    dag: DAG[..., Any], old: Profile, hints: Mapping[str, Any] | None = None, *, where: str | None = None
) -> Update:
    """Compare a profile with the DAG as it is now.

    Parameters
    ----------
    dag : DAG
    old : Profile
    hints : mapping of node name to hint, optional
        Given now; such nodes are not measured.
    where : str, optional
        The file of `old`, for errors.

    Raises
    ------
    ProfileError
        The profile is of another machine.
    """
    identity = DagId(dag.name, dag.fingerprint)
    ensure_mergeable(old, identity, this_machine(), where=where, update=True)
    shape = shapes(dag)
    stale = set(stale_nodes(old, identity, shape))
    before = {node.name: node for node in old.nodes}
    known = {its.name for its in old.shape}
    said: dict[str, Any] = dict(hints or {})
    found: dict[str, list[str]] = {"changed": [], "new": [], "unmeasured": []}
    for its in shape:
        node = before.get(its.name)
        if its.name in said or not its.measure:
            continue
        if node is None:
            found["unmeasured" if its.name in known else "new"].append(its.name)
        elif node.origin == "hint":
            said[its.name] = Hint(node.wall_net_s.median, node.kind, max(1.0, node.cores_peak))
        elif node.origin == "trace":
            found["unmeasured"].append(its.name)
        elif its.name in stale:
            found["changed"].append(its.name)
    return Update(
        changed=tuple(found["changed"]),
        new=tuple(found["new"]),
        unmeasured=tuple(found["unmeasured"]),
        removed=tuple(_without([its.name for its in old.shape], {its.name for its in shape})),
        hints=said,
        total=len(shape),
        still_hinted=tuple(name for name in said if name not in (hints or {})),
        old=old,
    )


def _without(names: Collection[str], others: Collection[str]) -> list[str]:
    return [name for name in names if name not in others]
