# SPDX-License-Identifier: Apache-2.0
"""The tutorial's commands, run from top to bottom in one shell, print what the page says."""

from __future__ import annotations

import os
import re
import shlex
import sys
from pathlib import Path

import pytest

from devtools.airflow_stack.processes import run_to_end

PAGE = Path(__file__).parents[2] / "docs" / "tutorial.md"
BLOCK = re.compile(
    r"(?:<!-- (?P<note>[^>]+) -->\n)?^```(?P<kind>console|python)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE
)
FOREIGN = re.compile(r"AIRFLOW|PYTHONPATH$|VIRTUAL_ENV$")


def commands_and_output(page: str) -> tuple[list[str], list[str]]:
    """Return the lines of a script that does what the page says, and those that the page shows of its output."""
    script, shown = [], []
    for block in BLOCK.finditer(page):
        note = block["note"] or ""
        if note.startswith("file: "):
            path = note.removeprefix("file: ")
            script += [
                f'mkdir -p "$(dirname "{path}")"',
                f"cat > \"{path}\" <<'END OF FILE'",
                block["text"] + "END OF FILE",
            ]
        elif block["kind"] == "console" and note != "not run by the test":
            for line in block["text"].splitlines():
                if line.startswith("$ "):
                    script += [f"echo {shlex.quote(line)}", line.removeprefix("$ ")]
                elif line != "...":
                    shown.append(line)
    return script, shown


@pytest.mark.integration
def test_the_tutorial_does_what_it_says(tmp_path: Path) -> None:
    script, shown = commands_and_output(PAGE.read_text())
    assert len(script) > 20
    assert len(shown) >= 5
    environment = {name: value for name, value in os.environ.items() if not FOREIGN.match(name)}
    environment |= {
        "HOME": str(tmp_path),
        "TMPDIR": str(tmp_path),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
    }
    # Whatever fails in between, the emulator ends with the shell.
    lines = ["set -eu -o pipefail", "trap 'kill %1 2>/dev/null || true' EXIT", *script]
    done = run_to_end(["bash", "-c", "\n".join(lines)], env=environment, cwd=PAGE.parents[1], timeout=900)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-3000:]
    printed = done.stdout.splitlines()
    for line in shown:
        pattern = re.compile(".*".join(map(re.escape, line.split("..."))))
        at = next((number for number, one in enumerate(printed) if pattern.fullmatch(one)), None)
        assert at is not None, f"{line}\n{done.stdout[-6000:]}"
        # The lines come in the page's order.
        printed = printed[at + 1 :]
