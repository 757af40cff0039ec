"""``makespan.profile_from_table``: a profile of figures that were had elsewhere; nothing is run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import os

    from makespan.profile import Profile


def profile_from_table(
    source: Any,
    *,
    cores: float | None = None,
    name: str | None = None,
    graph: str | os.PathLike[str] | None = None,
) -> Profile:
    """Return a profile of a table (a row a node, with its seconds and predecessors) or of a trace.

    Parameters
    ----------
    source : path, DataFrame, or iterable of mappings
        Columns ``name`` and ``seconds``; optional ``predecessors`` (separated by ``;`` or blanks), ``class``,
        ``lock``, ``exclusive``, ``tags``. A file is CSV, JSON, a WfCommons instance (WfFormat
        1.5), a trace of Chrome's format whose flow events tell what waits for what, or Ninja's log.
    cores : float, optional
        Cores of the machine; those that the file tells, else those of this machine.
    name : str, optional
        Of the DAG.
    graph : path, optional
        With Ninja's log: what ``ninja -t graph`` prints.

    Raises
    ------
    ProfileError
        The table cannot be read; with file, row and column. A cycle is named in order.
    OptionError
        A number of cores that cannot be.
    """
    from makespan_optimizer.measure.traces.tables import profile_from_table as read

    return read(source, cores=cores, name=name, graph=graph)
