"""``makespan demo``: the whole path on real input, from a profile to a report, in one folder.

The DAG is the example ``stdlib_survey.py``, which surveys the Python standard library on this disk. A copy of
it goes into the folder beside the files, so that everything can be read, changed and run again.
"""

from makespan_optimizer.demo.driver import demo
from makespan_optimizer.demo.result import DemoResult

__all__ = ["DemoResult", "demo"]
