"""What is learnt before the first request: a codebook of page patches, a classifier, an index of layouts.

All of it is trained on pages drawn for the purpose, in a second or two, and kept for the process.
"""

from __future__ import annotations

import sqlite3
from functools import cache
from typing import Any, NamedTuple

import cv2
import document_pages as pages
import numpy as np
from sklearn.cluster import MiniBatchKMeans
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import NearestNeighbors

PATCH, WORDS = 8, 96


class Glyphs(NamedTuple):
    """A network of one hidden layer that tells single glyphs apart; only its last layer is learnt."""

    hidden: np.ndarray
    """Pixels × units."""
    last: np.ndarray
    """Units × characters."""

    def classify(self, gray: np.ndarray, places: np.ndarray) -> np.ndarray:
        """Return the character at each place (middle row, left column), by its sums a few pixels around."""
        half = pages.CELL // 2
        framed = np.pad(gray, 2 * pages.CELL, constant_values=255)
        windows = np.lib.stride_tricks.sliding_window_view(framed, (pages.CELL, pages.PITCH))
        around = [(down, right) for down in range(-1, 4) for right in (-1, 0, 1)]
        rows, columns = (places[None] + np.array(around)[:, None]).reshape(-1, 2).T + 2 * pages.CELL
        sure = self.activate(windows[rows - half, columns]) @ self.last
        best: np.ndarray = sure.reshape(len(around), len(places), -1).sum(axis=0).argmax(axis=1)
        return best

    def activate(self, glyphs: np.ndarray) -> np.ndarray:
        """Return what the hidden units say: glyphs × units."""
        ink = (255 - glyphs.reshape(len(glyphs), -1)).astype(np.float32)
        ink /= np.linalg.norm(ink, axis=1, keepdims=True) + 1
        activity: np.ndarray = np.maximum(ink @ self.hidden, 0)
        return activity


class Models(NamedTuple):
    """What the nodes ask."""

    glyphs: Glyphs

    codebook: Any
    """KMeans over patches."""
    judge: Any
    """From layout vectors to kinds of pages."""
    index: Any
    """Nearest neighbours among layouts seen before."""
    kinds: np.ndarray
    """Of the layouts in the index."""
    suppliers: bytes
    """A SQLite database: table supplier (name, account)."""


def patches(gray: np.ndarray, step: int) -> np.ndarray:
    """Return the patches of a page every `step` pixels, with their contrast evened out: n × 64."""
    small = cv2.resize(gray, (512, 640), interpolation=cv2.INTER_AREA).astype(np.float32)
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
def train(count: int = 24, seen: int = 20_000) -> Models:
    """Learn from so many pages; the index holds so many layouts, like them but for chance."""
    drawn = pages.specimens(count)
    kinds = np.array([kind for kind, _ in drawn])
    some = np.concatenate([patches(gray, 16) for _, gray in drawn])
    codebook = MiniBatchKMeans(WORDS, n_init=1, max_iter=5, random_state=0).fit(some)
    vectors = np.stack([layout_vector(gray, codebook, 6) for _, gray in drawn])
    judge = LogisticRegression(C=100, max_iter=500).fit(vectors, kinds)
    chosen = np.random.default_rng(0)
    place = np.arange(seen) % len(vectors)
    like = vectors[place] * chosen.normal(1, 0.2, (seen, vectors.shape[1])).astype(np.float32)
    index = NearestNeighbors(algorithm="brute").fit(like)
    return Models(_glyphs(), codebook, judge, index, kinds[place], _suppliers())


def _glyphs(units: int = 1024, times: int = 16) -> Glyphs:
    """Learn each character from noisy copies (ridge regression); those too far off their place are none."""
    chosen = np.random.default_rng(0)
    drawn = np.stack([pages.glyph(character) for character in pages.CHARACTERS])
    framed = np.pad(drawn, ((0, 0), (6, 6), (6, 6)), constant_values=255)
    copies, wanted = [], []
    for number in range(2 * times):
        near = number % 2 == 0
        down, right = chosen.integers(-1, 2, 2) if near else chosen.choice([-5, -4, -3, -2, 2, 3, 4, 5], 2)
        copies.append(framed[:, 6 + down : 6 + down + pages.CELL, 6 + right : 6 + right + pages.PITCH])
        wanted.append(np.eye(len(drawn), dtype=np.float32) * near)
    noisy = np.concatenate(copies) + chosen.normal(0, 12, (2 * times * len(drawn), 1, 1))
    hidden = chosen.normal(0, 1, (pages.CELL * pages.PITCH, units)).astype(np.float32)
    out = Glyphs(hidden, hidden).activate(np.clip(noisy, 0, 255))
    square = out.T @ out + 0.1 * np.eye(units, dtype=np.float32)
    return Glyphs(hidden, np.linalg.solve(square, out.T @ np.concatenate(wanted)))


def _suppliers() -> bytes:
    with sqlite3.connect(":memory:") as database:
        database.execute("CREATE TABLE supplier (name TEXT PRIMARY KEY, account INTEGER)")
        rows = [(pages.supplier_name(number), 4000 + number) for number in range(pages.SUPPLIERS)]
        database.executemany("INSERT INTO supplier VALUES (?, ?)", rows)
        database.commit()
        content = database.serialize()
    database.close()
    return content
