"""DAGs, profiles, plans and runs as networkx graphs, and as the JSON that networkx reads."""

from __future__ import annotations

import json
from typing import Any

from makespan.errors import missing_extra
from makespan.exporting.rows import Sheet, edges, sheet_of


def to_networkx(thing: Any) -> Any:
    """Return a ``networkx.DiGraph``: all figures of a node as attributes, ``order_only`` on edges.

    Raises
    ------
    MissingExtraError
        networkx is not installed.
    OptionError
        It is no DAG, profile, plan or run.
    """
    sheet = sheet_of(thing)
    try:
        import networkx as nx
    except ImportError as error:
        raise missing_extra("to_networkx", "networkx", "optimize") from error
    graph = nx.DiGraph(**_about(sheet))
    for row in sheet.rows:
        graph.add_node(row["name"], **_figures(row))
    for before, name, order_only in edges(sheet.rows):
        graph.add_edge(before, name, order_only=order_only)
    return graph


def to_node_link(thing: Any) -> str:
    """Return the JSON that ``networkx.node_link_graph(json.load(file), edges="edges")`` reads.

    Raises
    ------
    OptionError
        It is no DAG, profile, plan or run.
    """
    sheet = sheet_of(thing)
    head = {"directed": True, "multigraph": False, "graph": _about(sheet)}
    nodes = [{"id": row["name"], **_figures(row)} for row in sheet.rows]
    links = [
        {"source": before, "target": name, "order_only": order_only}
        for before, name, order_only in edges(sheet.rows)
    ]
    # A line a node or edge, so that two files can be compared; ASCII, so that every name can be written.
    parts = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in head.items()]
    for key, items in (("nodes", nodes), ("edges", links)):
        lines = ",\n".join(f"  {json.dumps(item, allow_nan=False)}" for item in items)
        parts.append(f'"{key}": [\n{lines}\n ]' if items else f'"{key}": []')
    return "{" + ",\n ".join(parts) + "}\n"


def _about(sheet: Sheet) -> dict[str, Any]:
    about = {"name": sheet.name, "what": sheet.what, **sheet.about}
    return about | ({"notes": list(sheet.notes)} if sheet.notes else {})


def _figures(row: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key not in {"name", "after", "order_only"}}
