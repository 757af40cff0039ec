"""makespan: profile a DAG of Python functions, plan it, run it, see planned against actual."""

from makespan._version import __version__
from makespan.describe import NodeFunction, dag, node
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
from makespan.plan import Plan, load_plan
from makespan.profile import Profile, ProfileWarning, load_profile
from makespan.record import RunRecord, load_record
from makespan.run import Run

__all__ = [
    "DAG",
    "DescribeError",
    "MakespanError",
    "MissingExtraError",
    "Node",
    "NodeFunction",
    "OptionError",
    "Plan",
    "PlanError",
    "Profile",
    "ProfileError",
    "ProfileWarning",
    "RecordError",
    "Run",
    "RunRecord",
    "TargetError",
    "__version__",
    "dag",
    "load_plan",
    "load_profile",
    "load_record",
    "node",
]
