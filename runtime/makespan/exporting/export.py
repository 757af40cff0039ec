"""The forms in which a plan (or DAG, profile, run) leaves: one table of all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from makespan.errors import OptionError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable

    from makespan.plan import Plan


class Exported(NamedTuple):
    """What an export gives."""

    text: str
    lost: tuple[str, ...] = ()
    """What the form cannot carry, a sentence each."""


class Form(NamedTuple):
    """One way out."""

    about: str
    ending: str
    make: Callable[[Any], Exported]


def _csv(thing: Any) -> Exported:
    from makespan.exporting.rows import sheet_of
    from makespan.exporting.table import to_csv

    return Exported(to_csv(thing), sheet_of(thing).notes)


def _networkx(thing: Any) -> Exported:
    from makespan.exporting.graphs import to_node_link

    return Exported(to_node_link(thing))


def _dot(thing: Any) -> Exported:
    from makespan.exporting.dot import to_dot
    from makespan.exporting.rows import sheet_of

    sheet = sheet_of(thing)  # what a plan asks for beside is in the tooltips
    return Exported(to_dot(thing), sheet.notes if sheet.what == "run" else ())


def _mermaid(thing: Any) -> Exported:
    from makespan.exporting.mermaid import to_mermaid, too_large
    from makespan.exporting.rows import sheet_of

    text = to_mermaid(thing)
    return Exported(text, (*too_large(text), *sheet_of(thing).notes))


def _tawazi(thing: Any) -> Exported:
    from makespan.adapters.tawazi.config import export_plan

    return Exported(*export_plan(_plan(thing, "tawazi")))


def _dask(thing: Any) -> Exported:
    from makespan.exporting.cluster import to_priorities

    return Exported(*to_priorities(_plan(thing, "dask")))


def _plan(thing: Any, to: str) -> Plan:
    """Return what only a plan has: an order."""
    from makespan.plan import Plan

    if isinstance(thing, Plan):
        return thing
    its = getattr(getattr(thing, "record", thing), "plan", None)
    if isinstance(its, Plan):  # the plan that a run followed
        return its
    raise OptionError(
        f"takes a plan, not a {type(thing).__name__}", where=f"--to {to}", hint="makespan optimize"
    )


FORMS = {
    "tawazi": Form("JSON for config_from_json of a Tawazi DAG: encoded priorities", "json", _tawazi),
    "dask": Form("JSON: priorities and resources of the tasks, for a dask cluster", "json", _dask),
    "csv": Form("a table, a row a node, for spreadsheets and 'makespan profile --from'", "csv", _csv),
    "networkx": Form("JSON for networkx.node_link_graph, all figures as attributes", "json", _networkx),
    "dot": Form("a drawing for Graphviz", "dot", _dot),
    "mermaid": Form("a drawing for Markdown", "mmd", _mermaid),
}


def export(thing: Any, to: str) -> Exported:
    """Return a DAG, profile, plan or run in another form.

    Raises
    ------
    OptionError
        No such form; something that the form cannot hold, with the node's name.
    """
    if to not in FORMS:
        hint = did_you_mean(str(to), FORMS) or f"forms: {', '.join(FORMS)}"
        raise OptionError(f"{to!r} is not a form to export to", where="to", hint=hint)
    return FORMS[to].make(thing)
