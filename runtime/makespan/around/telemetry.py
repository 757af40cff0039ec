"""OpenTelemetry spans of nodes, as hooks: ``news.run("http://…", hooks=makespan.TelemetryHooks())``.

::

    GET /news                         the span that is current where the DAG is called
    ├── fetch
    └── render
        └── http.get                  what a node's own libraries trace

A node's span is current while the node runs, also in its coroutine and in DAGs that it runs itself. API:
https://opentelemetry-python.readthedocs.io/en/latest/api/
"""

from __future__ import annotations

from contextvars import ContextVar
from importlib import import_module
from typing import Any

from makespan._version import __version__
from makespan.around.hooks import Hooks
from makespan.errors import MissingExtraError

_open: ContextVar[tuple[tuple[Hooks, Any, Any], ...]] = ContextVar("makespan_spans", default=())
"""(hooks, span, token of the context before it) of the nodes around, outermost first."""


class TelemetryHooks(Hooks):
    """Make a span of each node that runs: a child of the span that is current where the DAG is called.

    Parameters
    ----------
    tracer : opentelemetry.trace.Tracer, optional
        That of the application's tracer provider, named ``makespan``, unless said.

    Raises
    ------
    MissingExtraError
        opentelemetry-api is not installed.
    """

    def __init__(self, tracer: Any = None) -> None:
        try:
            context = import_module("opentelemetry.context")
            trace = import_module("opentelemetry.trace")
        except ModuleNotFoundError as error:
            raise MissingExtraError(
                "TelemetryHooks needs OpenTelemetry", hint="pip install opentelemetry-api"
            ) from error
        self._context: Any = context
        self._trace: Any = trace
        self.tracer = tracer if tracer is not None else trace.get_tracer("makespan", __version__)

    def on_start(self, node: str) -> None:
        """Open a span and make it the current one."""
        span = self.tracer.start_span(node)
        token = self._context.attach(self._trace.set_span_in_context(span))
        _open.set((*_open.get(), (self, span, token)))

    def on_end(self, node: str, wall_s: float) -> None:  # noqa: ARG002
        """Close the span."""
        self._close(None)

    def on_error(self, node: str, error: BaseException) -> None:  # noqa: ARG002
        """Close the span; it records the exception, and that it failed."""
        self._close(error)

    def _close(self, error: BaseException | None) -> None:
        entries = _open.get()
        at = max((i for i, entry in enumerate(entries) if entry[0] is self), default=None)
        if at is None:  # the span could not be opened, and that was logged
            return
        _, span, token = entries[at]
        _open.set((*entries[:at], *entries[at + 1 :]))
        try:
            if error is not None:
                span.record_exception(error)
                status = self._trace.Status(self._trace.StatusCode.ERROR, type(error).__name__)
                span.set_status(status)
        finally:
            self._context.detach(token)
            span.end()
