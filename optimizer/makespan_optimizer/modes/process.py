"""What it costs to run nodes in a resident worker process instead of a thread.

::

    parent   pickle inputs ─┐ (GIL)                                          ┌─ unpickle results (GIL)
                            └─ pipe ─┐                              ┌─ pipe ─┘
    worker                           └ unpickle, nodes…, pickle ────┘ (a GIL of its own)

The parent's thread waits meanwhile: the GIL is taken only while it pickles and unpickles. What crosses is
pickled once, and goes through a socket, or, when it is large, through memory that both map: either is the
pipe here. `makespan.measurement.Pickling` tells both ends of it, copies of large buffers included. What does
not pickle, or was not measured, does not cross.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from makespan.measurement import NodeProfile, Pickling
    from makespan.profile import Shape

# Medians on two cores of a virtual machine (CPython 3.11, Linux). A call that does nothing, of a worker that
# had waited for 3 ms; one after the other they take 0.11 ms.
HAND_OVER_S = 0.0002
# What a byte takes beside pickling and unpickling, in 1 to 32 MiB: tables and arrays 0.4 to 0.7 ns (all of it
# 0.6 to 0.9), others -4 to 3, for their pickling alone varies by more than that.
BYTE_S = 0.5e-9
# Until a new worker has answered a call of a builtin; only counts for a process that runs the DAG once.
START_S = 0.09

_SAME_SHARE = 0.02  # arguments this much larger than the results they are made of hold nothing else
_SAME_BYTES = 1024


class Transfer(NamedTuple):
    """What crosses to or from a worker: seconds and bytes."""

    pickle_s: float = 0.0
    unpickle_s: float = 0.0
    bytes: int = 0

    @property
    def pipe_s(self) -> float:
        """In the pipe; neither end needs its GIL for that."""
        return self.bytes * BYTE_S

    @property
    def total_s(self) -> float:
        """From one end to the other."""
        return self.pickle_s + self.pipe_s + self.unpickle_s

    def plus(self, other: Transfer) -> Transfer:
        """Return both, one after the other."""
        return Transfer(
            self.pickle_s + other.pickle_s, self.unpickle_s + other.unpickle_s, self.bytes + other.bytes
        )


def transfer_of(pickling: Pickling | None) -> Transfer | None:
    """Return what a value costs to send; None when it cannot be sent or that is not known."""
    if pickling is None or not pickling.picklable or pickling.pickle_s is None or pickling.unpickle_s is None:
        return None
    return Transfer(pickling.pickle_s, pickling.unpickle_s, pickling.bytes or 0)


def fault_of(pickling: Pickling | None, what: str) -> str:
    """Say why a value cannot be sent; empty when it can.

    >>> fault_of(None, "its result")
    'how its result pickles was not measured'
    """
    if pickling is None:
        return f"how {what} pickles was not measured"
    if transfer_of(pickling) is not None:
        return ""
    because = f" ({pickling.reason})" if pickling.reason else ""
    if pickling.picklable is False:
        return f"{what} does not pickle{because}"
    if pickling.picklable is None:
        return f"it is not known whether {what} pickles{because}"
    return f"what it costs to make {what} again was not measured{because}"


def kept_here(shape: Shape, node: NodeProfile) -> str:
    """Say why a node cannot run in a worker at all; empty when it can."""
    if shape.exclusive:
        return "it is exclusive: it runs alone in this process"
    if not shape.measure or node.origin != "measured":
        return "it was not run while profiling: how its arguments pickle is not known"
    return fault_of(node.args_pickling, "what it takes")


def beside_results(node: NodeProfile, producers: list[NodeProfile]) -> Transfer:
    """Return what a node takes beside the results of other nodes: inputs of the DAG and constants.

    Arguments as large as the results they come from hold nothing else. Of others the part that is not
    explained by results costs its share. Results of unknown size explain nothing: the whole is counted.
    """
    whole = transfer_of(node.args_pickling)
    if whole is None:
        return Transfer()
    known = sum(its.bytes for p in producers if (its := transfer_of(p.result_pickling)) is not None)
    left = whole.bytes - known
    if not producers:
        return whole
    if left <= _SAME_BYTES + _SAME_SHARE * whole.bytes or not whole.bytes:
        return Transfer()
    share = left / whole.bytes
    return Transfer(whole.pickle_s * share, whole.unpickle_s * share, left)
