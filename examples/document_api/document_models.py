"""What is learnt before the first request: a codebook of page patches, a classifier, an index of layouts.

All of it is trained on pages drawn for the purpose, in a second or two, and kept for the process.
"""

from __future__ import annotations

import sqlite3
from functools import cache
from typing import Any, NamedTuple

import cv2
import numpy as np
from document_pages import SUPPLIERS, specimens, supplier_name
from sklearn.cluster import MiniBatchKMeans
from sklearn.ensemble import RandomForestClassifier
from sklearn.neighbors import NearestNeighbors

PATCH, WORDS = 8, 96


class Models(NamedTuple):
    """What the nodes ask."""

    codebook: Any
    """KMeans over patches."""
    forest: Any
    """From layout vectors to kinds of pages."""
    index: Any
    """Nearest neighbours among layouts seen before."""
    kinds: np.ndarray
    """Of the layouts in the index."""
    suppliers: bytes
    """A SQLite database: table supplier (name, account)."""


def patches(gray: np.ndarray, step: int) -> np.ndarray:
    """Return the patches of a page every `step` pixels, with their contrast evened out: n × 64."""
    small = cv2.resize(gray, (416, 512), interpolation=cv2.INTER_AREA).astype(np.float32)
    windows = np.lib.stride_tricks.sliding_window_view(small, (PATCH, PATCH))[::step, ::step]
    found = windows.reshape(-1, PATCH * PATCH)
    even: np.ndarray = (found - found.mean(axis=1, keepdims=True)) / 64
    return even


def layout_vector(gray: np.ndarray, codebook: Any, step: int) -> np.ndarray:
    """Return the size of a page, and how often each word of the codebook is in each quarter of it."""
    words = codebook.predict(patches(gray, step))
    quarter = np.arange(len(words)) * 4 // len(words)
    counts = np.bincount(quarter * WORDS + words, minlength=4 * WORDS)
    shares = np.sqrt(counts / len(words))  # roots (Hellinger's distance): rare words count, too
    return np.append(shares, np.array(gray.shape) / 300).astype(np.float32)


@cache
def train(pages: int = 24, seen: int = 20_000) -> Models:
    """Learn from so many pages; the index holds so many layouts, like them but for chance."""
    drawn = specimens(pages)
    kinds = np.array([kind for kind, _ in drawn])
    some = np.concatenate([patches(gray, 16) for _, gray in drawn])
    codebook = MiniBatchKMeans(WORDS, n_init=1, max_iter=5, random_state=0).fit(some)
    vectors = np.stack([layout_vector(gray, codebook, 6) for _, gray in drawn])
    forest = RandomForestClassifier(60, random_state=0).fit(vectors, kinds)
    chosen = np.random.default_rng(0)
    place = np.arange(seen) % len(vectors)
    like = vectors[place] * chosen.normal(1, 0.2, (seen, vectors.shape[1])).astype(np.float32)
    index = NearestNeighbors(algorithm="brute").fit(like)
    return Models(codebook, forest, index, kinds[place], _suppliers())


def _suppliers() -> bytes:
    with sqlite3.connect(":memory:") as database:
        database.execute("CREATE TABLE supplier (name TEXT PRIMARY KEY, account INTEGER)")
        rows = [(supplier_name(number), 4000 + number) for number in range(SUPPLIERS)]
        database.executemany("INSERT INTO supplier VALUES (?, ?)", rows)
        database.commit()
        content = database.serialize()
    database.close()
    return content
