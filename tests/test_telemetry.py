"""Spans of nodes, with a small double of the part of OpenTelemetry's API that is used."""

import contextvars
import sys
import types

import pytest

from makespan import MissingExtraError, TelemetryHooks, dag, node


class Span:
    """A span as far as hooks need it."""

    def __init__(self, name, parent):
        self.name, self.parent = name, parent
        self.ended, self.exceptions, self.status = 0, [], None

    def record_exception(self, error):
        assert not self.ended
        self.exceptions.append(type(error).__name__)

    def set_status(self, status):
        assert not self.ended
        self.status = status

    def end(self):
        self.ended += 1


@pytest.fixture
def spans(monkeypatch):
    """All spans made, with the double in place; the current one is `spans.current()`."""
    made = types.SimpleNamespace(all=[])
    current = contextvars.ContextVar("current", default=None)
    context, trace = types.ModuleType("opentelemetry.context"), types.ModuleType("opentelemetry.trace")

    class Tracer:
        def start_span(self, name):
            made.all.append(Span(name, current.get()))
            return made.all[-1]

    context.attach = current.set
    context.detach = current.reset  # raises when the context is another one
    trace.set_span_in_context = lambda span: span
    trace.get_tracer = lambda name, version: made.__setattr__("asked", (name, version)) or Tracer()
    trace.Status = lambda code, text: (code, text)
    trace.StatusCode = types.SimpleNamespace(ERROR="ERROR")
    for module in (context, trace):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    made.current, made.set = current.get, current.set
    return made


@node
def fetch(x):
    return x


@pytest.mark.parametrize("threads", [1, 2])
def test_a_span_for_each_node_below_the_current_one(spans, threads):
    seen = []

    @node
    def render(page):
        seen.append(spans.current())
        return 1 / page

    @dag
    def news(x):
        return render(fetch(x))

    root = Span("GET /news", None)
    contextvars.copy_context().run(
        lambda: spans.set(root) and news.run(1, threads=threads, hooks=TelemetryHooks())
    )
    assert spans.asked[0] == "makespan"
    assert [(span.name, span.parent, span.ended, span.status) for span in spans.all] == [
        ("fetch", root, 1, None),
        ("render", root, 1, None),
    ]
    assert seen == [spans.all[1]]
    assert spans.current() is None


def test_a_failure_is_recorded(spans):
    @dag
    def d(x):
        return fetch(x["a"])

    with pytest.raises(TypeError):
        d.run(1, hooks=TelemetryHooks())
    (span,) = spans.all
    assert (span.exceptions, span.status, span.ended) == (["TypeError"], ("ERROR", "TypeError"), 1)


def test_dags_within_nodes_and_several_hooks(spans):
    first, second = TelemetryHooks(), TelemetryHooks()

    @dag
    def inner(x):
        return fetch(x)

    @node
    def outer(x):
        return inner.run(x, hooks=first).result

    @dag
    def around(x):
        return outer(x)

    around.run(1, hooks=[first, second])
    a, b, c = spans.all
    assert [span.name for span in spans.all] == ["outer", "outer", "fetch"]
    assert (a.parent, b.parent, c.parent) == (None, a, b)
    assert [span.ended for span in spans.all] == [1, 1, 1]


def test_coroutines_run_within_their_span(spans):
    seen = []

    @node
    async def ask(x):
        seen.append(spans.current().name)
        return x

    @dag
    def d(x):
        return ask.options(when=x)(x), ask.options(name="skipped", when=False)(x)

    assert d.run(1, hooks=TelemetryHooks()).result == (1, None)
    assert seen == ["ask"] == [span.name for span in spans.all]
    assert spans.all[0].ended == 1


def test_a_tracer_that_fails_does_not_break_the_run(spans, caplog):
    class Broken:
        def start_span(self, name):
            raise RuntimeError("no exporter")

    @dag
    def d(x):
        return fetch(x)

    assert d.run(1, hooks=TelemetryHooks(Broken())).result == 1
    assert [record.levelname for record in caplog.records if record.name == "makespan"] == ["WARNING"]


def test_without_opentelemetry(monkeypatch):
    for name in ("opentelemetry", "opentelemetry.context", "opentelemetry.trace"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtraError, match="pip install opentelemetry-api"):
        TelemetryHooks()
