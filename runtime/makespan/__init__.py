"""makespan: profile a DAG of Python functions, plan it, run it, see planned against actual.

What describes a DAG is imported at once; the kinds of files when they are first asked for.
"""

from typing import TYPE_CHECKING, Any

from makespan._version import __version__
from makespan.describe import NodeFunction, dag, node
from makespan.describing.node_options import NodeOptions
from makespan.errors import (
    DescribeError,
    MakespanError,
    MissingExtraError,
    OptionError,
    PlanError,
    ProfileError,
    RecordError,
    TargetError,
)
from makespan.graph import DAG, Node

if TYPE_CHECKING:
    from makespan.adapters.from_dask import from_dask
    from makespan.adapters.from_graphlib import from_graphlib
    from makespan.adapters.from_hamilton import from_hamilton
    from makespan.adapters.from_networkx import from_networkx
    from makespan.adapters.from_pipefunc import from_pipefunc
    from makespan.adapters.tawazi import from_tawazi
    from makespan.around.cache import CacheInfo
    from makespan.around.drift import Drift
    from makespan.around.hooks import Hooks, LogHooks
    from makespan.around.telemetry import TelemetryHooks
    from makespan.comparing.comparison import compare
    from makespan.exporting.dot import to_dot
    from makespan.exporting.graphs import to_networkx
    from makespan.exporting.mermaid import to_mermaid
    from makespan.exporting.table import to_csv
    from makespan.from_table import profile_from_table
    from makespan.plan import Plan, load_plan
    from makespan.preparing.stale import PlanWarning
    from makespan.processes import close_workers, warm_workers
    from makespan.processes.faults import WorkerDied, WorkerError
    from makespan.profile import Profile, ProfileWarning, load_profile
    from makespan.record import RunRecord, load_record
    from makespan.run import Run
    from makespan.showing.plots.gantt import plot_gantt
    from makespan.showing.plots.profile import plot_profile
    from makespan.showing.plots.utilisation import plot_utilisation
    from makespan.showing.plots.what_if import plot_what_if
else:
    _HOMES = {
        "from_dask": "adapters.from_dask",
        "from_graphlib": "adapters.from_graphlib",
        "from_hamilton": "adapters.from_hamilton",
        "from_networkx": "adapters.from_networkx",
        "from_pipefunc": "adapters.from_pipefunc",
        "from_tawazi": "adapters.tawazi",
        "CacheInfo": "around.cache",
        "Hooks": "around.hooks",
        "LogHooks": "around.hooks",
        "TelemetryHooks": "around.telemetry",
        "Plan": "plan",
        "load_plan": "plan",
        "Profile": "profile",
        "ProfileWarning": "profile",
        "load_profile": "profile",
        "PlanWarning": "preparing.stale",
        "RunRecord": "record",
        "load_record": "record",
        "Run": "run",
        "compare": "comparing.comparison",
        "Drift": "around.drift",
        "plot_gantt": "showing.plots.gantt",
        "plot_profile": "showing.plots.profile",
        "plot_utilisation": "showing.plots.utilisation",
        "plot_what_if": "showing.plots.what_if",
        "profile_from_table": "from_table",
        "to_csv": "exporting.table",
        "to_dot": "exporting.dot",
        "to_mermaid": "exporting.mermaid",
        "to_networkx": "exporting.graphs",
        "WorkerDied": "processes.faults",
        "WorkerError": "processes.faults",
        "close_workers": "processes",
        "warm_workers": "processes",
    }

    def __getattr__(name: str) -> Any:
        """Import a public name when it is first asked for."""
        if name not in _HOMES:
            raise AttributeError(f"module 'makespan' has no attribute {name!r}")
        from importlib import import_module

        found = getattr(import_module(f"makespan.{_HOMES[name]}"), name)
        globals()[name] = found
        return found

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})


__all__ = [
    "DAG",
    "CacheInfo",
    "DescribeError",
    "Drift",
    "Hooks",
    "LogHooks",
    "MakespanError",
    "MissingExtraError",
    "Node",
    "NodeFunction",
    "NodeOptions",
    "OptionError",
    "Plan",
    "PlanError",
    "PlanWarning",
    "Profile",
    "ProfileError",
    "ProfileWarning",
    "RecordError",
    "Run",
    "RunRecord",
    "TargetError",
    "TelemetryHooks",
    "WorkerDied",
    "WorkerError",
    "__version__",
    "close_workers",
    "compare",
    "dag",
    "from_dask",
    "from_graphlib",
    "from_hamilton",
    "from_networkx",
    "from_pipefunc",
    "from_tawazi",
    "load_plan",
    "load_profile",
    "load_record",
    "node",
    "plot_gantt",
    "plot_profile",
    "plot_utilisation",
    "plot_what_if",
    "profile_from_table",
    "to_csv",
    "to_dot",
    "to_mermaid",
    "to_networkx",
    "warm_workers",
]
