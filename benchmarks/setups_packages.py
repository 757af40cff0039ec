"""Inputs and functions of the workloads that need other packages; see `benchmarks.workloads`."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import ExitStack


def _module(name: str) -> Any:
    return importlib.import_module(name)


def make_numpy_small(size: int, _: ExitStack) -> Callable[[], Any]:
    """Arrays so small that NumPy keeps the GIL."""
    np = _module("numpy")
    a, b = np.arange(16.0), np.ones(16)

    def numpy_small() -> Any:
        total = a
        for _ in range(size):
            total = total * b + a
        return total

    return numpy_small


def make_numpy_elementwise(size: int, _: ExitStack) -> Callable[[], Any]:
    """Functions of large arrays."""
    np = _module("numpy")
    a = np.linspace(0.0, 1.0, 1_000_000)
    out = np.empty_like(a)

    def numpy_elementwise() -> None:
        for _ in range(size):
            np.exp(a, out=out)
            np.sqrt(out, out=out)

    return numpy_elementwise


def make_matmul(threads: int) -> Callable[[int, ExitStack], Callable[[], Any]]:
    """Products of matrices, with so many threads of the BLAS."""

    def setup(size: int, _: ExitStack) -> Callable[[], Any]:
        np = _module("numpy")
        a = np.random.default_rng(1).random((700, 700))
        out = np.empty_like(a)
        a @ a  # the library is there now, and the controller finds it
        pools = _module("threadpoolctl").ThreadpoolController()

        def matmul() -> None:
            with pools.limit(limits=threads, user_api="blas"):
                for _ in range(size):
                    np.matmul(a, a, out=out)

        return matmul

    return setup


def make_groupby(size: int, _: ExitStack) -> Callable[[], Any]:
    """Group and aggregate by pandas."""
    np, pd = _module("numpy"), _module("pandas")
    draw = np.random.default_rng(1)
    frame = pd.DataFrame(
        {"key": draw.integers(0, 1000, size), "x": draw.random(size), "y": draw.random(size)}
    )
    return lambda: frame.groupby("key").agg({"x": ["mean", "std"], "y": ["sum", "max"]})


def _data(rows: int) -> tuple[Any, Any]:
    np = _module("numpy")
    draw = np.random.default_rng(1)
    x = draw.random((rows, 20))
    return x, (x[:, 0] + x[:, 1] * x[:, 2] + 0.1 * draw.random(rows) > 0.8).astype(int)


def make_forest(size: int, _: ExitStack) -> Callable[[], Any]:
    """Trees of scikit-learn's random forest."""
    forest = _module("sklearn.ensemble").RandomForestClassifier(n_estimators=size, n_jobs=1, random_state=1)
    x, y = _data(500)
    return lambda: forest.fit(x, y)


def make_logistic(size: int, _: ExitStack) -> Callable[[], Any]:
    """Fits of a small linear model, by scikit-learn."""
    model = _module("sklearn.linear_model").LogisticRegression
    x, y = _data(2000)

    def logistic() -> None:
        for _ in range(size):
            model(max_iter=200).fit(x, y)

    return logistic


def make_savefig(size: int, _: ExitStack) -> Callable[[], Any]:
    """Draw and encode a figure of matplotlib."""
    import io

    figure = _module("matplotlib.figure").Figure()
    _module("matplotlib.backends.backend_agg").FigureCanvasAgg(figure)
    figure.subplots().plot([i * i % 17 for i in range(200)])

    def savefig() -> None:
        for _ in range(size):
            figure.savefig(io.BytesIO(), format="png")

    return savefig
