"""Reading files for a verb: of which kind one is; what a profile drops, and where it comes from, is said."""

from __future__ import annotations

import json
import re
import warnings
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from makespan.cli.terminal import Terminal
    from makespan.profile import Profile


_KIND = re.compile(rb'"format":\s*"makespan-([a-z]+)/')
_HEAD = 400
"""Bytes in which we write it. Other tools may have put the keys into another order."""


def kind_of(data: bytes) -> str:
    """Return what a file says it is: ``plan``, ``run``, ``profile`` …; empty when it does not say.

    A run holds its plan, which says so, too: what stands outermost counts.
    """
    found = _KIND.search(data)
    if found is None:
        return ""
    if found.end() <= _HEAD and b'"plan"' not in data[: found.start()]:
        return found[1].decode()
    try:
        body = json.loads(data)
    except (ValueError, RecursionError):
        return ""  # whoever reads it as what it should be says what is wrong
    its = body.get("format") if isinstance(body, dict) else None
    return its.partition("/")[0].removeprefix("makespan-") if isinstance(its, str) else ""


def heed_profile_warnings() -> None:
    """Let every `ProfileWarning` through, whatever ``-W`` says; `makespan.cli.entry` makes lines of them."""
    from makespan.profile import ProfileWarning

    warnings.simplefilter("always", ProfileWarning)


def profile_there(path: str, *, force: bool) -> Profile | None:
    """Return the profile that a new one will be merged with; None: there is none, or it is replaced.

    Raises
    ------
    ProfileError
        It cannot be read.
    """
    from pathlib import Path

    file = Path(path)
    if force or path == "-" or not file.is_file() or not file.stat().st_size:
        return None
    return read_profile(path)


def read_profile(path: str, terminal: Terminal | None = None) -> Profile:
    """Read a profile; with a terminal, warn when it was measured on another machine.

    Raises
    ------
    ProfileError
        It cannot be read.
    """
    from makespan.machine import this_machine
    from makespan.profile import load_profile

    heed_profile_warnings()
    profile = load_profile(path)
    if terminal is not None:
        differences = profile.machine.differences(this_machine())
        if differences:
            terminal.warn(
                f"{path} is of another machine ({'; '.join(differences)}); the result is for that one"
            )
    return profile
