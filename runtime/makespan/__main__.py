"""``python -m makespan``: the same as the console script.

``python -m`` puts the current folder first on the path, where a user's own ``profile.py`` would hide the
standard library's. The console script does not; so the folder is taken off before anything else is imported,
and comes back, behind the standard library, when a target is loaded (`makespan.cli.target`).
"""

from __future__ import annotations

import os
import sys

if not getattr(sys.flags, "safe_path", False) and sys.path and sys.path[0] in ("", os.getcwd()):  # noqa: PTH109
    del sys.path[0]

from makespan.cli import main

if __name__ == "__main__":
    sys.exit(main())
