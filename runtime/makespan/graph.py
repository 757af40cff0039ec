"""A DAG of Python functions: its nodes, its inputs, what it returns, and the checks of all that.

::

    url ──▶ fetch ──▶ parse  ──▶ ┐
                └───▶ render ──▶ ┴─▶ (parse, render)

A `DAG` is made by ``@dag`` (`makespan.describe`) or node by node with `DAG.add` (`makespan.building`). It
knows no threads and no clock; its verbs (`run`, `profile`) hand over to the modules that do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, Literal, cast

from makespan.arguments import reference, references, refuse_changed
from makespan.building import Building, DagInput, Node
from makespan.errors import DescribeError, did_you_mean
from makespan.options import Options, check_threads, function_name
from makespan.place import caller_place, function_place
from makespan.placeholder import Placeholder
from makespan.structure import Structure, build

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Mapping

    # Only type checkers know of defaults below Python 3.13: ``DAG("by hand")`` needs no annotation.
    from typing_extensions import ParamSpec, TypeVar

    from makespan.plan import Plan
    from makespan.prepared import Prepared
    from makespan.profile import Profile
    from makespan.run import Run
    from makespan_optimizer.measure.sampling.watch import SamplerName

    P = ParamSpec("P", default=...)
    R = TypeVar("R", default=Any)
else:
    from typing import ParamSpec, TypeVar

    P = ParamSpec("P")
    R = TypeVar("R")

__all__ = [
    "DAG",
    "DagInput",
    "Node",
    "Options",
    "caller_place",
    "check_threads",
    "function_name",
]


class DAG(Building, Generic[P, R]):
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
        super().__init__(name)
        self._describe: Callable[[], None] | None = None
        self._busy = False

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
                if self._busy:
                    raise DescribeError(
                        f"{self.name!r} is asked for its nodes while it is being described",
                        where=caller_place(),
                        hint="ask after the description",
                    )
                if self._describe is not None:
                    self._busy = True
                    try:
                        self._describe()
                    except BaseException:
                        self._forget()
                        raise
                    finally:
                        self._busy = False
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
        last = [structure.names[i] for i, after in enumerate(structure.succs) if not after]
        return reference({name: Placeholder(self, name) for name in last}, self, None)

    def check(self) -> Structure:
        """Check the DAG and return its structure.

        Raises
        ------
        DescribeError
            A cycle (named in order), an unknown dependency, an unknown result returned; with the place.
        """
        self.described()
        structure = self._structure
        if structure is None:
            with self._lock:
                nodes = list(self._nodes.values())
                structure = build(
                    [node.name for node in nodes],
                    [node.depends_on for node in nodes],
                    locks=[node.options.locks for node in nodes],
                    exclusive=[node.options.exclusive for node in nodes],
                    places={node.name: node.place for node in nodes},
                )
                for ref in references(self._output):
                    if not ref.is_input and ref.name not in self._nodes:
                        raise DescribeError(
                            f"the DAG returns {ref.name!r}, which is not in it",
                            where=function_place(self._function) or self.name,
                            hint=did_you_mean(ref.name, self._nodes),
                        )
                refuse_changed(self.name, nodes, self._output)
                self._known, self._functions = {}, {}
                self._structure = structure
        return structure

    @property
    def fingerprint(self) -> str:
        """A hash of names, edges and code locations: the same in every process, on every machine."""
        found = self._fingerprint
        if found is None:
            from makespan.fingerprint import fingerprint

            with self._lock:
                found = fingerprint(self.check(), [node.fn for node in self._nodes.values()])
                self._fingerprint = found
        return found

    def __len__(self) -> int:
        return len(self.nodes)

    def __bool__(self) -> bool:
        return True  # an empty DAG is a DAG

    def __reduce__(self) -> str:
        """Pickle a described DAG by reference, as functions are."""
        if self._function is None:
            raise TypeError(f"the DAG {self.name!r} was built by hand: pickle what builds it, not the DAG")
        return str(self._function.__qualname__)

    def __repr__(self) -> str:
        if self._describe is not None:
            return f"<DAG {self.name!r}, not described yet>"
        return f"<DAG {self.name!r}: {len(self._nodes)} nodes>"

    # -- what can be done with it --------------------------------------------------------------------------

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run it in parallel, in the default order, and return its result.

        Within the description of another DAG, its nodes become part of that one.
        """
        from makespan.inline import inlined, is_describing

        if is_describing():
            return cast("R", inlined(self, args, kwargs))
        return cast("R", self.prepare()(*args, **kwargs))

    def prepare(
        self, plan: Plan | str | os.PathLike[str] | None = None, threads: int | None = None
    ) -> Prepared:
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
        from makespan.preparing import prepare

        return prepare(self, plan, threads)

    def run(
        self,
        /,
        *args: Any,
        plan: Plan | str | os.PathLike[str] | None = None,
        threads: int | None = None,
        measure: bool = False,
        sampler: SamplerName | None = None,
        **kwargs: Any,
    ) -> Run:
        """Run it and return the `Run`: its result, and what started where and when.

        With `measure`, also what each node did with its time beside the others; see `Prepared.run`.
        Inputs called ``plan``, ``threads``, ``measure`` or ``sampler`` are given by position.

        Raises
        ------
        PlanError, DescribeError, OptionError, MissingExtraError
            Before anything runs.
        Exception
            A node raised: its own exception, with a note that names the node. Several: an ExceptionGroup.
        """
        run = self.prepare(plan, threads).run(*args, measure=measure, sampler=sampler, **kwargs)
        run.raise_for_error()
        return run

    def profile(
        self,
        /,
        *args: Any,
        runs: int = 5,
        progress: Callable[[int, int, str], None] | None = None,
        trials: Literal["auto", "native"] | bool = "auto",
        trials_limit_s: float | None = None,
        sampler: SamplerName = "auto",
        hints: Mapping[str, str | float] | None = None,
        inputs: Iterable[Any] | Callable[[], Iterable[Any]] | None = None,
        setup: Callable[[], Any] | None = None,
        teardown: Callable[[], Any] | None = None,
        pickling: bool = True,
        **kwargs: Any,
    ) -> Profile:
        """Run it one node at a time, once to warm up and `runs` times to measure, and return the profile.

        Parameters
        ----------
        *args, **kwargs
            The DAG's inputs; those named like a parameter here by position.
        runs : int
            Counted runs, at least 1.
        progress : callable, optional
            Called as ``progress(done, total, node)``.
        trials, trials_limit_s
            Whether nodes are tried side by side and with fewer native threads, and for how many seconds.
        sampler : {"auto", "gil", "canary", "clocks"}
            ``auto`` takes the best that works; ``gil``, ``canary``, ``clocks``: this one or an error.
        hints : mapping, optional
            Nodes that are not run: ``{"mail": "0.5s:io", "bill": 0.2}``.
        inputs : iterable or callable, optional
            Sets of arguments, taken in turn instead of `args` and `kwargs`: tuples, dicts, ``((…), {…})``.
        setup, teardown : callable, optional
            Called around each run of the DAG, whatever comes of it; not measured.
        pickling : bool
            Measure once what it costs to pickle arguments and results; this runs their ``__reduce__``.

        Raises
        ------
        DescribeError, OptionError, ProfileError
            Before anything runs.
        Exception
            A node raised: its own exception, with a note that names the node.
        """
        from makespan_optimizer.measure.isolate import profile

        return profile(
            self,
            args,
            kwargs,
            runs=runs,
            progress=progress,
            trials=trials,
            trials_limit_s=trials_limit_s,
            sampler=sampler,
            hints=hints,
            inputs=inputs,
            setup=setup,
            teardown=teardown,
            pickling=pickling,
        )
