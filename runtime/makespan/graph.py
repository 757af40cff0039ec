"""A DAG of Python functions: its nodes, its inputs, what it returns, and the checks of all that.

::

    url ──▶ fetch ──▶ parse  ──▶ ┐
                └───▶ render ──▶ ┴─▶ (parse, render)

A `DAG` is made by ``@dag`` (see `makespan.describe`) or node by node with `DAG.add`. It knows no threads and
no clock; its verbs (`run`, `profile`) hand over to the modules that do.
"""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar, cast

import msgspec

from makespan.arguments import Ref, reference, references
from makespan.errors import DescribeError, OptionError
from makespan.placeholder import INPUT, Placeholder
from makespan.structure import Structure, build

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Sequence

    from makespan.plan import Plan
    from makespan.prepared import Prepared
    from makespan.profile import Profile
    from makespan.run import Run

P = ParamSpec("P")
R = TypeVar("R")


class Options(msgspec.Struct, frozen=True):
    """What a node declares about itself.

    Attributes
    ----------
    locks : tuple of str
        Named mutual exclusions: nodes that share one never overlap.
    exclusive : bool
        The node runs alone.
    tags : tuple of str
    outputs : int or None
        How many values it returns, when its result is unpacked.
    hint_s : float or None
        How long it is expected to take, used for the order as long as there is no plan.
    """

    locks: tuple[str, ...] = ()
    exclusive: bool = False
    tags: tuple[str, ...] = ()
    outputs: int | None = None
    hint_s: float | None = None


class Node(msgspec.Struct, frozen=True, eq=False):
    """One call of one function in a DAG.

    Attributes
    ----------
    name : str
        Unique in the DAG, stable from run to run: ``render``, ``render_2``, ``sub.render``.
    fn : callable
    args, kwargs
        Arguments; results of other nodes stand in them as `makespan.arguments.Ref`.
    after : tuple of str
        Nodes it waits for without taking their results.
    place : str
        ``file:line`` of the call.
    """

    name: str
    fn: Callable[..., Any]
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = {}
    after: tuple[str, ...] = ()
    options: Options = Options()
    place: str = ""

    @property
    def depends_on(self) -> tuple[str, ...]:
        """Names of the nodes it waits for, each once, in the order of the arguments."""
        used = (ref.name for value in (*self.args, *self.kwargs.values()) for ref in references(value) if not ref.is_input)
        return tuple(dict.fromkeys([*used, *self.after]))


class DagInput(msgspec.Struct, frozen=True, eq=False):
    """A named input of a DAG."""

    name: str
    default: Any = msgspec.UNSET
    keyword_only: bool = False


class DAG(Generic[P, R]):
    """Functions and what they wait for.

    Parameters
    ----------
    name : str
        How files and reports call it.

    >>> d = DAG("sums")
    >>> x = d.input("x")
    >>> d.returns(d.add(sum, [d.add(abs, x), 2]))
    >>> d(-40)
    42
    """

    def __init__(self, name: str = "dag") -> None:
        self.name = name
        self.target: str | None = None
        """``module:attribute`` when it came from there."""
        self._nodes: dict[str, Node] = {}
        self._inputs: dict[str, DagInput] = {}
        self._output: Any = None
        self._has_output = False
        self._uses: dict[str, int] = {}
        self._structure: Structure | None = None
        self._fingerprint: str | None = None
        self._prepared: dict[Any, Prepared] = {}
        self._lock = threading.RLock()
        self._describe: Callable[[], None] | None = None

    # -- building ------------------------------------------------------------------------------------------

    def input(self, name: str, default: Any = msgspec.UNSET, *, keyword_only: bool = False) -> Any:
        """Declare an input and return the placeholder that stands for it.

        Raises
        ------
        DescribeError
            The name is not an identifier, or is taken.
        """
        if not name.isidentifier():
            raise DescribeError(f"an input cannot be named {name!r}", where=_caller(), hint="use an identifier")
        if name in self._inputs:
            raise DescribeError(f"two inputs are named {name!r}", where=_caller())
        self._inputs[name] = DagInput(name, default, keyword_only)
        return Placeholder(self, INPUT + name)

    def add(
        self,
        fn: Callable[..., Any],
        /,
        *args: Any,
        name: str | None = None,
        after: Iterable[Any] = (),
        lock: str | Iterable[str] = (),
        exclusive: bool = False,
        tags: str | Iterable[str] = (),
        outputs: int | None = None,
        hint_s: float | None = None,
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Add a call of `fn` and return the placeholder of its result.

        Parameters
        ----------
        fn : callable
            A function; one made by ``@node`` brings its own options along.
        *args : Any
            Arguments; results of other nodes may stand anywhere in nested lists, tuples and dicts.
        name : str, optional
            A name of its own; else the function's name, numbered when it is taken.
        after : iterable of results or names
            Nodes to wait for without taking their results; names may be of nodes added later.
        lock : str or iterable of str
            Nodes that share a lock never overlap.
        exclusive : bool
            Runs alone.
        tags : str or iterable of str
        outputs : int, optional
            How many values it returns, so that its result can be unpacked.
        hint_s : float, optional
            Expected seconds, for the order as long as there is no plan.
        kwargs : dict, optional
            Keyword arguments of `fn`.

        Raises
        ------
        DescribeError
            A name that is taken, a result of another DAG, an option that cannot be.
        """
        options = make_options(lock, exclusive, tags, outputs, hint_s, where=_caller())
        return self.record(fn, args, kwargs or {}, name=name, after=after, options=options, place=_caller())

    def record(
        self,
        fn: Callable[..., Any],
        args: Sequence[Any],
        kwargs: dict[str, Any],
        *,
        name: str | None = None,
        prefix: str = "",
        after: Iterable[Any] = (),
        options: Options | None = None,
        place: str = "",
    ) -> Any:
        """Add a node whose options are made already (what ``@node`` and `add` share)."""
        given = getattr(fn, "__makespan_node__", None)
        if given is not None:  # made by @node: its options hold where this call says nothing
            fn, base = given
            options = _overlaid(base, options or Options())
        options = options or Options()
        if not callable(fn):
            raise DescribeError(f"{fn!r} is not callable", where=place)
        unique = self._name_for(fn, name, prefix, place)
        if isinstance(after, str | Placeholder):
            after = (after,)
        node = Node(
            unique,
            fn,
            tuple(reference(value, self, place) for value in args),
            {key: reference(value, self, place) for key, value in kwargs.items()},
            tuple(self._named(item, place) for item in after),
            options,
            place,
        )
        self._nodes[unique] = node
        self._changed()
        return Placeholder(self, unique, (), options.outputs)

    def ref(self, name: str) -> Any:
        """Return the result of a node by its name; the node may be added later."""
        return Placeholder(self, name)

    def returns(self, value: Any) -> None:
        """Say what the DAG returns: a result, or results in nested lists, tuples and dicts."""
        self._output = reference(value, self, _caller())
        self._has_output = True
        self._changed()

    def _named(self, item: Any, place: str) -> str:
        if isinstance(item, str):
            return item
        found = references(reference(item, self, place))
        if len(found) != 1 or found[0].is_input:
            raise DescribeError("'after' takes results or names of nodes", where=place)
        return found[0].name

    def _name_for(self, fn: Callable[..., Any], name: str | None, prefix: str, place: str) -> str:
        if name is not None:
            if not isinstance(name, str) or not name:
                raise DescribeError(f"a node cannot be named {name!r}", where=place)
            try:
                name.encode()
            except UnicodeEncodeError:
                raise DescribeError(f"the name {name!r} cannot be written as UTF-8", where=place) from None
            if name.startswith(INPUT):
                raise DescribeError(f"a node cannot be named {name!r}", where=place)
            if prefix + name in self._nodes:
                other = self._nodes[prefix + name].place
                raise DescribeError(f"two nodes are named {prefix + name!r} (the other one: {other})", where=place)
            return prefix + name
        return self.unused(prefix + function_name(fn), self._nodes)

    def unused(self, base: str, taken: Any) -> str:
        """Return `base`, or ``base_2``, ``base_3`` …: the next that is not taken."""
        count = self._uses.get(base, 0) + 1
        candidate = base if count == 1 else f"{base}_{count}"
        while candidate in taken:
            count += 1
            candidate = f"{base}_{count}"
        self._uses[base] = count
        return candidate

    def _changed(self) -> None:
        self._structure = None
        self._fingerprint = None
        self._prepared = {}

    # -- what it is ----------------------------------------------------------------------------------------

    def described(self) -> DAG[P, R]:
        """Record the DAG if it was not yet (a function under ``@dag`` is called at its first use).

        Raises
        ------
        DescribeError
            The description is wrong; with the place.
        """
        if self._describe is not None:
            with self._lock:
                if self._describe is not None:
                    self._describe()
                    self._describe = None
        return self

    @property
    def nodes(self) -> dict[str, Node]:
        """The nodes by name, in declaration order."""
        return self.described()._nodes  # noqa: SLF001

    @property
    def inputs(self) -> dict[str, DagInput]:
        """The inputs by name, in declaration order."""
        return self.described()._inputs  # noqa: SLF001

    @property
    def output(self) -> Any:
        """What it returns, with references; without `returns`: the results of its last nodes by name."""
        self.described()
        if self._has_output:
            return self._output
        structure = self.check()
        last = {structure.names[i]: Placeholder(self, structure.names[i]) for i, s in enumerate(structure.succs) if not s}
        return reference(last, self, None)

    def check(self) -> Structure:
        """Check the DAG and return its structure.

        Raises
        ------
        DescribeError
            A cycle (named in order), an unknown dependency, an unknown input; with the place.
        """
        self.described()
        if self._structure is None:
            with self._lock:
                nodes = list(self._nodes.values())
                structure = build(
                    [node.name for node in nodes],
                    [node.depends_on for node in nodes],
                    locks=[node.options.locks for node in nodes],
                    exclusive=[node.options.exclusive for node in nodes],
                    places={node.name: node.place for node in nodes},
                )
                if self._has_output:
                    for ref in references(self._output):
                        if not ref.is_input and ref.name not in self._nodes:
                            raise DescribeError(f"the DAG returns {ref.name!r}, which is not in it", where=self.name)
                self._structure = structure
        return self._structure

    @property
    def fingerprint(self) -> str:
        """A hash of names, edges and code locations: the same in every process, on every machine."""
        if self._fingerprint is None:
            from makespan.fingerprint import fingerprint

            structure = self.check()
            self._fingerprint = fingerprint(structure, [node.fn for node in self._nodes.values()])
        return self._fingerprint

    def __len__(self) -> int:
        return len(self.nodes)

    def __bool__(self) -> bool:
        return True  # an empty DAG is a DAG

    def __repr__(self) -> str:
        if self._describe is not None:
            return f"<DAG {self.name!r}, not described yet>"
        return f"<DAG {self.name!r}: {len(self._nodes)} nodes>"

    # -- what can be done with it --------------------------------------------------------------------------

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run it in parallel, in the default order, and return its result.

        Within the description of another DAG, its nodes become part of that one.
        """
        from makespan.describe import inlined, is_describing

        if is_describing():
            return cast("R", inlined(self, args, kwargs))
        return cast("R", self.prepare()(*args, **kwargs))

    def prepare(self, plan: Plan | str | os.PathLike[str] | None = None, threads: int | None = None) -> Prepared:
        """Check a plan against this DAG once, and return what runs it: ``fast = dag.prepare("plan.json")``.

        Parameters
        ----------
        plan : Plan or path, optional
            Without one: critical-path order on hints, else on node count.
        threads : int, optional
            The thread budget; the plan's, or the number of usable cores (at least 2).

        Raises
        ------
        PlanError
            The plan is not readable, or for another DAG, or for more threads than `threads`.
        DescribeError, OptionError
        """
        from makespan.prepared import prepare

        return prepare(self, plan, threads)

    def run(
        self,
        *args: Any,
        plan: Plan | str | os.PathLike[str] | None = None,
        threads: int | None = None,
        **kwargs: Any,
    ) -> Run:
        """Run it and return the `Run`: its result, and what started where and when.

        Inputs that are called ``plan`` or ``threads`` are given by position.

        Raises
        ------
        PlanError, DescribeError, OptionError
            Before anything runs.
        Exception
            A node raised: its own exception, with a note that names the node. Several: an ExceptionGroup.
        """
        run = self.prepare(plan, threads).run(*args, **kwargs)
        run.raise_for_error()
        return run

    def profile(self, *args: Any, runs: int = 5, progress: Callable[[int, int, str], None] | None = None, **kwargs: Any) -> Profile:
        """Run it one node at a time, once to warm up and `runs` times to measure, and return the profile.

        Parameters
        ----------
        *args, **kwargs
            The DAG's inputs.
        runs : int
            Counted runs, at least 1.
        progress : callable, optional
            Called as ``progress(done, total, node)``.

        Raises
        ------
        DescribeError, OptionError
            Before anything runs.
        Exception
            A node raised: its own exception, with a note that names the node.
        """
        from makespan_optimizer.measure.isolate import profile

        return profile(self, args, kwargs, runs=runs, progress=progress)


def make_options(
    lock: str | Iterable[str],
    exclusive: bool,
    tags: str | Iterable[str],
    outputs: int | None,
    hint_s: float | None,
    *,
    where: str | None,
) -> Options:
    """Check a node's options.

    Raises
    ------
    DescribeError
        A lock or tag that is no string, outputs below 1, a hint that is not a duration.
    """
    words = []
    for what, value in (("lock", lock), ("tag", tags)):
        some = (value,) if isinstance(value, str) else tuple(value)
        for word in some:
            if not isinstance(word, str) or not word:
                raise DescribeError(f"a {what} is named by a string, not {word!r}", where=where)
        words.append(tuple(sorted(set(some))))
    if outputs is not None and (not isinstance(outputs, int) or isinstance(outputs, bool) or outputs < 1):
        raise DescribeError(f"outputs is a whole number from 1, not {outputs!r}", where=where)
    if hint_s is not None and not (isinstance(hint_s, int | float) and 0 <= hint_s <= 1e8):
        raise DescribeError(f"hint_s is a number of seconds, not {hint_s!r}", where=where)
    return Options(words[0], bool(exclusive), words[1], outputs, hint_s)


def check_threads(threads: Any, *, where: str = "threads") -> int:
    """Return a thread budget, checked.

    Raises
    ------
    OptionError
        Not a whole number from 1 to 1024.
    """
    from makespan.plan import MAX_THREADS

    if isinstance(threads, bool) or not isinstance(threads, int) or not 1 <= threads <= MAX_THREADS:
        raise OptionError(f"a thread budget is a whole number from 1 to {MAX_THREADS}, not {threads!r}", where=where)
    return threads


def function_name(fn: Any) -> str:
    """Return a readable name of any callable: a function's, a partial's function's, a class's."""
    while not hasattr(fn, "__name__") and hasattr(fn, "func"):
        fn = fn.func
    name = getattr(fn, "__name__", None) or type(fn).__name__
    return "function" if name == "<lambda>" else str(name)


def _overlaid(base: Options, over: Options) -> Options:
    return Options(
        tuple(sorted({*base.locks, *over.locks})),
        base.exclusive or over.exclusive,
        tuple(sorted({*base.tags, *over.tags})),
        over.outputs if over.outputs is not None else base.outputs,
        over.hint_s if over.hint_s is not None else base.hint_s,
    )


def _caller() -> str:
    """Return ``file:line`` of the nearest caller outside this package."""
    frame = sys._getframe(1)  # noqa: SLF001
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == "makespan":
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


def caller_place() -> str:
    """Return ``file:line`` of the nearest caller outside this package."""
    return _caller()
