"""The page looks as it did when a person last looked at it: coarsely, part by part."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from tests.chromium import Page, opened
from tests.screenshots import GOLDEN, PARTS, VIEWS, differences, shoot, show

pytestmark = pytest.mark.browser

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KNOWN = json.loads((GOLDEN / "parts.json").read_text())


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with opened(tmp_path_factory.mktemp("browser")) as page:
        yield page


def changes(page: Page, name: str) -> list[str]:
    with Image.open(GOLDEN / f"{name}.png") as golden:
        return differences(golden.convert("RGB"), KNOWN[name], shoot(page, VIEWS[name]), page.eval(PARTS))


@pytest.mark.parametrize("name", VIEWS)
def test_it_looks_as_it_did(page: Page, tmp_path: Path, name: str) -> None:
    page.complaints.clear()
    show(page, VIEWS[name], tmp_path)
    assert page.complaints == []
    found = changes(page, name)
    assert not found, f"meant so? look, and take it anew: python -m tests.screenshots\n{found}"
    # Nothing on paper is cut off at its side.
    if name == "20_bars_printed":
        assert page.eval("[...document.querySelectorAll('table')].every((t) => t.offsetWidth <= innerWidth)")


def test_what_disappears_or_moves_is_seen_and_another_font_is_not(page: Page, tmp_path: Path) -> None:
    show(page, VIEWS["20_bars"], tmp_path)
    each = "document.querySelectorAll(%s).forEach((part) => { part.style.%s = %s; })"
    page.eval(each % ("'body, svg text'", "fontFamily", "'DejaVu Serif, serif'"))
    assert changes(page, "20_bars") == []
    page.eval(each % ("'body, svg text'", "fontFamily", "''"))
    for part, of in {
        ".layer.thin": "plot",
        ".layer.bands": "plot",
        ".figures": "figures",
        ".whatif": "Would more threads help?",
        "#nodes table": "Nodes",
    }.items():
        page.eval(each % (f"'{part}'", "visibility", "'hidden'"))
        found = changes(page, "20_bars")
        assert [words.split(" looks ")[0] for words in found] == [of], (part, found)
        page.eval(each % (f"'{part}'", "visibility", "''"))
    page.eval(each % ("'.figures'", "display", "'none'"))
    assert "parts are" in changes(page, "20_bars")[0]
    page.eval(each % ("'.figures'", "display", "''"))
    page.eval("document.querySelector('main').append(document.querySelector('.keys'))")
    assert "parts are" in changes(page, "20_bars")[0]
