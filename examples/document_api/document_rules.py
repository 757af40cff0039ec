"""What is done with the text of all pages: fields, sums, check digits, the supplier's account."""

# ruff: noqa: D103 - the names say it
from __future__ import annotations

import re
import sqlite3
from typing import TYPE_CHECKING, Any

from makespan import node

if TYPE_CHECKING:
    from document_models import Models

_FIELDS = {
    "number": r"^INVOICE (F-\d{4}-\d{4})$",
    "vat_number": r"^VAT NUMBER (FR\d{11})$",
    "iban": r"^IBAN ([A-Z]{2}\d\d[ \d]+)$",
    "date": r"^DATE (\d\d/\d\d/\d{4})$",
    "due": r"^DUE (\d\d/\d\d/\d{4})$",
    "subtotal": r"^SUBTOTAL ([\d,]+\.\d\d)$",
    "vat": r"^VAT 20% ([\d,]+\.\d\d)$",
    "total": r"^TOTAL ([\d,]+\.\d\d)$",
    "paid": r"^PAID ([\d,]+\.\d\d)$",
}
_ITEM = re.compile(r"^(\S.*?) +(\d+) +([\d,]+\.\d\d) +([\d,]+\.\d\d)$")
_DELIVERED = re.compile(r"^(\S.*? M\d+) +(\d+)$")


@node
def fields(texts: list[list[str]]) -> dict[str, Any]:
    lines = [line.strip() for page in texts for line in page]
    found: dict[str, Any] = {"supplier": texts[0][1] if len(texts[0]) > 1 else ""}
    for name, pattern in _FIELDS.items():
        hits = [its[1] for line in lines if (its := re.match(pattern, line))]
        found[name] = hits[0] if hits else None
    found["items"] = [list(its.groups()) for line in lines if (its := _ITEM.match(line))]
    found["delivered"] = {its[1]: int(its[2]) for line in lines if (its := _DELIVERED.match(line))}
    return found


def _cents(text: str | None) -> int:
    return int(re.sub(r"\D", "", text or "") or 0)


@node
def check_totals(found: dict[str, Any]) -> dict[str, bool]:
    lines = [(int(quantity), _cents(each), _cents(its)) for _, quantity, each, its in found["items"]]
    subtotal, vat, total = (_cents(found[name]) for name in ("subtotal", "vat", "total"))
    return {
        "lines": bool(lines) and all(quantity * each == its for quantity, each, its in lines),
        "subtotal": sum(its for _, _, its in lines) == subtotal,
        "vat": round(subtotal * 0.2) == vat,
        "total": subtotal + vat == total,
        "paid": _cents(found["paid"]) == total,
        "delivered": found["delivered"] == {name: int(quantity) for name, quantity, _, _ in found["items"]},
    }


@node
def check_bank(found: dict[str, Any]) -> bool:
    """Say whether the check digits of the IBAN are right (ISO 13616: 1 modulo 97)."""
    iban = (found["iban"] or "").replace(" ", "")
    turned = iban[4:] + iban[:4]
    return bool(iban) and int("".join(str(int(c, 36)) for c in turned)) % 97 == 1


@node
def find_supplier(found: dict[str, Any], known: Models) -> dict[str, Any]:
    """Return the supplier whose name takes the fewest edits to become what was read."""
    database = sqlite3.connect(":memory:")
    try:
        database.deserialize(known.suppliers)
        rows = database.execute("SELECT name, account FROM supplier ORDER BY name").fetchall()
    finally:
        database.close()
    name, account = min(rows, key=lambda row: _edits(row[0], found["supplier"]))
    return {"name": name, "account": account}


def _edits(one: str, other: str) -> int:
    before = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        now = [i]
        for j, b in enumerate(other, 1):
            now.append(min(before[j] + 1, now[-1] + 1, before[j - 1] + (a != b)))
        before = now
    return before[-1]
