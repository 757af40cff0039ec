"""The inputs of the feature pipeline: a made-up shop and what its customers did, the same for the same seed.

::

    web-0.log, web-1.log   page views as a web server notes them
    tickets.jsonl          letters to the support
    usage.csv              minutes in the app, by customer and day
    baskets.jsonl          what lay together in a basket
    orders.parquet, products.parquet, customers.parquet
    made.json              sums that the pipeline must come to

A customer who is about to leave (`churned`) uses the app less, writes angrier letters and buys less: weakly,
so that a model finds some of it.
"""

from __future__ import annotations

import json
import random
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Iterator

VERSION = 1  # of what is written
DAYS = 60
CATEGORIES = ("books", "garden", "kitchen", "music", "sport", "toys")
PLAIN = (  # noqa: SIM905
    "the parcel came with our order and my sister opened it on Monday while I was still at work because the "
    "door was open and the invoice lay beside a second box that we had not asked for in the app last week"
).split()
ANGRY = "broken late refund never terrible wrong again waiting useless cancel unacceptable".split()  # noqa: SIM905
GLAD = "thanks great perfect quickly friendly love helpful good".split()  # noqa: SIM905
AGENTS = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) Version/17.4 Mobile Safari/604.1",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/123.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 Chrome/122.0.0.0 Mobile Safari/537.36",
    "Mozilla/5.0 (X11; Linux x86_64; rv:124.0) Gecko/20100101 Firefox/124.0",
)


def ensure(folder: Path, scale: float) -> None:
    """Write all files, unless they lie there; a folder that is not there comes to be with all of them."""
    if folder.exists():
        made = folder / "made.json"
        wanted = {"scale": scale, "version": VERSION}
        if not made.is_file() or not wanted.items() <= json.loads(made.read_text()).items():
            write(folder, scale)
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, ignore_cleanup_errors=True) as beside:
        write(Path(beside, "made"), scale)
        with suppress(OSError):  # another process was faster, and wrote the same
            Path(beside, "made").rename(folder)


def write(folder: Path, scale: float, seed: int = 7) -> None:
    """Write all files; `scale` 1 is 2,400 customers."""
    drawn = random.Random(seed)
    many = max(60, int(2400 * scale))
    leaves = [drawn.random() < 0.35 for _ in range(many)]
    folder.mkdir(parents=True, exist_ok=True)
    hits = sum(_web(folder / f"web-{part}.log", int(1_750 * scale), part, leaves, drawn) for part in range(2))
    tickets = _lines(folder / "tickets.jsonl", _tickets(int(1_100 * scale) + 40, leaves, drawn))
    days = _lines(folder / "usage.csv", _usage(leaves, drawn))
    baskets = _lines(folder / "baskets.jsonl", _baskets(int(9_000 * scale), many, drawn))
    revenue = _tables(folder, int(90_000 * scale), leaves, seed)
    sums = {"hits": hits, "letters": tickets, "days": days - 1, "bought": baskets, "revenue": revenue}
    (folder / "made.json").write_text(json.dumps({"scale": scale, "version": VERSION, **sums}))


def _lines(path: Path, lines: Iterator[str]) -> int:
    found = list(lines)
    path.write_text("\n".join(found) + "\n")
    return len(found)


def _web(path: Path, visits: int, part: int, leaves: list[bool], drawn: random.Random) -> int:
    return _lines(path, _hits(visits, part, leaves, drawn))


def _hits(visits: int, part: int, leaves: list[bool], drawn: random.Random) -> Iterator[str]:
    pages = (
        "/",
        "/search?q=lamp",
        "/product/{}",
        "/product/{}?ref=mail",
        "/cart",
        "/checkout",
        "/help/returns",
    )
    for _ in range(visits):
        customer = drawn.randrange(len(leaves))
        second = drawn.randrange(86_400)
        day = 1 + part * 14 + drawn.randrange(14)
        agent = AGENTS[customer % len(AGENTS)]
        for _ in range(drawn.randint(1, 4 if leaves[customer] else 8)):
            page = drawn.choice(pages).format(drawn.randrange(400))
            stamp = f"{day:02}/Mar/2025:{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02} +0000"
            status = 404 if drawn.random() < 0.03 else 200
            yield (
                f'203.0.113.{customer % 250} - c{customer:05} [{stamp}] "GET {page} HTTP/1.1" {status} '
                f'{drawn.randrange(300, 90_000)} "https://shop.example/" "{agent}"'
            )
            second = min(86_399, second + drawn.randrange(2, 400))


def _tickets(many: int, leaves: list[bool], drawn: random.Random) -> Iterator[str]:
    for _ in range(many):
        customer = drawn.randrange(len(leaves))
        mood = ANGRY if drawn.random() < (0.6 if leaves[customer] else 0.35) else GLAD
        words = drawn.choices(PLAIN, k=drawn.randint(30, 90))
        for _ in range(drawn.randint(1, 5)):
            words.insert(drawn.randrange(len(words)), drawn.choice(mood))
        for k in range(7, len(words), 9):
            words[k] += drawn.choice((".", ".", ",", "!", "?"))
        words.insert(drawn.randrange(len(words)), f"{drawn.randrange(5, 400)}.{drawn.randrange(100):02} EUR")
        at = f"2025-03-{drawn.randint(1, 28):02}T{drawn.randrange(24):02}:{drawn.randrange(60):02}:00"
        yield json.dumps({"customer": customer, "opened": at, "text": " ".join(words)})


def _usage(leaves: list[bool], drawn: random.Random) -> Iterator[str]:
    yield "customer,day,minutes"
    for customer in range(0, len(leaves), 3):  # the others have no app
        level = drawn.uniform(4, 40)
        for day in range(DAYS):
            level *= 0.985 if leaves[customer] else 1.0
            minutes = max(0.0, drawn.gauss(level * (1.4 if day % 7 > 4 else 1.0), 6))
            yield f"{customer},{day},{minutes:.2f}"


def _baskets(many: int, customers: int, drawn: random.Random) -> Iterator[str]:
    for _ in range(many):
        first = drawn.randrange(80)
        items = sorted({first, *((first + drawn.randrange(12)) % 80 for _ in range(drawn.randint(1, 7)))})
        yield json.dumps({"customer": drawn.randrange(customers), "items": [f"p{its:03}" for its in items]})


def _tables(folder: Path, many: int, leaves: list[bool], seed: int) -> float:
    drawn = np.random.default_rng(seed)
    n = len(leaves)
    ages: Any = drawn.integers(18, 80, n)
    customers = {"customer": np.arange(n), "age": ages, "region": drawn.integers(0, 8, n), "churned": leaves}
    pd.DataFrame(customers).to_parquet(folder / "customers.parquet")
    kinds = drawn.choice(CATEGORIES, 400)
    pd.DataFrame({"product": np.arange(400), "category": kinds}).to_parquet(folder / "products.parquet")
    weight = np.where(leaves, 0.7, 1.0) * drawn.gamma(2.0, 1.0, n)
    orders = pd.DataFrame(
        {
            "customer": drawn.choice(n, many, p=weight / weight.sum()),
            "day": drawn.integers(0, 365, many),
            "product": drawn.integers(0, 400, many),
            "quantity": drawn.integers(1, 5, many),
            "price": drawn.gamma(3.0, 8.0, many).round(2),
            "returned": drawn.random(many) < 0.08,
        }
    )
    orders.to_parquet(folder / "orders.parquet")
    return float((orders.quantity * orders.price).sum())
