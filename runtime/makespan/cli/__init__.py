"""The command line. One module a verb; only the verb that runs is imported.

``main`` is what the console script calls. What holds for every verb: data on stdout, prose and progress on
stderr; exit codes as in `makespan.cli.codes`; a wrong word is answered with the nearest right one.
"""

from __future__ import annotations

from makespan.cli.entry import main

__all__ = ["main"]
