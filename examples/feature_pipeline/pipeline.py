"""Features of a shop's customers, and models of who will leave: a DAG of 48 nodes, half of it plain Python.

::

    parse_log ×2 ─┬─ sessions ── visits, funnel, navigation ───┐
                  └─ devices ──────────────────────────────────┤
    letters ─┬─ urgency ───────────────────────────────────────┤
             └─ tokens ── sentiment, topics ───────────────────┼─ record_features ── totals
    series ─┬─ rolling ×2, streaks ────────────────────────────┤          │
            └─ draw_spread (of rolling)                        │          │
    baskets ── together ── affinity ───────────────────────────┘          │
                                                                          ├─ everything ─┬─ logistic ×4
    customers ─┬─ ranks ────────────┬─ table_features ─┬──────────────────┤              └─ importance
    orders ─┬──┴─ recency ── segments                  └─ forest ×4       │                   │
            ├─ monthly ── components ───────────── draw_map (segments) ───┘               draw_bars
    products┴─ items ── revenue, shares, returns (table_features)                    … all ── report

What reads records one by one (`shop_records.py`) is Python and holds the GIL; tables and models run native
code for the most part; figures share a lock. Threads alone give the Python half nothing. Processes of its own
do, where little crosses their borders.

    python pipeline.py
    makespan profile  pipeline.py:features -o profile.json
    makespan optimize profile.json --threads 4 --processes 2 --native-threads -o plan.json
    makespan run      pipeline.py:features --plan plan.json
"""

# mypy: disable-error-code="import-untyped,import-not-found"
# ruff: noqa: D103 - the names say it
from __future__ import annotations

import hashlib
import io
import json
import os
import runpy
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import shop_records as of
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from makespan import dag, node

SCALE = float(os.environ.get("FEATURES_SCALE", "1"))  # less: quicker and noisier
FOLDER = str(Path(tempfile.gettempdir(), f"makespan-features-{os.getuid()}-{SCALE:g}"))
FOLDS = 4


# -- tables
@node
def read(folder: str, name: str) -> Any:
    return pq.read_table(Path(folder, name), use_threads=False).to_pandas()


@node
def items(orders: Any, products: Any) -> Any:
    lines = orders.merge(products, on="product")
    return lines.assign(value=lines.quantity * lines.price)


@node
def recency(orders: Any) -> Any:
    spent = orders.assign(value=orders.quantity * orders.price).groupby("customer")
    found = spent.agg(
        last=("day", "max"), orders=("day", "nunique"), value=("value", "sum"), top=("value", "max")
    )
    days = orders.sort_values(["customer", "day"]).groupby("customer").day.diff()
    return found.assign(
        gap=days.groupby(orders.customer).median(), gap_sd=days.groupby(orders.customer).std()
    )


@node
def ranks(customers: Any, spent: Any) -> Any:
    """Rank customers within their region."""
    both = customers.set_index("customer").join(spent)
    return both.groupby("region")[["value", "orders", "last"]].rank(pct=True).add_suffix("_rank")


@node
def monthly(orders: Any) -> Any:
    value = orders.quantity * orders.price
    table = orders.assign(month=orders.day // 31, value=value).pivot_table(
        "value", "customer", "month", "sum"
    )
    return np.log1p(table.fillna(0.0)).add_prefix("month_")


@node
def shares(lines: Any) -> Any:
    """Share of each category in what a customer spends."""
    table = lines.pivot_table("value", "customer", "category", "sum", fill_value=0.0)
    return table.div(table.sum(axis=1), axis=0)


@node
def returns(lines: Any) -> Any:
    by_kind = lines.groupby(["customer", "category"]).returned.mean()
    return by_kind.groupby("customer").agg(["mean", "max"]).add_prefix("returned_")


@node
def revenue(lines: Any) -> dict[str, float]:
    by_day = lines.groupby("day").value.sum()
    return {"sum": float(by_day.sum()), "best_week": float(by_day.rolling(7).sum().max())}


@node
def table_features(customers: Any, parts: list[Any]) -> Any:
    return customers.set_index("customer")[["age", "churned"]].join(parts).fillna(0.0)


@node
def record_features(parts: list[of.Features]) -> Any:
    """Put features side by side, a row for each customer."""
    tables = [pd.DataFrame(its.values, index=its.customers, columns=list(its.names)) for its in parts]
    return pd.concat(tables, axis=1).fillna(0.0)


@node
def totals(records: Any) -> dict[str, int]:
    """Count records again, from the features that were made of them."""
    return {name: int(records[name].sum()) for name in ("hits", "letters", "days", "bought")}


@node
def everything(tables: Any, records: Any, found: list[Any]) -> Any:
    return tables.join(records).join(found).fillna(0.0)


# -- models
@node
def components(table: Any) -> Any:
    """Find what moves together in a year."""
    found = PCA(4, random_state=0).fit_transform(StandardScaler().fit_transform(table))
    return pd.DataFrame(found, index=table.index).add_prefix("component_")


@node
def segments(spent: Any) -> Any:
    scaled = StandardScaler().fit_transform(spent.fillna(0.0))
    labels = KMeans(6, n_init=10, random_state=0).fit_predict(scaled)
    return pd.Series(labels, index=spent.index, name="segment")


def split(table: Any, fold: int) -> tuple[Any, ...]:
    """Return what to train and what to test on."""
    x, y, test = (
        table.drop(columns="churned").to_numpy(float),
        table.churned.to_numpy(bool),
        table.index % FOLDS == fold,
    )
    return x[~test], y[~test], x[test], y[test]


@node
def forest(table: Any, fold: int) -> float:
    """Train a forest without one fold, and return its score on that (area under the curve)."""
    x, y, unseen, truth = split(table, fold)
    model = RandomForestClassifier(20, min_samples_leaf=5, random_state=fold, n_jobs=1).fit(x, y)
    return float(roc_auc_score(truth, model.predict_proba(unseen)[:, 1]))


@node
def logistic(table: Any, fold: int) -> float:
    x, y, unseen, truth = split(table, fold)
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=400)).fit(x, y)
    return float(roc_auc_score(truth, model.predict_proba(unseen)[:, 1]))


@node
def importance(table: Any) -> dict[str, float]:
    """Return how much a small forest leans on each feature."""
    x, y, *_ = split(table, FOLDS)
    model = RandomForestClassifier(20, min_samples_leaf=5, random_state=0, n_jobs=1).fit(x, y)
    found = zip(table.columns.drop("churned"), model.feature_importances_, strict=True)
    return dict(sorted(((name, round(float(its), 6)) for name, its in found), key=lambda its: -its[1]))


# -- figures: matplotlib is not thread-safe
def png(figure: Figure) -> str:
    file = io.BytesIO()
    FigureCanvasAgg(figure).print_png(file)  # type: ignore[no-untyped-call]
    return hashlib.sha256(file.getbuffer()).hexdigest()


@node(lock="matplotlib")
def draw_bars(title: str, values: dict[str, float]) -> str:
    figure = Figure(figsize=(6, 4), dpi=72)
    axes = figure.subplots()
    axes.barh(list(values)[:15], list(values.values())[:15])
    axes.set_title(title)
    return png(figure)


@node(lock="matplotlib")
def draw_map(title: str, points: Any, colours: Any) -> str:
    figure = Figure(figsize=(6, 4), dpi=72)
    axes = figure.subplots()
    axes.scatter(points.iloc[:, 0], points.iloc[:, 1], c=colours.reindex(points.index), s=8)
    axes.set_title(title)
    return png(figure)


@node(lock="matplotlib")
def draw_spread(title: str, features: of.Features) -> str:
    figure = Figure(figsize=(6, 4), dpi=72)
    axes = figure.subplots()
    axes.boxplot(features.values, tick_labels=list(features.names), showfliers=False)
    axes.set(title=title, yscale="symlog")
    return png(figure)


# -- the DAG
@node
def report(found: dict[str, Any]) -> dict[str, Any]:
    return found


@dag
def features(folder: str = FOLDER) -> dict[str, Any]:
    """Make features of the files in a folder (`setup` writes them), and models of who will leave."""
    hits = [of.parse_log(folder, f"web-{part}.log") for part in range(2)]
    by_customer = of.sessions(hits)
    tickets = of.letters(folder, "tickets.jsonl")
    texts = of.tokens(tickets)
    minutes = of.series(folder, "usage.csv")
    lain = of.baskets(folder, "baskets.jsonl")
    single, pairs = of.together(lain)
    recent = of.rolling(minutes, 7)
    records = record_features(
        [
            *(of.visits(by_customer), of.funnel(by_customer), of.navigation(by_customer), of.devices(hits)),
            *(of.sentiment(texts), of.topics(texts), of.urgency(tickets)),
            *(recent, of.rolling(minutes, 14), of.streaks(minutes)),
            of.affinity(lain, single, pairs),
        ]
    )

    customers = read.options(name="customers")(folder, "customers.parquet")
    orders = read.options(name="orders")(folder, "orders.parquet")
    lines = items(orders, read.options(name="products")(folder, "products.parquet"))
    spent, months = recency(orders), monthly(orders)
    kinds, sums = shares(lines), revenue(lines)
    tables = table_features(customers, [spent, ranks(customers, spent), kinds, returns(lines)])
    parts, groups = components(months), segments(spent)
    baseline = [forest(tables, fold) for fold in range(FOLDS)]

    joined = everything(tables, records, [parts, groups])
    full = [logistic(joined, fold) for fold in range(FOLDS)]
    leans_on = importance(joined)
    figures = [
        draw_map("segments", parts, groups),
        draw_spread("minutes", recent),
        draw_bars("importance", leans_on),
    ]
    scores = {"baseline": baseline, "full": full}
    found = {"totals": totals(records), "revenue": sums, "scores": scores, "importance": leans_on}
    return report({**found, "figures": figures})


# -- around it
process_ok = features.check().names


def setup(folder: str = FOLDER, scale: float = SCALE) -> None:
    """Write the inputs, unless they lie there."""
    runpy.run_path(str(Path(__file__).with_name("shop_data.py")))["ensure"](Path(folder), scale)


def check(results: dict[str, Any], folder: str = FOLDER) -> None:
    """Compare the report with what the files were made of."""
    made = json.loads(Path(folder, "made.json").read_text())
    its = results["report"]
    assert its["totals"] == {name: made[name] for name in its["totals"]}
    assert abs(its["revenue"]["sum"] - made["revenue"]) < 1e-6 * made["revenue"]
    if made["scale"] >= 0.5:
        assert min(its["scores"]["baseline"]) > 0.55
        assert np.mean(its["scores"]["full"]) > np.mean(its["scores"]["baseline"])
    assert len(set(its["figures"])) == 3


if __name__ == "__main__":
    setup()
    print(json.dumps(features(), indent=1))
