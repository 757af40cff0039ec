"""A pipeline written for Tawazi: letters come in, are unpacked, read and judged. Standard library only.

::

    load (set-up) ─────────────────────────────────────────────┐
    fetch ×4 ── unpack ×4 ─┬─ words ×4 ── score ×4 (load) ──────┼─ decide ── answer
                           ├─ preview ×4 (sequential) ──────────┤
                           └─ pages of all ── archive ──────────┘
    rates ── convert ───────────────────────────────────────────┘

It is as its author left it: four threads, drawing marked `is_sequential`, no priorities. `fetch` and `rates`
wait for a network that is not there (they sleep), `unpack` and `archive` are native code without the GIL, and
the words are counted in Python. `archive` is the slowest node, and stands among the last. `WORK`, a variable,
makes the letters shorter: quicker and noisier.

    makespan profile  tawazi_letters.py:letters --args '["2024"]' -o profile.json
    makespan optimize profile.json --threads 4 -o plan.json
    makespan export   plan.json --to tawazi -o tawazi.json
"""

# mypy: allow-untyped-decorators
# ruff: noqa: D103 - the names say it
from __future__ import annotations

import bz2
import hashlib
import lzma
import os
import random
import time
import zlib
from collections import Counter
from typing import Any

from tawazi import dag, xn

WORDS = "invoice total net gross tax date number paid open bank transfer street city page".split()  # noqa: SIM905
WORK = float(os.environ.get("WORK", "1"))


@xn(setup=True)
def load() -> dict[str, float]:
    """Load what every run needs: set-up nodes run once for a DAG."""
    time.sleep(0.05)
    drawn = random.Random(7)
    return {word: drawn.random() for word in WORDS}


@xn
def fetch(year: str, number: int) -> bytes:
    time.sleep(0.04 + 0.05 * number)
    drawn = random.Random(f"{year}/{number}")
    text = " ".join(drawn.choices(WORDS, k=int(WORK * (60_000 + 20_000 * number))))
    return lzma.compress(text.encode(), preset=0)


@xn
def unpack(packed: bytes) -> bytes:
    return lzma.decompress(packed)


@xn
def words(page: bytes) -> Counter[str]:
    counts: Counter[str] = Counter()
    for word in page.decode().split():
        counts[word.upper()[::-1]] += 1
    return counts


@xn
def score(counts: Counter[str], model: dict[str, float]) -> float:
    return sum(model[word[::-1].lower()] * many for word, many in counts.items()) / counts.total()


@xn(is_sequential=True)
def preview(page: bytes) -> str:
    """Draw with a library that must not be entered twice: here it only compresses."""
    return hashlib.sha256(zlib.compress(page[:400_000], 6)).hexdigest()


@xn
def pages(first: bytes, second: bytes, third: bytes, fourth: bytes) -> bytes:
    return first + second + third + fourth


@xn
def archive(everything: bytes) -> int:
    return len(bz2.compress(everything, 9))


@xn
def rates() -> dict[str, float]:
    time.sleep(0.15)
    return {"EUR": 1.0, "USD": 1.1}


@xn
def convert(table: dict[str, float], currency: str) -> float:
    return table[currency]


@xn
def decide(*scores: float, rate: float) -> bool:
    return sum(scores) * rate > len(scores) / 2


@xn
def answer(paid: bool, size: int, *previews: str) -> dict[str, Any]:
    return {"paid": paid, "bytes": size, "previews": [preview[:8] for preview in previews]}


@dag(max_concurrency=4)
def letters(year: str, currency: str = "EUR") -> Any:
    model = load()
    found = [unpack(fetch(year, number)) for number in range(4)]
    scores = [score(words(page), model) for page in found]
    previews = [preview(page) for page in found]
    paid = decide(*scores, rate=convert(rates(), currency))
    size = archive(pages(*found))
    return answer(paid, size, *previews)
