"""The inputs of a profile: sets of arguments in turn, and what is to be done before and after each run.

A set is a tuple or list (inputs by position), a dict (by name), or both: ``((…), {…})``, the first part a
tuple; a list there is a value, the first input. All sets are checked before anything runs, and a function of
sets is called once, then. So every run gets the same objects: a node that changes one changes what later runs
find, and what can be gone through only once (a generator) is refused. `setup` may make them anew in place.

`setup` is called before each run of the DAG and `teardown` after it, also when a node raised or Ctrl-C came;
what they take is not measured. After Ctrl-C in a trial of two nodes side by side, the node in the other
thread may still be at work when `teardown` is called (see `makespan_optimizer.measure.trials.together`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from itertools import count, cycle, islice, repeat
from typing import TYPE_CHECKING, Any

from makespan.describe import bind
from makespan.describing.options import function_name
from makespan.errors import DescribeError, OptionError
from makespan.showing.words import plural

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType

    from makespan.graph import DAG

MAX_SETS = 1000
_FORM = "a tuple, a dict, or both: ((1, 2), {'x': 3})"


class Inputs:
    """Checked sets of inputs, and the hooks around a run."""

    def __init__(
        self,
        sets: Sequence[Mapping[str, Any]],
        setup: Callable[[], Any] | None = None,
        teardown: Callable[[], Any] | None = None,
    ) -> None:
        self.sets = sets
        self._setup = _hook("setup", setup)
        self._teardown = _hook("teardown", teardown)

    def __len__(self) -> int:
        return len(self.sets)

    def counted_runs(self, runs: int) -> tuple[int, tuple[str, ...]]:
        """Return how many runs are counted, and notes: so many that each set is run equally often.

        Five runs of two sets would give one of them three calls of five, and with these every median.
        """
        more = -runs % len(self.sets)
        if not more:
            return runs, ()
        text = f"{plural(runs + more, 'counted run')} instead of {runs}"
        return runs + more, (f"{text}: each of {len(self.sets)} sets of inputs equally often",)

    def run(self, number: int) -> _Run:
        """Return what sets up, hands out the inputs of a run, and tears down; runs take the sets in turn."""
        return _Run(self.sets[number % len(self.sets)], self._setup, self._teardown)


class _Run:
    """One run of the DAG between its hooks.

    What `setup` or `teardown` raise carries a note that says so. An exception of the run itself is the one
    that arrives; when `teardown` raises as well, that is noted in it. A class and not a generator: that would
    touch the exceptions that pass through it.
    """

    def __init__(
        self, inputs: Mapping[str, Any], setup: Callable[[], Any] | None, teardown: Callable[[], Any] | None
    ) -> None:
        self._inputs = inputs
        self._setup = setup
        self._teardown = teardown

    def __enter__(self) -> Mapping[str, Any]:
        if self._setup is not None:
            _call("setup", self._setup)
        return self._inputs

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._teardown is None:
            return
        try:
            _call("teardown", self._teardown)
        except Exception as second:
            if error is None:
                raise
            with suppress(Exception):
                error.add_note(f"teardown raised as well: {type(second).__name__}: {second}")


def _hook(what: str, fn: Any) -> Callable[[], Any] | None:
    if fn is not None and not callable(fn):
        raise OptionError(f"is a function without arguments, not {fn!r}", where=what)
    return fn  # type: ignore[no-any-return]


def _call(what: str, fn: Callable[[], Any]) -> None:
    try:
        fn()
    except Exception as error:
        with suppress(Exception):
            error.add_note(f"in {what} {function_name(fn)!r}")
        raise


def read_inputs(
    dag: DAG[..., Any],
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    inputs: Any = None,
    *,
    setup: Callable[[], Any] | None = None,
    teardown: Callable[[], Any] | None = None,
) -> Inputs:
    """Check the inputs of a profile: one set (`args`, `kwargs`), or several.

    Parameters
    ----------
    inputs : iterable or callable, optional
        Sets of arguments, or a function that returns or yields them (called once); instead of `args` and
        `kwargs`.

    Raises
    ------
    OptionError
        Not sets of arguments, none at all, or more than 1000; a hook that cannot be called; an input that
        only one run could go through.
    DescribeError
        The DAG does not take a set; with its number.
    """
    if inputs is None:
        return Inputs([_lasting(bind(dag, args, dict(kwargs)), "inputs")], setup, teardown)
    if args or kwargs:
        raise OptionError("give the inputs once, or sets of them", where="inputs")
    given = inputs() if callable(inputs) else inputs
    if isinstance(given, str | bytes | dict) or not hasattr(given, "__iter__"):
        raise OptionError(
            f"is a list of sets of arguments, not a {type(given).__name__}", where="inputs", hint=_FORM
        )
    listed = list(islice(given, MAX_SETS + 1))
    if not listed:
        raise OptionError("there is no set of arguments", where="inputs")
    if len(listed) > MAX_SETS:
        raise OptionError(f"there are more than {MAX_SETS} sets of arguments", where="inputs")
    return Inputs([_bound(dag, one, k) for k, one in enumerate(listed, 1)], setup, teardown)


def _bound(dag: DAG[..., Any], one: Any, number: int) -> Mapping[str, Any]:
    where = f"inputs, set {number}"
    args, kwargs = _split(one, where)
    try:
        return _lasting(bind(dag, args, kwargs), where)
    except DescribeError as error:
        hint = error.hint or f"its inputs: {', '.join(dag.inputs) or 'none'}"
        raise DescribeError(error.problem, where=where, hint=hint) from error


def _lasting(values: Mapping[str, Any], where: str) -> Mapping[str, Any]:
    """Refuse generators and the iterators of the standard library: the first run would use them up.

    Other people's iterators are left alone: files and cursors can begin anew.
    """
    for name, value in values.items():
        own = type(value).__module__ in ("builtins", "itertools", "_csv")
        if own and isinstance(value, Iterator) and not isinstance(value, count | cycle | repeat):
            kind = type(value).__name__
            raise OptionError(
                f"input {name!r} is a {kind}, which the first of several runs would use up",
                where=where,
                hint=f"give a list: list({name})",
            )
    return values


def _split(one: Any, where: str) -> tuple[tuple[Any, ...], dict[str, Any]]:
    if isinstance(one, dict):
        args, kwargs = (), one
    elif isinstance(one, tuple) and [type(part) for part in one] == [tuple, dict]:
        args, kwargs = one
    elif isinstance(one, tuple | list):
        args, kwargs = tuple(one), {}
    else:
        raise OptionError(f"is not a set of arguments but a {type(one).__name__}", where=where, hint=_FORM)
    if not all(isinstance(name, str) for name in kwargs):
        raise OptionError("inputs are named by strings", where=where)
    return args, dict(kwargs)
