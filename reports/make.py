"""The gallery: pages, pictures and tables that are worth a look without installing anything.

::

    python reports/make.py                              all pages and pictures, and the index
    python reports/make.py --only demo,problems         these; the others stay as they are
    python reports/make.py --benchmarks DIR             tables from DIR/runtime.json … as --json printed them
    python reports/make.py --measure runtime,describe --benchmarks DIR      measures them first

Files are small, or not kept: a page that grows over the limit ends it with exit code 1. What is written of
each part stands in ``part.md`` of its folder, so that parts can be made one by one.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:  # as a script
    sys.path.insert(0, str(ROOT))

from reports import measured, pages  # noqa: E402 (after the path)

HEAD = """# Reports

Results that are worth a look without installing anything; made by `python reports/make.py`. Pages (`.html`)
are whole in themselves: save one, and open it in a browser.
"""
MOST_BYTES = 250_000
PART = "part.md"


def main(argv: list[str] | None = None) -> int:
    """Make what is asked for, and the index of what there is."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", help=f"of {', '.join(pages.ITEMS)}, or none; comma-separated")
    parser.add_argument("--benchmarks", type=Path, metavar="DIR", help="what benchmarks printed with --json")
    parser.add_argument("--measure", help=f"of {', '.join(measured.BENCHMARKS)}; comma-separated")
    parser.add_argument("-o", "--output", type=Path, default=Path(__file__).parent, metavar="FOLDER")
    options = parser.parse_args(argv)
    only = _names(parser, "--only", options.only, pages.ITEMS, default=[*pages.ITEMS])
    asked = _names(parser, "--measure", options.measure, measured.BENCHMARKS, default=[])
    if asked and options.benchmarks is None:
        parser.error("--measure needs --benchmarks DIR, where it puts what it measured")
    out: Path = options.output
    for name in only:
        _say(f"{name} …")
        item = pages.ITEMS[name](out / name)
        _text(out / name / PART, f"## {item.title}\n\n{item.words}\n")
    for name in asked:
        _say(f"benchmark {name} …")
        measured.measure(name, options.benchmarks)
    if options.benchmarks is not None:
        for name in measured.BENCHMARKS:
            if (options.benchmarks / f"{name}.json").is_file():
                _text(out / "benchmarks" / f"{name}.md", measured.page(options.benchmarks / f"{name}.json"))
    _text(out / "README.md", index(out))
    return _large(out)


def index(out: Path) -> str:
    """Return the index of the parts and tables that are there."""
    parts = [HEAD]
    for name in pages.ITEMS:
        part = out / name / PART
        if part.is_file():
            parts.append(part.read_text(encoding="utf-8"))
    tables = [out / "benchmarks" / f"{name}.md" for name in measured.BENCHMARKS]
    lines = [
        f"- [{path.read_text(encoding='utf-8').splitlines()[0].removeprefix('# ').rstrip('.')}]"
        f"(benchmarks/{path.name})"
        for path in tables
        if path.is_file()
    ]
    if lines:
        parts.append("## Benchmarks\n\nTables with machine and date:\n\n" + "\n".join(lines) + "\n")
    return "\n".join(parts)


def _names(
    parser: argparse.ArgumentParser, option: str, said: str | None, known: object, default: list[str]
) -> list[str]:
    if said is None:
        return default
    names = [] if said == "none" else said.split(",")
    unknown = [name for name in names if name not in known]  # type: ignore[operator]
    if unknown:
        parser.error(f"{option}: unknown: {', '.join(unknown)}")
    return names


def _large(out: Path) -> int:
    """Name the files that are too large to keep."""
    large = [path for path in sorted(out.rglob("*")) if path.is_file() and path.stat().st_size > MOST_BYTES]
    for path in large:
        _say(f"too large: {path} has {path.stat().st_size / 1000:,.0f} kB")
    return 1 if large else 0


def _text(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
