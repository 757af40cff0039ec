"""Run the notebooks from top to bottom, and keep what they print small.

::

    python notebooks/make.py                    all of them, in place
    python notebooks/make.py quickstart …       these

Each one runs in a folder of its own, beside `examples/`, so that nothing is left behind here. Figures become
pictures of a few colours, and what changes from run to run without a meaning (times of execution, names of
temporary files) is taken out.
"""

from __future__ import annotations

import argparse
import base64
import io
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

HERE = Path(__file__).resolve().parent
MOST_BYTES = 200_000
COLOURS = 48
LIMIT_S = 600

_PLACES = re.compile(r"(/\S*)?/(ipykernel_\d+|[\w.-]+/notebooks)/\S*?(?=[:\s]|$)")


def executed(path: Path, folder: Path) -> Any:
    """Run a notebook in a folder, and return it with what it printed.

    Parameters
    ----------
    path : Path
    folder : Path
        Empty; the notebook runs in ``folder/notebooks``, and finds ``folder/examples``.

    Raises
    ------
    nbclient.exceptions.CellExecutionError
        A cell failed; with the cell and its traceback.
    """
    notebook = nbformat.read(path, as_version=4)
    inner = folder / "notebooks"
    inner.mkdir()
    (folder / "examples").symlink_to(HERE.parent / "examples", target_is_directory=True)
    NotebookClient(notebook, timeout=LIMIT_S, resources={"metadata": {"path": inner}}).execute()
    return notebook


def small(notebook: Any) -> Any:
    """Return the notebook with small outputs."""
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number}"
        cell.metadata = {}
        if cell.cell_type == "code":
            cell.outputs = _joined(cell.outputs)
    return notebook


def _joined(outputs: Any) -> list[Any]:
    """Join what was printed piece by piece, and make pictures small."""
    made: list[Any] = []
    for its in outputs:
        if its.output_type == "stream":
            its.text = _PLACES.sub("cell", its.text)
            if made and made[-1].output_type == "stream" and made[-1].name == its.name:
                made[-1].text += its.text
                continue
        elif "data" in its and "image/png" in its.data:
            its.data["image/png"] = _few_colours(its.data["image/png"])
            its.metadata = {}
        made.append(its)
    return made


def _few_colours(png: str) -> str:
    from PIL import Image

    picture = Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB")
    out = io.BytesIO()
    picture.quantize(COLOURS, dither=Image.Dither.NONE).save(out, "png", optimize=True)
    return base64.b64encode(out.getvalue()).decode("ascii")


def main(argv: list[str] | None = None) -> int:
    """Run the named notebooks, and write them."""
    parser = argparse.ArgumentParser(description="Run the notebooks, and keep their outputs small.")
    parser.add_argument("names", nargs="*", help="notebooks without .ipynb; all by default")
    names = parser.parse_args(argv).names or sorted(path.stem for path in HERE.glob("*.ipynb"))
    missing = [name for name in names if not (HERE / f"{name}.ipynb").is_file()]
    if missing:
        parser.error(f"there is no {missing[0]}.ipynb")
    too_large = 0
    for name in names:
        path = HERE / f"{name}.ipynb"
        with tempfile.TemporaryDirectory() as folder:
            text = nbformat.writes(small(executed(path, Path(folder))), version=4)
        path.write_text(text + "\n", encoding="utf-8")
        size = path.stat().st_size
        too_large += size > MOST_BYTES
        print(f"{name}: {size / 1000:,.0f} kB{', too large' if size > MOST_BYTES else ''}", file=sys.stderr)
    return 1 if too_large else 0


if __name__ == "__main__":
    raise SystemExit(main())
