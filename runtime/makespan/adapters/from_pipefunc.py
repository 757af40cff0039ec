"""A pipefunc pipeline as a DAG: one node for each function.

::

    dag = from_pipefunc(pipeline, inputs={"a": 1, "b": 2})
    dag()                                   # what pipeline(a=1, b=2) returns
    plan = dag.profile(runs=3).optimize(threads=4)

Arguments come from where pipefunc takes them: bound values, then what was given (also for results of other
functions), then other functions, then defaults.

Functions with a ``mapspec`` are nodes too: each runs all of its map, by pipefunc, in its place. The DAG then
returns what ``pipeline.map`` returns: a dict from output to value. `makespan.adapters.pipefunc_executors` is
the other way: a plan's choice of threads or processes for each function, as ``pipeline.map`` takes it.

Tested with pipefunc 0.92 and 0.93.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from makespan.adapters.graphs import (
    add,
    check_edges,
    checked_mapping,
    given_input,
    refuse_once,
    refuse_unknown,
)
from makespan.describing.placeholder import Opaque
from makespan.errors import DescribeError
from makespan.graph import DAG

if TYPE_CHECKING:
    from collections.abc import Mapping

LIBRARY = "pipefunc"
TESTED = ("0.92", "0.93")


class PipeCall(Opaque):
    """A function of a pipeline, called with the values of `takes`.

    `arrays` are those of them that are results of maps; with `raw` several outputs come unpicked, too, at the
    end.
    """

    def __init__(
        self, fn: Any, takes: tuple[str, ...], *, arrays: frozenset[str] = frozenset(), raw: bool = False
    ) -> None:
        self.fn = fn
        self.takes = takes
        self.arrays = arrays
        self.raw = raw
        self.__wrapped__ = fn.func

    def __call__(self, *values: Any) -> Any:
        """Run it; with several outputs, return a tuple of them."""
        given = self.given(values)
        convert = getattr(self.fn, "_convert_lazyframe_kwargs", None)
        if convert is not None:  # as pipelines do for polars
            convert(given)
        result = self.fn(**given)
        names = self.fn.output_name
        if isinstance(names, str):
            return result
        picked = [self.fn.output_picker(result, name) for name in names]
        return (*picked, result) if self.raw else tuple(picked)

    def given(self, values: tuple[Any, ...]) -> dict[str, Any]:
        """Return the arguments by name; results of maps as pipefunc hands them on: masked arrays."""
        given = dict(zip(self.takes, values, strict=True))
        for argument in self.arrays & given.keys():
            numpy = import_module("numpy")
            array = given[argument]
            if isinstance(array, numpy.ndarray) and not isinstance(array, numpy.ma.MaskedArray):
                given[argument] = numpy.ma.MaskedArray(array, mask=numpy.zeros(array.shape, bool))
        return given

    def __repr__(self) -> str:
        return f"<pipefunc {_name(self.fn)!r}>"


class MapCall(PipeCall):
    """A function of a pipeline with mapspecs: all of its map, by pipefunc itself."""

    def __call__(self, *values: Any) -> Any:
        """Run it; with several outputs, return a tuple of them."""
        alone = import_module("pipefunc").Pipeline([self.fn.copy()])
        results = alone.map(self.given(values), parallel=False, storage="dict", show_progress=False)
        names = self.fn.output_name
        if isinstance(names, str):
            return results[names].output
        return tuple(results[name].output for name in names)


def knows(thing: Any) -> bool:
    """Say whether it is a pipefunc pipeline, without importing pipefunc."""
    return any(
        cls.__module__.partition(".")[0] == LIBRARY and cls.__name__ == "Pipeline"
        for cls in type(thing).__mro__
    )


def adapt(thing: Any) -> DAG[..., Any]:
    """Return the DAG of a pipeline; its inputs are the pipeline's."""
    return from_pipefunc(thing)


def from_pipefunc(
    pipeline: Any,
    output_name: Any = None,
    *,
    inputs: Mapping[str, Any] | None = None,
    options: Mapping[str, Mapping[str, Any]] | None = None,
    name: str | None = None,
) -> DAG[..., Any]:
    """Return the DAG of a pipefunc pipeline.

    Parameters
    ----------
    pipeline : pipefunc.Pipeline
    output_name : str, tuple or list of them, optional
        What is computed, as ``pipeline.run`` takes it; the outputs that no function takes, when omitted.
    inputs : mapping, optional
        Values of inputs, the defaults of the DAG's inputs; also of outputs, whose functions do not run then.
    options : mapping of str to mapping, optional
        `makespan.NodeOptions` of some nodes, by output name (``"d+e"`` for several).
    name : str, optional
        How files and reports call the DAG; the pipeline's name when omitted.

    Returns
    -------
    DAG
        It returns what ``pipeline.run(output_name, kwargs=inputs)`` returns; with mapspecs, what
        ``pipeline.map(inputs)`` returns, as a dict from output to value.

    Raises
    ------
    DescribeError
        An unknown output or input, an input that nothing takes, a lazy pipeline.
    """
    if not knows(pipeline):
        raise DescribeError(f"a pipefunc Pipeline is needed, not {type(pipeline).__name__}")
    if pipeline.lazy:
        raise DescribeError("a lazy pipeline does not run its functions when it is called", hint="lazy=False")
    options = checked_mapping("options", options)
    given = dict(pipeline._flatten_scopes(dict(checked_mapping("inputs", inputs))))  # noqa: SLF001
    mapped = any(fn.mapspec is not None for fn in pipeline.functions)
    if output_name is None:
        last = [fn.output_name for fn in pipeline.leaf_nodes]
        output_name = last[0] if len(last) == 1 else last
    wanted = output_name if isinstance(output_name, list) else [output_name]
    made_by = pipeline.output_to_func
    refuse_unknown("wanted is", wanted, made_by)
    refuse_unknown("there is a value for", list(given), {*pipeline.defaults, *_arguments(pipeline), *made_by})
    both = [key for key in wanted if isinstance(key, str) and key in given]
    if both:  # pipefunc refuses it, too
        raise DescribeError(
            f"{both[0]!r} is wanted, and a value is given for it", hint="leave one of them out"
        )
    dag: DAG[..., Any] = DAG(name or pipeline.name or "pipeline")
    needed = _needed(made_by, wanted, given)
    refuse_unknown("there are options for", list(options), {_name(fn) for fn in needed})
    edges: dict[str, set[str]] = {_name(fn): set() for fn in needed}
    values: dict[Any, Any] = {}

    def value_of(argument: str, fn: Any) -> Any:
        source = made_by.get(argument)
        if argument in given or source is None:
            if argument not in values:
                values[argument] = given_input(dag, argument, given, keep=pipeline.defaults)
            return values[argument]
        edges[_name(fn)].add(_name(source))
        return _picked(dag, source, argument)

    order = {id(fn): at for at, fn in enumerate(pipeline.functions)}
    for fn in sorted(needed, key=lambda fn: order[id(fn)]):  # so the inputs are in the pipeline's own order
        refuse_once(f"what is bound to function {_name(fn)!r}", dict(fn.bound))
        takes = tuple(argument for argument in fn.parameters if argument not in fn.bound)  # it has these
        arrays = frozenset(
            argument for argument in takes if argument in made_by and made_by[argument].mapspec is not None
        )
        if fn.mapspec is not None:
            call: PipeCall = MapCall(fn, takes, arrays=arrays)
        else:
            raw = not mapped and not isinstance(fn.output_name, str) and fn.output_name in wanted
            call = PipeCall(fn, takes, arrays=arrays, raw=raw)
        args = [value_of(argument, fn) for argument in takes]
        add(dag, _name(fn), call, args, options=options.get(_name(fn)), code=fn.func)
    check_edges(dag, edges)
    taken = {argument for fn in needed for argument in fn.parameters}  # bound ones too, as in pipefunc
    unused = [argument for argument in given if argument not in taken]
    if unused:  # pipefunc refuses it, too
        raise DescribeError(
            f"there is a value for {unused[0]!r}, which nothing that runs takes", hint="leave it out"
        )
    if mapped:
        dag.returns({key: _picked(dag, fn, key) for fn in needed for key in _outputs(fn)})
    else:
        results = [_picked(dag, made_by[key], key) for key in wanted]
        dag.returns(tuple(results) if isinstance(output_name, list) else results[0])
    return dag


def _needed(made_by: Mapping[Any, Any], wanted: list[Any], given: Mapping[str, Any]) -> list[Any]:
    """Return the functions that are run for some outputs, in the order in which they are found."""
    found: dict[int, Any] = {}
    stack = [made_by[key] for key in reversed(wanted)]
    while stack:
        fn = stack.pop()
        if id(fn) in found:
            continue
        found[id(fn)] = fn
        stack += [
            made_by[argument]
            for argument in reversed(fn.parameters)
            if argument in made_by and argument not in fn.bound and argument not in given
        ]
    return list(found.values())


def _picked(dag: DAG[..., Any], fn: Any, key: Any) -> Any:
    result = dag.ref(_name(fn))
    if isinstance(fn.output_name, str):
        return result
    return result[-1] if key == fn.output_name else result[fn.output_name.index(key)]


def _arguments(pipeline: Any) -> set[str]:
    return {argument for fn in pipeline.functions for argument in fn.parameters}


def _outputs(fn: Any) -> tuple[str, ...]:
    return (fn.output_name,) if isinstance(fn.output_name, str) else tuple(fn.output_name)


def _name(fn: Any) -> str:
    return "+".join(_outputs(fn))
