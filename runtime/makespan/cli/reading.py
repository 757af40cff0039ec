"""Reading a profile for a verb: what is dropped, or comes from another machine, is said."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from makespan.cli.terminal import Terminal
    from makespan.profile import Profile


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
