"""Every code block of the README runs: Python blocks in order in one folder, commands by the script.

The two install commands (between comment markers) are run on a clean checkout by `.ci/run`.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

README = Path(__file__).parents[1] / "README.md"


def blocks():
    """Return (language, code) of each fenced block that is not an install command or a drawing."""
    text = README.read_text(encoding="utf-8")
    text = re.sub(r"<!-- \w+ command -->.*?<!-- end -->", "", text, flags=re.DOTALL)
    found = re.findall(r"```(\w*)\n(.*?)```", text, re.DOTALL)
    return [(language, code) for language, code in found if language]


def test_every_block_runs(tmp_path):
    found = blocks()
    assert {language for language, _ in found} == {"python", "bash"}
    env = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    # Python blocks are one session, as a reader's; commands run in between. A block that names a file is it.
    session = ["import subprocess"]
    for language, code in found:
        if language == "bash":
            session.append(f"subprocess.run(['bash', '-euo', 'pipefail', '-c', {code!r}], check=True)")
        elif named := re.match(r"# (\w+\.py)\n", code):
            (tmp_path / named[1]).write_text(code, encoding="utf-8")
        else:
            session.append(code)
    command = [sys.executable, "-c", "\n".join(session)]
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    for name in ("profile.json", "plan.json", "run.json", "report.html"):
        assert (tmp_path / name).stat().st_size


def test_the_files_and_folders_that_it_names_exist():
    root = README.parent
    text = README.read_text(encoding="utf-8")
    for path in re.findall(r"\]\(([\w/.]+)\)", text) + re.findall(r"python (benchmarks/\w+\.py)", text):
        assert (root / path).exists(), path
    drawing = next(code for code in re.findall(r"```\n(.*?)```", text, re.DOTALL))
    folder = None
    for line in drawing.splitlines():
        if line.startswith(("runtime/", "optimizer/")):
            folder = root / line.split()[0]
        elif line.startswith("  "):
            for module in line.split("  ")[1].split(", "):
                assert any(folder.glob(f"{module.strip()}*")), module
