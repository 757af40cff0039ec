"""JSON Schemas of the three kinds of files, made from the types that read them.

``python -m makespan.schemas`` writes them to the folder ``schemas`` of the package; a test keeps the shipped
ones equal to what the types say. They tell the shape only: that ranks are a permutation, that names are known
and that the sha256 is right is checked by the readers.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec

from makespan.files import write_atomic
from makespan.plan import Plan
from makespan.profile import Profile
from makespan.record import RunRecord

FOLDER = Path(__file__).with_name("schemas")
SHA256 = {"type": "string", "pattern": "^[0-9a-f]{64}$", "description": "Of the canonical body."}


def schemas() -> dict[str, dict[str, Any]]:
    """Return the schema of each kind of file: ``plan``, ``profile``, ``run``."""
    plan = _schema(Plan, "plan.json")
    main = plan["$defs"]["Plan"]
    main["properties"]["sha256"] = SHA256
    main["required"] = [*main["required"], "sha256"]
    profile = _schema(Profile, "profile.json")
    del profile["$defs"]["Profile"]["properties"]["dropped"]  # lives in memory only
    return {"plan": plan, "profile": profile, "run": _schema(RunRecord, "run.json")}


def _schema(type_: type[Any], title: str) -> dict[str, Any]:
    made = msgspec.json.schema(type_)
    for definition in made["$defs"].values():
        # The docstring's first paragraph says what it is; the rest is for readers of the code.
        definition["description"] = " ".join(definition.get("description", "").partition("\n\n")[0].split())
    main = made["$defs"][type_.__name__]
    # Written always, although a reader knows them: without the format a file is of no kind.
    main["required"] = ["format", *main["required"]]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": title, **made}


def text(schema: dict[str, Any]) -> bytes:
    """Return a schema as the file holds it."""
    return (json.dumps(schema, indent=1, ensure_ascii=False) + "\n").encode()


def write_schemas(folder: Path = FOLDER) -> list[Path]:
    """Write the schemas to a folder and return the files.

    Raises
    ------
    OptionError
        The folder cannot be written.
    """
    folder.mkdir(exist_ok=True)
    written = []
    for kind, schema in schemas().items():
        path = folder / f"{kind}.schema.json"
        write_atomic(path, text(schema))
        written.append(path)
    return written


if __name__ == "__main__":
    for file in write_schemas():
        print(file)
